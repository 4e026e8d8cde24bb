// Restoring tables that steps fill: whatever fails on the way, the next run leaves every row once,
// and the lake's own audit has nothing to say.
#include "icecore/pipeline/restore.h"

#include "icecore/pipeline/lake_audit.h"
#include "icecore/pipeline/maintenance.h"
#include "icecore/pipeline/orders_fixture.h"
#include "icecore/pipeline/step_range.h"

namespace icecore::pipeline {
namespace {

using lake::FaultPlan;
using OrderFiles = std::vector<std::pair<std::string, std::vector<Order>>>;

const std::vector<std::string>& AllTables() {
  static const std::vector<std::string> kTables = {
      "landing.orders_raw", "landing.orders",    "processing.orders",  "curated.doubled",
      "curated.per_user",   "quarantine.orders", "quarantine.per_user"};
  return kTables;
}

class RestoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string root = FolderOf("before");
    WriteProject(root, FirstRules().Definitions());
    WriteOrders(root + "/data/a.csv", FirstOrders());
    OpenProject open(root, {.faults = {}, .online = false});
    MustRun(open.workspace());
    WriteOrders(root + "/data/b.csv", SecondOrders());
    MustRun(open.workspace());
  }
  std::string FolderOf(const std::string& name) const { return folder_.path() + "/" + name; }
  void Copy(const std::string& name) {
    std::filesystem::remove_all(FolderOf(name));
    std::filesystem::copy(FolderOf("before"), FolderOf(name),
                          std::filesystem::copy_options::recursive);
  }
  static void ExpectSound(const Workspace& workspace) {
    std::vector<std::string> tables;
    for (const std::string& name : AllTables()) {
      if (Must(LoadTable(workspace, name))->exists()) {
        tables.push_back(name);
      }
    }
    const auto audit = Must(AuditLake(workspace, tables, {.deep = true}));
    for (const lake::Finding& finding : audit.findings) {
      EXPECT_TRUE(finding.is_note || finding.code == "orphan_file")
          << finding.code << " " << finding.table << " " << finding.file << ": " << finding.found
          << "; expected " << finding.expected;
    }
  }
  static RestoreRequest ToFirst(const std::string& table) {
    return {.table = table, .version = 0, .at_us = std::nullopt, .run_id = "test"};
  }
  const OrderFiles files_ = {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}};
  TemporaryFolder folder_;
};

TEST_F(RestoreTest, PositionAndQuarantineGoBack) {
  OpenProject open(FolderOf("before"), {.faults = {}, .online = false});
  ExpectSound(open.workspace());
  const auto before = Must(LoadTable(open.workspace(), "landing.orders"));
  const auto first = Must(Must(OpenTable(open.workspace(), "landing.orders"))->Load(0));
  const auto report = Must(RestoreTable(open.workspace(), ToFirst("landing.orders")));
  const auto after = Must(LoadTable(open.workspace(), "landing.orders"));
  EXPECT_EQ(report.version, before->version + 1);
  EXPECT_EQ(after->row_count(), first->row_count());
  EXPECT_EQ(after->last_seq(), before->last_seq());
  const StepState state = Must(StepStateOf(*after));
  EXPECT_EQ(state.seq_up_to, Must(StepStateOf(*first)).seq_up_to);
  EXPECT_EQ(state.generation, 2);
  EXPECT_EQ(TakenUpTo(*after, state), state.seq_up_to);
  ExpectSound(open.workspace());
  MustRun(open.workspace());
  ExpectSound(open.workspace());
}

// Each of the four beginnings elsewhere, so that together they lie closer.
TEST_F(RestoreTest, FaultsAreHealed) {
  int64_t first = 0;
  for (const char* name : {"landing.orders", "processing.orders"}) {
    for (const auto when : {FaultPlan::When::kBefore, FaultPlan::When::kAfter}) {
      for (int64_t n = 1 + first++ * 5 % base::FaultStride(20);; n += base::FaultStride(20)) {
        SCOPED_TRACE(std::string(name) + ", operation " + std::to_string(n));
        ASSERT_LT(n, 300);
        Copy("broken");
        bool failed = false;
        {
          OpenProject broken(
              FolderOf("broken"),
              {.faults = {.fail_at = n, .sticky = false, .when = when}, .online = false});
          const auto report = RestoreTable(broken.workspace(), ToFirst(name));
          failed = broken.store().failed();
          EXPECT_TRUE(failed || report.ok());
        }
        OpenProject healthy(FolderOf("broken"), {.faults = {}, .online = false});
        ExpectSound(healthy.workspace());
        MustRun(healthy.workspace());
        ExpectSound(healthy.workspace());
        if (n % 2 == 0) {
          for (const StepOutcome& step : MustRun(healthy.workspace()).steps) {
            EXPECT_EQ(step.status, StepOutcome::Status::kNothing) << step.report.thing;
          }
        }
        if (HasFailure()) {
          return;
        }
        if (!failed) {
          break;
        }
      }
    }
  }
}

// A step cut off between quarantine and table reads old versions once more: they must be there.
TEST_F(RestoreTest, VacuumKeepsWhatAHalfDoneStepReads) {
  int64_t half_done = 0;
  for (const char* cut : {"landing/orders/", "processing/orders/", "curated/per_user/"}) {
    Copy("half");
    WriteOrders(FolderOf("half") + "/data/c.csv", FirstOrders());
    {
      OpenProject broken(FolderOf("half"),
                         {.faults = {.fail_at = 1,
                                     .sticky = true,
                                     .only = std::string("put if absent ") + cut + "_delta_log"},
                          .online = false});
      static_cast<void>(RunAll(broken.workspace()));
    }
    OpenProject later(FolderOf("half"),
                      {.faults = {}, .online = false, .now_us = kTestNow + 30LL * 86'400'000'000});
    const auto audit = Must(AuditLake(later.workspace(), AllTables(), {}));
    half_done += std::any_of(audit.findings.begin(), audit.findings.end(),
                             [](const auto& finding) { return finding.code == "half_done"; });
    for (const std::string& table : AllTables()) {
      CompactRequest compact;
      compact.table = table;
      ASSERT_TRUE(CompactTable(later.workspace(), compact).ok());
    }
    OpenProject much_later(
        FolderOf("half"),
        {.faults = {}, .online = false, .now_us = kTestNow + 90LL * 86'400'000'000});
    for (const std::string& table : AllTables()) {
      VacuumRequest vacuum;
      vacuum.table = table;
      ASSERT_TRUE(VacuumTable(much_later.workspace(), AllTables(), vacuum).ok());
    }
    MustRun(much_later.workspace());
    ExpectSound(much_later.workspace());
    if (HasFailure()) {
      return;
    }
  }
  EXPECT_GT(half_done, 0);
}

TEST_F(RestoreTest, RefusesWhatMustNotGoBack) {
  OpenProject open(FolderOf("before"), {.faults = {}, .online = false});
  for (const char* name : {"landing.orders_raw", "quarantine.orders", "curated.per_user"}) {
    const auto report = RestoreTable(open.workspace(), ToFirst(name));
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(base::CodeOf(report.status()), base::ErrorCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace icecore::pipeline
