// What is served is logged, recomputed and compared; whatever is wrong is found and named.
#include "icecore/engine/verify.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <filesystem>

#include "icecore/engine/served_service.h"
#include "icecore/online/served_log.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/pipeline_fixture.h"
#include "icecore/pipeline/training.h"

namespace icecore::engine {
namespace {

using pipeline::Must;
using pipeline::MustBeOk;
using pipeline::WriteText;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHour = 3600 * kSecond;

std::string Definitions(const std::string& ttl, const std::string& window) {
  return R"(source: taps
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
feature_view: spending
entity: user
from: processing.taps
event_time: at
ttl: )" + ttl +
         R"(
online: true
features: [amount, {name: total, aggregate: sum, of: amount, windows: [)" +
         window + R"(]}]
---
feature_view: asked
request: [{name: price, type: float64}]
inputs: {amount: spending.amount}
features: [{name: ratio, expression: "price / amount"}]
---
feature_service: model
features: [spending, asked]
)";
}

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteText(root() + "/icecore.yaml",
              std::string(pipeline::kProjectYaml) + "served_log: {fraction: 1}\n");
    Define("10d", "30d");
    WriteText(root() + "/data/a.csv",
              "user,at,amount\n1,2024-03-09T10:00:00Z,0.1\n1,2024-03-09T11:00:00Z,0.2\n"
              "2,2024-03-09T12:00:00Z,5\n");
    Open();
    Apply();
    Run();
  }

  const std::string& root() const { return folder_.path(); }
  void Define(const std::string& ttl, const std::string& window) {
    WriteText(root() + "/definitions/all.yaml", Definitions(ttl, window));
  }
  void Open(int64_t now_us = pipeline::kTestNow) {
    engine_.reset();
    engine_ = Must(Engine::Open({root(), now_us, nullptr}));
  }
  void Apply() { Must(engine_->Apply()); }
  void Run(bool materialize = true, bool full = false) {
    pipeline::RunRequest request;
    request.command = "run";
    request.materialize = materialize;
    request.full = full;
    const auto outcome = Must(engine_->Run(request));
    ASSERT_FALSE(outcome.failed());
  }
  void Serve(std::optional<int64_t> at_us = std::nullopt) {
    for (const char* user : {"1", "2", "3"}) {
      Must(engine_->Get("model", {{"user", user}}, {{"price", "7"}}, at_us));
    }
  }
  VerifyReport Verify() {
    VerifyRequest request;
    request.service = "model";
    return Must(engine_->Verify(request));
  }

  // Loads the view anew from rows that are not the lake's, and says that they are.
  void TamperOnline(double factor, int64_t claimed_seq) {
    pipeline::OpenProject::Options options;
    pipeline::OpenProject open(root(), options);
    const pipeline::Workspace& workspace = open.workspace();
    const auto project = Must(pipeline::AnalyseProject(workspace, true));
    const spec::FeatureView& view = *open.project().FindView("spending");
    arrow::Status refusal;
    const auto stored = Must(pipeline::StoredViewOf(workspace, project, view, &refusal));
    MustBeOk(refusal);
    const auto& bound = *project.views.at("spending");
    pipeline::LakeFeatureLog log(workspace);
    const auto reader = Must(log.Scan(bound));
    auto position = Must(workspace.online->Position("spending"));
    auto load = Must(workspace.online->BeginLoad(stored, /*fresh=*/true));
    while (const auto batch = Must(reader->Next())) {
      auto rows = Must(bound.Prepare(*batch));
      arrow::DoubleBuilder amounts;
      const auto& given = static_cast<const arrow::DoubleArray&>(*rows.values[0]);
      for (int64_t row = 0; row < given.length(); ++row) {
        MustBeOk(amounts.Append(given.Value(row) * factor));
      }
      rows.values[0] = Must(amounts.Finish());
      MustBeOk(load->Add(rows));
    }
    position->seq = claimed_seq;
    MustBeOk(load->Commit(*position));
  }

