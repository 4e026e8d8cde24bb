// Compaction, clustering, vacuum, restore and the audit of one table.
#include <arrow/compute/api_vector.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <set>

#include "icecore/lake/clusters.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/compaction.h"
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/ordered_scan.h"
#include "icecore/lake/restore.h"
#include "icecore/lake/row_sorter.h"
#include "icecore/lake/table_audit.h"
#include "icecore/lake/vacuum.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

constexpr int64_t kDayUs = int64_t{24} * 3600 * 1'000'000;

class MaintenanceTest : public LakeFixture {
 protected:
  // A table of `commits` files of `rows` rows each.
  std::unique_ptr<Table> MakeTable(int commits, int64_t rows) {
    auto table = OpenTable(*store_);
    EXPECT_TRUE(Create(*table, Schema()).ok());
    for (int i = 0; i < commits; ++i) {
      EXPECT_TRUE(Append(*table, rows).ok());
    }
    return table;
  }
  arrow::Result<CompactionReport> CompactNow(Table& table, std::vector<std::string> columns) {
    CompactionOptions options;
    options.cluster_columns = std::move(columns);
    options.scratch_dir = root_;
    return Compact(table, clock_, random_, options, ReadAccess(), std::stop_token());
  }
  std::vector<int64_t> SeqsInOrder(const Snapshot& snapshot, const ScanOptions& options) {
    const auto reader =
        Must(ScanInOrder(*store_, snapshot, options, ReadAccess(), OrderOptions(), random_));
    const auto table = Must(reader->ToTable());
    std::vector<int64_t> seqs;
    const auto column = table->GetColumnByName(std::string(kSeq));
    for (const auto& chunk : column->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        seqs.push_back(static_cast<const arrow::Int64Array&>(*chunk).Value(i));
      }
    }
    return seqs;
  }
  TableAudit Audit(Table& table, bool deep) {
    AuditOptions options;
    options.deep = deep;
    options.machine_now_us = base::MakeSystemClock()->NowMicros() + 2 * kDayUs;
    const auto fresh = Must(Table::Open(table.store(), table.path(), clock_, random_));
    return Must(AuditTable(*fresh, options));
  }
  static std::set<std::string> Codes(const TableAudit& audit) {
    std::set<std::string> codes;
    for (const Finding& finding : audit.findings) {
      codes.insert(finding.code);
    }
    return codes;
  }
  std::set<std::string> DataFiles() {
    std::set<std::string> names;
    for (const std::string& path : Must(store_->List("t/", ""))) {
      if (path.ends_with(".parquet") && path.find("_delta_log") == std::string::npos) {
        names.insert(path);
      }
    }
    return names;
  }
  VacuumReport VacuumNow(Table& table, int64_t retention_us, bool force, bool dry_run) {
    VacuumOptions options;
    options.retention_us = retention_us;
    options.force = force;
    options.dry_run = dry_run;
    options.machine_now_us = base::MakeSystemClock()->NowMicros() + kDayUs;
    return Must(Vacuum(table, clock_, options));
  }
};

TEST_F(MaintenanceTest, SmallFilesBecomeOne) {
  const auto table = MakeTable(12, 10);
  const auto before = Must(table->Load());
  const CompactionReport report = Must(CompactNow(*table, {}));
  EXPECT_EQ(report.files_removed, 12);
  EXPECT_EQ(report.files_added, 1);
  EXPECT_EQ(report.rows, 120);
  const auto after = Must(table->Load());
  EXPECT_EQ(after->files.size(), 1);
  EXPECT_EQ(Seqs(*after), UpTo(120));
  EXPECT_EQ(Seqs(*before), UpTo(120)) << "the old version stays readable";
  EXPECT_EQ(after->last_seq(), 120);
  EXPECT_FALSE(Must(RowsChangedBetween(*store_, "t", before->version, after->version)));
  EXPECT_EQ(Must(CompactNow(*table, {})).commits, 0) << "nothing is left to do";
  EXPECT_TRUE(Codes(Audit(*table, true)).empty());
}

TEST_F(MaintenanceTest, ALargeFileIsNotMovedForAFew) {
  const auto table = MakeTable(1, 20000);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Append(*table, 5).status());
  }
  const std::string large = Must(table->Load())->files.front().path;
  EXPECT_EQ(Must(CompactNow(*table, {})).files_removed, 3);
  EXPECT_EQ(Must(table->Load())->files.front().path, large);
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(20015));
}

