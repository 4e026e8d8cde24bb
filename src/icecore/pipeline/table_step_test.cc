#include "icecore/pipeline/table_step.h"

#include <algorithm>

#include "icecore/lake/envelope.h"
#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

class TableStepTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    WriteText(folder_.path() + "/data/" + name, text);
  }
  void Define(const std::string& tables) {
    WriteProject(folder_.path(),
                 "source: s\nfrom: {files: {path: \"data/*.csv\", format: csv}}\n---\n" + tables);
  }
  void Run() {
    OpenProject open(folder_.path(), {.faults = {}, .online = false, .now_us = kTestNow});
    MustRun(open.workspace());
  }
  Rows Read(const std::string& table, const std::vector<std::string>& columns) {
    OpenProject open(folder_.path(), {.faults = {}, .online = false, .now_us = kTestNow});
    return ReadTable(open.workspace(), table, columns);
  }

  TemporaryFolder folder_;
};

constexpr char kKeyed[] =
    "table: t\nzone: processing\nsql: select id, x from landing.s\nmode: append\nkey: [id]\n"
    "checks: [{expect: \"x > 0\", name: positive}]\n";

// What a table holds must not depend on how its rows were cut into runs.
TEST_F(TableStepTest, ARejectedRowDoesNotClaimItsKey) {
  const std::vector<std::string> lines = {"1,-1", "1,-2", "2,5", "1,10", "1,20", "1,-3", "2,-1"};
  const Rows expected = {{"2", "5"}, {"1", "10"}};
  Define(kKeyed);
  std::string all = "id,x\n";
  for (const std::string& line : lines) {
    all += line + "\n";
  }
  Write("all.csv", all);
  Run();
  EXPECT_EQ(Read("processing.t", {"id", "x"}), expected);
  EXPECT_EQ(Read("quarantine.t", {"_seq"}), (Rows{{"1"}, {"2"}}));

  for (const char* folder : {"data", "lake", ".icecore"}) {
    std::filesystem::remove_all(folder_.path() + "/" + folder);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    Write(std::to_string(i) + ".csv", "id,x\n" + lines[i] + "\n");
    Run();
  }
  EXPECT_EQ(Read("processing.t", {"id", "x"}), expected);
  EXPECT_EQ(Read("quarantine.t", {"_seq"}), (Rows{{"1"}, {"2"}}));
}

// The step was killed between its two commits, and then the source got a column.
TEST_F(TableStepTest, HalfDoneBeforeANewColumnIsFinished) {
  Define(
      "table: t\nzone: processing\nsql: select * from landing.s\nmode: append\n"
      "checks: [{expect: \"x > 0\", name: positive}]\n");
  Write("a.csv", "id,x\n1,-1\n2,5\n");
  {
    OpenProject open(folder_.path(), {.faults = {}, .online = false, .now_us = kTestNow});
    class NoTableCommit : public lake::FaultyObjectStore {
     public:
      using FaultyObjectStore::FaultyObjectStore;
      arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
        return path.find("processing/t/_delta_log") != std::string::npos
                   ? arrow::Result<bool>(Failure(path))
                   : lake::FaultyObjectStore::PutIfAbsent(path, bytes);
      }
    } store(&open.store(), {});
    open.workspace().store = &store;
    EXPECT_TRUE(Must(RunAll(open.workspace())).failed());
  }
  EXPECT_EQ(Read("quarantine.t", {"_seq"}), (Rows{{"1"}}));
  EXPECT_EQ(Read("processing.t", {"_seq"}), Rows{});
  Write("b.csv", "id,x,y\n3,-3,c\n4,7,d\n");
  Run();
  EXPECT_EQ(Read("quarantine.t", {"_seq"}), (Rows{{"1"}, {"3"}}));
  EXPECT_EQ(Read("processing.t", {"_seq", "id", "y"}), (Rows{{"2", "2", "null"}, {"4", "4", "d"}}));
}

}  // namespace
}  // namespace icecore::pipeline
