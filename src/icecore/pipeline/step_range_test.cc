#include "icecore/pipeline/step_range.h"

#include "icecore/lake/envelope.h"
#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::pipeline {
namespace {

constexpr char kStepTable[] = "processing.orders";
constexpr char kQuarantine[] = "quarantine.orders";
constexpr char kDriver[] = "landing.orders";
constexpr char kSide[] = "landing.side";

// Tables whose logs say what a step would have written; no rows are needed to plan a range.
class NextRangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), "entity: e\nkeys: [{name: k, type: string}]\n");
    open_ = std::make_unique<OpenProject>(
        folder_.path(), OpenProject::Options{.faults = {}, .online = false, .now_us = kTestNow});
    request_.table = kStepTable;
    request_.origin = kStepTable;
    request_.quarantine = kQuarantine;
    request_.definition = "d1";
    request_.driver = kDriver;
    request_.inputs = {kDriver};
  }

  // Returns the version.
  int64_t Commit(const std::string& name, const std::string& domain, const StepState& state,
                 int64_t last_seq) {
    const auto table = Must(OpenTable(open_->workspace(), name));
    const auto before = Must(table->LoadOrEmpty());
    lake::Commit commit;
    if (!before->exists()) {
      const auto seq = arrow::field(std::string(lake::kSeq), arrow::int64(), false);
      commit.metadata = lake::TableMetadata{arrow::schema({seq}), {}, name, ""};
    }
    commit.domains[domain] = ToJson(state);
    commit.transactions[std::string(lake::kSeqTransaction)] = last_seq;
    commit.operation = "TEST";
    return Must(table->CommitTo(*before, commit));
  }
  int64_t Fill(const std::string& name, int64_t generation, int64_t last_seq) {
    StepState state;
    state.generation = generation;
    state.seq_up_to = last_seq;
    return Commit(name, std::string(kStepDomain), state, last_seq);
  }
  // As a step over all of the request's inputs up to the driver's `up_to` would leave the table.
  void Finish(const StepState& state) {
    Commit(kStepTable, std::string(kStepDomain), state, state.seq_up_to);
  }
  void Reject(const StepState& state) {
    Commit(kQuarantine, QuarantineDomain(kStepTable), state, 0);
  }

  std::optional<StepRange> Next() { return Must(NextRange(open_->workspace(), request_)); }
  StepRange MustNext() {
    auto range = Next();
    if (!range) {
      ADD_FAILURE() << "there is something to do";
      std::abort();
    }
    return *std::move(range);
  }

  TemporaryFolder folder_;
  std::unique_ptr<OpenProject> open_;
  StepRequest request_;
};

TEST_F(NextRangeTest, First) {
  const int64_t version = Fill(kDriver, 1, 10);
  const StepRange range = MustNext();
  EXPECT_EQ(range.next.seq_after, 0);
  EXPECT_EQ(range.next.seq_up_to, 10);
  EXPECT_EQ(range.next.generation, 1);
  EXPECT_FALSE(range.new_generation);
  EXPECT_FALSE(range.quarantine_done);
  EXPECT_EQ(range.next.definition, "d1");
  EXPECT_EQ(range.next.driver, kDriver);
  EXPECT_EQ(range.next.inputs.at(kDriver).version, version);
  EXPECT_EQ(range.next.inputs.at(kDriver).table_id, range.InputOf(kDriver).snapshot->table_id);
}

TEST_F(NextRangeTest, OnlyWhatIsNew) {
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  EXPECT_FALSE(Next());
  Fill(kDriver, 1, 25);
  const StepRange range = MustNext();
  EXPECT_EQ(range.next.seq_after, 10);
  EXPECT_EQ(range.next.seq_up_to, 25);
  EXPECT_EQ(range.next.generation, 1);
  EXPECT_FALSE(range.new_generation);
}

TEST_F(NextRangeTest, StaleByDefinition) {
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  request_.definition = "d2";
  const StepRange range = MustNext();
  EXPECT_TRUE(range.new_generation);
  EXPECT_FALSE(range.reason.empty());
  EXPECT_EQ(range.next.generation, 2);
  EXPECT_EQ(range.next.seq_after, 0);
  EXPECT_EQ(range.next.seq_up_to, 10);
}

TEST_F(NextRangeTest, StaleByTheGenerationOfAnyInput) {
  request_.inputs = {kDriver, kSide};
  Fill(kDriver, 1, 10);
  Fill(kSide, 1, 3);
  Finish(MustNext().next);
  Fill(kSide, 1, 5);
  EXPECT_FALSE(Next()) << "new rows of a side table recompute nothing";
  Fill(kSide, 2, 5);
  StepRange range = MustNext();
  EXPECT_TRUE(range.new_generation);
  EXPECT_NE(range.reason.find(kSide), std::string::npos);
  Finish(range.next);
  EXPECT_FALSE(Next());
  Fill(kDriver, 2, 10);
  range = MustNext();
  EXPECT_TRUE(range.new_generation);
  EXPECT_EQ(range.next.generation, 3);
}

