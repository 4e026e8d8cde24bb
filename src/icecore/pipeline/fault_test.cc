// Operations of the lake's store fail, once and for good, before and after
// it was done; then the project is run to its end and every row is looked for (laws 2 and 3).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

using lake::FaultPlan;
using OrderFiles = std::vector<std::pair<std::string, std::vector<Order>>>;

struct FaultCase {
  const char* name;
  bool sticky;
  FaultPlan::When when;
  int64_t first;  // operation
};

// Each try runs the project twice. ICECORE_FAULT_STRIDE=1 tries them all.
int64_t Stride() {
  const char* given = std::getenv("ICECORE_FAULT_STRIDE");
  return given == nullptr ? 64 : std::max<int64_t>(1, std::atoll(given));
}

class FaultTest : public ::testing::TestWithParam<FaultCase> {
 protected:
  // Makes the project as it is before the run that breaks, below `root`.
  using Prepare = std::function<void(const std::string& root)>;

  std::string FolderOf(const std::string& name) const { return folder_.path() + "/" + name; }

  // Breaks the run of a project prepared with `rules`, which has `files`, at every Stride()th
  // operation. Each kind of fault begins elsewhere, so that together they lie closer.
  void BreakEverywhere(const Prepare& prepare, const OrderFiles& files, const OrdersRules& rules) {
    prepare(FolderOf("before"));
    std::filesystem::copy(FolderOf("before"), FolderOf("calm"),
                          std::filesystem::copy_options::recursive);
    OrdersAnswers expected;
    int64_t operations = 0;
    {
      OpenProject calm(FolderOf("calm"),
                       {.faults = {}, .online = !GetParam().sticky, .now_us = kTestNow});
      MustRun(calm.workspace());
      operations = calm.store().operations();
    }
    {
      OpenProject calm(FolderOf("calm"), {});
      MustRun(calm.workspace());
      expected = AnswersOf(calm.workspace());
    }
    OrdersAudit(FolderOf("calm"), files, rules).Check();
    ASSERT_GT(operations, 50);
    std::printf("%ld operations, every %ld\n", static_cast<long>(operations),
                static_cast<long>(Stride()));
    const std::string root = FolderOf("broken");
    for (int64_t n = 1 + GetParam().first % Stride(); n <= operations; n += Stride()) {
      SCOPED_TRACE("operation " + std::to_string(n));
      std::filesystem::remove_all(root);
      std::filesystem::copy(FolderOf("before"), root, std::filesystem::copy_options::recursive);
      EXPECT_TRUE(BreakAt(root, n));
      if (n / Stride() % 3 == 1) {
        BreakAt(root, n / 2 + 1);  // and what heals it breaks too
      }
      OpenProject healthy(root, {});
      MustRun(healthy.workspace());
      OrdersAudit(root, files, rules).Check();
      if (n / Stride() % 4 == 0) {
        const OrdersAnswers answers = AnswersOf(healthy.workspace());
        EXPECT_TRUE(answers.trained->Equals(*expected.trained));
        EXPECT_EQ(answers.online, expected.online);
        for (const StepOutcome& step : MustRun(healthy.workspace()).steps) {
          EXPECT_EQ(step.status, StepOutcome::Status::kNothing) << step.report.thing;
        }
      }
      if (HasFailure()) {
        return;
      }
    }
  }

  // false: the run has fewer operations. A run that says it succeeded must have done everything.
  bool BreakAt(const std::string& root, int64_t n) {
    const FaultCase& fault = GetParam();
    // A store that stays away is waited for while a view is loaded; that is not what is tried here.
    OpenProject broken(root, {.faults = {.fail_at = n, .sticky = fault.sticky, .when = fault.when},
                              .online = !fault.sticky,
                              .now_us = kTestNow});
    const auto outcome = RunAll(broken.workspace());
    if (!outcome.ok()) {
      EXPECT_FALSE(outcome.status().message().empty());
      return broken.store().failed();
    }
    if (outcome->failed()) {
      for (const StepOutcome& step : outcome->steps) {
        EXPECT_EQ(step.error.empty(), step.status == StepOutcome::Status::kDone ||
                                          step.status == StepOutcome::Status::kNothing);
      }
      return broken.store().failed();
    }
    EXPECT_TRUE(outcome->balanced());
    OpenProject again(root, {.faults = {}, .online = false, .now_us = kTestNow});
    for (const StepOutcome& step : MustRun(again.workspace()).steps) {
      EXPECT_EQ(step.status, StepOutcome::Status::kNothing)
          << step.report.thing << " was said to be done";
    }
    return broken.store().failed();
  }

  TemporaryFolder folder_;
};

TEST_P(FaultTest, FirstRun) {
  const auto prepare = [](const std::string& root) {
    WriteProject(root, FirstRules().Definitions());
    WriteOrders(root + "/data/a.csv", FirstOrders());
    WriteOrders(root + "/data/b.csv", SecondOrders());
  };
  BreakEverywhere(prepare, {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}},
                  FirstRules());
}

TEST_P(FaultTest, MoreRows) {
  const auto prepare = [](const std::string& root) {
    WriteProject(root, FirstRules().Definitions());
    WriteOrders(root + "/data/a.csv", FirstOrders());
    OpenProject open(root, {});
    MustRun(open.workspace());
    WriteOrders(root + "/data/b.csv", SecondOrders());
  };
  BreakEverywhere(prepare, {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}},
                  FirstRules());
}

// A new generation of everything, with rows that come at the same time.
TEST_P(FaultTest, ChangedDefinitions) {
  const auto prepare = [](const std::string& root) {
    WriteProject(root, FirstRules().Definitions());
    WriteOrders(root + "/data/a.csv", FirstOrders());
    OpenProject open(root, {});
    MustRun(open.workspace());
    WriteProject(root, SecondRules().Definitions());
    WriteOrders(root + "/data/b.csv", SecondOrders());
  };
  BreakEverywhere(prepare, {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}},
                  SecondRules());
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultTest,
    ::testing::Values(FaultCase{"OnceBefore", false, FaultPlan::When::kBefore, 0},
                      FaultCase{"OnceAfter", false, FaultPlan::When::kAfter, 33},
                      FaultCase{"ForGoodBefore", true, FaultPlan::When::kBefore, 18},
                      FaultCase{"ForGoodAfter", true, FaultPlan::When::kAfter, 51}),
    [](const auto& fault) { return fault.param.name; });

}  // namespace
}  // namespace icecore::pipeline