  // Writes the served log anew, as if user `user` had got this for `amount`.
  void TamperLog(int64_t user, std::optional<double> amount, state::ValueStatus status) {
    engine_.reset();
    pipeline::OpenProject::Options without_store;
    without_store.online = false;
    const std::string folder =
        ServedLogFolder(pipeline::OpenProject(root(), without_store).project());
    std::vector<online::ServedVectors> records;
    Must(online::ReadServedLog(folder, [&](online::ServedVectors vectors) {
      records.push_back(std::move(vectors));
      return arrow::Status::OK();
    }));
    std::filesystem::remove_all(folder);
    online::ServedLogOptions options;
    options.folder = folder;
    options.fraction = 1;
    const auto log = Must(online::ServedLog::Open(options));
    for (online::ServedVectors& vectors : records) {
      const auto& users = static_cast<const arrow::Int64Array&>(*vectors.keys[0]);
      const auto& given = static_cast<const arrow::DoubleArray&>(*vectors.values[0]);
      arrow::DoubleBuilder amounts;
      std::vector<int64_t> rows;
      for (int64_t row = 0; row < vectors.size(); ++row) {
        const bool is_it = users.Value(row) == user;
        if (is_it) vectors.statuses[0][static_cast<size_t>(row)] = status;
        std::optional<double> value = amount;
        if (!is_it) value = given.IsValid(row) ? std::optional(given.Value(row)) : std::nullopt;
        MustBeOk(value ? amounts.Append(*value) : amounts.AppendNull());
        rows.push_back(row);
      }
      vectors.values[0] = Must(amounts.Finish());
      MustBeOk(log->Offer(vectors, rows));
    }
    MustBeOk(log->Flush());
    Open();
  }

  pipeline::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(VerifyTest, WhatWasServedIsEqual) {
  Serve();
  const VerifyReport report = Verify();
  EXPECT_EQ(report.vectors, 3);
  EXPECT_EQ(report.values, 9);
  EXPECT_EQ(report.equal, 9);
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.vectors_by_version, (std::map<int64_t, int64_t>{{1, 3}}));
  ASSERT_EQ(report.freshness.size(), 1U);
  EXPECT_EQ(report.freshness[0].rows, 0);
}

TEST_F(VerifyTest, NothingServedIsNoPass) {
  VerifyRequest request;
  request.service = "model";
  EXPECT_EQ(pipeline::CodeOfFailed(engine_->Verify(request)), base::ErrorCode::kNotFound);
}

TEST_F(VerifyTest, ATamperedValueIsFoundAndNamed) {
  TamperOnline(/*factor=*/1.0000000000000002, /*claimed_seq=*/3);
  Serve();
  const VerifyReport report = Verify();
  EXPECT_FALSE(report.passed());
  // Amount, total and ratio of user 1; of user 2 the last bit of 5 does not show in 7 / 5.
  EXPECT_GE(report.mismatched, 5);
  EXPECT_EQ(report.mismatches_by_cause.count("bug"), 1U);
  EXPECT_EQ(report.mismatches_by_cause.size(), 1U);
  ASSERT_FALSE(report.examples.empty());
  EXPECT_EQ(report.examples[0].feature, "amount");
  EXPECT_EQ(report.examples[0].view, "spending");
  EXPECT_EQ(report.examples[0].key, "user=1");
  EXPECT_EQ(report.examples[0].recomputed, "0.2");
  EXPECT_EQ(report.examples[0].served, "0.20000000000000007");
}

TEST_F(VerifyTest, RowsBeyondThePositionAreNamed) {
  TamperOnline(/*factor=*/1, /*claimed_seq=*/1);
  Serve();
  const VerifyReport report = Verify();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.mismatches_by_cause, (std::map<std::string, int64_t>{{"position", 6}}));
}

TEST_F(VerifyTest, RowsThatCameLaterAreFreshness) {
  WriteText(root() + "/data/b.csv", "user,at,amount\n1,2024-03-09T15:00:00Z,3\n");
  Run(/*materialize=*/false);
  Serve();
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.passed());
  ASSERT_EQ(report.freshness.size(), 1U);
  EXPECT_EQ(report.freshness[0].rows, 1);
  EXPECT_EQ(report.freshness[0].vectors, 1);
  EXPECT_EQ(report.freshness[0].greatest_age_us, kHour);
}

TEST_F(VerifyTest, AnswersBeyondTheHorizonAreStaleAndEqual) {
  WriteText(root() + "/data/b.csv", "user,at,amount\n1,2024-03-09T18:00:00Z,3\n");
  Run();
  Serve(pipeline::kTestNow + 3 * kHour);  // the row of 18:00 waits in the log
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.stale_vectors, 3);
  ASSERT_EQ(report.freshness.size(), 1U);
  EXPECT_EQ(report.freshness[0].rows, 1);
}

