// Every operation that changes a table, broken at each call of the store that it makes: once and
// for good, before and after the call was done, and by power cuts. After each: the table is whole
// (every value read), has the rows from before or from after, and the operation can be done again.
#include <arrow/array/builder_primitive.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "icecore/base/fault_stride_testing.h"
#include "icecore/lake/compaction.h"
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/power_cut_store.h"
#include "icecore/lake/restore.h"
#include "icecore/lake/rewrite.h"
#include "icecore/lake/table_audit.h"
#include "icecore/lake/vacuum.h"

namespace icecore::lake {
namespace {

constexpr int64_t kOneDayUs = int64_t{24} * 3600 * 1'000'000;
constexpr char kDone[] = "done";  // the transaction of an operation that was committed

enum class Kind {
  kAppend,
  kMerge,
  kDelete,
  kReplace,
  kAddColumn,
  kCompact,
  kCluster,
  kVacuum,
  kRestore
};

struct Operation {
  const char* name;
  Kind kind;
  std::vector<int64_t> gone;  // _seq that it takes out of 1 … 29
  bool adds;                  // the rows 31 and 32
};

std::vector<int64_t> From(int64_t first, int64_t last) {
  std::vector<int64_t> seqs(static_cast<size_t>(last - first + 1));
  std::iota(seqs.begin(), seqs.end(), first);
  return seqs;
}

std::vector<Operation> Operations() {
  return {{"Append", Kind::kAppend, {}, true},
          {"Merge", Kind::kMerge, {4, 5}, true},
          {"Delete", Kind::kDelete, {7}, false},
          {"Replace", Kind::kReplace, From(1, 29), true},
          {"AddColumn", Kind::kAddColumn, {}, false},
          {"Compact", Kind::kCompact, {}, false},
          {"Cluster", Kind::kCluster, {}, false},
          {"Vacuum", Kind::kVacuum, {}, false},
          {"Restore", Kind::kRestore, From(21, 29), false}};
}

class OperationFaultTest : public LakeFixture, public ::testing::WithParamInterface<Operation> {
 protected:
  const int64_t stride_ = base::FaultStride(7);  // each try copies and audits a table

  void SetUp() override {
    LakeFixture::SetUp();
    Prepare();
  }

  // Rows 1 … 29 in three files at version 8, a file that has left long ago; the next commit but
  // one brings a checkpoint.
  void Prepare() {
    const auto table = OpenTable(*store_);
    ASSERT_OK(Create(*table, Schema()));
    for (int i = 0; i < 3; ++i) {
      Must(Append(*table, 10));
    }
    const auto snapshot = Must(table->Load());
    const auto rewrite = Must(OpenRewrite(*store_, snapshot));
    ASSERT_EQ(
        Must(rewrite->RemoveKeys(Must(arrow::Table::FromRecordBatches({Rows(30, 1)})), {"x"})), 1);
    Commit commit;
    Must(rewrite->Finish(&commit));
    Must(table->CommitTo(*snapshot, commit));
    for (int i = 0; i < 4; ++i) {
      Commit filler;
      filler.transactions["filler"] = i;
      Must(table->CommitTo(*Must(table->Load()), filler));
    }
    clock_.Set(clock_.NowMicros() + 10 * kOneDayUs);
    std::filesystem::rename(FileOf("t"), FileOf("before"));
  }
  void CopyPrepared() {
    std::filesystem::remove_all(FileOf("t"));
    std::filesystem::copy(FileOf("before"), FileOf("t"), std::filesystem::copy_options::recursive);
  }

  arrow::Result<std::unique_ptr<TableRewrite>> OpenRewrite(ObjectStore& store,
                                                           std::shared_ptr<const Snapshot> read) {
    return TableRewrite::Open(store, std::move(read), clock_, random_, WriterOptions(),
                              ReadAccess());
  }

