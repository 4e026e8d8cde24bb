// Windows and versions within bounds: the same bits as with all rows at once.
#include "icecore/feature/swept_view.h"

#include <arrow/array/array_base.h>
#include <arrow/array/builder_binary.h>
#include <arrow/compare.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/random_cases_testing.h"
#include "icecore/feature/label_fixture.h"
#include "icecore/feature/run_writer.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kSpanSeconds = 20'000;
constexpr int64_t kRows = 12'000;
constexpr int64_t kKeys = 40;  // the first has half of all rows

constexpr char kWindows[] = R"YAML(
  - {name: n, aggregate: count, windows: [10m, 1h], hop: 0s}
  - {name: big, aggregate: count, where: "x > 2", windows: [10m]}
  - {name: total, aggregate: sum, of: x, windows: [10m, 1h], hop: 10s}
  - {name: spread, aggregate: stddev, of: x, windows: [10m], hop: 0s}
  - {name: least, aggregate: min, of: x, windows: [1h]}
  - {name: middle, aggregate: "quantile(0.5)", of: x, windows: [10m]}
  - {name: names, aggregate: count_distinct, of: name, windows: [1h]}
  - {name: last, aggregate: last, of: name, windows: [10m], hop: 0s}
  - {name: tail, aggregate: "last_n(3)", of: name, windows: [10m]}
  - {name: top, aggregate: "top_n(2)", of: x, where: "x < 9", windows: [1h]}
)YAML";

struct Shape {
  std::string key_type = "int64";
  bool versioned = false;
  bool as_of = false;  // beside the windows
};

std::string DefinitionsOf(const Shape& shape) {
  return "entity: user\nkeys: [{name: user_id, type: " + shape.key_type +
         "}]\n---\nfeature_view: recent\nentity: user\nfrom: processing.events\n"
         "event_time: happened_at\nknown_at: told_at\nwhere: \"x <> 7\"\nfeatures:" +
         kWindows + (shape.as_of ? "  - {name: newest, of: name}\n" : "") +
         "---\ntable: events\nzone: processing\nsql: select * from landing.events\nmode: append\n"
         "---\nsource: events\nfrom:\n  files: {path: data.csv, format: csv}\n";
}

std::shared_ptr<arrow::Array> InstantsOf(const std::vector<int64_t>& micros) {
  return *Numbers(micros)->View(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
}

std::shared_ptr<arrow::Array> KeysOf(const std::vector<int64_t>& numbers, const Shape& shape) {
  arrow::Int64Builder integers;
  arrow::StringBuilder texts;
  for (const int64_t number : numbers) {
    if (number < 0) {
      EXPECT_TRUE(integers.AppendNull().ok() && texts.AppendNull().ok());
    } else {
      EXPECT_TRUE(integers.Append(number).ok());
      EXPECT_TRUE(texts
                      .Append("user-" + std::string(static_cast<size_t>(number % 5), 'x') +
                              std::to_string(number))
                      .ok());
    }
  }
  return shape.key_type == "int64" ? *integers.Finish() : *texts.Finish();
}

// Some keys are null, the first is hot.
int64_t AnyKey(base::Random* random) {
  if (Below(random, 50) == 0) return -1;
  return Below(random, 2) == 0 ? 0 : Below(random, kKeys);
}

std::shared_ptr<arrow::RecordBatch> EventsOf(const Shape& shape, uint64_t seed) {
  base::SeededRandom random(seed);
  std::vector<int64_t> keys, happened, told, seqs, ids;
  arrow::DoubleBuilder values;
  arrow::StringBuilder names;
  arrow::StringBuilder ops;
  for (int64_t row = 0; row < kRows; ++row) {
    keys.push_back(AnyKey(&random));
    happened.push_back((kSpanSeconds * row / kRows + Below(&random, 60)) * kSecond);
    const bool late = Below(&random, 8) == 0;
    told.push_back(happened.back() + (late ? Below(&random, 900) * kSecond : 0));
    seqs.push_back(row + 1);
    ids.push_back(Below(&random, kRows / 4));
    const int64_t kind = Below(&random, 20);
    const double x = kind == 0 ? std::nan("") : static_cast<double>(Below(&random, 1000)) / 77;
    EXPECT_TRUE((kind == 1 ? values.AppendNull() : values.Append(x)).ok());
    EXPECT_TRUE(names
                    .Append(std::string(static_cast<size_t>(Below(&random, 12)), 'n') +
                            std::to_string(kind))
                    .ok());
    EXPECT_TRUE(ops.Append(Below(&random, 10) == 0 ? "delete" : "update").ok());
  }
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::ArrayVector columns = {Numbers(seqs),    KeysOf(keys, shape), InstantsOf(happened),
                                InstantsOf(told), *values.Finish(),    *names.Finish()};
  arrow::FieldVector fields = {
      arrow::field("_seq", arrow::int64()), arrow::field("user_id", columns[1]->type()),
      arrow::field("happened_at", instant), arrow::field("told_at", instant),
      arrow::field("x", arrow::float64()),  arrow::field("name", arrow::utf8())};
  if (shape.versioned) {
    columns.insert(columns.end(), {Numbers(ids), *ops.Finish(), InstantsOf(told)});
    fields.insert(fields.end(),
                  {arrow::field("id", arrow::int64()), arrow::field("_op", arrow::utf8()),
                   arrow::field("_known_at", instant)});
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), kRows, columns);
}

