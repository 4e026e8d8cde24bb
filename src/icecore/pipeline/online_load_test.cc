// Loads of online views that find the store taken: by another load, which ends, or for good.
#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

// A load that cannot do its second pass.
class CutOffLoad : public online::ViewLoad {
 public:
  explicit CutOffLoad(std::unique_ptr<online::ViewLoad> inner) : inner_(std::move(inner)) {}

  arrow::Status Add(const state::PreparedRows& rows) override { return inner_->Add(rows); }
  void Bound(int64_t, int64_t rows) override { inner_->Bound(1, rows); }
  arrow::Result<bool> NextPass(const online::ViewPosition& position) override {
    if (passes_++ > 0) return base::MakeError(base::ErrorCode::kUnavailable, "planned");
    return inner_->NextPass(position);
  }
  std::optional<online::ViewPosition> Unfinished() const override { return inner_->Unfinished(); }
  void Resume() override { inner_->Resume(); }
  arrow::Status Commit(const online::ViewPosition& position) override {
    return inner_->Commit(position);
  }

 private:
  std::unique_ptr<online::ViewLoad> inner_;
  int passes_ = 0;
};

// Refuses the first loads with a code, or cuts one off after its first pass.
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
    ARROW_ASSIGN_OR_RAISE(auto load, inner_->BeginLoad(view, fresh));
    if (!cuts_off_) return load;
    return std::make_unique<CutOffLoad>(std::move(load));
  }
  arrow::Result<std::vector<online::ViewAnswer>> Read(const std::vector<online::ViewRead>& reads,
                                                      int64_t t, int64_t deadline_ns) override {
    return inner_->Read(reads, t, deadline_ns);
  }
  arrow::Status Drop(const std::string& view) override { return inner_->Drop(view); }
  arrow::Result<int64_t> Sweep(int64_t max_cells) override { return inner_->Sweep(max_cells); }
  arrow::Result<online::PackReport> Pack(const online::PackRule& rule) override {
    return inner_->Pack(rule);
  }
  arrow::Result<Info> Describe() override { return inner_->Describe(); }

  int loads() const { return loads_; }
  void CutOff() { cuts_off_ = true; }

 private:
  online::Store* inner_;
  const base::ErrorCode code_;
  const int refusals_;
  int loads_ = 0;
  bool cuts_off_ = false;
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

// The load goes on where it was, and then brings what has come since.
TEST_F(OnlineLoadTest, GoesOnWithALoadThatWasCutOff) {
  online::Store* const store = open_->workspace().online;
  RefusingStore cutting(store, base::ErrorCode::kConflict, 0);
  cutting.CutOff();
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());  // of other users, too
  open_->workspace().online = &cutting;
  const StepOutcome cut = Must(RunAll(open_->workspace())).steps.back();
  ASSERT_EQ(cut.report.step, "online");
  EXPECT_EQ(cut.status, StepOutcome::Status::kFailed);
  const std::string view = cut.report.thing.substr(std::string("view.").size());
  EXPECT_FALSE(Must(store->Position(view)).has_value());

  open_->workspace().online = store;
  WriteOrders(folder_.path() + "/data/c.csv", SecondOrders());
  const StepOutcome whole = Must(RunAll(open_->workspace())).steps.back();
  EXPECT_EQ(whole.status, StepOutcome::Status::kDone) << whole.error;
  const online::ViewPosition position = *Must(store->Position(view));
  EXPECT_EQ(position.generation, 1);
  ASSERT_EQ(whole.report.reads.size(), 2u);
  EXPECT_LT(whole.report.reads[0].seq_end, whole.report.reads[1].seq_end);
  EXPECT_EQ(whole.report.reads[1].seq_end, position.seq + 1);
  EXPECT_EQ(Must(store->Sweep(1000)), 0);
}

}  // namespace
}  // namespace icecore::pipeline
