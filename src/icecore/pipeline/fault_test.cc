// Operations of the lake's store fail, once and for good, before and after
// it was done; then the project is run to its end and every row is looked for (laws 2 and 3).
#include <algorithm>
#include <cstdio>
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
  bool commits;   // some of them too
};

// Each try runs the project twice.
int64_t Stride() { return base::FaultStride(480); }
int64_t CommitStride() { return base::FaultStride(10); }

// Notes which operations are commits.
class CommitNoter : public lake::FaultyObjectStore {
 public:
  using FaultyObjectStore::FaultyObjectStore;
  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    if (path.find("/_delta_log/") != std::string::npos) {
      commits_.push_back(operations() + 1);
    }
    return lake::FaultyObjectStore::PutIfAbsent(path, bytes);
  }
  const std::vector<int64_t>& commits() const { return commits_; }

 private:
  std::vector<int64_t> commits_;
};

class FaultTest : public ::testing::TestWithParam<FaultCase> {
 protected:
  // Makes the project as it is before the run that breaks, below `root`.
  using Prepare = std::function<void(const std::string& root)>;

  std::string FolderOf(const std::string& name) const { return folder_.path() + "/" + name; }

  // Which operations of the run to break: every Stride()th and every CommitStride()th commit, each
  // kind of fault and each test beginning elsewhere so that together they lie closer.
  std::set<int64_t> ChooseOperations(int64_t first_commit) {
    OpenProject calm(FolderOf("calm"),
                     {.faults = {}, .online = !GetParam().sticky, .now_us = kTestNow});
    CommitNoter noter(&calm.store(), {});
    calm.workspace().store = &noter;
    MustRun(calm.workspace());
    EXPECT_GT(noter.operations(), 50);
    EXPECT_GT(noter.commits().size(), 5);
    std::set<int64_t> chosen;
    const auto commits = static_cast<int64_t>(noter.commits().size());
    for (int64_t i = (GetParam().first + first_commit) % CommitStride();
         GetParam().commits && i < commits; i += CommitStride()) {
      chosen.insert(noter.commits()[static_cast<size_t>(i)]);
    }
    for (int64_t n = 1 + GetParam().first % Stride(); n <= noter.operations(); n += Stride()) {
      chosen.insert(n);
    }
    std::printf("%zu of %ld operations\n", chosen.size(), static_cast<long>(noter.operations()));
    return chosen;
  }

  // Breaks the run of a project prepared with `rules`, which has `files`.
  void BreakEverywhere(const Prepare& prepare, const OrderFiles& files, const OrdersRules& rules,
                       int64_t first_commit) {
    prepare(FolderOf("before"));
    std::filesystem::copy(FolderOf("before"), FolderOf("calm"),
                          std::filesystem::copy_options::recursive);
    OrdersAnswers expected;
    const std::set<int64_t> operations = ChooseOperations(first_commit);
    {
      OpenProject calm(FolderOf("calm"), {});
      MustRun(calm.workspace());
      expected = AnswersOf(calm.workspace());
    }
    OrdersAudit(FolderOf("calm"), files, rules).Check();
    const std::string root = FolderOf("broken");
    int64_t tries = 0;
    for (const int64_t n : operations) {
      SCOPED_TRACE("operation " + std::to_string(n));
      std::filesystem::remove_all(root);
      std::filesystem::copy(FolderOf("before"), root, std::filesystem::copy_options::recursive);
      EXPECT_TRUE(BreakAt(root, n));
      if (++tries % 3 == 0) {
        BreakAt(root, n / 2 + 1);  // and what heals it breaks too
      }
      OpenProject healthy(root, {});
      MustRun(healthy.workspace());
      OrdersAudit(root, files, rules).Check();
      if (tries % 4 == 0) {
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
                  FirstRules(), 0);
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
                  FirstRules(), 2);
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
                  SecondRules(), 4);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultTest,
    ::testing::Values(FaultCase{"OnceBefore", false, FaultPlan::When::kBefore, 0, false},
                      FaultCase{"OnceAfter", false, FaultPlan::When::kAfter, 33, true},
                      FaultCase{"ForGoodBefore", true, FaultPlan::When::kBefore, 18, true},
                      FaultCase{"ForGoodAfter", true, FaultPlan::When::kAfter, 51, false}),
    [](const auto& fault) { return fault.param.name; });

}  // namespace
}  // namespace icecore::pipeline