// Rows up to `clustered_up_to` by _seq in three runs, the others in parts of batches of 50 rows.
class EventLog final : public FeatureLog {
 public:
  EventLog(std::shared_ptr<arrow::RecordBatch> rows, int64_t clustered_up_to, std::string folder)
      : rows_(std::move(rows)), clustered_up_to_(clustered_up_to), folder_(std::move(folder)) {}

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const BoundView&) override {
    return Part(0, 0, 1);
  }
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> ScanParts(
      const BoundView&, const LogQuery& query) override {
    std::vector<std::shared_ptr<arrow::RecordBatchReader>> parts(3);
    for (int64_t part = 0; part < 3; ++part) {
      ARROW_ASSIGN_OR_RAISE(parts[static_cast<size_t>(part)],
                            Part(std::max<int64_t>(query.seq_after, 0), part, 3));
    }
    return parts;
  }
  arrow::Result<std::shared_ptr<const ClusteredLog>> Clustered(const BoundView& view) override {
    if (clustered_up_to_ == 0) return std::shared_ptr<const ClusteredLog>();
    if (clustered_ != nullptr) return clustered_;
    auto log = std::make_shared<ClusteredLog>();
    log->seq_up_to = clustered_up_to_;
    for (int64_t run = 0; run < 3; ++run) {
      ARROW_ASSIGN_OR_RAISE(const auto builder,
                            RunBuilder::Make(view.engine()->layout(), view.key_types()));
      const int64_t from = clustered_up_to_ * run / 3;
      ARROW_ASSIGN_OR_RAISE(
          const auto prepared,
          view.Prepare(*rows_->Slice(from, clustered_up_to_ * (run + 1) / 3 - from)));
      ARROW_RETURN_NOT_OK(builder->Add(prepared));
      const std::string prefix = folder_ + "/run" + std::to_string(run);
      ARROW_ASSIGN_OR_RAISE(const RunFacts facts, builder->Write(prefix));
      ARROW_RETURN_NOT_OK(
          ClusteredRun::Open(prefix, builder->schema(), facts).Value(&log->runs.emplace_back()));
    }
    clustered_ = log;
    return clustered_;
  }

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Part(int64_t after, int64_t part,
                                                                int64_t parts) const {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    for (int64_t at = after + 50 * part; at < rows_->num_rows(); at += 50 * parts) {
      batches.push_back(rows_->Slice(at, 50));
    }
    return arrow::RecordBatchReader::Make(batches, rows_->schema());
  }

  const std::shared_ptr<arrow::RecordBatch> rows_;
  const int64_t clustered_up_to_;
  const std::string folder_;
  std::shared_ptr<const ClusteredLog> clustered_;
};

