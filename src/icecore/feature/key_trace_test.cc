#include "icecore/feature/key_trace.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "icecore/state/naive_view.h"

namespace icecore::feature {
namespace {

namespace naive = state::naive;

// A view whose table is given rows already prepared, whatever the batch.
class GivenView final : public BoundView {
 public:
  GivenView(state::ViewLayout layout, std::vector<naive::Row> rows) : rows_(std::move(rows)) {
    engine_ = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  }

  const std::string& name() const override { return name_; }
  const std::vector<std::string>& columns() const override { return names_; }
  const std::vector<std::shared_ptr<arrow::DataType>>& key_types() const override {
    return key_types_;
  }
  const std::vector<std::string>& key_names() const override { return names_; }
  const std::vector<std::string>& feature_names() const override { return names_; }
  const std::vector<std::shared_ptr<arrow::DataType>>& feature_types() const override {
    return engine_->output_types();
  }
  std::shared_ptr<const state::ViewEngine> engine() const override { return engine_; }
  arrow::Result<state::PreparedRows> Prepare(const arrow::RecordBatch&) const override {
    return arrow::Status::NotImplemented("not of this view");
  }
  arrow::Result<InspectedRows> Inspect(const arrow::RecordBatch&) const override {
    InspectedRows out;
    out.rows = engine_->layout().versioned ? naive::PrepareVersions(rows_) : naive::Prepare(rows_);
    for (const naive::Row& row : rows_) {
      out.passes.push_back(row.where.value_or(false));
      out.deleted.push_back(row.deleted);
    }
    return out;
  }
  arrow::Result<std::shared_ptr<arrow::Array>> ApplyDefault(
      int, std::shared_ptr<arrow::Array> values) const override {
    return values;
  }

