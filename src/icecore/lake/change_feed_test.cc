// Whole tables of Spark's are read in tests/integration/spark; here is what they do not show.
#include "icecore/lake/change_feed.h"

#include <arrow/scalar.h>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

class ChangeFeedTest : public LakeFixture {
 protected:
  std::unique_ptr<Table> Fed(const std::string& enabled) {
    auto table = OpenTable(*store_);
    Commit commit;
    commit.operation = "CREATE TABLE";
    commit.metadata = TableMetadata{.schema = Schema(),
                                    .configuration = {{"delta.enableChangeDataFeed", enabled}},
                                    .name = "",
                                    .description = ""};
    EXPECT_TRUE(table->CommitTo(*Must(table->LoadOrEmpty()), commit).ok());
    return table;
  }
  arrow::Result<std::vector<std::string>> Changes(Table& table, const ChangeOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, ReadChanges(table, options, ReadAccess()));
    ARROW_ASSIGN_OR_RAISE(const auto rows, reader->ToTable());
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->CombineChunksToBatch());
    std::vector<std::string> lines;
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      std::string line;
      for (int column = 0; column + 1 < batch->num_columns(); ++column) {
        ARROW_ASSIGN_OR_RAISE(const auto value, batch->column(column)->GetScalar(i));
        line += (column == 0 ? "" : " ") + value->ToString();
      }
      lines.push_back(line);
    }
    return lines;
  }
  // The next version as another writer would leave it.
  void PutVersion(int64_t version, const std::string& actions) {
    char name[64];
    std::snprintf(name, sizeof name, "t/_delta_log/%020lld.json", static_cast<long long>(version));
    const std::string info =
        "{\"commitInfo\":{\"inCommitTimestamp\":" + std::to_string(1'800'000'000'000 + version) +
        ",\"operation\":\"DELETE\"}}\n";
    ASSERT_OK(store_->Put(name, info + actions));
  }
};

std::string AddOrRemove(const std::string& kind, const DataFile& file, const std::string& more) {
  return "{\"" + kind + "\":{\"path\":\"" + file.path +
         "\",\"partitionValues\":{},\"size\":" + std::to_string(file.size) +
         ",\"modificationTime\":0,\"deletionTimestamp\":0" + more + "}}\n";
}

// Rows 3, 4, 7, 11, 18 and 29.
constexpr char kVector[] =
    ",\"deletionVector\":{\"storageType\":\"i\",\"pathOrInlineDv\":"
    "\"^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\",\"sizeInBytes\":44,"
    "\"cardinality\":6}";

TEST_F(ChangeFeedTest, RowsThatDeletionVectorsTakeAndGiveBack) {
  const auto table = Fed("true");
  ASSERT_OK(Append(*table, 30).status());
  const DataFile file = Must(table->Load())->files[0];
  PutVersion(2, AddOrRemove("remove", file, ",\"dataChange\":true") +
                    AddOrRemove("add", file, std::string(",\"dataChange\":true") + kVector));
  PutVersion(3, AddOrRemove("remove", file, std::string(",\"dataChange\":true") + kVector) +
                    AddOrRemove("add", file, ",\"dataChange\":true"));
  PutVersion(4, AddOrRemove("remove", file, ",\"dataChange\":false") +
                    AddOrRemove("add", file, std::string(",\"dataChange\":false") + kVector));
  PutVersion(5, AddOrRemove("remove", file, std::string(",\"dataChange\":true") + kVector));
  ChangeOptions options;
  options.columns = {std::string(kSeq)};
  options.first_version = options.last_version.emplace(2);
  EXPECT_EQ(Must(Changes(*table, options)),
            (std::vector<std::string>{"4 delete 2", "5 delete 2", "8 delete 2", "12 delete 2",
                                      "19 delete 2", "30 delete 2"}));
  options.first_version = options.last_version.emplace(3);
  EXPECT_EQ(Must(Changes(*table, options)),
            (std::vector<std::string>{"4 insert 3", "5 insert 3", "8 insert 3", "12 insert 3",
                                      "19 insert 3", "30 insert 3"}));
  options.first_version = options.last_version.emplace(4);
  EXPECT_TRUE(Must(Changes(*table, options)).empty());
  options.first_version = options.last_version.emplace(5);
  EXPECT_EQ(Must(Changes(*table, options)).size(), 24);
  options.first_version = 0;
  options.last_version = std::nullopt;
  EXPECT_EQ(Must(Changes(*table, options)).size(), 30 + 6 + 6 + 24);
}

TEST_F(ChangeFeedTest, OnlyWhereItWasEnabled) {
  const auto table = Fed("false");
  ASSERT_OK(Append(*table, 3).status());
  const auto set = [&](const char* enabled) {
    Commit commit;
    commit.operation = "SET TBLPROPERTIES";
    const auto snapshot = Must(table->Load());
    commit.metadata = TableMetadata{.schema = snapshot->schema,
                                    .configuration = {{"delta.enableChangeDataFeed", enabled}},
                                    .name = "",
                                    .description = ""};
    ASSERT_OK(table->CommitTo(*snapshot, commit).status());
  };
  set("true");                            // version 2
  ASSERT_OK(Append(*table, 2).status());  // 3
  set("false");                           // 4
  ASSERT_OK(Append(*table, 1).status());  // 5
  const auto read = [&](int64_t first, int64_t last) {
    ChangeOptions options;
    options.first_version = first;
    options.last_version = last;
    return Changes(*table, options);
  };
  EXPECT_EQ(Must(read(2, 3)), (std::vector<std::string>{"4 v4 insert 3", "5 v5 insert 3"}));
  for (const auto& [first, last] : {std::pair(1, 3), {0, 0}, {2, 4}, {3, 5}, {5, 5}}) {
    const auto refused = read(first, last);
    EXPECT_EQ(CodeOfFailed(refused), ErrorCode::kDenied) << first << " " << last;
    EXPECT_NE(refused.status().message().find("delta.enableChangeDataFeed"), std::string::npos);
  }
  EXPECT_EQ(CodeOfFailed(read(3, 2)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfFailed(read(2, 9)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfFailed(read(-1, 2)), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace icecore::lake
