#include "icecore/feature/as_of_join.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <tuple>

#include "icecore/base/id.h"
#include "icecore/feature/label_fixture.h"

namespace icecore::feature {
namespace {

// Labels and rows of a few keys, with many that are equal in time.
struct Case {
  std::vector<int64_t> label_keys;
  std::vector<int64_t> label_times;
  std::vector<AsOfRow> rows;  // keys as in label_keys

  static Case Random(uint64_t seed) {
    base::SeededRandom random(seed);
    Case made;
    const bool hot = seed % 8 == 0;  // one key, more rows than are taken at once
    const int64_t keys = hot ? 1 : 1 + Below(&random, 6);
    const int64_t span = hot ? 1000 : 20;
    for (int64_t i = Below(&random, hot ? 500 : 30); i > 0; --i) {
      made.label_keys.push_back(Below(&random, keys));
      made.label_times.push_back(Below(&random, span));
    }
    const int64_t rows = Below(&random, hot ? 6000 : 60);
    for (int64_t i = 0; i < rows; ++i) {
      AsOfRow row;
      row.key = static_cast<int32_t>(Below(&random, keys));
      row.event_time = hot && seed % 16 == 0 ? i * span / rows : Below(&random, span);
      row.known_at = row.event_time + (Below(&random, 3) == 0 ? Below(&random, 6) : 0);
      row.activation = row.known_at;
      row.seq = i;
      row.row = i;
      made.rows.push_back(row);
    }
    return made;
  }

  // The definition: the greatest row by (e, a, s) that is active by then.
  int64_t Expected(size_t label, std::optional<int64_t> ttl) const {
    const AsOfRow* best = nullptr;
    for (const AsOfRow& row : rows) {
      if (row.key != label_keys[label] || row.activation > label_times[label]) continue;
      if (best == nullptr || std::tie(best->event_time, best->known_at, best->seq) <
                                 std::tie(row.event_time, row.known_at, row.seq)) {
        best = &row;
      }
    }
    if (best == nullptr) return AsOfJoin::kNone;
    return ttl && label_times[label] - best->event_time > *ttl ? AsOfJoin::kExpired : best->row;
  }
};

// Rows named as the labels' keys are, in pieces of any size, on two threads.
void AddAll(const Case& made, const LabelSet& labels, AsOfJoin* join) {
  std::vector<int64_t> row_keys;
  for (const AsOfRow& row : made.rows) row_keys.push_back(row.key);
  const auto numbers = *labels.keys().FindAll({Numbers(row_keys)});
  const auto add = [&](size_t begin, size_t end) {
    std::vector<AsOfRow> piece;
    for (size_t i = begin; i < end; ++i) {
      if (numbers[i] < 0) continue;
      piece.push_back(made.rows[i]);
      piece.back().key = numbers[i];
      if (piece.size() == 1 + i % AsOfJoin::kRowsAtOnce) join->Add(&piece);
    }
    join->Add(&piece);
    EXPECT_TRUE(piece.empty());
  };
  std::thread other(add, 0, made.rows.size() / 2);
  add(made.rows.size() / 2, made.rows.size());
  other.join();
}

TEST(AsOfJoin, EqualsTheDefinition) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const Case made = Case::Random(seed);
    const auto labels =
        *LabelSet::Make({arrow::int64()}, {{Numbers(made.label_keys)}}, *Numbers(made.label_times));
    const std::optional<int64_t> ttl = seed % 3 == 0 ? std::optional<int64_t>(4) : std::nullopt;
    AsOfJoin join(*labels);
    AddAll(made, *labels, &join);
    const std::vector<int64_t> chosen = join.Chosen(ttl);
    for (size_t label = 0; label < made.label_keys.size(); ++label) {
      ASSERT_EQ(chosen[labels->places()[label]], made.Expected(label, ttl))
          << "seed " << seed << ", label " << label;
    }
  }
}

// Labels enough that the hot keys are chosen for in several pieces.
TEST(AsOfJoin, HotKeysEqualTheDefinition) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    base::SeededRandom random(seed);
    Case made;
    const int64_t keys = seed % 3;
    for (int64_t i = 0; i < 6000; ++i) {
      made.label_keys.push_back(keys == 0 ? 0 : Below(&random, keys + 1));
      made.label_times.push_back(Below(&random, 5000));
    }
    for (int64_t i = 0; i < 300; ++i) {  // so few that whole pieces see rows of earlier ones alone
      AsOfRow row;
      row.key = static_cast<int32_t>(Below(&random, keys + 1));
      row.event_time = Below(&random, seed % 2 == 0 ? 5000 : 500);
      row.known_at = row.activation = row.event_time + Below(&random, 100);
      row.seq = row.row = i;
      made.rows.push_back(row);
    }
    const auto labels =
        *LabelSet::Make({arrow::int64()}, {{Numbers(made.label_keys)}}, *Numbers(made.label_times));
    ASSERT_GT(CutPlaces(labels->times().size()).size(), 4U);
    const std::vector<std::optional<int64_t>> ttls = {300, std::nullopt};
    for (const std::optional<int64_t>& ttl : ttls) {
      AsOfJoin join(*labels);
      AddAll(made, *labels, &join);
      const std::vector<int64_t> chosen = join.Chosen(ttl);
      for (size_t label = 0; label < made.label_keys.size(); ++label) {
        ASSERT_EQ(chosen[labels->places()[label]], made.Expected(label, ttl))
            << "seed " << seed << ", label " << label;
      }
    }
  }
}

// Where there are no rows elsewhere, what a run offers has no more than event times.
TEST(AsOfJoin, OfEqualEventTimesTheOneOfferedLastInPlace) {
  const auto labels =
      *LabelSet::Make({arrow::int64()}, {{Numbers({7, 7, 7})}}, *Numbers({10, 20, 30}));
  AsOfJoin join(*labels);
  AsOfRow row;
  row.event_time = 5;
  row.row = 1;
  join.Offer(0, row);
  row.row = 2;
  join.Offer(1, row);
  EXPECT_EQ(join.Chosen(std::nullopt), (std::vector<int64_t>{1, 2, 2}));
}

TEST(AsOfJoin, TheEarliestTimeThereIs) {
  const auto labels = *LabelSet::Make({arrow::int64()}, {{Numbers({7})}}, *Numbers({0}));
  AsOfJoin join(*labels);
  std::vector<AsOfRow> rows(1);
  rows[0].event_time = rows[0].known_at = rows[0].activation = INT64_MIN;
  rows[0].row = 3;
  join.Add(&rows);
  EXPECT_EQ(join.Chosen(std::nullopt), (std::vector<int64_t>{3}));
  EXPECT_EQ(join.Chosen(5), (std::vector<int64_t>{AsOfJoin::kExpired}));
}

}  // namespace
}  // namespace icecore::feature
