// Feature logs bounded by table: the rows of an earlier run, and what is refused.
#include "icecore/pipeline/lake_feature_log.h"

#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

class LakeFeatureLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), FirstRules().Definitions());
    WriteOrders(folder_.path() + "/data/a.csv", FirstOrders());
    open_.emplace(folder_.path(), OpenProject::Options{});
    Must(RunAll(open_->workspace()));
    analysed_ = Must(AnalyseProject(open_->workspace(), true));
  }
  void RunSecond() {
    WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
    Must(RunAll(open_->workspace()));
  }
  arrow::Result<std::shared_ptr<arrow::Table>> Rows(LakeFeatureLog* log) {
    ARROW_ASSIGN_OR_RAISE(auto reader, log->Scan(*analysed_.views.at("spending")));
    return reader->ToTable();
  }
  std::shared_ptr<arrow::Table> Rows(const TablePins& pins) {
    LakeFeatureLog log(open_->workspace(), pins);
    return Must(Rows(&log));
  }
  base::ErrorCode CodeOf(const TablePin& pin) {
    LakeFeatureLog log(open_->workspace(), {{"curated.doubled", pin}});
    return CodeOfFailed(Rows(&log));
  }

  TemporaryFolder folder_;
  std::optional<OpenProject> open_;
  AnalysedProject analysed_;
};

TEST_F(LakeFeatureLogTest, SaysWhatItReadAndGivesItAgain) {
  LakeFeatureLog log(open_->workspace());
  const auto first = Must(Rows(&log));
  ASSERT_GT(first->num_rows(), 0);
  const TableRead read = log.reads().at("curated.doubled");
  EXPECT_EQ(read.generation, 1);
  RunSecond();
  EXPECT_GT(Rows(TablePins{})->num_rows(), first->num_rows());
  EXPECT_TRUE(Rows({{"curated.doubled",
                     {.seq_up_to = read.seq_up_to,
                      .generation = read.generation,
                      .table_id = read.table_id}}})
                  ->Equals(*first));
  EXPECT_TRUE(Rows({{"curated.doubled", {.version = read.version}}})->Equals(*first));
}

TEST_F(LakeFeatureLogTest, ReadsUpToItsBound) {
  RunSecond();
  LakeFeatureLog log(open_->workspace(), {{"curated.doubled", {.seq_up_to = 1}}});
  EXPECT_EQ(Must(Rows(&log))->num_rows(), 1);
  EXPECT_EQ(log.reads().at("curated.doubled").seq_up_to, 1);
  LakeFeatureLog beyond(open_->workspace(), {{"curated.doubled", {.seq_up_to = INT64_MAX}}});
  EXPECT_TRUE(Must(Rows(&beyond))->Equals(*Rows(TablePins{})));
  EXPECT_LT(beyond.reads().at("curated.doubled").seq_up_to, INT64_MAX);
}

TEST_F(LakeFeatureLogTest, RefusesAnotherTableThanAskedFor) {
  EXPECT_EQ(CodeOf({.generation = 2}), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf({.table_id = "other"}), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf({.version = 1000}), base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace icecore::pipeline