  // The operation, unless its commit is there already; then a commit behind it, so that the
  // checkpoint is tried too.
  arrow::Status Run(ObjectStore& store) {
    const auto table = OpenTable(store);
    ARROW_ASSIGN_OR_RAISE(const auto before, table->Load());
    if (!before->Transaction(kDone).has_value()) {
      ARROW_RETURN_NOT_OK(RunOnce(*table, before));
    }
    ARROW_ASSIGN_OR_RAISE(const auto after, table->Load());
    if (after->Transaction("behind").has_value()) {
      return arrow::Status::OK();
    }
    Commit behind;
    behind.transactions["behind"] = 1;
    return table->CommitTo(*after, behind).status();
  }

  arrow::Status RunOnce(Table& table, const std::shared_ptr<const Snapshot>& read) {
    switch (GetParam().kind) {
      case Kind::kCompact:
      case Kind::kCluster: {
        CompactionOptions options;
        options.scratch_dir = root_;
        if (GetParam().kind == Kind::kCluster) {
          options.cluster_columns = {"x"};
        }
        return Compact(table, clock_, random_, options, ReadAccess(), std::stop_token()).status();
      }
      case Kind::kVacuum: {
        VacuumOptions options;
        options.machine_now_us = base::MakeSystemClock()->NowMicros();
        return Vacuum(table, clock_, options).status();
      }
      default:
        break;
    }
    ARROW_ASSIGN_OR_RAISE(Commit commit, CommitOf(table, read));
    commit.transactions[kDone] = 1;
    return table.CommitTo(*read, commit).status();
  }

  arrow::Result<Commit> CommitOf(Table& table, const std::shared_ptr<const Snapshot>& read) {
    Commit commit;
    const Kind kind = GetParam().kind;
    if (kind == Kind::kMerge || kind == Kind::kDelete) {
      return RewriteOf(table, read);
    }
    if (kind == Kind::kRestore) {
      ARROW_ASSIGN_OR_RAISE(const auto then, table.Load(2));
      return PlanRestore(table.store(), *read, *then);
    }
    if (kind == Kind::kAddColumn) {
      ARROW_ASSIGN_OR_RAISE(auto schema,
                            read->schema->AddField(2, arrow::field("late", arrow::float64())));
      commit.metadata = TableMetadata{
          .schema = std::move(schema), .configuration = {}, .name = "", .description = ""};
      return commit;
    }
    if (kind == Kind::kReplace) {
      commit.reads_all = true;
      for (const DataFile& file : read->files) {
        commit.removes.push_back(file.path);
      }
    }
    ARROW_ASSIGN_OR_RAISE(commit.adds,
                          WriteFiles(table.store(), *read, {Rows(31, 2)}, WriterOptions()));
    commit.transactions[std::string(kSeqTransaction)] = 32;
    return commit;
  }

  arrow::Result<Commit> RewriteOf(Table& table, const std::shared_ptr<const Snapshot>& read) {
    Commit commit;
    ARROW_ASSIGN_OR_RAISE(const auto rewrite, OpenRewrite(table.store(), read));
    if (GetParam().kind == Kind::kMerge) {
      ARROW_ASSIGN_OR_RAISE(const auto keys, arrow::Table::FromRecordBatches({Rows(4, 2)}));
      ARROW_RETURN_NOT_OK(rewrite->RemoveKeys(keys, {"x"}).status());
      ARROW_RETURN_NOT_OK(rewrite->Append(Rows(31, 2)));
      commit.transactions[std::string(kSeqTransaction)] = 32;
    } else {
      const auto is_seven = [](const arrow::RecordBatch& rows)
          -> arrow::Result<std::shared_ptr<arrow::BooleanArray>> {
        const auto& seqs = static_cast<const arrow::Int64Array&>(*rows.column(0));
        arrow::BooleanBuilder mask;
        for (int64_t i = 0; i < seqs.length(); ++i) {
          ARROW_RETURN_NOT_OK(mask.Append(seqs.Value(i) == 7));
        }
        ARROW_ASSIGN_OR_RAISE(auto finished, mask.Finish());
        return std::static_pointer_cast<arrow::BooleanArray>(finished);
      };
      ARROW_RETURN_NOT_OK(rewrite->RemoveWhere({std::string(kSeq)}, is_seven, nullptr).status());
    }
    ARROW_RETURN_NOT_OK(rewrite->Finish(&commit).status());
    return commit;
  }

