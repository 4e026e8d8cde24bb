#include "icecore/lake/scan.h"

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

class ScanTest : public LakeFixture {
 protected:
  std::vector<std::string> Values(const Snapshot& snapshot, const SeqRange& range) {
    ScanOptions options;
    options.columns = {"x"};
    options.seq = range;
    const auto table = Must(ReadAll(*store_, snapshot, options));
    std::vector<std::string> values;
    for (const auto& chunk : table->column(0)->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        values.emplace_back(static_cast<const arrow::StringArray&>(*chunk).GetView(i));
      }
    }
    return values;
  }
};

TEST_F(ScanTest, SeqRangeIsExact) {
  const auto snapshot = ThreeFiles(4);
  EXPECT_EQ(FilesInRange(*snapshot, SeqRange{.after = 10, .up_to = 20}).size(), 1);
  EXPECT_EQ(Values(*snapshot, {.after = 9, .up_to = 12}),
            (std::vector<std::string>{"v10", "v11", "v12"}));
  EXPECT_EQ(Values(*snapshot, {.after = 10, .up_to = 20}).size(), 10);
  EXPECT_EQ(Values(*snapshot, {.after = 30, .up_to = 99}).size(), 0);
  for (int64_t after = 0; after <= 30; ++after) {
    EXPECT_EQ(Values(*snapshot, {.after = after, .up_to = INT64_MAX}).size(), 30 - after);
    EXPECT_EQ(Values(*snapshot, {.after = 0, .up_to = after}).size(), after);
  }
}

TEST_F(ScanTest, SharesOfRowGroupsAreAllRowsOnce) {
  Snapshot snapshot = *ThreeFiles(4);
  snapshot.files.resize(1);
  const SeqRange range{.after = 2, .up_to = 9};  // within the first and the last group
  for (int count = 1; count <= 5; ++count) {
    std::vector<int64_t> rows;
    for (int index = 0; index < count; ++index) {
      ScanOptions options;
      options.columns = {std::string(kSeq)};
      options.seq = range;
      options.share = {.index = index, .count = count};
      const auto table = Must(ReadAll(*store_, snapshot, options));
      for (const auto& chunk : table->column(0)->chunks()) {
        const auto& seqs = static_cast<const arrow::Int64Array&>(*chunk);
        rows.insert(rows.end(), seqs.raw_values(), seqs.raw_values() + seqs.length());
      }
    }
    EXPECT_EQ(rows, (std::vector<int64_t>{3, 4, 5, 6, 7, 8, 9})) << count;
  }
}

TEST_F(ScanTest, ColumnsComeInTheOrderAsked) {
  const auto snapshot = ThreeFiles(4);
  ScanOptions options;
  options.columns = {"x", std::string(kSeq)};
  EXPECT_EQ(Must(ReadAll(*store_, *snapshot, options))->schema()->field_names(), *options.columns);
  options.columns = std::vector<std::string>{};
  EXPECT_EQ(Must(ReadAll(*store_, *snapshot, options))->num_rows(), 30);
  options.columns = {"_sek"};
  const auto missing = ReadAll(*store_, *snapshot, options);
  EXPECT_EQ(CodeOfFailed(missing), ErrorCode::kNotFound);
  EXPECT_NE(missing.status().message().find("'_seq'"), std::string::npos);
}

TEST_F(ScanTest, MissingAndBrokenFilesAreNamed) {
  const auto snapshot = ThreeFiles(4);
  const std::string path = "t/" + snapshot->files[1].path;
  const std::string whole = Must(store_->Get(path));
  for (const std::string& bytes : {whole.substr(0, whole.size() - 3), std::string("no parquet"),
                                   std::string(), whole.substr(100)}) {
    ASSERT_OK(store_->Put(path, bytes));
    const auto read = ReadAll(*store_, *snapshot, ScanOptions());
    EXPECT_EQ(CodeOfFailed(read), ErrorCode::kCorrupt) << read.status().ToString();
    EXPECT_NE(read.status().message().find(path), std::string::npos);
  }
  ASSERT_OK(store_->Put(path, Must(store_->Get("t/" + snapshot->files[0].path))));
  ASSERT_OK(store_->Delete(path));
  EXPECT_EQ(CodeOfFailed(ReadAll(*store_, *snapshot, ScanOptions())), ErrorCode::kCorrupt);
}