TEST_F(NextRangeTest, StaleByAnotherTableOfTheName) {
  Fill(kDriver, 1, 10);
  StepState state = MustNext().next;
  state.inputs[kDriver].table_id = "of one that was deleted";
  Finish(state);
  EXPECT_TRUE(MustNext().new_generation);
}

TEST_F(NextRangeTest, ASideTableThatCameLaterChangesNothing) {
  request_.inputs = {kDriver, kSide};
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  Fill(kSide, 1, 3);
  EXPECT_FALSE(Next());
  Fill(kDriver, 1, 12);
  const StepRange range = MustNext();
  EXPECT_FALSE(range.new_generation);
  EXPECT_EQ(range.next.seq_after, 10);
}

TEST_F(NextRangeTest, ADriverThatCameLaterIsTakenFromItsStart) {
  Finish(MustNext().next);
  EXPECT_FALSE(Next());
  Fill(kDriver, 1, 12);
  const StepRange range = MustNext();
  EXPECT_FALSE(range.new_generation);
  EXPECT_EQ(range.next.seq_after, 0);
  EXPECT_EQ(range.next.seq_up_to, 12);
}

TEST_F(NextRangeTest, FullIsANewGeneration) {
  Fill(kDriver, 1, 10);
  request_.full = true;
  StepRange range = MustNext();
  EXPECT_EQ(range.next.generation, 1);
  Finish(range.next);
  range = MustNext();
  EXPECT_TRUE(range.new_generation);
  EXPECT_EQ(range.next.generation, 2);
}

TEST_F(NextRangeTest, EachVersionOfAWholeDriverIsNew) {
  request_.driver_is_whole = true;
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  EXPECT_FALSE(Next());
  Fill(kDriver, 1, 20);
  EXPECT_TRUE(MustNext().new_generation);
}

TEST_F(NextRangeTest, HalfDoneIsRedoneOverWhatItRead) {
  request_.inputs = {kDriver, kSide};
  Fill(kDriver, 1, 10);
  Fill(kSide, 1, 3);
  Finish(MustNext().next);
  Fill(kDriver, 1, 20);
  const StepState half = MustNext().next;
  Reject(half);
  Fill(kDriver, 1, 30);
  Fill(kSide, 2, 9);
  StepRange range = MustNext();
  EXPECT_TRUE(range.quarantine_done);
  EXPECT_FALSE(range.new_generation);
  EXPECT_EQ(ToJson(range.next), ToJson(half));
  EXPECT_EQ(range.InputOf(kDriver).snapshot->last_seq(), 20);
  EXPECT_EQ(range.InputOf(kSide).snapshot->version, half.inputs.at(kSide).version);
  EXPECT_EQ(range.InputOf(kSide).generation, 1);
  Finish(range.next);
  range = MustNext();  // now what has changed meanwhile
  EXPECT_FALSE(range.quarantine_done);
  EXPECT_TRUE(range.new_generation);
}

TEST_F(NextRangeTest, HalfDoneFirstRange) {
  Fill(kDriver, 1, 10);
  Reject(MustNext().next);
  const StepRange range = MustNext();
  EXPECT_TRUE(range.quarantine_done);
  EXPECT_FALSE(range.new_generation);
  EXPECT_EQ(range.next.generation, 1);
}

TEST_F(NextRangeTest, HalfDoneWithoutATableIsRedoneWithoutIt) {
  request_.inputs = {kDriver, kSide};
  Fill(kDriver, 1, 10);
  Reject(MustNext().next);
  Fill(kSide, 1, 3);
  const StepRange range = MustNext();
  EXPECT_TRUE(range.quarantine_done);
  EXPECT_FALSE(range.InputOf(kSide).snapshot->exists());
}

TEST_F(NextRangeTest, HalfDoneNewGenerationIsRedone) {
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  request_.definition = "d2";
  Reject(MustNext().next);
  const StepRange range = MustNext();
  EXPECT_TRUE(range.quarantine_done);
  EXPECT_TRUE(range.new_generation);
  EXPECT_EQ(range.next.generation, 2);
}

TEST_F(NextRangeTest, HalfDoneOfAnotherDefinitionIsThrownAway) {
  Fill(kDriver, 1, 10);
  Finish(MustNext().next);
  request_.definition = "d2";
  Reject(MustNext().next);
  for (const char* definition : {"d1", "d3"}) {
    request_.definition = definition;
    const StepRange range = MustNext();
    EXPECT_FALSE(range.quarantine_done);
    EXPECT_TRUE(range.new_generation);
    EXPECT_EQ(range.next.generation, 3) << "greater than any that quarantine has seen";
    EXPECT_EQ(range.next.seq_after, 0);
  }
}

TEST_F(NextRangeTest, HalfDoneWithFullIsThrownAway) {
  Fill(kDriver, 1, 10);
  Reject(MustNext().next);
  request_.full = true;
  const StepRange range = MustNext();
  EXPECT_FALSE(range.quarantine_done);
  EXPECT_TRUE(range.new_generation);
  EXPECT_EQ(range.next.generation, 2);
}

}  // namespace
}  // namespace icecore::pipeline
