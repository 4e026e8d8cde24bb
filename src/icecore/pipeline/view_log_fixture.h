#pragma once
// A project whose view `spending` has a clustered log, however few its rows are.

#include <filesystem>
#include <fstream>

#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/orders_fixture.h"
#include "icecore/pipeline/view_log_manifest.h"

namespace icecore::pipeline {

// LakeFeatureLog without its clustered part.
class PlainLog : public LakeFeatureLog {
 public:
  using LakeFeatureLog::LakeFeatureLog;
  arrow::Result<std::shared_ptr<const feature::ClusteredLog>> Clustered(
      const feature::BoundView& /*view*/) override {
    return std::shared_ptr<const feature::ClusteredLog>();
  }
};

class ViewLogFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), FirstRules().Definitions());
    WriteText(folder_.path() + "/icecore.yaml",
              std::string(kProjectYaml) + "feature_log_rows: 0\nmemory: 64MB\n");
    WriteOrders(folder_.path() + "/data/a.csv", FirstOrders());
    Open();
    Run(false);
  }
  void Open() {
    open_.reset();
    open_.emplace(folder_.path(), OpenProject::Options{});
    open_->workspace().features_root = folder_.path() + "/.icecore/features";
  }
  void Run(bool full) {
    RunRequest request;
    request.command = "run";
    request.full = full;
    const RunOutcome outcome = Must(RunProject(open_->workspace(), request));
    for (const StepOutcome& step : outcome.steps) {
      if (step.report.step == "log") {
        EXPECT_EQ(step.error, "");
      }
    }
  }
  // The project with these features of the view `spending`.
  void Define(const std::string& features) {
    std::string text = FirstRules().Definitions();
    const size_t from = text.find("features: [amount");
    text.replace(from, text.find('\n', from) - from, "features: [" + features + "]");
    WriteText(folder_.path() + "/definitions/all.yaml", text);
    Open();
  }
  // Changes a byte in the middle of the file; `unseen`: its time of change stays.
  static void Damage(const std::string& path, bool unseen) {
    const auto written = std::filesystem::last_write_time(path);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto middle = static_cast<int64_t>(std::filesystem::file_size(path) / 2);
      file.seekg(middle);
      const auto byte = static_cast<char>(file.get() ^ 0x10);
      file.seekp(middle);
      file.put(byte);
    }
    if (unseen) std::filesystem::last_write_time(path, written);
  }
  std::string LogFolder() const { return folder_.path() + "/.icecore/features/spending"; }
  ViewLogManifest Manifest() const { return Must(ReadManifest(LogFolder(), kLogInUse)); }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(LogFolder())) {
      files.push_back(entry.path().string());
    }
    return files;
  }

  // Whether the log is there and trusted, and training sets with and without it agree.
  bool IsUsed() {
    const AnalysedProject analysed = Must(AnalyseProject(open_->workspace(), true));
    const auto spine = BatchOf(
        {arrow::field("user_name", arrow::utf8()), arrow::field("event_timestamp", arrow::utf8())},
        R"([{"user_name": "ann", "event_timestamp": "2024-01-01T12:00:00Z"},
            {"user_name": "bob", "event_timestamp": "2024-01-01T12:00:00Z"},
            {"user_name": "nobody", "event_timestamp": "2024-01-01T12:00:00Z"},
            {"user_name": "ann", "event_timestamp": "2024-03-20T00:00:00Z"},
            {"user_name": "eve", "event_timestamp": "2024-03-20T00:00:00Z"}])");
    LakeFeatureLog clustered(open_->workspace());
    PlainLog plain(open_->workspace());
    const auto build = [&](feature::FeatureLog* log) {
      return Must(feature::BuildTrainingSet(*analysed.services.at("all"),
                                            Must(arrow::Table::FromRecordBatches({spine})), {},
                                            log))
          .table;
    };
    EXPECT_TRUE(build(&clustered)->Equals(*build(&plain)));
    return Must(clustered.Clustered(*analysed.views.at("spending"))) != nullptr;
  }

  TemporaryFolder folder_;
  std::optional<OpenProject> open_;
};

}  // namespace icecore::pipeline
