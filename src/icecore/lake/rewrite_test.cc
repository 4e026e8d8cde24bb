// Copy-on-write against a naive table in memory, and what may happen beside it.
#include "icecore/lake/rewrite.h"

#include <arrow/array/builder_primitive.h>

#include <algorithm>
#include <map>
#include <set>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

class RewriteTest : public LakeFixture {
 protected:
  // Columns _seq, k (nullable int64), x; five files of `rows` rows in row groups of `group`.
  static std::shared_ptr<arrow::Schema> KeyedSchema() {
    return arrow::schema({arrow::field(std::string(kSeq), arrow::int64(), false),
                          arrow::field("k", arrow::int64()), arrow::field("x", arrow::utf8())});
  }
  struct Row {
    int64_t seq;
    std::optional<int64_t> key;
    std::string text;
    auto operator<=>(const Row&) const = default;
  };
  static std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<Row>& rows) {
    std::string seqs = "[";
    std::string keys = "[";
    std::string texts = "[";
    for (const Row& row : rows) {
      const std::string comma = seqs.size() > 1 ? "," : "";
      seqs += comma + std::to_string(row.seq);
      keys += comma + (row.key.has_value() ? std::to_string(*row.key) : "null");
      texts += comma + "\"" + row.text + "\"";
    }
    return arrow::RecordBatch::Make(
        KeyedSchema(), static_cast<int64_t>(rows.size()),
        {Must(arrow::json::ArrayFromJSONString(arrow::int64(), seqs + "]")),
         Must(arrow::json::ArrayFromJSONString(arrow::int64(), keys + "]")),
         Must(arrow::json::ArrayFromJSONString(arrow::utf8(), texts + "]"))});
  }
  static std::shared_ptr<arrow::Table> TableOf(const std::vector<Row>& rows) {
    return Must(arrow::Table::FromRecordBatches({Batch(rows)}));
  }

  void Add(Table& table, const std::vector<Row>& rows, int64_t group_rows) {
    const auto snapshot = Must(table.LoadOrEmpty());
    if (!snapshot->exists()) {
      ASSERT_OK(Create(table, KeyedSchema()));
    }
    const auto read = Must(table.Load());
    Commit commit;
    commit.operation = "WRITE";
    WriterOptions options;
    options.row_group_rows = group_rows;
    commit.adds = Must(WriteFiles(*store_, *read, {Batch(rows)}, options));
    commit.transactions[std::string(kSeqTransaction)] = rows.back().seq;
    Must(table.CommitTo(*read, commit));
  }

  std::vector<Row> Read(Table& table) {
    const auto rows = Must(ReadAll(*store_, *Must(table.Load()), ScanOptions()));
    return RowsOf(*rows);
  }
  static std::vector<Row> RowsOf(const arrow::Table& table) {
    std::vector<Row> rows;
    arrow::TableBatchReader reader(table);
    while (const auto batch = Must(reader.Next())) {
      const auto& seq = static_cast<const arrow::Int64Array&>(*batch->column(0));
      const auto& key = static_cast<const arrow::Int64Array&>(*batch->column(1));
      const auto& text = static_cast<const arrow::StringArray&>(*batch->column(2));
      for (int64_t i = 0; i < batch->num_rows(); ++i) {
        rows.push_back({seq.Value(i),
                        key.IsNull(i) ? std::nullopt : std::optional<int64_t>(key.Value(i)),
                        text.GetString(i)});
      }
    }
    return rows;
  }

  std::unique_ptr<TableRewrite> Open(const std::shared_ptr<const Snapshot>& snapshot) {
    return Must(
        TableRewrite::Open(*store_, snapshot, clock_, random_, WriterOptions(), ReadAccess()));
  }
};

