#include "icecore/ingest/files/plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;
using OnChange = spec::FilesConnector::OnChange;
using Reason = PlannedFile::Reason;

class PlanTest : public testing::Test {
 protected:
  PlanTest() { project_.source().files.path = "data/*.csv"; }

  std::vector<std::string> Paths() {
    const auto plan = project_.Plan();
    EXPECT_TRUE(plan.ok()) << plan.status();
    std::vector<std::string> paths;
    for (const PlannedFile& file : plan->files) {
      paths.push_back(file.path);
    }
    return paths;
  }

  TestProject project_;
};

TEST_F(PlanTest, FilesComeInPathOrder) {
  for (const std::string name : {"b", "a", "a-2", "a10", "A", ".hidden"}) {
    project_.Write("data/" + name + ".csv", "x\n1\n");
  }
  project_.Write("data/sub/c.csv", "x\n1\n");
  project_.Write("data/d.txt", "x\n1\n");
  EXPECT_EQ(Paths(), (std::vector<std::string>{"data/A.csv", "data/a-2.csv", "data/a.csv",
                                               "data/a10.csv", "data/b.csv"}));
  project_.source().files.path = "./data/**/[bc].csv";
  EXPECT_EQ(Paths(), (std::vector<std::string>{"data/b.csv", "data/sub/c.csv"}));
  project_.source().files.path = project_.root() + "/data/sub/*";
  EXPECT_EQ(Paths(), (std::vector<std::string>{"data/sub/c.csv"}));
}

TEST_F(PlanTest, MissingFileNamesPatternFolderAndNearest) {
  project_.Write("data/flights.csv", "x\n1\n");
  project_.source().files.path = "data/flihgts.csv";
  auto plan = project_.Plan();
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(CodeOf(plan.status()), ErrorCode::kNotFound);
  for (const std::string word : {"data/flihgts.csv", "'flights.csv'", "definitions/test.yaml:3"}) {
    EXPECT_NE(plan.status().message().find(word), std::string::npos) << plan.status();
  }
  project_.source().files.path = "dta/*.csv";
  plan = project_.Plan();
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(CodeOf(plan.status()), ErrorCode::kNotFound);
  EXPECT_NE(plan.status().message().find("'data/'"), std::string::npos) << plan.status();
  project_.source().files.path = "data";
  EXPECT_EQ(CodeOf(project_.Plan().status()), ErrorCode::kNotFound);
}

TEST_F(PlanTest, AGlobMayMatchNothingOnceSomethingIsKnown) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  std::filesystem::remove(project_.root() + "/data/a.csv");
  EXPECT_TRUE(Paths().empty());
}

TEST_F(PlanTest, KnownFilesAreNotTakenAgain) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/b.csv", "x\n2\n");
  EXPECT_EQ(Paths(), std::vector<std::string>{"data/b.csv"});
  ASSERT_TRUE(project_.Land().ok());
  const auto plan = project_.Plan();
  EXPECT_TRUE(plan->files.empty());
  EXPECT_EQ(plan->unchanged, 2);
  EXPECT_EQ(project_.manifest().batch(), 2);
}

TEST_F(PlanTest, ATouchedFileIsComparedByDigestAndRemembered) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  project_.Touch("data/a.csv", 1'700'000'000);
  const auto plan = project_.Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->files.empty());
  EXPECT_EQ(plan->manifest.Find("data/a.csv")->mtime_ns, int64_t{1'700'000'000} * 1'000'000'000);
}

TEST_F(PlanTest, TheSameBytesUnderAnotherNameAreAnotherFile) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/b.csv", "x\n1\n");
  std::vector<ReadResult> results;
  const std::string digest = project_.manifest().Find("data/a.csv")->digest;
  ASSERT_TRUE(project_.Land(&results).ok());
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].facts.digest, digest);
  EXPECT_EQ(results[0].rows(), 1);
}

TEST_F(PlanTest, AChangedFileIsAnErrorThatProposesOnChange) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/a.csv", "x\n9\n2\n");
  const auto plan = project_.Plan();
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(CodeOf(plan.status()), ErrorCode::kBadInput);
  for (const std::string word : {"data/a.csv", "on_change: append", "on_change: continue"}) {
    EXPECT_NE(plan.status().message().find(word), std::string::npos) << plan.status();
  }
}

