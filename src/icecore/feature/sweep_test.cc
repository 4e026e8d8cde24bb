#include "icecore/feature/sweep.h"

#include <arrow/compute/initialize.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>

#include "icecore/base/random_cases_testing.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {
namespace {

namespace naive = state::naive;

constexpr SweepOptions kGeneral{.task_rows = 1 << 16, .pieces_of_hot_key = 1, .by_ranges = false};

using Columns = std::vector<state::VectorSink::Column>;

void ExpectSame(const Columns& columns, const arrow::Result<Columns>& others, uint64_t seed) {
  ASSERT_TRUE(others.ok()) << others.status().ToString();
  ASSERT_EQ(columns.size(), others->size());
  for (size_t f = 0; f < columns.size(); ++f) {
    ASSERT_EQ(columns[f].statuses, (*others)[f].statuses) << "seed " << seed << ", feature " << f;
    for (int64_t i = 0; i < columns[f].values->length(); ++i) {
      ASSERT_EQ(naive::Show(*columns[f].values, i), naive::Show(*(*others)[f].values, i))
          << "seed " << seed << ", feature " << f << ", label " << i;
    }
  }
}

enum class Cut { kLabel, kLatest, kTime };

void FindUntils(SweepRows* sweep) {
  const state::PreparedRows& rows = sweep->rows;
  std::vector<state::VersionMark> marks;
  for (int64_t row = 0; row < rows.num_rows; ++row) {
    marks.push_back({rows.table_key->GetView(row), rows.version_order->GetView(row),
                     rows.seq->Value(row), sweep->activations[static_cast<size_t>(row)], row,
                     state::kForever});
    if (!rows.live->Value(row)) sweep->keys[static_cast<size_t>(row)] = -1;
  }
  state::FindEnds(&marks);
  sweep->untils.resize(marks.size());
  for (const auto& mark : marks) sweep->untils[static_cast<size_t>(mark.place)] = mark.until;
}

void RunCase(uint64_t seed, bool versioned) {
  std::mt19937_64 random(seed);
  state::ViewLayout layout = naive::RandomLayout(random);
  layout.versioned = versioned;
  auto made = state::ViewPlan::Make(layout);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const state::ViewPlan& plan = *made;
  const int64_t keys = static_cast<int64_t>(random() % 3) + 1;
  const std::vector<naive::Row> all =
      versioned ? naive::RandomVersions(random, keys, layout) : naive::RandomRows(random, keys);
  const Cut cut = static_cast<Cut>(random() % 3);
  const int64_t cut_time = static_cast<int64_t>(random() % 300) - 100;

  // As the training set collects them.
  std::vector<naive::Row> rows;
  SweepRows sweep;
  for (const naive::Row& row : all) {
    if (!row.e || !row.a) continue;
    const int64_t known_at = std::max(*row.a, *row.e);
    if (!plan.layout.always && cut == Cut::kTime && known_at > cut_time) continue;
    rows.push_back(row);
    sweep.keys.push_back(row.key);
    sweep.activations.push_back(plan.ActivationOf(*row.e, cut == Cut::kLabel ? known_at : *row.e));
  }
  sweep.rows = versioned ? naive::PrepareVersions(rows) : naive::Prepare(rows);
  if (versioned) FindUntils(&sweep);

  SweepLabels labels;
  for (size_t i = random() % 30; i > 0; --i) {
    labels.keys.push_back(static_cast<int64_t>(random() % 5) - 1);
    labels.times.push_back(static_cast<int64_t>(random() % 500) - 200);
  }
  auto columns = Sweep(plan, sweep, labels, 4);
  ASSERT_TRUE(columns.ok()) << columns.status().ToString();
  for (size_t i = 0; i < labels.keys.size(); ++i) {
    const int64_t t = labels.times[i];
    const int64_t known = cut == Cut::kLabel ? t : cut == Cut::kLatest ? INT64_MAX : cut_time;
    for (size_t f = 0; f < plan.layout.features.size(); ++f) {
      const state::FeatureLayout& feature = plan.layout.features[f];
      const auto [text, status] =
          naive::Answer(plan.layout, feature, all, labels.keys[i], t, known);
      ASSERT_EQ(naive::Show(*(*columns)[f].values, static_cast<int64_t>(i)), text)
          << "seed " << seed << ", feature " << f << ", aggregate "
          << static_cast<int>(feature.aggregate.kind) << ", label " << i << ", t " << t;
      ASSERT_EQ((*columns)[f].statuses[i], status) << "seed " << seed << ", feature " << f;
    }
  }
}

TEST(Sweep, AnswersLikeTheNaiveDefinition) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  const base::Seeds seeds = base::SeedsFrom(5000, 6000);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunCase(seed, false);
    if (HasFatalFailure()) return;
  }
}

TEST(Sweep, AnswersLikeTheNaiveDefinitionOfVersions) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  const base::Seeds seeds = base::SeedsFrom(40000, 6000);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunCase(seed, true);
    if (HasFatalFailure()) return;
  }
}

