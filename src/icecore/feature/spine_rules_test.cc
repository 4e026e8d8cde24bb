// Sample, label and split of a training set's spine; digests; leakage.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/json/from_string.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <limits>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/feature/leakage.h"
#include "icecore/feature/spine_label.h"
#include "icecore/feature/spine_sample.h"
#include "icecore/feature/spine_split.h"
#include "icecore/feature/table_digest.h"

namespace icecore::feature {
namespace {

using Texts = std::vector<std::string>;
using TablePtr = std::shared_ptr<arrow::Table>;

const auto kInstant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

TablePtr TableOf(const arrow::FieldVector& fields, const std::string& json) {
  const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(fields), json).ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  return arrow::Table::FromRecordBatches({batch}).ValueOrDie();
}

Texts Column(const TablePtr& table, const std::string& name) {
  Texts texts;
  for (const auto& chunk : table->GetColumnByName(name)->chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      texts.push_back(chunk->GetScalar(i).ValueOrDie()->ToString());
    }
  }
  return texts;
}

int64_t At(const std::string& text) { return base::ParseInstant(text).ValueOrDie(); }

TablePtr Numbers(int64_t from, int64_t to) {
  std::string json = "[";
  for (int64_t i = from; i < to; ++i) {
    json += (i == from ? "" : ",") + std::string("{\"id\": ") + std::to_string(i) + "}";
  }
  return TableOf({arrow::field("id", arrow::int64())}, json + "]");
}

spec::SampleRule Sample(double fraction, int64_t seed = 0) {
  spec::SampleRule rule;
  rule.fraction = fraction;
  rule.by = {"id"};
  rule.seed = seed;
  return rule;
}

TEST(SpineSample, TakesTheSameRowsWhateverIsBesideThem) {
  const Texts all = Column(SampleSpine(Sample(0.3), Numbers(0, 2000)).ValueOrDie(), "id");
  EXPECT_GT(all.size(), 500U);
  EXPECT_LT(all.size(), 700U);
  const Texts head = Column(SampleSpine(Sample(0.3), Numbers(0, 100)).ValueOrDie(), "id");
  EXPECT_EQ(head, Texts(all.begin(), all.begin() + static_cast<int64_t>(head.size())));
}

TEST(SpineSample, SmallerFractionsAreParts) {
  const Texts tenth = Column(SampleSpine(Sample(0.1), Numbers(0, 1000)).ValueOrDie(), "id");
  const Texts half = Column(SampleSpine(Sample(0.5), Numbers(0, 1000)).ValueOrDie(), "id");
  for (const std::string& id : tenth) {
    EXPECT_NE(std::find(half.begin(), half.end(), id), half.end()) << id;
  }
  EXPECT_EQ(SampleSpine(Sample(1), Numbers(0, 1000)).ValueOrDie()->num_rows(), 1000);
}

TEST(SpineSample, SeedsDiffer) {
  EXPECT_NE(Column(SampleSpine(Sample(0.5, 1), Numbers(0, 100)).ValueOrDie(), "id"),
            Column(SampleSpine(Sample(0.5, 2), Numbers(0, 100)).ValueOrDie(), "id"));
}

// The hash is part of the format: these rows were drawn once, and are drawn for good.
TEST(SpineSample, Golden) {
  EXPECT_EQ(Column(SampleSpine(Sample(0.2, 7), Numbers(0, 20)).ValueOrDie(), "id"),
            (Texts{"10", "12", "17"}));
}

TEST(SpineSample, WidthOfIntegersDoesNotMatterAndPartsDoNotRunTogether) {
  const auto narrow = Numbers(0, 500)->SelectColumns({0}).ValueOrDie();
  const auto wide = TableOf({arrow::field("id", arrow::int32())}, [] {
    std::string json = "[";
    for (int i = 0; i < 500; ++i)
      json += (i == 0 ? "{\"id\":" : ",{\"id\":") + std::to_string(i) + "}";
    return json + "]";
  }());
  EXPECT_EQ(Column(SampleSpine(Sample(0.5), narrow).ValueOrDie(), "id"),
            Column(SampleSpine(Sample(0.5), wide).ValueOrDie(), "id"));
  spec::SampleRule rule = Sample(0.5);
  rule.by = {"a", "b"};
  int apart = 0;
  for (int seed = 0; seed < 40; ++seed) {
    rule.seed = seed;
    const auto pair = TableOf({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())},
                              R"([{"a": "1", "b": "23"}, {"a": "12", "b": "3"}])");
    apart += SampleSpine(rule, pair).ValueOrDie()->num_rows() == 1 ? 1 : 0;
  }
  EXPECT_GT(apart, 5);
}