TEST_F(MaintenanceTest, AppendsMeanwhileAreNoConflict) {
  const auto table = MakeTable(3, 10);
  const auto read = Must(table->Load());
  ASSERT_OK(CompactNow(*table, {}).status());
  EXPECT_EQ(Must(AppendTo(*table, *read, 10)), read->version + 2) << "behind the compaction";
  const auto newest = Must(table->Load());
  EXPECT_EQ(SeqsInOrder(*newest, ScanOptions()), UpTo(40));
  // Rows appended before a compaction commits come behind it in the files, not in _seq.
  ASSERT_OK(CompactNow(*table, {}).status());
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(40));
}

// Does something else at the first look.
class RivalsClock final : public base::Clock {
 public:
  explicit RivalsClock(std::function<void()> rival) : rival_(std::move(rival)) {}
  int64_t NowMicros() const override {
    if (rival_) std::exchange(rival_, nullptr)();
    return kDayUs;
  }

 private:
  mutable std::function<void()> rival_;
};

// What others have packed meanwhile parts what was before it from what was behind it.
TEST_F(MaintenanceTest, NothingIsPackedAcrossWhatOthersPacked) {
  const auto table = MakeTable(4, 10);
  const auto rival = OpenTable(*store_);
  bool ran = false;
  const RivalsClock clock([&] {
    const auto read = Must(rival->Load());
    Snapshot middle = *read;
    middle.files = {read->files[1], read->files[2]};
    const auto rows = Must(Scan(*store_, middle, ScanOptions(), ReadAccess()));
    const auto writer =
        Must(DataWriter::Open(*store_, "t", read->schema, clock_, random_, WriterOptions()));
    while (const auto batch = Must(rows->Next())) ASSERT_OK(writer->Write(batch));
    Commit commit;
    commit.operation = "OPTIMIZE";
    commit.data_change = false;
    commit.adds = Must(writer->Finish());
    for (const DataFile& file : middle.files) commit.removes.push_back(file.path);
    ASSERT_OK(rival->CommitTo(*read, commit).status());
    ran = true;
  });
  CompactionOptions options;
  options.scratch_dir = root_;
  EXPECT_EQ(Must(Compact(*table, clock, random_, options, ReadAccess(), std::stop_token())).commits,
            0);
  EXPECT_TRUE(ran);
  EXPECT_EQ(Must(table->Load())->files.size(), 3);
  EXPECT_TRUE(Codes(Audit(*table, true)).empty());
  EXPECT_EQ(Must(CompactNow(*table, {})).files_removed, 3);
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(40));
}

TEST_F(MaintenanceTest, ARemovedFileIsAConflict) {
  const auto table = MakeTable(3, 10);
  const auto read = Must(table->Load());
  ASSERT_OK(CompactNow(*table, {}).status());
  Commit commit;
  commit.operation = "DELETE";
  commit.removes = {read->files.front().path};
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*read, commit)), ErrorCode::kConflict);
}

TEST_F(MaintenanceTest, ClusteredRunsAreMergedAndReadInOrder) {
  const auto table = MakeTable(1, 500);
  // Texts "v1" … sort otherwise than numbers.
  ASSERT_OK(CompactNow(*table, {"x"}).status());
  for (int i = 0; i < 7; ++i) {
    ASSERT_OK(Append(*table, 400 + i).status());
    ASSERT_OK(CompactNow(*table, {}).status());
  }
  const auto snapshot = Must(table->Load());
  const Clusters clusters = Must(ClustersOf(*snapshot));
  EXPECT_EQ(clusters.columns, (std::vector<std::string>{"x", "_seq"}));
  EXPECT_LT(clusters.runs.size(), 5);
  const int64_t last = snapshot->last_seq();
  std::vector<int64_t> all = Seqs(*snapshot);
  EXPECT_NE(all, UpTo(last));
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, UpTo(last)) << "no row is lost or doubled";
  EXPECT_EQ(SeqsInOrder(*snapshot, ScanOptions()), UpTo(last));
  ScanOptions range;
  range.columns = {"x", std::string(kSeq)};
  range.seq = SeqRange{.after = 490, .up_to = 510};
  const auto few = SeqsInOrder(*snapshot, range);
  EXPECT_EQ(few.size(), 20);
  EXPECT_EQ(few.front(), 491);
  for (const SortedRun& run : clusters.runs) {
    Snapshot part = *snapshot;
    std::erase_if(part.files, [&](const DataFile& file) {
      return std::find(run.files.begin(), run.files.end(), file.path) == run.files.end();
    });
    const auto rows = Must(ReadAll(*store_, part, ScanOptions()));
    std::string before;
    for (const auto& chunk : rows->GetColumnByName("x")->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        const std::string text = static_cast<const arrow::StringArray&>(*chunk).GetString(i);
        EXPECT_LT(before, text);
        before = text;
      }
    }
  }
  EXPECT_TRUE(Codes(Audit(*table, true)).empty());
}