  static std::vector<int64_t> RowsAfter() {
    std::vector<int64_t> left;
    for (const int64_t seq : UpTo(29)) {
      const auto& gone = GetParam().gone;
      if (std::find(gone.begin(), gone.end(), seq) == gone.end()) {
        left.push_back(seq);
      }
    }
    if (GetParam().adds) {
      left.insert(left.end(), {31, 32});
    }
    return left;
  }

  // Sound, with every value read, and with the rows from before or from after.
  void Audit(bool must_be_done) {
    const auto table = OpenTable(*store_);
    AuditOptions options;
    options.deep = true;
    options.machine_now_us = base::MakeSystemClock()->NowMicros() + 2 * kOneDayUs;
    const TableAudit audit = Must(AuditTable(*table, options));
    for (const Finding& finding : audit.findings) {
      EXPECT_TRUE(finding.is_note || finding.code == "orphan_file")
          << finding.code << " " << finding.file << ": " << finding.found << "; expected "
          << finding.expected;
    }
    const auto snapshot = Must(table->Load());
    std::vector<int64_t> seqs = Seqs(*snapshot);
    std::sort(seqs.begin(), seqs.end());
    if (must_be_done || seqs != UpTo(29)) {
      EXPECT_EQ(seqs, RowsAfter());
    }
    if (must_be_done && GetParam().kind == Kind::kAddColumn) {
      EXPECT_EQ(snapshot->schema->num_fields(), 3);
    }
  }

  // Breaks one call in stride_, from `first` on. Returns how many calls the operation makes.
  int64_t BreakEverywhere(FaultPlan plan, int64_t first, bool power_cut) {
    base::SeededRandom fate(static_cast<uint64_t>(first) + 11);
    for (int64_t n = first;; n += stride_) {
      SCOPED_TRACE("call " + std::to_string(n));
      CopyPrepared();
      plan.fail_at = n;
      PowerCutStore disk(store_.get());
      FaultyObjectStore faulty(power_cut ? static_cast<ObjectStore*>(&disk) : store_.get(), plan);
      const arrow::Status status = Run(faulty);
      if (power_cut) {
        disk.CutPower(&fate);
      }
      if (!faulty.failed()) {
        EXPECT_TRUE(status.ok()) << status.ToString();
        Audit(/*must_be_done=*/true);
        return faulty.operations();
      }
      Audit(/*must_be_done=*/status.ok());
      const arrow::Status again = Run(*store_);
      EXPECT_TRUE(again.ok()) << again.ToString();
      Audit(/*must_be_done=*/true);
      if (HasFailure()) {
        return n;
      }
    }
  }
};

TEST_P(OperationFaultTest, ACallFails) {
  int64_t first = 1;
  for (const bool sticky : {false, true}) {
    for (const auto when : {FaultPlan::When::kBefore, FaultPlan::When::kAfter}) {
      SCOPED_TRACE(std::string(sticky ? "for good" : "once") +
                   (when == FaultPlan::When::kBefore ? ", before" : ", after"));
      const int64_t calls =
          BreakEverywhere({.fail_at = 0, .sticky = sticky, .when = when}, first, false);
      EXPECT_GT(calls, 5);
      first = 1 + (first + 1) % stride_;  // together the four lie closer
    }
  }
}

TEST_P(OperationFaultTest, ThePowerGoes) {
  BreakEverywhere({.fail_at = 0, .sticky = true, .when = FaultPlan::When::kBefore}, 1, true);
}

INSTANTIATE_TEST_SUITE_P(Operations, OperationFaultTest, ::testing::ValuesIn(Operations()),
                         [](const auto& operation) { return operation.param.name; });

}  // namespace
}  // namespace icecore::lake