TEST_F(VerifyTest, ExpiryIsTheServedOne) {
  Serve(pipeline::kTestNow + kHour);
  EXPECT_TRUE(Verify().passed());
  // As if the store had applied another ttl.
  Define("1h", "30d");
  Open();
  Apply();
  Run();
  Serve();
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.vectors_by_version, (std::map<int64_t, int64_t>{{1, 3}, {2, 3}}));
}

TEST_F(VerifyTest, AStatusBehindAnEqualValueIsFound) {
  Serve();
  TamperLog(3, std::nullopt, state::ValueStatus::kExpired);  // there are no rows of user 3
  const VerifyReport report = Verify();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.equal, 8);
  EXPECT_EQ(report.mismatches_by_cause, (std::map<std::string, int64_t>{{"bug", 1}}));
  ASSERT_EQ(report.examples.size(), 1U);
  EXPECT_EQ(report.examples[0].served, "null (expired)");
  EXPECT_EQ(report.examples[0].recomputed, "null (not_found)");
}

TEST_F(VerifyTest, OnlyWhatTheTtlExplainsIsCalledExpired) {
  Define("1h", "30d");
  Open();
  Apply();
  Run();
  Serve();
  EXPECT_TRUE(Verify().passed());
  const std::map<std::string, int64_t> expired = {{"expired", 1}};
  const std::map<std::string, int64_t> bug = {{"bug", 1}};
  TamperLog(1, 0.2, state::ValueStatus::kPresent);  // its row, which is older than the ttl
  EXPECT_EQ(Verify().mismatches_by_cause, expired);
  TamperLog(1, 42, state::ValueStatus::kExpired);  // no row's value
  EXPECT_EQ(Verify().mismatches_by_cause, bug);
  TamperLog(1, 42, state::ValueStatus::kPresent);
  EXPECT_EQ(Verify().mismatches_by_cause, bug);
  TamperLog(1, std::nullopt, state::ValueStatus::kNotFound);
  EXPECT_EQ(Verify().mismatches_by_cause, bug);
}

TEST_F(VerifyTest, AnOldDefinitionIsRecomputedAsItWas) {
  Serve();
  Define("10d", "7d");
  Open();
  Apply();
  Run();
  Serve();
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.vectors, 6);
  EXPECT_EQ(report.equal, 18);
  EXPECT_EQ(report.current_version, 2);
  EXPECT_EQ(report.vectors_by_version, (std::map<int64_t, int64_t>{{1, 3}, {2, 3}}));
}

TEST_F(VerifyTest, ADefinitionThatIsGoneIsNoPass) {
  Serve();
  engine_.reset();
  std::filesystem::remove(root() + "/.icecore/catalog.db");
  Define("10d", "7d");
  Open();
  Apply();
  Run();
  const VerifyReport report = Verify();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.mismatched, 0);
  EXPECT_EQ(report.unverified_by_cause, (std::map<std::string, int64_t>{{"definition", 9}}));
}

TEST_F(VerifyTest, ARebuiltTableIsReadAsItWasUntilVacuumTakesIt) {
  Serve();
  Run(/*materialize=*/true, /*full=*/true);
  EXPECT_TRUE(Verify().passed());
  Open(pipeline::kTestNow + kHour);  // the files have left the table before
  pipeline::VacuumRequest request;
  request.retention_us = 0;
  request.force = true;
  Must(engine_->Vacuum({"processing.taps"}, request));
  const VerifyReport report = Verify();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.unverified_by_cause, (std::map<std::string, int64_t>{{"retention", 9}}));
}

TEST_F(VerifyTest, ASpineIsAskedNow) {
  WriteText(root() + "/keys.csv", "user,price\n1,2.5\n2,3\n9,1\n");
  VerifyRequest request;
  request.service = "model";
  request.spine_path = root() + "/keys.csv";
  const VerifyReport good = Must(engine_->Verify(request));
  EXPECT_TRUE(good.passed());
  EXPECT_EQ(good.vectors, 3);
  EXPECT_EQ(good.equal, 9);
  TamperOnline(2, 3);
  Open();
  const VerifyReport bad = Must(engine_->Verify(request));
  EXPECT_EQ(bad.mismatches_by_cause, (std::map<std::string, int64_t>{{"bug", 6}}));
}

}  // namespace
}  // namespace icecore::engine