TEST_F(MaintenanceTest, BrokenClustersAreRefused) {
  const Clusters clusters{.columns = {"x", "_seq"}, .runs = {{{"a", "b"}}, {{"c"}}}};
  EXPECT_EQ(ToJson(Must(ClustersFromJson(ToJson(clusters)))), ToJson(clusters));
  for (const char* text :
       {"", "[]", "{}", R"({"format":2,"columns":[],"runs":[]})",
        R"({"format":1,"columns":[1],"runs":[]})", R"({"format":1,"columns":["x"],"runs":[{}]})",
        R"({"format":1,"columns":["x"],"runs":[{"files":["a"]},{"files":["a"]}]})"}) {
    EXPECT_FALSE(ClustersFromJson(text).ok()) << text;
  }
}

TEST_F(MaintenanceTest, SortsBeyondMemory) {
  SortOptions options;
  options.columns = {"x", std::string(kSeq)};
  options.memory_bytes = 20000;
  options.scratch_dir = root_;
  options.batch_rows = 100;
  const auto sorter = Must(RowSorter::Open(Schema(), options, random_));
  for (int i = 40; i > 0; --i) {
    ASSERT_OK(sorter->Write(Rows((i - 1) * 100 + 1, 100)));
  }
  const auto sorted = Must(Must(sorter->Finish())->ToTable());
  EXPECT_EQ(sorted->num_rows(), 4000);
  const auto texts = Must(sorted->CombineChunksToBatch())->GetColumnByName("x");
  for (int64_t i = 1; i < texts->length(); ++i) {
    EXPECT_LT(static_cast<const arrow::StringArray&>(*texts).GetView(i - 1),
              static_cast<const arrow::StringArray&>(*texts).GetView(i));
  }
  for (const auto& entry : std::filesystem::directory_iterator(root_)) {
    EXPECT_NE(entry.path().extension(), ".arrow") << "spills are gone";
  }
}

// Each file operation of a compaction fails once: rows stay as they are, and the next one ends it.
TEST_F(MaintenanceTest, CompactionSurvivesEveryFault) {
  for (const auto when : {FaultPlan::When::kBefore, FaultPlan::When::kAfter}) {
    for (int64_t fail_at = 1;; ++fail_at) {
      ASSERT_LT(fail_at, 500);
      std::filesystem::remove_all(FileOf("t"));
      const bool clusters = fail_at % 2 == 0;
      MakeTable(5, 20);
      FaultyObjectStore faulty(store_.get(),
                               FaultPlan{.fail_at = fail_at, .sticky = false, .when = when});
      const auto table = OpenTable(faulty);
      const auto first =
          CompactNow(*table, clusters ? std::vector<std::string>{"x"} : std::vector<std::string>{});
      const auto reopened = OpenTable(*store_);
      EXPECT_EQ(SeqsInOrder(*Must(reopened->Load()), ScanOptions()), UpTo(100));
      ASSERT_OK(CompactNow(*reopened, {}).status());
      EXPECT_EQ(SeqsInOrder(*Must(reopened->Load()), ScanOptions()), UpTo(100));
      const auto codes = Codes(Audit(*reopened, true));
      EXPECT_TRUE(codes.empty() || codes == std::set<std::string>{"orphan_file"})
          << *codes.begin() << " after fault " << fail_at;
      if (!faulty.failed()) {
        ASSERT_OK(first.status());
        break;
      }
    }
  }
}

TEST_F(MaintenanceTest, VacuumKeepsWhatTheRetentionNeeds) {
  const auto table = MakeTable(4, 10);
  ASSERT_OK(CompactNow(*table, {}).status());
  ASSERT_OK(store_->Put("t/orphan.parquet", "cut off"));
  ASSERT_OK(store_->Put("t/_files/original", "bytes"));
  EXPECT_EQ(DataFiles().size(), 6);
  VacuumReport report = VacuumNow(*table, 7 * kDayUs, false, false);
  EXPECT_TRUE(report.deleted.empty());
  EXPECT_EQ(report.kept_for_retention, 4);
  clock_.Set(clock_.NowMicros() + 8 * kDayUs);
  report = VacuumNow(*table, 7 * kDayUs, false, true);
  EXPECT_EQ(report.deleted.size(), 4) << "the orphan is young by the store's clock";
  EXPECT_EQ(DataFiles().size(), 6) << "a dry run deletes nothing";
  report = VacuumNow(*table, 7 * kDayUs, false, false);
  EXPECT_EQ(report.deleted.size(), 4);
  EXPECT_GT(report.bytes, 0);
  EXPECT_EQ(DataFiles().size(), 2);
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(40));
  EXPECT_TRUE(Must(store_->Exists("t/_files/original")));
  EXPECT_EQ(Codes(Audit(*table, true)), std::set<std::string>{"orphan_file"});
}