// Values for which plain arithmetic is not exact: the stream's tiles and the sweep's running states
// must still give the same bits.
void RunWideCase(uint64_t seed) {
  std::mt19937_64 random(seed);
  auto plan = state::ViewPlan::Make(naive::RandomLayout(random));
  ASSERT_TRUE(plan.ok());
  auto engine = state::ViewEngine::Make(plan->layout);
  ASSERT_TRUE(engine.ok());
  std::vector<naive::Row> rows = naive::RandomRows(random, 1);
  for (naive::Row& row : rows) {
    if (!row.e) row.e = 0;
    if (!row.a) row.a = 0;
    const int exponent = static_cast<int>(random() % 400) - 200;
    row.number = std::ldexp(static_cast<double>(random() % 100003) - 50000, exponent);
    if (random() % 40 == 0) row.number = (random() & 1) != 0 ? HUGE_VAL : -HUGE_VAL;
    row.integer = static_cast<int64_t>(random() >> 5) - (int64_t{1} << 58);
  }
  SweepRows sweep;
  sweep.rows = naive::Prepare(rows);
  const auto key = (*engine)->NewKey();
  for (size_t i = 0; i < rows.size(); ++i) {
    sweep.keys.push_back(0);
    sweep.activations.push_back(plan->ActivationOf(*rows[i].e, std::max(*rows[i].a, *rows[i].e)));
    ASSERT_TRUE(key->Add(sweep.rows, static_cast<int64_t>(i)).ok());
  }
  SweepLabels labels;
  for (int64_t t = -200; t < 320; t += static_cast<int64_t>(random() % 60) + 1) {
    labels.keys.push_back(0);
    labels.times.push_back(t);
  }
  auto columns = Sweep(*plan, sweep, labels, 1);
  ASSERT_TRUE(columns.ok()) << columns.status().ToString();
  ExpectSame(*columns, Sweep(*plan, sweep, labels, 1, kGeneral), seed);
  auto sink = state::VectorSink::Make((*engine)->output_types());
  ASSERT_TRUE(sink.ok());
  for (const int64_t t : labels.times) {
    if (random() % 2 == 0) {
      ASSERT_TRUE(key->AdvanceTo(t).ok());
    }
    ASSERT_TRUE(key->Read(t, sink->get()).ok());
  }
  const auto streamed = (*sink)->Finish().ValueOrDie();
  for (size_t f = 0; f < streamed.size(); ++f) {
    for (size_t i = 0; i < labels.times.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      ASSERT_EQ(naive::Show(*(*columns)[f].values, at), naive::Show(*streamed[f].values, at))
          << "seed " << seed << ", feature " << f << ", t " << labels.times[i];
      ASSERT_EQ((*columns)[f].statuses[i], streamed[f].statuses[i]);
    }
  }
}

// Thousands of rows, some of them late, in any order or as a clustered log gives them; with more
// than 256 distinct values, and sums that one key can have in fixed point and another cannot.
struct LargeCase {
  state::ViewLayout layout;
  SweepRows rows;
  SweepLabels labels;
};

LargeCase MakeLargeCase(uint64_t seed) {
  std::mt19937_64 random(seed);
  LargeCase made;
  made.layout = naive::RandomLayout(random);
  made.layout.always = false;
  const auto span = static_cast<int64_t>(random() % 3000 + 100);
  for (state::FeatureLayout& feature : made.layout.features) {
    if (random() % 2 == 0) feature.length_us = static_cast<int64_t>(random()) % span + span + 1;
  }
  const uint64_t keys = random() % 4 + 1;
  const uint64_t late = random() % 3;  // in ten
  const bool wide = random() % 3 == 0;
  std::vector<naive::Row> rows(random() % 4000 + 100);
  for (size_t i = 0; i < rows.size(); ++i) {
    naive::Row& row = rows[i];
    row.s = static_cast<int64_t>(i);
    row.key = static_cast<int64_t>(random() % keys);
    row.e = static_cast<int64_t>(random() % static_cast<uint64_t>(span));
    row.a = *row.e + (random() % 10 < late ? static_cast<int64_t>(random() % 40) : 0);
    if (random() % 50 != 0) row.number = static_cast<double>(random() % 2000) / 7 - 100;
    if (wide && row.key == 0) row.number = std::ldexp(1.5, static_cast<int>(random() % 600) - 300);
    if (wide && row.key == 1 && random() % 99 == 0) row.number = HUGE_VAL;
    row.integer = static_cast<int64_t>(random() % 5000) - 2500;
    row.text = std::to_string(random() % 700);
    for (auto& mask : row.masks) mask = random() % 4 != 0;
  }
  const bool clustered = random() % 2 == 0;
  if (clustered) {
    std::sort(rows.begin(), rows.end(), [](const naive::Row& a, const naive::Row& b) {
      return std::tuple(a.key, *a.e, *a.a, a.s) < std::tuple(b.key, *b.e, *b.a, b.s);
    });
  }
  auto plan = state::ViewPlan::Make(made.layout).ValueOrDie();
  for (const naive::Row& row : rows) {
    made.rows.keys.push_back(row.key);
    made.rows.activations.push_back(plan.ActivationOf(*row.e, *row.a));
  }
  made.rows.rows = naive::Prepare(rows);
  for (size_t i = random() % 400 + 1; i > 0; --i) {
    made.labels.keys.push_back(static_cast<int64_t>(random() % (keys + 1)) - 1);
    made.labels.times.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(span + 50)));
  }
  return made;
}

TEST(Sweep, RangesCutsAndThreadsChangeNoBit) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  const base::Seeds seeds = base::SeedsFrom(70000, 150);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    const LargeCase made = MakeLargeCase(seed);
    const auto plan = state::ViewPlan::Make(made.layout).ValueOrDie();
    auto general = Sweep(plan, made.rows, made.labels, 5, kGeneral);
    ASSERT_TRUE(general.ok()) << general.status().ToString();
    for (const int64_t task_rows : {int64_t{1}, int64_t{100}, int64_t{1} << 16}) {
      for (const int64_t pieces : {1, 2, 7}) {
        SweepOptions options;
        options.task_rows = task_rows;
        options.pieces_of_hot_key = pieces;
        ExpectSame(*general, Sweep(plan, made.rows, made.labels, 5, options), seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Sweep, GivesTheBitsOfTheStream) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  const base::Seeds seeds = base::SeedsFrom(20000, 2000);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunWideCase(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icecore::feature
