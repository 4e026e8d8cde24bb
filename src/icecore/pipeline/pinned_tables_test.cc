// The rows a set was made from, again: where they are, and by name where they are gone.
#include "icecore/pipeline/pinned_tables.h"

#include "icecore/pipeline/pipeline_fixture.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {
namespace {

constexpr char kTable[] = "processing.orders";
constexpr char kDefinitions[] =
    "source: orders\nfrom: {files: {path: \"data/*.csv\", format: csv}}\n---\n"
    "table: orders\nzone: processing\nmode: append\nsql: select * from landing.orders\n---\n"
    "table: sums\nzone: curated\nmode: replace\nsql: select sum(x) as x from processing.orders\n";

std::shared_ptr<arrow::Schema> Columns() {
  return arrow::schema(
      {arrow::field("x", arrow::int64()), arrow::field("_seq", arrow::int64(), false),
       arrow::field("_arrived_at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("_run", arrow::utf8())});
}

class PinnedTablesTest : public ::testing::Test {
 protected:
  PinnedTablesTest() {
    WriteProject(folder_.path(), kDefinitions);
    project_ = std::make_unique<OpenProject>(folder_.path(),
                                             OpenProject::Options{.faults = {}, .online = false});
  }
  const Workspace& workspace() { return project_->workspace(); }

  // Rows x = from..to with _seq alike, as a step would add them.
  void Append(const std::string& table, int64_t from, int64_t to, int64_t generation = 1) {
    StepCommit::Target target;
    target.table = table;
    target.quarantine = "quarantine.orders";
    target.origin = table;
    target.run_id = "test";
    target.before = Must(LoadTable(workspace(), table));
    target.quarantine_before = Must(LoadTable(workspace(), target.quarantine));
    target.next.definition = "test";
    target.next.generation = generation;
    target.next.seq_up_to = to;
    target.new_generation = target.before->exists() && generation > 1;
    target.schema = Columns();
    target.operation = "TEST";
    auto commit = Must(StepCommit::Open(workspace(), target));
    std::string json = "[";
    for (int64_t i = from; i <= to; ++i) {
      json += (i == from ? "" : ",") + std::string("{\"x\":") + std::to_string(i) +
              ",\"_seq\":" + std::to_string(i) + ",\"_run\":\"r\"}";
    }
    MustBeOk(commit->Write(BatchOf(Columns()->fields(), json + "]")));
    StepReport report;
    MustBeOk(commit->Finish({}, &report));
  }

  std::vector<CardInput> Pin(const std::string& table) {
    PinnedTables tables(workspace());
    Must(tables.Get(table));
    return tables.Inputs();
  }

  Rows RowsOf(const std::string& table, const std::vector<CardInput>& inputs) {
    PinnedTables tables(workspace(), inputs);
    const PinnedRows rows = Must(tables.Get(table));
    lake::ScanOptions options;
    options.columns = std::vector<std::string>{"x"};
    options.seq = rows.range;
    return TextOf(
        *Must(Must(lake::Scan(*workspace().store, *rows.snapshot, options, workspace().access))
                  ->ToTable()));
  }

  std::string Refusal(const std::string& table, const std::vector<CardInput>& inputs) {
    PinnedTables tables(workspace(), inputs);
    const auto rows = tables.Get(table);
    EXPECT_EQ(CodeOfFailed(rows), base::ErrorCode::kNotFound);
    return rows.status().message();
  }

  void RemoveAllFiles(const std::string& table) {
    const auto opened = Must(OpenTable(workspace(), table));
    const auto before = Must(opened->Load());
    lake::Commit commit;
    for (const lake::DataFile& file : before->files) commit.removes.push_back(file.path);
    commit.operation = "DELETE";
    Must(opened->CommitTo(*before, commit));
  }

  TemporaryFolder folder_;
  std::unique_ptr<OpenProject> project_;
};

TEST_F(PinnedTablesTest, LaterRowsAreNotSeen) {
  Append(kTable, 1, 2);
  const auto then = Pin(kTable);
  EXPECT_EQ(then[0].seq_up_to, 2);
  EXPECT_EQ(then[0].rows, 2);
  Append(kTable, 3, 5);
  EXPECT_EQ(RowsOf(kTable, then), (Rows{{"1"}, {"2"}}));
  EXPECT_EQ(RowsOf(kTable, Pin(kTable)).size(), 5U);
}

TEST_F(PinnedTablesTest, OneMomentForAllWhoAsk) {
  Append(kTable, 1, 2);
  PinnedTables tables(workspace());
  const auto first = Must(tables.Get(kTable)).snapshot;
  Append(kTable, 3, 5);
  EXPECT_EQ(Must(tables.Get(kTable)).snapshot, first);
  EXPECT_EQ(tables.LogPins().at(kTable).version, first->version);
}

TEST_F(PinnedTablesTest, RowsThatWentAreNamed) {
  Append(kTable, 1, 2);
  const auto then = Pin(kTable);
  RemoveAllFiles(kTable);
  Append(kTable, 3, 5);
  const std::string why = Refusal(kTable, then);
  EXPECT_NE(why.find("processing.orders@0: 2 of its 2 rows are gone"), std::string::npos) << why;
}

TEST_F(PinnedTablesTest, AnotherGenerationIsReadWhileItsFilesAreThere) {
  Append(kTable, 1, 2);
  const auto then = Pin(kTable);
  Append(kTable, 1, 4, 2);
  EXPECT_EQ(RowsOf(kTable, then), (Rows{{"1"}, {"2"}}));
  const auto old = Must(Must(OpenTable(workspace(), kTable))->Load(0));
  std::filesystem::remove(folder_.path() + "/lake/" + old->table_path + "/" + old->files[0].path);
  const std::string why = Refusal(kTable, then);
  EXPECT_NE(why.find("generation 2 now, the set was made from generation 1"), std::string::npos)
      << why;
}

TEST_F(PinnedTablesTest, AnotherTableOfTheName) {
  Append(kTable, 1, 2);
  const auto then = Pin(kTable);
  std::filesystem::remove_all(folder_.path() + "/lake/processing");
  project_ = std::make_unique<OpenProject>(folder_.path(),
                                           OpenProject::Options{.faults = {}, .online = false});
  EXPECT_NE(Refusal(kTable, then).find("the table is gone"), std::string::npos);
  Append(kTable, 1, 2);
  EXPECT_NE(Refusal(kTable, then).find("another table of that name"), std::string::npos);
}

TEST_F(PinnedTablesTest, ATableComputedWholeNeedsItsVersion) {
  const std::string table = "curated.sums";
  Append(table, 1, 1);
  const auto then = Pin(table);
  RemoveAllFiles(table);
  Append(table, 2, 2);
  EXPECT_EQ(RowsOf(table, then), (Rows{{"1"}}));
  const auto old = Must(Must(OpenTable(workspace(), table))->Load(0));
  std::filesystem::remove(folder_.path() + "/lake/" + old->table_path + "/" + old->files[0].path);
  const std::string why = Refusal(table, then);
  EXPECT_NE(why.find("curated.sums@0: its rows were replaced, and vacuum took"), std::string::npos)
      << why;
}

TEST_F(PinnedTablesTest, NoTableAndNoPin) {
  PinnedTables newest(workspace());
  EXPECT_NE(newest.Get(kTable).status().message().find("icecore run"), std::string::npos);
  Append(kTable, 1, 2);
  EXPECT_NE(Refusal(kTable, {}).find("was not read"), std::string::npos);
}

}  // namespace
}  // namespace icecore::pipeline
