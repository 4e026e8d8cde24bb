// Rows of a run for labels of a key that goes over several pieces: equal to the definition, and
// none of them looked at twice.
#include "icecore/feature/run_scan.h"

#include <arrow/type.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <tuple>

#include "icecore/base/id.h"
#include "icecore/feature/label_fixture.h"
#include "icecore/feature/run_writer.h"

namespace icecore::feature {
namespace {

constexpr int64_t kSpan = 2000;
constexpr int64_t kFirstName = 1000;

// What a row or a label is, and what the seed says of it.
struct HotKeyCase {
  explicit HotKeyCase(uint64_t number) : random(number), seed(number) {
    layout.value_types = {arrow::int64()};
    layout.mask_count = 1;
    layout.always = seed % 7 == 0;
    layout.exclude_at = seed % 3 == 0;
    state::FeatureLayout feature;
    feature.value = 0;
    feature.mask = seed % 2 == 0 ? 0 : -1;
    layout.features = {feature};
    const auto kind = static_cast<KnowledgeCut::Kind>(Below(&random, 3));
    cut = {kind, kind == KnowledgeCut::Kind::kTime ? Below(&random, kSpan) : 0};
    const int64_t one_holds_in = std::vector<int64_t>{1, 3, 1000}[seed % 3];
    const int64_t one_late_in = std::vector<int64_t>{2, 50}[seed % 2];
    for (int64_t i = 0; i < 1500; ++i) {
      keys.push_back(Below(&random, 10) == 0 ? 1 + Below(&random, 3) : 0);
      event_times.push_back(layout.always ? 0 : Below(&random, kSpan));
      const bool late = !layout.always && Below(&random, one_late_in) == 0;
      known_ats.push_back(event_times.back() + (late ? Below(&random, kSpan) : 0));
      seqs.push_back(i);
      holds.push_back(Below(&random, one_holds_in) == 0);
    }
    for (int64_t i = 0; i < 5000; ++i) {
      label_keys.push_back(Below(&random, 20) == 0 ? Below(&random, 5) : 0);
      label_times.push_back(Below(&random, kSpan + kSpan / 10));
    }
  }

  state::PreparedRows Rows() const {
    state::PreparedRows rows;
    rows.num_rows = static_cast<int64_t>(keys.size());
    rows.keys = {Numbers(keys)};
    rows.event_time = Numbers(event_times);
    rows.known_at = Numbers(known_ats);
    rows.seq = Numbers(seqs);
    rows.values = {Numbers(seqs)};
    arrow::BooleanBuilder mask;
    EXPECT_TRUE(mask.AppendValues(holds).ok());
    rows.masks = {std::static_pointer_cast<arrow::BooleanArray>(*mask.Finish())};
    return rows;
  }

  bool Sees(size_t label, size_t row) const {
    if (keys[row] != label_keys[label] || (layout.features[0].mask == 0 && !holds[row])) {
      return false;
    }
    if (layout.always) return true;
    const int64_t t = label_times[label];
    const bool happened = layout.exclude_at ? event_times[row] < t : event_times[row] <= t;
    switch (cut.kind) {
      case KnowledgeCut::Kind::kLabel:
        return happened && known_ats[row] <= t;
      case KnowledgeCut::Kind::kTime:
        return happened && known_ats[row] <= cut.time_us;
      case KnowledgeCut::Kind::kLatest:
        break;
    }
    return happened;
  }

  // The definition: _seq of the greatest row by (e, a, s) that the label sees.
  int64_t Expected(size_t label) const {
    int64_t best = AsOfJoin::kNone;
    const auto order = [&](size_t row) {
      return std::tuple(event_times[row], known_ats[row], seqs[row]);
    };
    for (size_t row = 0; row < keys.size(); ++row) {
      if (!Sees(label, row)) continue;
      if (best < 0 || order(static_cast<size_t>(best)) < order(row)) {
        best = static_cast<int64_t>(row);
      }
    }
    return best;
  }

  base::SeededRandom random;
  uint64_t seed;
  state::ViewLayout layout;
  KnowledgeCut cut;
  std::vector<int64_t> keys, event_times, known_ats, seqs;  // by row
  std::vector<bool> holds;
  std::vector<int64_t> label_keys, label_times;
};

class RunScanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/icecore_run_scan_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<const ClusteredRun> Write(const HotKeyCase& made) {
    const auto builder = *RunBuilder::Make(made.layout, {arrow::int64()});
    EXPECT_TRUE(builder->Add(made.Rows()).ok());
    const std::string prefix = (folder_ / std::to_string(made.seed)).string();
    const RunFacts facts = *builder->Write(prefix);
    return *ClusteredRun::Open(prefix, builder->schema(), facts);
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(RunScanTest, AHotKeyEqualsTheDefinitionAndNoRowIsLookedAtTwice) {
  for (uint64_t seed = 1; seed <= 14; ++seed) {
    const HotKeyCase made(seed);
    const auto run = Write(made);
    const auto labels =
        *LabelSet::Make({arrow::int64()}, {{Numbers(made.label_keys)}}, *Numbers(made.label_times));
    ASSERT_GT(CutPlaces(labels->times().size()).size(), 4U) << "the hot key is in one piece";
    const auto plan = *state::ViewPlan::Make(made.layout);
    std::vector<int64_t> expected;
    for (size_t label = 0; label < made.label_keys.size(); ++label) {
      expected.push_back(made.Expected(label));
    }
    for (const bool alone : {false, true}) {
      AsOfJoin join(*labels);
      const int64_t looked_at =
          *FindInRun(*run, plan, 0, made.cut, *labels, kFirstName, alone, &join);
      EXPECT_LE(looked_at, run->facts().rows) << "seed " << seed;
      const std::vector<int64_t> chosen = join.Chosen(std::nullopt);
      for (size_t label = 0; label < made.label_keys.size(); ++label) {
        const int64_t row = chosen[labels->places()[label]];
        ASSERT_EQ(row < 0 ? row : run->seq(row - kFirstName), expected[label])
            << "seed " << seed << ", label " << label << (alone ? ", alone" : "");
      }
    }
  }
}

// Labels late in a long history look at its end alone.
TEST_F(RunScanTest, OldRowsAreNotLookedAt) {
  HotKeyCase made(2);  // under a mask
  made.layout.always = false;
  made.cut = {KnowledgeCut::Kind::kLatest, 0};
  made.holds.assign(made.holds.size(), true);
  made.label_keys = {0, 0};
  made.label_times = {kSpan, kSpan + 1};
  const auto run = Write(made);
  const auto labels =
      *LabelSet::Make({arrow::int64()}, {{Numbers(made.label_keys)}}, *Numbers(made.label_times));
  const auto plan = *state::ViewPlan::Make(made.layout);
  AsOfJoin join(*labels);
  EXPECT_EQ(*FindInRun(*run, plan, 0, made.cut, *labels, 0, true, &join), 1);
  EXPECT_EQ(run->seq(join.Chosen(std::nullopt)[0]), made.Expected(0));
}

}  // namespace
}  // namespace icecore::feature
