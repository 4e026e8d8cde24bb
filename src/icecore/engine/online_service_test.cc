// Services over a store that does not answer.
#include "icecore/engine/online_service.h"

#include <chrono>
#include <thread>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/pipeline_fixture.h"
#include "icecore/pipeline/runner.h"
#include "icecore/pipeline/training.h"

namespace icecore::engine {
namespace {

using pipeline::Must;
using pipeline::MustBeOk;

constexpr char kServedTaps[] = R"(source: taps
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns: [{name: user, type: int64}, {name: at, type: timestamp}, {name: amount, type: float64}]
---
table: taps
zone: processing
sql: select * from landing.taps
mode: append
---
entity: user
keys: [{name: user, type: int64}]
---
feature_view: newest
entity: user
from: processing.taps
event_time: at
online: true
features: [amount]
---
feature_view: total
entity: user
from: processing.taps
event_time: at
online: true
features: [{name: total, aggregate: sum, of: amount, windows: [30d]}]
---
feature_service: model
features: [newest, total]
)";

// Another store, which counts what it is asked and answers as `status` says.
class RefusingStore : public online::Store {
 public:
  explicit RefusingStore(online::Store* store) : store_(store) {}

  arrow::Result<std::optional<online::ViewPosition>> Position(const std::string& view) override {
    ++asked;
    ARROW_RETURN_NOT_OK(status);
    return store_->Position(view);
  }
  arrow::Result<std::vector<online::ViewAnswer>> Read(const std::vector<online::ViewRead>& reads,
                                                      int64_t t, int64_t deadline_ns) override {
    ++asked;
    ARROW_RETURN_NOT_OK(status);
    return store_->Read(reads, t, deadline_ns);
  }
  arrow::Result<std::unique_ptr<online::ViewLoad>> BeginLoad(const online::StoredView& view,
                                                             bool fresh) override {
    return store_->BeginLoad(view, fresh);
  }
  arrow::Status Drop(const std::string& view) override { return store_->Drop(view); }
  arrow::Result<int64_t> Sweep(int64_t max_cells) override { return store_->Sweep(max_cells); }
  arrow::Result<online::PackReport> Pack(const online::PackRule& rule) override {
    return store_->Pack(rule);
  }
  arrow::Result<Info> Describe() override { return store_->Describe(); }

  arrow::Status status;
  int asked = 0;

 private:
  online::Store* const store_;
};

class OnlineServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pipeline::WriteProject(folder_.path(), kServedTaps);
    pipeline::WriteText(folder_.path() + "/data/a.csv",
                        "user,at,amount\n1,2024-03-09T10:00:00Z,0.5\n1,2024-03-09T11:00:00Z,2\n");
    open_.emplace(folder_.path(), pipeline::OpenProject::Options{});
    pipeline::RunRequest request;
    request.command = "run";
    request.materialize = true;
    ASSERT_FALSE(Must(pipeline::RunProject(open_->workspace(), request)).failed());
    store_.emplace(open_->workspace().online);
  }

  std::shared_ptr<const OnlineService> OpenService() {
    pipeline::Workspace workspace = open_->workspace();
    workspace.online = &*store_;
    const auto project = Must(pipeline::AnalyseProject(workspace, true));
    return Must(MakeOnlineService(workspace, project, project.services.at("model"), 0, nullptr));
  }

  static arrow::Result<VectorRows> ReadOne(const OnlineService& service) {
    const auto keys = Must(arrow::json::ArrayFromJSONString(arrow::int64(), "[1]"));
    return service.ReadRows({keys}, {}, pipeline::kTestNow);
  }

  pipeline::TemporaryFolder folder_;
  std::optional<pipeline::OpenProject> open_;
  std::optional<RefusingStore> store_;
};

// The views of a service are looked up when it is opened, and read afterwards: a store that refuses
// is asked once for both.
TEST_F(OnlineServiceTest, ARefusalWhileItIsOpenedAnswersTheReadBehindIt) {
  store_->status = base::MakeError(base::ErrorCode::kUnavailable, "throttled");
  const auto service = OpenService();
  EXPECT_EQ(store_->asked, 1);
  const auto refused = ReadOne(*service);
  EXPECT_EQ(pipeline::CodeOfFailed(refused), base::ErrorCode::kUnavailable);
  EXPECT_EQ(refused.status().message(), "throttled");
  EXPECT_EQ(store_->asked, 1);

  EXPECT_FALSE(ReadOne(*service).ok());
  EXPECT_EQ(store_->asked, 2);
  store_->status = arrow::Status::OK();
  EXPECT_EQ(Must(ReadOne(*service)).features.size(), 2U);
}

TEST_F(OnlineServiceTest, AnOldRefusalAnswersNothing) {
  store_->status = base::MakeError(base::ErrorCode::kUnavailable, "throttled");
  const auto service = OpenService();
  store_->status = arrow::Status::OK();
  std::this_thread::sleep_for(std::chrono::nanoseconds(kRefusalNanos));
  MustBeOk(ReadOne(*service).status());
}

// Other errors are no refusal: each read finds and says them itself.
TEST_F(OnlineServiceTest, OtherErrorsAreLeftToTheRead) {
  store_->status = base::MakeError(base::ErrorCode::kCorrupt, "damaged");
  const auto service = OpenService();
  EXPECT_EQ(store_->asked, 2);
  store_->status = arrow::Status::OK();
  MustBeOk(ReadOne(*service).status());
}

}  // namespace
}  // namespace icecore::engine