class SweptView : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(arrow::compute::Initialize().ok());
    char folder[] = "/tmp/icecore_swept_XXXXXX";
    root_ = mkdtemp(folder);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Make(const Shape& shape, uint64_t seed, int64_t label_count = 1500) {
    rows_ = EventsOf(shape, seed);
    const std::filesystem::path folder = root_ / std::to_string(made_++);
    std::filesystem::create_directories(folder / "definitions");
    std::ofstream(folder / "icecore.yaml") << "language: 1\nproject: tests\n";
    std::ofstream(folder / "definitions" / "all.yaml") << DefinitionsOf(shape);
    base::Diagnostics diagnostics;
    const auto project = spec::ParseProject(folder.string(), &diagnostics);
    ASSERT_TRUE(project.ok()) << project.status().ToString();
    const TableVersions versions{{"id"}, {}};
    const spec::FeatureView& view = project->views.at(0);
    auto bound =
        BoundView::Bind(view, project->entities.at(0), *view.event_time, *view.known_at,
                        *rows_->schema(), shape.versioned ? &versions : nullptr, &diagnostics);
    ASSERT_TRUE(bound.ok()) << bound.status().ToString();
    view_ = *bound;
    auto plan = state::ViewPlan::Make(view_->engine()->layout());
    ASSERT_TRUE(plan.ok());
    plan_ = std::move(*plan);
    MakeLabels(shape, seed, label_count);
  }

  void MakeLabels(const Shape& shape, uint64_t seed, int64_t count) {
    base::SeededRandom random(seed + 1000);
    std::vector<int64_t> keys, others, times;
    for (int64_t i = 0; i < count; ++i) {
      keys.push_back(AnyKey(&random));
      others.push_back(Below(&random, kKeys + 20));  // some have no rows
      times.push_back(Below(&random, kSpanSeconds + 1000) * kSecond);
    }
    auto labels = LabelSet::Make(view_->key_types(),
                                 {{KeysOf(keys, shape)}, {KeysOf(others, shape)}}, *Numbers(times));
    ASSERT_TRUE(labels.ok()) << labels.status().ToString();
    labels_ = std::move(*labels);
  }

  arrow::Result<UseValues> Answer(int64_t clustered_up_to, const KnowledgeCut& cut,
                                  std::optional<int64_t> row_bytes, SweepUse* use) {
    EventLog log(rows_, clustered_up_to, root_.string());
    SweepBounds bounds;
    if (row_bytes) {
      bounds.row_bytes = *row_bytes;
      bounds.scratch_dir = root_.string();
    }
    ARROW_ASSIGN_OR_RAISE(const ViewAnswers answers,
                          AnswerBySweep(*view_, plan_, *labels_, cut, &log, bounds, use));
    return answers.Block(0, labels_->label_count());
  }

  static void ExpectSame(const UseValues& got, const UseValues& expected) {
    ASSERT_EQ(got.size(), expected.size());
    const auto bits = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(got[i].values->Equals(*expected[i].values, bits)) << "feature " << i;
      EXPECT_EQ(got[i].statuses, expected[i].statuses) << "feature " << i;
    }
  }

  // Whatever the rows may take, and wherever they lie.
  void ExpectSameWithinBounds(const Shape& shape, uint64_t seed, const KnowledgeCut& cut) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", key " + shape.key_type +
                 (shape.versioned ? ", versions" : "") + ", cut " +
                 std::to_string(static_cast<int>(cut.kind)));
    ASSERT_NO_FATAL_FAILURE(Make(shape, seed));
    SweepUse whole;
    const auto expected = Answer(0, cut, std::nullopt, &whole);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    EXPECT_EQ(whole.ranges, 1);
    EXPECT_EQ(whole.scratch_bytes, 0);
    for (const int64_t clustered_up_to : {int64_t{0}, kRows / 2, kRows - 200, kRows}) {
      if (shape.versioned && clustered_up_to > 0) continue;
      for (const int64_t part : {2, 6}) {
        SCOPED_TRACE("clustered up to " + std::to_string(clustered_up_to) + ", a part of " +
                     std::to_string(part));
        SweepUse use;
        const int64_t most = whole.peak_row_bytes / part;
        const auto got = Answer(clustered_up_to, cut, most, &use);
        ASSERT_TRUE(got.ok()) << got.status().ToString();
        ExpectSame(*got, *expected);
        EXPECT_GT(use.ranges, 1);
        EXPECT_LE(use.peak_row_bytes, most);
        if (clustered_up_to <= kRows / 2) {
          EXPECT_GT(use.scratch_bytes, 0);
        }
        if (clustered_up_to == kRows) {
          EXPECT_EQ(use.scratch_bytes, 0);
        }
      }
    }
  }

  std::filesystem::path root_;
  int made_ = 0;
  std::shared_ptr<arrow::RecordBatch> rows_;
  std::shared_ptr<const BoundView> view_;
  state::ViewPlan plan_;
  std::unique_ptr<LabelSet> labels_;
};

