// Loads of online views that find the store taken: by another load, which ends, or for good.
#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

// Refuses the first loads with a code.
class RefusingStore : public online::Store {
 public:
  RefusingStore(online::Store* inner, base::ErrorCode code, int refusals)
      : inner_(inner), code_(code), refusals_(refusals) {}

  arrow::Result<std::optional<online::ViewPosition>> Position(const std::string& view) override {
    return inner_->Position(view);
  }
  arrow::Result<std::unique_ptr<online::ViewLoad>> BeginLoad(const online::StoredView& view,
                                                             bool fresh) override {
    if (++loads_ <= refusals_) {
      return base::MakeError(code_, "planned");
    }
    return inner_->BeginLoad(view, fresh);
  }
  arrow::Result<std::vector<online::ViewAnswer>> Read(const std::vector<online::ViewRead>& reads,
                                                      int64_t t) override {
    return inner_->Read(reads, t);
  }
  arrow::Status Drop(const std::string& view) override { return inner_->Drop(view); }
  arrow::Result<int64_t> Sweep(int64_t max_cells) override { return inner_->Sweep(max_cells); }
  arrow::Result<online::PackReport> Pack(const online::PackRule& rule) override {
    return inner_->Pack(rule);
  }
  arrow::Result<Info> Describe() override { return inner_->Describe(); }

  int loads() const { return loads_; }

 private:
  online::Store* inner_;
  const base::ErrorCode code_;
  const int refusals_;
  int loads_ = 0;
};

class OnlineLoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), FirstRules().Definitions());
    WriteOrders(folder_.path() + "/data/a.csv", FirstOrders());
    open_.emplace(folder_.path(), OpenProject::Options{});
  }
  // The outcome of the view's step; *loads is how often its load was begun.
  StepOutcome RunRefused(base::ErrorCode code, int refusals, int* loads) {
    RefusingStore store(open_->workspace().online, code, refusals);
    open_->workspace().online = &store;
    const RunOutcome outcome = Must(RunAll(open_->workspace()));
    *loads = store.loads();
    return outcome.steps.back();
  }

  TemporaryFolder folder_;
  std::optional<OpenProject> open_;
};

TEST_F(OnlineLoadTest, WaitsForAnotherLoad) {
  int loads = 0;
  const StepOutcome step = RunRefused(base::ErrorCode::kConflict, 3, &loads);
  EXPECT_EQ(step.report.step, "online");
  EXPECT_EQ(step.status, StepOutcome::Status::kDone) << step.error;
  EXPECT_EQ(loads, 4);
}

TEST_F(OnlineLoadTest, DoesNotWaitForAStoreThatCannotBeUsed) {
  int loads = 0;
  const StepOutcome step = RunRefused(base::ErrorCode::kUnavailable, 3, &loads);
  EXPECT_EQ(step.report.step, "online");
  EXPECT_EQ(step.status, StepOutcome::Status::kFailed);
  EXPECT_EQ(loads, 1);
}

}  // namespace
}  // namespace icecore::pipeline
