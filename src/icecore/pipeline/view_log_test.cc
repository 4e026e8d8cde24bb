// Clustered logs: kept up to their table, equal to it, never believed when something is wrong.
#include "icecore/pipeline/view_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/orders_fixture.h"
#include "icecore/pipeline/view_log_manifest.h"

namespace icecore::pipeline {
namespace {

// LakeFeatureLog without its clustered part.
class PlainLog : public LakeFeatureLog {
 public:
  using LakeFeatureLog::LakeFeatureLog;
  arrow::Result<std::shared_ptr<const feature::ClusteredLog>> Clustered(
      const feature::BoundView& /*view*/) override {
    return std::shared_ptr<const feature::ClusteredLog>();
  }
};

class ViewLogTest : public ::testing::Test {
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
  std::string LogFolder() const { return folder_.path() + "/.icecore/features/spending"; }
  ViewLogManifest Manifest() const { return Must(ReadManifest(LogFolder())); }
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

TEST_F(ViewLogTest, KeepsUpWithItsTable) {
  EXPECT_TRUE(IsUsed());
  const ViewLogManifest first = Manifest();
  ASSERT_EQ(first.runs.size(), 1U);
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Open();
  Run(false);
  const ViewLogManifest second = Manifest();
  EXPECT_GT(second.seq_up_to, first.seq_up_to);
  ASSERT_EQ(second.runs.size(), 2U);
  EXPECT_EQ(second.runs[0].name, first.runs[0].name);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, RowsAboveItsMarkComeFromTheTable) {
  const ViewLogManifest first = Manifest();
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  open_->workspace().features_root.clear();
  Run(false);
  open_->workspace().features_root = folder_.path() + "/.icecore/features";
  EXPECT_EQ(Manifest().seq_up_to, first.seq_up_to);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, FewRunsRemain) {
  for (int i = 0; i < 12; ++i) {
    WriteOrders(folder_.path() + "/data/c" + std::to_string(i) + ".csv",
                {{std::to_string(100 + i), "ann",
                  "2024-02-01T00:00:0" + std::to_string(i % 10) + "Z", "7"}});
    Run(false);
    EXPECT_LE(Manifest().runs.size(), 8U);
  }
  int64_t rows = 0;
  for (const LoggedRun& run : Manifest().runs) rows += run.facts.rows;
  EXPECT_GE(rows, 12);
  EXPECT_TRUE(IsUsed());
  EXPECT_EQ(Files().size(), 2 + 2 * Manifest().runs.size());
}

TEST_F(ViewLogTest, AnotherGenerationIsBuiltAnew) {
  const ViewLogManifest first = Manifest();
  Run(true);
  EXPECT_GT(Manifest().generation, first.generation);
  ASSERT_EQ(Manifest().runs.size(), 1U);
  EXPECT_NE(Manifest().runs[0].name, first.runs[0].name);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, ADamagedFileIsNotBelievedAndMadeAnew) {
  for (size_t victim = 0; victim < Files().size(); ++victim) {
    const std::string path = Files()[victim];
    if (path.ends_with("lock")) continue;
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
      file.seekg(size / 2);
      const auto byte = static_cast<char>(file.get() ^ 0x10);
      file.seekp(size / 2);
      file.put(byte);
    }
    EXPECT_FALSE(IsUsed()) << path;
    Run(false);
    EXPECT_TRUE(IsUsed()) << path;
    std::filesystem::remove(Files().front().ends_with("lock") ? Files().back() : Files().front());
    EXPECT_FALSE(IsUsed());
    Run(false);
    EXPECT_TRUE(IsUsed());
  }
}

TEST_F(ViewLogTest, WhatAKillLeftBehindGoes) {
  WriteText(LogFolder() + "/run-half.rows", "half");
  WriteText(LogFolder() + "/manifest.json.writing", "half");
  Run(false);
  EXPECT_FALSE(std::filesystem::exists(LogFolder() + "/run-half.rows"));
  EXPECT_FALSE(std::filesystem::exists(LogFolder() + "/manifest.json.writing"));
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, TwoDoNotWriteAtOnce) {
  const int lock = ::open((LogFolder() + "/lock").c_str(), O_RDWR);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  const ViewLogManifest first = Manifest();
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Run(false);
  EXPECT_EQ(Manifest().seq_up_to, first.seq_up_to);
  EXPECT_TRUE(IsUsed());
  ::close(lock);
  Run(false);
  EXPECT_GT(Manifest().seq_up_to, first.seq_up_to);
}

}  // namespace
}  // namespace icecore::pipeline