TEST_F(SweptView, BoundsChangeNoAnswer) {
  const base::Seeds seeds = base::SeedsFrom(100, 4);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    ExpectSameWithinBounds({}, seed, {});
  }
  ExpectSameWithinBounds({.key_type = "string"}, 4, {});
}

TEST_F(SweptView, BoundsChangeNoAnswerUnderOtherCuts) {
  ExpectSameWithinBounds({}, 5, {KnowledgeCut::Kind::kLatest, 0});
  ExpectSameWithinBounds({.key_type = "string"}, 6,
                         {KnowledgeCut::Kind::kTime, kSpanSeconds / 20 * 19 * kSecond});
}

TEST_F(SweptView, BoundsChangeNoAnswerOverVersions) {
  const base::Seeds seeds = base::SeedsFrom(200, 4);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    ExpectSameWithinBounds({.versioned = true}, seed, {});
  }
  ExpectSameWithinBounds({.key_type = "string", .versioned = true}, 10,
                         {KnowledgeCut::Kind::kLatest, 0});
}

// Down to a label at a time; of as-of features each needs all rows before it.
TEST_F(SweptView, AnyBoundIsMet) {
  for (const bool versioned : {false, true}) {
    Make({.versioned = versioned, .as_of = versioned}, 11, 100);
    SweepUse use;
    const auto expected = Answer(0, {}, std::nullopt, &use);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    const auto got = Answer(versioned ? 0 : kRows / 2, {}, 1, &use);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    ExpectSame(*got, *expected);
    EXPECT_GT(use.ranges, 100);
  }
}

TEST_F(SweptView, NamesTheLabelThatReachesTooMuch) {
  Make({}, 12);
  std::vector<int64_t> one_key(kRows, 3), one_time(kRows, kSecond);
  for (const char* name : {"happened_at", "told_at"}) {
    const int at = rows_->schema()->GetFieldIndex(name);
    rows_ = *rows_->SetColumn(at, rows_->schema()->field(at), InstantsOf(one_time));
  }
  rows_ = *rows_->SetColumn(1, rows_->schema()->field(1), Numbers(one_key));
  arrow::StringBuilder names;
  for (int64_t row = 0; row < kRows; ++row) {
    ASSERT_TRUE(names.Append(std::string(100, 'n')).ok());
  }
  rows_ = *rows_->SetColumn(5, rows_->schema()->field(5), *names.Finish());
  labels_ = *LabelSet::Make(view_->key_types(), {{Numbers({2, 3, 4})}},
                            *Numbers({kSecond, kSecond, kSecond}));
  for (const int64_t clustered_up_to : {int64_t{0}, kRows}) {
    EventLog log(rows_, clustered_up_to, root_.string());
    SweepBounds bounds;
    bounds.row_bytes = 1000;
    bounds.scratch_dir = root_.string();
    bounds.name_of = [](int64_t label) { return "user " + std::to_string(label + 2); };
    SweepUse use;
    const auto answers = AnswerBySweep(*view_, plan_, *labels_, {}, &log, bounds, &use);
    ASSERT_FALSE(answers.ok());
    EXPECT_EQ(base::CodeOf(answers.status()), base::ErrorCode::kLimit);
    EXPECT_NE(answers.status().message().find("user 3"), std::string::npos)
        << answers.status().ToString();
  }
}

}  // namespace
}  // namespace icecore::feature