TEST_F(ScanTest, PolicyDecidesAndAuditHears) {
  class DenyX : public Policy {
   public:
    arrow::Status Check(const ReadContext& context, const ReadRequest& request) const override {
      const auto& columns = request.columns;
      return std::find(columns.begin(), columns.end(), "x") == columns.end()
                 ? arrow::Status::OK()
                 : base::MakeError(ErrorCode::kDenied, context.principal + " may not read x");
    }
  };
  class Ledger : public AuditSink {
   public:
    void OnRead(const ReadContext&, const ReadRequest& request,
                const arrow::Status& decision) override {
      lines.push_back(std::string(request.table) + "@" + std::to_string(request.version) +
                      (decision.ok() ? " allowed" : " denied"));
    }
    std::vector<std::string> lines;
  };
  const auto snapshot = ThreeFiles(4);
  const DenyX policy;
  Ledger ledger;
  ReadAccess access;
  access.policy = &policy;
  access.audit = &ledger;
  EXPECT_EQ(CodeOfFailed(Scan(*store_, *snapshot, ScanOptions(), access)), ErrorCode::kDenied);
  ScanOptions seq_only;
  seq_only.columns = {std::string(kSeq)};
  EXPECT_TRUE(Scan(*store_, *snapshot, seq_only, access).ok());
  EXPECT_EQ(ledger.lines, (std::vector<std::string>{"t@3 denied", "t@3 allowed"}));
}

TEST_F(ScanTest, LocalFilesOnlyWhereFilesSpeakForThemselves) {
  const auto snapshot = ThreeFiles(4);
  const auto files = LocalFiles(*store_, *snapshot);
  ASSERT_TRUE(files.has_value());
  EXPECT_EQ(files->size(), 3);
  EXPECT_TRUE(std::filesystem::exists(files->front()));
  Snapshot other = *snapshot;
  other.schema = arrow::schema({arrow::field("u", arrow::uint64())});
  EXPECT_FALSE(LocalFiles(*store_, other).has_value());
}

using WriterTest = ScanTest;

TEST_F(WriterTest, FilesRollOverAndKeepOrder) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto snapshot = Must(table->Load());
  WriterOptions options;
  options.row_group_rows = 100;
  options.file_bytes = 1;
  Commit commit;
  commit.adds = Must(WriteFiles(*store_, *snapshot, {Rows(1, 150), Rows(151, 350)}, options));
  EXPECT_GT(commit.adds.size(), 1);
  ASSERT_OK(table->CommitTo(*snapshot, commit).status());
  const auto after = Must(table->Load());
  EXPECT_EQ(after->row_count(), 500);
  EXPECT_EQ(Seqs(*after), UpTo(500));
}

TEST_F(WriterTest, NullsInRequiredColumnsAreRefused) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto snapshot = Must(table->Load());
  const auto batch =
      arrow::RecordBatch::Make(Schema(), 1,
                               {Must(arrow::json::ArrayFromJSONString(arrow::int64(), "[null]")),
                                Must(arrow::json::ArrayFromJSONString(arrow::utf8(), "[\"x\"]"))});
  const auto written = WriteFiles(*store_, *snapshot, {batch}, WriterOptions());
  EXPECT_EQ(CodeOfFailed(written), ErrorCode::kInvalidArgument);
  EXPECT_NE(written.status().message().find("'_seq'"), std::string::npos);
}

TEST_F(WriterTest, AnUnfinishedWriterLeavesNoFiles) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto snapshot = Must(table->Load());
  WriterOptions options;
  options.row_group_rows = 10;
  options.file_bytes = 1;
  {
    const auto writer =
        Must(DataWriter::Open(*store_, "t", snapshot->schema, clock_, random_, options));
    ASSERT_OK(writer->Write(Rows(1, 100)));
  }
  for (const std::string& path : Must(store_->List("t/", ""))) {
    EXPECT_NE(path.find("_delta_log"), std::string::npos) << path;
  }
}

TEST_F(WriterTest, NoRowsNoFiles) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  EXPECT_TRUE(
      Must(WriteFiles(*store_, *Must(table->Load()), {Rows(1, 0)}, WriterOptions())).empty());
}

}  // namespace
}  // namespace icecore::lake