TEST(SpineSample, FloatsAndUnknownColumnsAreRefused) {
  const auto floats = TableOf({arrow::field("id", arrow::float64())}, R"([{"id": 1.5}])");
  EXPECT_EQ(base::CodeOf(SampleSpine(Sample(0.5), floats).status()),
            base::ErrorCode::kInvalidDefinition);
  spec::SampleRule rule = Sample(0.5);
  rule.by = {"idd"};
  const auto status = SampleSpine(rule, Numbers(0, 1)).status();
  EXPECT_NE(status.message().find("did you mean 'id'?"), std::string::npos) << status.message();
}

TEST(SpineSplit, PartsGapAndOutside) {
  spec::SplitRule rule;
  rule.by = "t";
  rule.gap_us = 2 * base::kMicrosPerDay;
  rule.parts = {{"train", At("2024-01-10"), false}, {"valid", At("2024-01-20"), true}};
  const auto spine = TableOf({arrow::field("t", kInstant)},
                             R"([{"t": "2024-01-09 23:59:59"}, {"t": "2024-01-10 00:00:00"},
                                 {"t": "2024-01-11 23:59:59"}, {"t": "2024-01-12 00:00:00"},
                                 {"t": "2024-01-20 00:00:00"}, {"t": "2024-01-20 00:00:01"},
                                 {"t": null}])");
  const auto split = AddSplit(rule, spine).ValueOrDie();
  EXPECT_EQ(Column(split.table, "split"),
            (Texts{"train", "gap", "gap", "valid", "valid", "outside", "outside"}));
  EXPECT_EQ(split.counts, (std::map<std::string, int64_t>{
                              {"train", 1}, {"gap", 2}, {"valid", 2}, {"outside", 2}}));
  EXPECT_NE(AddSplit(rule, split.table).status().message().find("split: the spine has a column"),
            std::string::npos);
}

const arrow::FieldVector kLabelled = {arrow::field("event_timestamp", kInstant),
                                      arrow::field("y", arrow::int64()),
                                      arrow::field("known", kInstant)};

spec::LabelColumn Label(bool with_known_at) {
  spec::LabelColumn label;
  label.column = "y";
  if (with_known_at) label.known_at = "known";
  label.mature_after_us = 2 * base::kMicrosPerDay;
  return label;
}

TEST(SpineLabel, KnownMissingAndPending) {
  const auto spine = TableOf(
      kLabelled,
      R"([{"event_timestamp": "2024-01-01 00:00:00", "y": 1, "known": "2024-01-01 05:00:00"},
          {"event_timestamp": "2024-01-01 00:00:00", "y": 2, "known": "2024-01-05 00:00:00.000001"},
          {"event_timestamp": "2024-01-04 00:00:00", "y": 3, "known": "2024-01-04 01:00:00"},
          {"event_timestamp": "2024-01-03 00:00:00", "y": 4, "known": "2024-01-03 00:00:00"},
          {"event_timestamp": "2024-01-01 00:00:00", "y": null, "known": null},
          {"event_timestamp": "2024-01-01 00:00:00", "y": 5, "known": null},
          {"event_timestamp": null, "y": 6, "known": "2024-01-01 00:00:00"}])");
  const auto judged = JudgeLabels(Label(true), At("2024-01-05"), spine).ValueOrDie();
  EXPECT_EQ(Column(judged.table, "label_status"),
            (Texts{"known", "pending", "pending", "known", "missing", "missing", "missing"}));
  EXPECT_EQ(Column(judged.table, "y"), (Texts{"1", "null", "null", "4", "null", "5", "6"}));
  EXPECT_EQ(Column(judged.table, "known")[1], "null");
  EXPECT_EQ(judged.counts.known, 2);
  EXPECT_EQ(judged.counts.pending, 2);
  EXPECT_EQ(judged.counts.missing, 3);
  EXPECT_EQ(judged.counts.known_when_asked, 1);
}

