// Two processes on one project: the other one runs from start to end just before a commit of ours,
// for each of our commits. Whoever is second does its step again; no row is there twice.
#include <functional>

#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

// Calls `hook` before the n-th object that must not be there yet.
class HookedStore : public lake::FaultyObjectStore {
 public:
  HookedStore(lake::ObjectStore* inner, int64_t at, std::function<void()> hook)
      : lake::FaultyObjectStore(inner, {}), at_(at), hook_(std::move(hook)) {}

  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    if (++puts_ == at_) {
      hook_();
    }
    return lake::FaultyObjectStore::PutIfAbsent(path, bytes);
  }
  int64_t puts() const { return puts_; }

 private:
  const int64_t at_;
  const std::function<void()> hook_;
  int64_t puts_ = 0;
};

class TwoRunsTest : public ::testing::Test {
 protected:
  // `prepare` makes the project, `meanwhile` changes it just before the other run.
  void Interleave(const std::function<void(const std::string&)>& prepare,
                  const std::function<void(const std::string&)>& meanwhile,
                  const OrdersRules& rules) {
    for (int64_t n = 1; !HasFailure(); ++n) {
      SCOPED_TRACE("commit " + std::to_string(n));
      const std::string root = folder_.path() + "/" + std::to_string(n);
      prepare(root);
      const OpenProject::Options offline{.faults = {}, .online = false, .now_us = kTestNow};
      OpenProject ours(root, offline);
      HookedStore store(&ours.store(), n, [&] {
        meanwhile(root);
        OpenProject theirs(root, offline);
        MustRun(theirs.workspace());
      });
      ours.workspace().store = &store;
      MustRun(ours.workspace());
      if (store.puts() < n) {
        EXPECT_GT(n, 5);
        return;
      }
      OrdersAudit(root, {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}}, rules)
          .Check();
      for (const StepOutcome& step : MustRun(ours.workspace()).steps) {
        EXPECT_EQ(step.status, StepOutcome::Status::kNothing) << step.report.thing;
      }
    }
  }

  TemporaryFolder folder_;
};

TEST_F(TwoRunsTest, OfTheSameFiles) {
  Interleave(
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
        WriteOrders(root + "/data/b.csv", SecondOrders());
      },
      [](const std::string&) {}, FirstRules());
}

// The other run goes further than ours meant to.
TEST_F(TwoRunsTest, OfMoreFiles) {
  Interleave(
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
      },
      [](const std::string& root) { WriteOrders(root + "/data/b.csv", SecondOrders()); },
      FirstRules());
}

TEST_F(TwoRunsTest, OfANewGeneration) {
  Interleave(
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
        WriteOrders(root + "/data/b.csv", SecondOrders());
        OpenProject open(root, {.faults = {}, .online = false, .now_us = kTestNow});
        MustRun(open.workspace());
        WriteProject(root, SecondRules().Definitions());
      },
      [](const std::string&) {}, SecondRules());
}

}  // namespace
}  // namespace icecore::pipeline
