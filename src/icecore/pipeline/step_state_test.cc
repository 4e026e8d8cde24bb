#include "icecore/pipeline/step_state.h"

#include "icecore/pipeline/pipeline_fixture.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;

StepState ExampleState() {
  StepState state;
  state.definition = "a\"b\n";
  state.generation = 3;
  state.driver = "landing.orders";
  state.seq_after = 7;
  state.seq_up_to = INT64_MAX;
  state.inputs = {{"landing.orders", {"id-1", 12, 2}}, {"curated.side", {"", -1, 1}}};
  return state;
}

TEST(StepState, ReadsBackWhatItWrote) {
  const StepState state = ExampleState();
  const StepState back = Must(StepStateFromJson(ToJson(state)));
  EXPECT_EQ(back.definition, state.definition);
  EXPECT_EQ(back.generation, state.generation);
  EXPECT_EQ(back.driver, state.driver);
  EXPECT_EQ(back.seq_after, state.seq_after);
  EXPECT_EQ(back.seq_up_to, state.seq_up_to);
  EXPECT_EQ(back.inputs, state.inputs);
}

TEST(StepState, RefusesWhatItDidNotWrite) {
  const std::string good = ToJson(ExampleState());
  EXPECT_EQ(CodeOfFailed(StepStateFromJson("")), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOfFailed(StepStateFromJson("[]")), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOfFailed(StepStateFromJson("{}")), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOfFailed(StepStateFromJson(good.substr(0, good.size() - 1))), ErrorCode::kCorrupt);
  for (const char* key : {"definition", "generation", "driver", "seq_after", "seq_up_to", "inputs",
                          "format", "table_id", "version"}) {
    std::string other = good;
    other.replace(other.find("\"" + std::string(key) + "\"") + 1, 1, "Q");
    EXPECT_EQ(CodeOfFailed(StepStateFromJson(other)), ErrorCode::kCorrupt) << key;
  }
  std::string text_for_number = good;
  text_for_number.replace(text_for_number.find(":7"), 2, ":\"7\"");
  EXPECT_EQ(CodeOfFailed(StepStateFromJson(text_for_number)), ErrorCode::kCorrupt);
}

TEST(StepState, RefusesAFormatOfLater) {
  std::string later = ToJson(ExampleState());
  later.replace(later.find("\"format\":1"), 10, "\"format\":2");
  EXPECT_EQ(CodeOfFailed(StepStateFromJson(later)), ErrorCode::kUnsupported);
}

TEST(StepState, OfASnapshot) {
  lake::Snapshot snapshot;
  snapshot.table_path = "processing/orders";
  EXPECT_EQ(Must(StepStateOf(snapshot)).generation, 0);
  EXPECT_FALSE(Must(QuarantineStateOf(snapshot, "processing.orders")));
  snapshot.domains[std::string(kStepDomain)] = ToJson(ExampleState());
  snapshot.domains[QuarantineDomain("processing.orders")] = ToJson(ExampleState());
  EXPECT_EQ(Must(StepStateOf(snapshot)).generation, 3);
  EXPECT_EQ(Must(QuarantineStateOf(snapshot, "processing.orders"))->seq_after, 7);
  EXPECT_FALSE(Must(QuarantineStateOf(snapshot, "landing.orders")));
  snapshot.domains[std::string(kStepDomain)] = "{";
  const auto broken = StepStateOf(snapshot);
  EXPECT_EQ(CodeOfFailed(broken), ErrorCode::kCorrupt);
  EXPECT_NE(broken.status().message().find("processing/orders"), std::string::npos);
}

TEST(StepCounts, BalanceCountsEveryWayOut) {
  StepCounts counts;
  EXPECT_TRUE(counts.balanced());
  counts.read = 21;
  counts.written = 1;
  counts.quarantined = 2;
  counts.duplicates = 3;
  counts.superseded = 4;
  counts.filtered = 5;
  counts.dropped_by_name = {{"a", 1}, {"b", 5}};
  EXPECT_TRUE(counts.balanced());
  EXPECT_EQ(counts.dropped(), 6);
  StepCounts expanded = counts;
  expanded.expanded = 2;
  EXPECT_FALSE(expanded.balanced());
  expanded.written += 2;
  EXPECT_TRUE(expanded.balanced());
  StepCounts lost = counts;
  lost.read = 22;
  EXPECT_FALSE(lost.balanced());
  lost.Add(counts);
  EXPECT_FALSE(lost.balanced());
  counts.Add(counts);
  EXPECT_TRUE(counts.balanced());
  EXPECT_EQ(counts.read, 42);
  EXPECT_EQ(counts.Flat().at("dropped.b"), 10);
  EXPECT_EQ(counts.Flat().at("dropped"), 12);
}

}  // namespace
}  // namespace icecore::pipeline