TEST(SpineLabel, WithoutKnownAtMaturityAloneDecides) {
  const auto spine = TableOf(kLabelled, R"([{"event_timestamp": "2024-01-03 00:00:00", "y": 1},
                                            {"event_timestamp": "2024-01-03 00:00:01", "y": 2}])");
  const auto judged = JudgeLabels(Label(false), At("2024-01-05"), spine).ValueOrDie();
  EXPECT_EQ(Column(judged.table, "label_status"), (Texts{"known", "pending"}));
}

TEST(SpineLabel, UnknownColumnNamesTheNearest) {
  const auto spine = TableOf(
      {arrow::field("event_timestamp", kInstant), arrow::field("yy", arrow::int64())}, "[]");
  const auto status = JudgeLabels(Label(false), 0, spine).status();
  EXPECT_EQ(base::CodeOf(status), base::ErrorCode::kInvalidDefinition);
  EXPECT_NE(status.message().find("did you mean 'yy'?"), std::string::npos) << status.message();
}

std::string DigestOf(const TablePtr& table) {
  TableDigest digest(table->schema());
  EXPECT_TRUE(digest.Add(*table).ok());
  return digest.Finish();
}

const arrow::FieldVector kWide = {
    arrow::field("i", arrow::int32()), arrow::field("s", arrow::utf8()),
    arrow::field("b", arrow::boolean()), arrow::field("l", arrow::list(arrow::float64())),
    arrow::field("st", arrow::struct_({arrow::field("x", arrow::int64())}))};
constexpr char kWideRows[] =
    R"([{"i": 1, "s": "ab", "b": true, "l": [1.5, null], "st": {"x": 1}},
        {"i": null, "s": "", "b": false, "l": [], "st": {"x": null}},
        {"i": 3, "s": null, "b": null, "l": null, "st": null}])";