 private:
  const std::string name_ = "given";
  const std::vector<std::string> names_ = {"key"};
  const std::vector<std::shared_ptr<arrow::DataType>> key_types_ = {arrow::int64()};
  const std::vector<naive::Row> rows_;
  std::shared_ptr<const state::ViewEngine> engine_;
};

std::unique_ptr<KeyTrace> TraceOf(const std::shared_ptr<const GivenView>& view, int64_t key) {
  const auto array =
      arrow::json::ArrayFromJSONString(arrow::int64(), "[" + std::to_string(key) + "]")
          .ValueOrDie();
  auto trace = KeyTrace::Make(view, {array}).ValueOrDie();
  const auto nothing = arrow::RecordBatch::Make(arrow::schema({}), 0, arrow::ArrayVector{});
  EXPECT_TRUE(trace->Add(*nothing).ok());
  return trace;
}

int64_t CountOf(const FeatureTrace& trace, RowVerdict verdict) {
  return std::count_if(trace.rows.begin(), trace.rows.end(),
                       [&](const TracedRow& row) { return row.verdict == verdict; });
}

// One random project: every feature, key and some times against docs/time.md done the slow way.
void CompareWithNaive(uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr int64_t kKeys = 3;
  state::ViewLayout layout = naive::RandomLayout(random);
  layout.versioned = random() % 3 == 0;
  const auto rows = layout.versioned ? naive::RandomVersions(random, kKeys, layout)
                                     : naive::RandomRows(random, kKeys);
  const auto view = std::make_shared<const GivenView>(layout, rows);
  for (int64_t key = 0; key < kKeys; ++key) {
    const auto trace = TraceOf(view, key);
    for (int question = 0; question < 6; ++question) {
      const int64_t t = static_cast<int64_t>(random() % 480) - 170;
      for (size_t i = 0; i < layout.features.size(); ++i) {
        const auto got = trace->Explain(static_cast<int>(i), t);
        ASSERT_TRUE(got.ok()) << got.status().ToString();
        const auto [text, status] = naive::Answer(layout, layout.features[i], rows, key, t, t);
        ASSERT_EQ(naive::Show(*got->value, 0), text)
            << "seed " << seed << ", feature " << i << ", key " << key << ", t " << t;
        ASSERT_EQ(got->status, status) << "seed " << seed << ", feature " << i;
        const int64_t deciding =
            CountOf(*got, RowVerdict::kChosen) + CountOf(*got, RowVerdict::kExpired);
        if (!got->is_window) {
          ASSERT_EQ(deciding, status == state::ValueStatus::kNotFound ? 0 : 1);
        } else {
          ASSERT_EQ(deciding, 0);
          int64_t in_tiles = 0;
          for (const TracedTile& tile : got->tiles) in_tiles += tile.rows;
          if (layout.features[i].hop_us > 0) {
            ASSERT_EQ(in_tiles, CountOf(*got, RowVerdict::kCounted));
          }
        }
      }
    }
  }
}

TEST(KeyTraceTest, AgreesWithTheSlowWay) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  for (uint64_t round = 0; round < 300; ++round) {
    CompareWithNaive(seed + round);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

naive::Row RowOf(int64_t e, int64_t a, int64_t s, std::optional<double> number) {
  naive::Row row;
  row.e = e;
  row.a = a;
  row.s = s;
  row.number = number;
  row.masks[0] = true;
  row.masks[1] = true;
  return row;
}

std::vector<RowVerdict> Verdicts(const FeatureTrace& trace) {
  std::vector<RowVerdict> verdicts;
  for (const TracedRow& row : trace.rows) verdicts.push_back(row.verdict);
  return verdicts;
}

state::ViewLayout LayoutOf(const state::FeatureLayout& feature) {
  state::ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  layout.features = {feature};
  return layout;
}

TEST(KeyTraceTest, SaysWhyRowsOfAnAsOfFeatureDoNotCount) {
  state::FeatureLayout feature;
  feature.value = 0;
  feature.mask = 0;
  state::ViewLayout layout = LayoutOf(feature);
  layout.ttl_us = 50;
  std::vector<naive::Row> rows = {RowOf(10, 10, 1, 1.0), RowOf(20, 20, 2, 2.0),
                                  RowOf(20, 90, 3, 2.5), RowOf(60, 60, 4, 6.0),
                                  RowOf(30, 30, 5, 3.0), RowOf(40, 40, 6, 4.0)};
  rows[4].masks[0] = false;
  rows[5].where = false;
  rows.push_back(RowOf(5, 5, 7, 0.5));
  rows.back().a.reset();
  const auto view = std::make_shared<const GivenView>(layout, rows);
  const auto trace = TraceOf(view, 0);
  const FeatureTrace at_50 = trace->Explain(0, 50).ValueOrDie();
  EXPECT_EQ(Verdicts(at_50), (std::vector<RowVerdict>{
                                 RowVerdict::kAfter, RowVerdict::kFiltered, RowVerdict::kFiltered,
                                 RowVerdict::kKnownLater, RowVerdict::kChosen,
                                 RowVerdict::kSuperseded, RowVerdict::kWithoutTime}));
  EXPECT_EQ(at_50.rows[4].seq, 2);
  EXPECT_EQ(at_50.rows[4].value, "2.0");
  EXPECT_EQ(CountOf(trace->Explain(0, 111).ValueOrDie(), RowVerdict::kExpired), 1);
}

TEST(KeyTraceTest, SaysWhatWentIntoAWindow) {
  state::FeatureLayout feature;
  feature.kind = state::FeatureLayout::Kind::kWindow;
  feature.value = 0;
  feature.aggregate.kind = state::AggregateKind::kMean;
  feature.aggregate.input = arrow::float64();
  feature.length_us = 30;
  feature.hop_us = 10;
  const std::vector<naive::Row> rows = {RowOf(9, 9, 1, 1.0),   RowOf(10, 10, 2, 2.0),
                                        RowOf(19, 19, 3, 4.0), RowOf(25, 25, 4, std::nullopt),
                                        RowOf(41, 41, 5, 9.0), RowOf(46, 46, 6, 9.0)};
  const auto view = std::make_shared<const GivenView>(LayoutOf(feature), rows);
  const FeatureTrace trace = TraceOf(view, 0)->Explain(0, 45).ValueOrDie();
  EXPECT_EQ(trace.begin, 10);
  EXPECT_EQ(Verdicts(trace),
            (std::vector<RowVerdict>{RowVerdict::kAfter, RowVerdict::kCounted, RowVerdict::kNoValue,
                                     RowVerdict::kCounted, RowVerdict::kCounted,
                                     RowVerdict::kBeforeWindow}));
  ASSERT_EQ(trace.tiles.size(), 2U);
  EXPECT_EQ(trace.tiles[0].begin, 10);
  EXPECT_EQ(trace.tiles[0].end, 20);
  EXPECT_EQ(trace.tiles[0].rows, 2);
  EXPECT_EQ(trace.tiles[0].partial, "6.0");
  EXPECT_EQ(trace.arithmetic, "15.0 / 3");
  EXPECT_EQ(naive::Show(*trace.value, 0), naive::Show(5.0));
}

}  // namespace
}  // namespace icecore::feature
