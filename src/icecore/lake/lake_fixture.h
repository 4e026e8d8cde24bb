#pragma once
// What the lake's tests share: a lake in a temporary folder, small batches, whole reads.

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/table.h"
#include "icecore/lake/writer.h"

#define ASSERT_OK(expression)                                            \
  do {                                                                   \
    const ::arrow::Status status_##__LINE__ = (expression);              \
    ASSERT_TRUE(status_##__LINE__.ok()) << status_##__LINE__.ToString(); \
  } while (false)

namespace icecore::lake {

// The value, or a test failure and a crash-free abort of the test binary.
template <typename T>
T Must(arrow::Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().ToString();
    std::abort();
  }
  return *std::move(result);
}

// The code of a failed result; kInternal with a test failure where it did not fail.
template <typename T>
base::ErrorCode CodeOfFailed(const arrow::Result<T>& result) {
  if (result.ok()) {
    ADD_FAILURE() << "an error was expected";
    return base::ErrorCode::kInternal;
  }
  return base::CodeOf(result.status());
}

class LakeFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = std::filesystem::temp_directory_path() / "icecore-lake-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    root_ = folder;
    store_ = Must(ObjectStore::OpenLocal(root_));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static std::shared_ptr<arrow::Schema> Schema() {
    return arrow::schema(
        {arrow::field(std::string(kSeq), arrow::int64(), false), arrow::field("x", arrow::utf8())});
  }
  // Rows (first_seq … first_seq + count - 1, "v<seq>").
  static std::shared_ptr<arrow::RecordBatch> Rows(int64_t first_seq, int64_t count) {
    std::string seqs = "[";
    std::string texts = "[";
    for (int64_t i = first_seq; i < first_seq + count; ++i) {
      seqs += (i == first_seq ? "" : ",") + std::to_string(i);
      texts += (i == first_seq ? "\"v" : ",\"v") + std::to_string(i) + "\"";
    }
    return arrow::RecordBatch::Make(
        Schema(), count,
        {Must(arrow::json::ArrayFromJSONString(arrow::int64(), seqs + "]")),
         Must(arrow::json::ArrayFromJSONString(arrow::utf8(), texts + "]"))});
  }

  std::unique_ptr<Table> OpenTable(ObjectStore& store) {
    return Must(Table::Open(store, "t", clock_, random_));
  }
  arrow::Status Create(Table& table, std::shared_ptr<arrow::Schema> schema) {
    ARROW_ASSIGN_OR_RAISE(const auto empty, table.LoadOrEmpty());
    Commit commit;
    commit.operation = "CREATE TABLE";
    commit.metadata = TableMetadata{
        .schema = std::move(schema), .configuration = {}, .name = "", .description = ""};
    return table.CommitTo(*empty, commit).status();
  }
  arrow::Result<std::vector<DataFile>> WriteFiles(
      ObjectStore& store, const Snapshot& snapshot,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
      const WriterOptions& options) {
    ARROW_ASSIGN_OR_RAISE(
        const auto writer,
        DataWriter::Open(store, snapshot.table_path, snapshot.schema, clock_, random_, options));
    for (const auto& batch : batches) {
      ARROW_RETURN_NOT_OK(writer->Write(batch));
    }
    return writer->Finish();
  }
  // A table of three files with _seq 1-10, 11-20, 21-30.
  std::shared_ptr<const Snapshot> ThreeFiles(int64_t row_group_rows) {
    const auto table = OpenTable(*store_);
    EXPECT_TRUE(Create(*table, Schema()).ok());
    for (int64_t first : {1, 11, 21}) {
      const auto snapshot = Must(table->Load());
      WriterOptions options;
      options.row_group_rows = row_group_rows;
      Commit commit;
      commit.adds = Must(WriteFiles(*store_, *snapshot, {Rows(first, 10)}, options));
      EXPECT_TRUE(table->CommitTo(*snapshot, commit).ok());
    }
    return Must(table->Load());
  }
  // Appends `count` rows after the table's last _seq, as a pipeline would.
  arrow::Result<int64_t> Append(Table& table, int64_t count) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table.Load());
    return AppendTo(table, *snapshot, count);
  }
  arrow::Result<int64_t> AppendTo(Table& table, const Snapshot& snapshot, int64_t count) {
    Commit commit;
    commit.operation = "WRITE";
    const int64_t last = snapshot.last_seq();
    ARROW_ASSIGN_OR_RAISE(
        commit.adds, WriteFiles(table.store(), snapshot, {Rows(last + 1, count)}, WriterOptions()));
    commit.transactions[std::string(kSeqTransaction)] = last + count;
    commit.counts["rows_written"] = count;
    return table.CommitTo(snapshot, commit);
  }

  arrow::Result<std::shared_ptr<arrow::Table>> ReadAll(ObjectStore& store, const Snapshot& snapshot,
                                                       const ScanOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, Scan(store, snapshot, options, ReadAccess()));
    return reader->ToTable();
  }
  // The table's _seq values in the order of reading.
  std::vector<int64_t> Seqs(const Snapshot& snapshot) {
    ScanOptions options;
    options.columns = {std::string(kSeq)};
    const auto table = Must(ReadAll(*store_, snapshot, options));
    std::vector<int64_t> seqs;
    for (const auto& chunk : table->column(0)->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        seqs.push_back(static_cast<const arrow::Int64Array&>(*chunk).Value(i));
      }
    }
    return seqs;
  }
  static std::vector<int64_t> UpTo(int64_t last) {
    std::vector<int64_t> seqs;
    for (int64_t i = 1; i <= last; ++i) {
      seqs.push_back(i);
    }
    return seqs;
  }
  std::filesystem::path FileOf(const std::string& path) const {
    return std::filesystem::path(root_) / path;
  }

  std::string root_;
  std::unique_ptr<ObjectStore> store_;
  base::FixedClock clock_{1'700'000'000'000'000};
  base::SeededRandom random_{42};
};

}  // namespace icecore::lake