TEST(TableDigest, DoesNotDependOnBatches) {
  const auto whole = TableOf(kWide, kWideRows);
  const auto parts =
      arrow::ConcatenateTables({whole->Slice(0, 1), whole->Slice(1, 1), whole->Slice(2, 1)})
          .ValueOrDie();
  EXPECT_EQ(DigestOf(whole), DigestOf(parts));
  EXPECT_EQ(DigestOf(whole->Slice(1, 2)), DigestOf(TableOf(kWide, R"(
        [{"i": null, "s": "", "b": false, "l": [], "st": {"x": null}},
         {"i": 3, "s": null, "b": null, "l": null, "st": null}])")));
}

TEST(TableDigest, TakesViewsAsWhatTheyView) {
  const std::string json =
      R"([{"a": "x"}, {"a": null}, {"a": "a text that is too long to lie inline"}])";
  EXPECT_EQ(DigestOf(TableOf({arrow::field("a", arrow::utf8())}, json)),
            DigestOf(TableOf({arrow::field("a", arrow::utf8_view())}, json)));
  const auto coded = [](const std::string& words, const std::string& codes) {
    const auto type = arrow::dictionary(arrow::int8(), arrow::utf8_view());
    const auto column =
        arrow::DictionaryArray::FromArrays(
            type, arrow::json::ArrayFromJSONString(arrow::int8(), codes).ValueOrDie(),
            arrow::json::ArrayFromJSONString(arrow::utf8_view(), words).ValueOrDie())
            .ValueOrDie();
    return DigestOf(
        arrow::Table::Make(arrow::schema({arrow::field("a", type)}), arrow::ArrayVector{column}));
  };
  EXPECT_EQ(coded(R"(["a", null, "b"])", "[2, null, 1, 0]"),
            coded(R"(["b", "a"])", "[0, null, null, 1]"));
  EXPECT_NE(coded(R"(["b", "a"])", "[0, null, null, 1]"),
            coded(R"(["b", "a"])", "[0, null, null, 0]"));
  const std::string lists = R"([{"a": [1, null]}, {"a": null}, {"a": []}])";
  EXPECT_NE(DigestOf(TableOf({arrow::field("a", arrow::list_view(arrow::int64()))}, lists)),
            DigestOf(TableOf({arrow::field("a", arrow::list_view(arrow::int64()))},
                             R"([{"a": [1, 2]}, {"a": null}, {"a": []}])")));
}

TEST(TableDigest, SaysWhichTypesItTakes) {
  EXPECT_TRUE(TableDigest::Takes(*arrow::list(arrow::struct_({arrow::field("a", kInstant)}))));
  EXPECT_TRUE(TableDigest::Takes(*arrow::dictionary(arrow::int8(), arrow::utf8_view())));
  EXPECT_FALSE(TableDigest::Takes(*arrow::list(arrow::dictionary(arrow::int8(), arrow::utf8()))));
  EXPECT_FALSE(TableDigest::Takes(*arrow::run_end_encoded(arrow::int32(), arrow::utf8())));
}

TEST(TableDigest, KnowsTheFirstColumnsAlone) {
  const auto whole = TableOf(kWide, kWideRows);
  TableDigest digest(whole->schema());
  ASSERT_TRUE(digest.Add(*whole).ok());
  const auto some = whole->SelectColumns({0, 1, 2}).ValueOrDie();
  EXPECT_EQ(digest.FinishFirst(3), DigestOf(some));
  EXPECT_EQ(digest.Finish(), DigestOf(whole));
  EXPECT_EQ(digest.FinishFirst(3), DigestOf(some));
}

TEST(TableDigest, DependsOnEveryValueNullNameAndType) {
  const auto ints = [](const std::string& name, const std::string& json) {
    return DigestOf(TableOf({arrow::field(name, arrow::int64())}, json));
  };
  const std::string one = ints("a", R"([{"a": 1}, {"a": null}])");
  EXPECT_NE(one, ints("a", R"([{"a": null}, {"a": 1}])"));
  EXPECT_NE(one, ints("a", R"([{"a": 2}, {"a": null}])"));
  EXPECT_NE(one, ints("a", R"([{"a": 1}, {"a": 0}])"));
  EXPECT_NE(one, ints("a", R"([{"a": 1}])"));
  EXPECT_NE(one, ints("b", R"([{"b": 1}, {"b": null}])"));
  EXPECT_NE(one,
            DigestOf(TableOf({arrow::field("a", arrow::int32())}, R"([{"a": 1}, {"a": null}])")));
  EXPECT_NE(DigestOf(TableOf({arrow::field("a", arrow::float64())}, R"([{"a": 0.0}])")),
            DigestOf(TableOf({arrow::field("a", arrow::float64())}, R"([{"a": -0.0}])")));
}

std::shared_ptr<arrow::Array> Doubles(const std::vector<std::optional<double>>& values) {
  arrow::DoubleBuilder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

TEST(LeakageMeter, ComparesBits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  LeakageMeter meter;
  ASSERT_TRUE(meter
                  .Add(*Doubles({1, nan, 0.0, std::nullopt, std::nullopt, 5, inf}),
                       *Doubles({1, nan, -0.0, std::nullopt, 2, 8, 1}))
                  .ok());
  EXPECT_EQ(meter.differ(), 4);
  EXPECT_EQ(meter.mean_difference(), 1.5);  // of 0 and 3
}

TEST(LeakageMeter, TextsHaveNoMean) {
  const auto table = TableOf({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())},
                             R"([{"a": "x", "b": "x"}, {"a": "x", "b": "y"}])");
  LeakageMeter meter;
  ASSERT_TRUE(meter.Add(*table->column(0)->chunk(0), *table->column(1)->chunk(0)).ok());
  EXPECT_EQ(meter.differ(), 1);
  EXPECT_FALSE(meter.mean_difference());
}

}  // namespace
}  // namespace icecore::feature