TEST_F(MaintenanceTest, VacuumRefusesAShortRetention) {
  const auto table = MakeTable(2, 10);
  ASSERT_OK(CompactNow(*table, {}).status());
  VacuumOptions options;
  options.retention_us = 3600LL * 1'000'000;
  EXPECT_EQ(CodeOfFailed(Vacuum(*table, clock_, options)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(DataFiles().size(), 3);
  clock_.Set(clock_.NowMicros() + 1'000'000);
  ASSERT_OK(store_->Put("t/orphan.parquet", "cut off"));
  EXPECT_EQ(VacuumNow(*table, 0, true, false).deleted.size(), 3);
  EXPECT_EQ(DataFiles().size(), 1);
}

TEST_F(MaintenanceTest, VacuumKeepsPinnedVersions) {
  const auto table = MakeTable(3, 10);
  const auto pinned = Must(table->Load(2));
  ASSERT_OK(CompactNow(*table, {}).status());
  clock_.Set(clock_.NowMicros() + 30 * kDayUs);
  VacuumOptions options;
  options.keep_versions = {2};
  options.machine_now_us = base::MakeSystemClock()->NowMicros();
  EXPECT_EQ(Must(Vacuum(*table, clock_, options)).deleted.size(), 1);
  EXPECT_EQ(Seqs(*pinned), UpTo(20));
}

TEST_F(MaintenanceTest, VacuumSurvivesEveryFault) {
  for (int64_t fail_at = 1;; ++fail_at) {
    ASSERT_LT(fail_at, 200);
    std::filesystem::remove_all(FileOf("t"));
    const auto table = MakeTable(4, 5);
    ASSERT_OK(CompactNow(*table, {}).status());
    clock_.Set(clock_.NowMicros() + 8 * kDayUs);
    FaultyObjectStore faulty(store_.get(), FaultPlan{.fail_at = fail_at});
    VacuumOptions options;
    options.machine_now_us = base::MakeSystemClock()->NowMicros();
    const auto first = Vacuum(*OpenTable(faulty), clock_, options);
    EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(20));
    VacuumNow(*table, 7 * kDayUs, false, false);
    EXPECT_EQ(DataFiles().size(), 1);
    if (!faulty.failed()) {
      ASSERT_OK(first.status());
      break;
    }
  }
}

TEST_F(MaintenanceTest, RestoreBringsRowsBack) {
  const auto table = MakeTable(3, 10);
  const auto then = Must(table->Load(2));
  ASSERT_OK(CompactNow(*table, {}).status());
  const auto now = Must(table->Load());
  const Commit plan = Must(PlanRestore(*store_, *now, *then));
  EXPECT_EQ(plan.adds.size(), 2);
  EXPECT_EQ(plan.removes.size(), 1);
  ASSERT_OK(table->CommitTo(*now, plan).status());
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(20));
  EXPECT_EQ(Must(table->Load())->last_seq(), 30) << "_seq never goes back";
}

TEST_F(MaintenanceTest, RestoreNamesAFileThatIsGone) {
  const auto table = MakeTable(2, 10);
  const auto then = Must(table->Load());
  ASSERT_OK(CompactNow(*table, {}).status());
  const auto now = Must(table->Load());
  const Commit late = Must(PlanRestore(*store_, *now, *then));
  clock_.Set(clock_.NowMicros() + 8 * kDayUs);
  VacuumNow(*table, 7 * kDayUs, false, false);
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*now, late)), ErrorCode::kConflict)
      << "a vacuum began meanwhile";
  const auto refused = PlanRestore(*store_, *Must(table->Load()), *then);
  EXPECT_EQ(CodeOfFailed(refused), ErrorCode::kNotFound);
  EXPECT_NE(refused.status().message().find(".parquet"), std::string::npos);
}

// ---- what the audit finds -----------------------------------------------------------------------

class AuditTest : public MaintenanceTest {
 protected:
  void SetUp() override {
    MaintenanceTest::SetUp();
    table_ = MakeTable(13, 10);
    EXPECT_TRUE(Codes(Audit(*table_, true)).empty());
    file_ = FileOf("t/" + Must(table_->Load())->files[5].path);
  }
  void Rewrite(const std::filesystem::path& path, const std::function<void(std::string*)>& edit) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    in.close();
    edit(&bytes);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::filesystem::path Entry(int64_t version) {
    char name[64];
    std::snprintf(name, sizeof name, "t/_delta_log/%020lld.json", static_cast<long long>(version));
    return FileOf(name);
  }
  std::unique_ptr<Table> table_;
  std::filesystem::path file_;
};