TEST_F(PlanTest, OnChangeAppendAndSnapshotsLandTheWholeFileAgain) {
  project_.Write("data/a.csv", "x\n1\n");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/a.csv", "x\n9\n2\n");
  project_.source().files.load = spec::FilesConnector::Load::kSnapshot;
  ASSERT_EQ(project_.Plan()->files.size(), 1u);
  project_.source().files.load = spec::FilesConnector::Load::kAppend;
  project_.source().files.on_change = OnChange::kAppend;
  std::vector<ReadResult> results;
  ASSERT_EQ(project_.Plan()->files[0].reason, Reason::kChanged);
  ASSERT_TRUE(project_.Land(&results).ok());
  ASSERT_EQ(results[0].rows(), 2);
  EXPECT_EQ(project_.manifest().files().size(), 2u);
  EXPECT_TRUE(Paths().empty());
}

TEST_F(PlanTest, OnChangeContinueLandsTheRest) {
  project_.source().files.on_change = OnChange::kContinue;
  project_.Write("data/a.csv", "x,y\n1,a\n2,b");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/a.csv", "x,y\n1,a\n2,b\n3,c\n4\n");
  std::vector<ReadResult> results;
  ASSERT_EQ(project_.Plan()->files[0].reason, Reason::kContinued);
  ASSERT_TRUE(project_.Land(&results).ok());
  ASSERT_EQ(results[0].rows(), 2);
  EXPECT_EQ(results[0].Columns(), "x,y");
  EXPECT_EQ(results[0].Row(0), "3|c");
  EXPECT_EQ(results[0].Cell("_row", 0), "3");
  EXPECT_EQ(results[0].Cell("_raw", 1), "4");
  EXPECT_EQ(results[0].facts.from_row, 2);
  project_.Write("data/a.csv", "x,y\n1,a\n2,b\n3,c\n4\n5,e\n\"6,f");
  const arrow::Status status = project_.Land();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("data/a.csv:7:"), std::string::npos) << status;
}

TEST_F(PlanTest, OnChangeContinueOfOneColumnKeepsNoRowForTheLineEnd) {
  project_.source().files.on_change = OnChange::kContinue;
  project_.Write("data/a.csv", "x\n1");
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/a.csv", "x\n1\n2\n");
  std::vector<ReadResult> results;
  ASSERT_TRUE(project_.Land(&results).ok());
  ASSERT_EQ(results[0].rows(), 1);
  EXPECT_EQ(results[0].Row(0), "2");
}

TEST_F(PlanTest, OnChangeContinueRefusesWhatIsNoContinuation) {
  project_.source().files.on_change = OnChange::kContinue;
  project_.Write("data/a.csv", "x\n1\n2");
  ASSERT_TRUE(project_.Land().ok());
  for (const std::string bytes : {"x\n1\n", "x\n9\n2\n3\n", "x\n1\n23\n"}) {
    project_.Write("data/a.csv", bytes);
    const auto plan = project_.Plan();
    ASSERT_FALSE(plan.ok()) << bytes;
    EXPECT_EQ(CodeOf(plan.status()), ErrorCode::kBadInput);
  }
  project_.source().files.path = "data/*.gz";
  project_.Write("data/b.csv.gz", Gzip("x\n1\n"));
  ASSERT_TRUE(project_.Land().ok());
  project_.Write("data/b.csv.gz", Gzip("x\n1\n") + Gzip("2\n"));
  EXPECT_EQ(CodeOf(project_.Plan().status()), ErrorCode::kBadInput);
}

TEST_F(PlanTest, AYoungFileWaits) {
  project_.source().files.settle_us = 60'000'000;
  project_.Write("data/a.csv", "x\n1\n");
  project_.Touch("data/a.csv", 1'700'000'000);
  project_.clock().Set(int64_t{1'700'000'059} * 1'000'000);
  auto plan = project_.Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->files.empty());
  EXPECT_EQ(plan->waiting, std::vector<std::string>{"data/a.csv"});
  project_.clock().Set(int64_t{1'700'000'060} * 1'000'000);
  EXPECT_EQ(Paths(), std::vector<std::string>{"data/a.csv"});
}

}  // namespace
}  // namespace icecore::ingest