TEST_F(RewriteTest, MergesAsANaiveTableDoes) {
  base::SeededRandom random(7);
  const auto table = OpenTable(*store_);
  std::map<std::optional<int64_t>, Row> model;
  int64_t seq = 0;
  for (int round = 0; round < 12; ++round) {
    std::map<std::optional<int64_t>, Row> incoming;
    for (int i = 0; i < 40; ++i) {
      const auto number = static_cast<int64_t>(random.Next() % 150);
      const auto key = number == 0 ? std::nullopt : std::optional<int64_t>(number);
      incoming.emplace(key, Row{0, key, "r" + std::to_string(round)});
    }
    std::vector<Row> rows;
    for (auto& [key, row] : incoming) {
      row.seq = ++seq;
      rows.push_back(row);
    }
    if (round == 0) {
      Add(*table, rows, 7);
    } else {
      const auto snapshot = Must(table->Load());
      const auto rewrite = Open(snapshot);
      const auto found = Must(rewrite->Find(TableOf(rows), {"k"}, {"_seq", "k", "x"}));
      std::set<Row> expected;
      for (const Row& row : rows) {
        if (const auto old = model.find(row.key); old != model.end()) {
          expected.insert(old->second);
        }
      }
      const std::vector<Row> stored = RowsOf(*found.rows);
      EXPECT_EQ(std::set<Row>(stored.begin(), stored.end()), expected);
      for (size_t i = 0; i < stored.size(); ++i) {
        EXPECT_EQ(stored[i].key, rows[static_cast<size_t>(found.keys[i])].key);
      }
      ASSERT_OK(rewrite->Remove(found.places));
      ASSERT_OK(rewrite->Remove(found.places));  // out already
      ASSERT_OK(rewrite->Append(Batch(rows)));
      Commit commit;
      commit.operation = "MERGE";
      commit.transactions[std::string(kSeqTransaction)] = seq;
      const RewriteCounts counts = Must(rewrite->Finish(&commit));
      EXPECT_EQ(counts.rows_removed, static_cast<int64_t>(expected.size()));
      EXPECT_EQ(counts.rows_added, static_cast<int64_t>(rows.size()));
      Must(table->CommitTo(*snapshot, commit));
    }
    for (const Row& row : rows) {
      model[row.key] = row;
    }
    std::vector<Row> all;
    for (const auto& [key, row] : model) {
      all.push_back(row);
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(Read(*table), all);  // in the order of _seq
    if (HasFailure()) {
      return;
    }
  }
}

TEST_F(RewriteTest, DeletesByPredicateAndTouchesNothingElse) {
  const auto table = OpenTable(*store_);
  Add(*table, {{1, 10, "a"}, {2, 20, "b"}, {3, 30, "c"}}, 2);
  Add(*table, {{4, 40, "a"}, {5, 50, "b"}}, 2);
  Add(*table, {{6, 60, "b"}}, 2);
  const auto snapshot = Must(table->Load());
  const auto rewrite = Open(snapshot);
  const auto predicate =
      [](const arrow::RecordBatch& batch) -> arrow::Result<std::shared_ptr<arrow::BooleanArray>> {
    const auto& text = static_cast<const arrow::StringArray&>(*batch.GetColumnByName("x"));
    arrow::BooleanBuilder mask;
    for (int64_t i = 0; i < text.length(); ++i) {
      ARROW_RETURN_NOT_OK(text.GetView(i) == "b" ? mask.Append(true) : mask.AppendNull());
    }
    ARROW_ASSIGN_OR_RAISE(auto array, mask.Finish());
    return std::static_pointer_cast<arrow::BooleanArray>(array);
  };
  const auto not_the_first = [](const DataFile& file) { return file.IntRange(kSeq)->min > 1; };
  EXPECT_EQ(Must(rewrite->RemoveWhere({"x"}, predicate, not_the_first)), 2);
  Commit commit;
  commit.operation = "DELETE";
  const RewriteCounts counts = Must(rewrite->Finish(&commit));
  EXPECT_EQ(counts.files_read, 2);
  EXPECT_EQ(counts.files_removed, 2);
  EXPECT_EQ(counts.rows_copied, 1);
  EXPECT_EQ(commit.adds.size(), 1U);  // a file that lost all rows has no successor
  Must(table->CommitTo(*snapshot, commit));
  EXPECT_EQ(Read(*table),
            (std::vector<Row>{{1, 10, "a"}, {2, 20, "b"}, {3, 30, "c"}, {4, 40, "a"}}));
}

TEST_F(RewriteTest, ConflictsOnlyWithWhatItDependsOn) {
  const auto table = OpenTable(*store_);
  Add(*table, {{1, 10, "a"}, {2, 20, "b"}}, 2);
  Add(*table, {{3, 110, "c"}, {4, 120, "d"}}, 2);
  const auto remove = [&](const std::shared_ptr<const Snapshot>& snapshot, int64_t key) {
    const auto rewrite = Open(snapshot);
    Must(rewrite->RemoveKeys(TableOf({{0, key, ""}}), {"k"}));
    Commit commit;
    commit.operation = "DELETE";
    Must(rewrite->Finish(&commit));
    return table->CommitTo(*snapshot, commit);
  };
  const auto snapshot = Must(table->Load());
  Add(*table, {{5, 210, "e"}}, 2);
  ASSERT_OK(remove(snapshot, 10).status());   // an append of other keys is none of its business
  ASSERT_OK(remove(snapshot, 120).status());  // a delete in another file neither
  EXPECT_EQ(CodeOfFailed(remove(snapshot, 20)), ErrorCode::kConflict);  // the same file
  const auto later = Must(table->Load());
  Add(*table, {{6, 15, "f"}}, 2);
  EXPECT_EQ(CodeOfFailed(remove(later, 15)), ErrorCode::kConflict);  // a row it had to see
  EXPECT_EQ(Read(*table),
            (std::vector<Row>{{2, 20, "b"}, {3, 110, "c"}, {5, 210, "e"}, {6, 15, "f"}}));
}

TEST_F(RewriteTest, KeysOfSeveralColumnsAndOfText) {
  const auto table = OpenTable(*store_);
  Add(*table, {{1, 10, "a"}, {2, std::nullopt, "b"}, {3, 30, "c"}, {4, 30, "d"}}, 2);
  const auto snapshot = Must(table->Load());
  const auto rewrite = Open(snapshot);
  const auto both = Must(rewrite->Find(
      TableOf({{0, 30, "d"}, {0, 10, "b"}, {0, std::nullopt, "b"}}), {"k", "x"}, {"_seq"}));
  EXPECT_EQ(both.keys, (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(both.rows->num_columns(), 1);
  const auto text = Must(rewrite->Find(TableOf({{0, 0, "c"}}), {"x"}, {}));
  ASSERT_EQ(text.places.size(), 1U);
  EXPECT_EQ(text.places[0].row, 2);
  EXPECT_EQ(text.rows->num_rows(), 1);
  EXPECT_EQ(CodeOfFailed(rewrite->Find(TableOf({{0, 1, "c"}, {1, 1, "d"}}), {"k"}, {})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOfFailed(rewrite->Find(TableOf({{0, 1, "c"}}), {"kk"}, {})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOfFailed(rewrite->Find(TableOf({{0, 1, "c"}}), {"k"}, {"y"})),
            ErrorCode::kNotFound);
  EXPECT_EQ(rewrite->Remove({{.file = 0, .row = 4}}).ok(), false);
}

TEST_F(RewriteTest, AnUnfinishedRewriteLeavesNoFiles) {
  const auto table = OpenTable(*store_);
  Add(*table, {{1, 10, "a"}, {2, 20, "b"}}, 2);
  const auto before = Must(store_->List("t/", ""));
  {
    const auto rewrite = Open(Must(table->Load()));
    ASSERT_OK(rewrite->Append(Batch({{3, 30, "c"}})));
  }
  EXPECT_EQ(Must(store_->List("t/", "")), before);
}

TEST_F(RewriteTest, AnAppendOnlyTableRefusesByName) {
  const auto table = OpenTable(*store_);
  Add(*table, {{1, 10, "a"}}, 2);
  const auto read = Must(table->Load());
  Commit commit;
  commit.metadata = TableMetadata{.schema = read->schema,
                                  .configuration = {{"delta.appendOnly", "true"}},
                                  .name = "",
                                  .description = ""};
  Must(table->CommitTo(*read, commit));
  EXPECT_EQ(CodeOfFailed(TableRewrite::Open(*store_, Must(table->Load()), clock_, random_,
                                            WriterOptions(), ReadAccess())),
            ErrorCode::kDenied);
}

}  // namespace
}  // namespace icecore::lake