TEST_F(AuditTest, MissingFile) {
  std::filesystem::remove(file_);
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"missing_file"});
}

TEST_F(AuditTest, TruncatedFile) {
  Rewrite(file_, [](std::string* bytes) { bytes->resize(bytes->size() / 2); });
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"file_size"});
}

TEST_F(AuditTest, BrokenFooter) {
  Rewrite(file_, [](std::string* bytes) { bytes->replace(bytes->size() - 8, 8, 8, '\xff'); });
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"corrupt_file"});
}

// A flipped bit is found, or it is where nobody reads: statistics in the headers of pages.
TEST_F(AuditTest, FlippedBitInAPage) {
  const auto snapshot = Must(table_->Load());
  const auto rows = Must(ReadAll(*store_, *snapshot, ScanOptions()));
  std::string whole;
  Rewrite(file_, [&](std::string* bytes) { whole = *bytes; });
  uint32_t footer_bytes = 0;
  std::memcpy(&footer_bytes, whole.data() + whole.size() - 8, 4);
  const size_t end = whole.size() - 8 - footer_bytes;
  size_t found = 0;
  for (size_t i = 4; i < end; i += 7) {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << whole;
    Rewrite(file_, [&](std::string* bytes) { (*bytes)[i] = static_cast<char>((*bytes)[i] ^ 16); });
    if (!Codes(Audit(*table_, true)).empty()) {
      ++found;
      continue;
    }
    EXPECT_TRUE(Must(ReadAll(*store_, *snapshot, ScanOptions()))->Equals(*rows)) << "byte " << i;
  }
  EXPECT_GT(found, (end - 4) / 7 / 2);
}

TEST_F(AuditTest, LogEntryGone) {
  std::filesystem::remove(Entry(12));
  EXPECT_TRUE(Codes(Audit(*table_, false)).contains("log_gap"));
}

TEST_F(AuditTest, LogEntryCutOff) {
  Rewrite(Entry(12), [](std::string* bytes) { bytes->resize(bytes->size() - 30); });
  EXPECT_TRUE(Codes(Audit(*table_, false)).contains("log_entry"));
}

TEST_F(AuditTest, CheckpointThatDisagrees) {
  const auto paths = Must(store_->List("t/_delta_log/", ""));
  const auto checkpoint = std::find_if(paths.begin(), paths.end(), [](const std::string& path) {
    return path.ends_with(".checkpoint.parquet");
  });
  ASSERT_NE(checkpoint, paths.end());
  Rewrite(Entry(3), [](std::string* bytes) {
    const size_t at = bytes->find("\"size\":");
    (*bytes)[at + 7] = (*bytes)[at + 7] == '9' ? '8' : '9';
  });
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"checkpoint"});
}

TEST_F(AuditTest, OrphanFile) {
  std::filesystem::copy_file(file_, FileOf("t/more.parquet"));
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"orphan_file"});
}

TEST_F(AuditTest, RowsThereTwice) {
  const auto snapshot = Must(table_->Load());
  std::filesystem::copy_file(file_, FileOf("t/twice.parquet"));
  Commit commit;
  commit.operation = "APPEND";
  commit.adds = {snapshot->files[5]};
  commit.adds.front().path = "twice.parquet";
  ASSERT_OK(table_->CommitTo(*snapshot, commit).status());
  // Appends of this fixture are called WRITE, which promises nothing of _seq.
  for (int64_t version = 1; version <= snapshot->version; ++version) {
    Rewrite(Entry(version), [](std::string* bytes) {
      const size_t at = bytes->find("\"WRITE\"");
      bytes->replace(at, 7, "\"APPEND\"");
    });
  }
  EXPECT_EQ(Codes(Audit(*table_, false)), std::set<std::string>{"seq_overlap"});
  EXPECT_EQ(Codes(Audit(*table_, true)), (std::set<std::string>{"seq_overlap", "seq_twice"}));
}

TEST_F(AuditTest, CountsThatLie) {
  Rewrite(Entry(13), [](std::string* bytes) {
    const size_t at = bytes->find("numRecords\\\":10");
    bytes->replace(at, 15, "numRecords\\\":11");
  });
  const auto codes = Codes(Audit(*table_, false));
  EXPECT_TRUE(codes.contains("row_count"));
}

}  // namespace
}  // namespace icecore::lake
