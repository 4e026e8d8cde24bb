#include "icecore/feature/training_set.h"

#include <arrow/array/array_base.h>
#include <arrow/chunked_array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "icecore/feature/run_writer.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {
namespace {

using Fields = std::vector<std::tuple<std::string, std::shared_ptr<arrow::DataType>, std::string>>;

// Times are whole seconds in the tests.
std::shared_ptr<arrow::DataType> Seconds() {
  return arrow::timestamp(arrow::TimeUnit::SECOND, "UTC");
}

std::shared_ptr<arrow::Table> TableOf(const Fields& fields) {
  arrow::FieldVector schema;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& [name, type, json] : fields) {
    schema.push_back(arrow::field(name, type));
    columns.push_back(arrow::json::ArrayFromJSONString(type, json).ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(schema), columns);
}

std::string Text(const arrow::ChunkedArray& column) {
  std::string text;
  for (int64_t i = 0; i < column.length(); ++i) {
    const auto scalar = column.GetScalar(i).ValueOrDie();
    text += (i > 0 ? " " : "") + (scalar->is_valid ? scalar->ToString() : "null");
  }
  return text;
}

// A project of one source table per name, with the definitions given.
class World {
 public:
  World(const std::string& definitions, std::map<std::string, Fields> tables,
        std::optional<TableVersions> versions = std::nullopt)
      : versions_(std::move(versions)) {
    char folder[] = "/tmp/icecore_feature_XXXXXX";
    root_ = mkdtemp(folder);
    std::filesystem::create_directories(root_ / "definitions");
    std::ofstream(root_ / "icecore.yaml") << "language: 1\nproject: tests\n";
    std::ofstream(root_ / "definitions" / "features.yaml") << definitions;
    std::ofstream sources(root_ / "definitions" / "tables.yaml");
    for (auto& [name, fields] : tables) {
      sources << "source: " << name << "\nfrom:\n  files: {path: data.csv, format: csv}\n---\n"
              << "table: " << name << "\nzone: processing\nsql: select * from landing." << name
              << "\nmode: append\n---\n";
      auto table = TableOf(fields);
      std::string seq = "[";
      for (int64_t i = 0; i < table->num_rows(); ++i) {
        seq += (i > 0 ? "," : "") + std::to_string(i + 1);
      }
      table = table
                  ->AddColumn(
                      0, arrow::field("_seq", arrow::int64()),
                      std::make_shared<arrow::ChunkedArray>(
                          arrow::json::ArrayFromJSONString(arrow::int64(), seq + "]").ValueOrDie()))
                  .ValueOrDie();
      tables_["processing." + name] = table;
    }
    sources << "source: unused\nfrom:\n  files: {path: unused.csv, format: csv}\n";
    sources.close();
    auto project = spec::ParseProject(root_.string(), &diagnostics_);
    EXPECT_TRUE(project.ok()) << project.status().ToString();
    if (project.ok()) project_ = std::move(project).ValueUnsafe();
    EXPECT_FALSE(diagnostics_.has_errors()) << diagnostics_.ToStatus().ToString();
    Bind();
  }
  ~World() { std::filesystem::remove_all(root_); }

  arrow::Result<TrainingSet> Build(const Fields& spine, const KnowledgeCut& cut = {}) {
    auto service = BoundService::Bind(
        project_, project_.services.at(0), [this](const std::string& name) { return views_[name]; },
        &diagnostics_);
    ARROW_RETURN_NOT_OK(service.status());
    Log log(this, 0, false);
    auto set = BuildTrainingSet(**service, TableOf(spine), cut, &log);
    if (set.ok()) CheckOtherWays(**service, TableOf(spine), cut, *set);
    return set;
  }
  std::string Column(const Fields& spine, const std::string& name, const KnowledgeCut& cut = {}) {
    auto set = Build(spine, cut);
    if (!set.ok()) return set.status().ToString();
    const auto column = set->table->GetColumnByName(name);
    return column == nullptr ? "no column" : Text(*column);
  }
  const base::Diagnostics& diagnostics() const { return diagnostics_; }
  // Of the least event times that logs were asked for.
  const std::set<int64_t>& earliest_asked() const { return earliest_asked_; }

 private:
  // Rows up to `clustered_up_to` by _seq in runs of two, or in one that they were merged into; the
  // others in two parts.
  struct Log : FeatureLog {
    Log(World* owner, int64_t clustered_up_to, bool merged)
        : world(owner), clustered_up_to_(clustered_up_to), merged_(merged) {}
    arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const BoundView& view) override {
      return Pieces(view, 0, 0, 1);
    }
    arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> ScanParts(
        const BoundView& view, const LogQuery& query) override {
      world->earliest_asked_.insert(query.earliest_us);
      std::vector<std::shared_ptr<arrow::RecordBatchReader>> parts(2);
      for (int64_t part = 0; part < 2; ++part) {
        ARROW_ASSIGN_OR_RAISE(parts[static_cast<size_t>(part)],
                              Pieces(view, std::max<int64_t>(query.seq_after, 0), part, 2));
      }
      return parts;
    }
    arrow::Result<std::shared_ptr<const ClusteredLog>> Clustered(const BoundView& view) override {
      if (clustered_up_to_ == 0 || view.engine()->layout().versioned) {
        return std::shared_ptr<const ClusteredLog>();
      }
      auto& known = logs_[view.name()];
      if (known == nullptr) {
        ARROW_ASSIGN_OR_RAISE(known, Cluster(view));
      }
      return known;
    }

   private:
    arrow::Result<std::shared_ptr<arrow::RecordBatch>> Table(const BoundView& view) {
      for (const spec::FeatureView& defined : world->project_.views) {
        if (defined.name == view.name()) {
          return world->tables_[defined.from]->CombineChunksToBatch();
        }
      }
      return arrow::Status::KeyError(view.name());
    }
    // Of the rows above `after` every `parts`-th batch of three rows.
    arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Pieces(const BoundView& view,
                                                                    int64_t after, int64_t part,
                                                                    int64_t parts) {
      ARROW_ASSIGN_OR_RAISE(auto batch, Table(view));
      std::vector<std::shared_ptr<arrow::RecordBatch>> pieces;
      for (int64_t at = after + 3 * part; at < batch->num_rows(); at += 3 * parts) {
        pieces.push_back(batch->Slice(at, 3));
      }
      return arrow::RecordBatchReader::Make(pieces, batch->schema());
    }
    arrow::Result<std::shared_ptr<const ClusteredLog>> Cluster(const BoundView& view) {
      ARROW_ASSIGN_OR_RAISE(auto batch, Table(view));
      ARROW_ASSIGN_OR_RAISE(const auto builder,
                            RunBuilder::Make(view.engine()->layout(), view.key_types()));
      auto log = std::make_shared<ClusteredLog>();
      log->seq_up_to = std::min(clustered_up_to_, batch->num_rows());
      const auto add = [&](const RunFacts& facts, const std::string& prefix) -> arrow::Status {
        return ClusteredRun::Open(prefix, builder->schema(), facts)
            .Value(&log->runs.emplace_back());
      };
      for (int64_t at = 0; at < log->seq_up_to; at += 2) {
        ARROW_ASSIGN_OR_RAISE(const auto rows, view.Prepare(*batch->Slice(
                                                   at, std::min<int64_t>(2, log->seq_up_to - at))));
        ARROW_RETURN_NOT_OK(builder->Add(rows));
        if (builder->row_count() == 0) continue;
        const std::string prefix = NewPrefix();
        ARROW_ASSIGN_OR_RAISE(const RunFacts facts, builder->Write(prefix));
        ARROW_RETURN_NOT_OK(add(facts, prefix));
      }
      if (merged_ && !log->runs.empty()) {
        const std::string prefix = NewPrefix();
        ARROW_ASSIGN_OR_RAISE(const RunFacts facts,
                              MergeRuns(log->runs, builder->schema(), prefix));
        log->runs.clear();
        ARROW_RETURN_NOT_OK(add(facts, prefix));
      }
      return log;
    }
    std::string NewPrefix() { return (world->root_ / std::to_string(world->runs_++)).string(); }

    World* world;
    const int64_t clustered_up_to_;
    const bool merged_;
    std::map<std::string, std::shared_ptr<const ClusteredLog>> logs_;
  };

  // The same from clustered logs, in pieces of two rows, and from what was spilled.
  void CheckOtherWays(const BoundService& service, const std::shared_ptr<arrow::Table>& spine,
                      const KnowledgeCut& cut, const TrainingSet& expected) {
    for (const int64_t clustered_up_to : {0, 3, 1000}) {
      for (const bool merged : {false, true}) {
        TrainingSetOptions options;
        options.memory_bytes = merged ? 1 : options.memory_bytes;
        options.block_rows = merged ? 2 : 3;
        options.scratch_dir = root_.string();
        Log log(this, clustered_up_to, merged);
        auto reader = OpenTrainingSet(service, std::make_shared<arrow::TableBatchReader>(spine),
                                      cut, &log, options);
        ASSERT_TRUE(reader.ok()) << reader.status().ToString();
        const auto table = (*reader)->ToTable();
        ASSERT_TRUE(table.ok()) << table.status().ToString();
        EXPECT_TRUE((*table)->Equals(*expected.table))
            << "clustered up to " << clustered_up_to << (merged ? ", merged" : "") << ": "
            << (*table)->ToString() << expected.table->ToString();
        for (size_t i = 0; i < expected.features.size(); ++i) {
          EXPECT_EQ((*reader)->features()[i].nulls, expected.features[i].nulls);
          EXPECT_EQ((*reader)->features()[i].expired, expected.features[i].expired);
        }
      }
    }
  }

  void Bind() {
    for (const spec::FeatureView& view : project_.views) {
      if (view.on_request()) continue;
      auto bound =
          BoundView::Bind(view, *project_.FindEntity(view.entity), *view.event_time,
                          view.known_at.value_or(spec::KnownAt{}), *tables_.at(view.from)->schema(),
                          versions_ ? &*versions_ : nullptr, &diagnostics_);
      if (bound.ok()) views_[view.name] = std::move(bound).ValueUnsafe();
    }
  }

  std::optional<TableVersions> versions_;
  std::filesystem::path root_;
  int runs_ = 0;
  std::set<int64_t> earliest_asked_;
  base::Diagnostics diagnostics_;
  spec::Project project_;
  std::map<std::string, std::shared_ptr<arrow::Table>> tables_;
  std::map<std::string, std::shared_ptr<const BoundView>> views_;
};

constexpr char kUserViews[] = R"(
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: latest
entity: user
from: processing.events
event_time: happened_at
known_at: told_at
ttl: 100s
features: [x, {name: y, of: x, default: -1.0}]
---
feature_view: recent
entity: user
from: processing.events
event_time: happened_at
known_at: told_at
features:
  - {name: n, aggregate: count, windows: [50s], hop: 0s}
  - {name: total, aggregate: sum, of: x, windows: [50s], hop: 10s}
  - {name: big, aggregate: count, where: "x > 2", windows: [50s], hop: 10s}
---
feature_service: training
features: [latest, recent]
)";

Fields UserEvents() {
  return {{"user_id", arrow::int32(), "[1, 1, 2, 1, null, 1]"},
          {"happened_at", Seconds(), "[100, 110, 100, 110, 100, 120]"},
          {"told_at", Seconds(), "[100, 110, 130, 140, 100, null]"},
          {"x", arrow::float64(), "[1, 2, 3, 4, 5, 6]"}};
}

TEST(TrainingSet, SeesWhatWasKnownAtTheLabel) {
  World world(kUserViews, {{"events", UserEvents()}});
  const Fields spine = {{"label", arrow::utf8(), R"(["a","b","c","d","e","f","g","h"])"},
                        {"user_id", arrow::int16(), "[1, 2, 1, 3, null, 1, 1, 1]"},
                        {"event_timestamp", Seconds(), "[145, 125, 115, 115, 115, null, 99, 211]"}};
  EXPECT_EQ(world.Column(spine, "label"), "a b c d e f g h");
  EXPECT_EQ(world.Column(spine, "x"), "4 null 2 null null null null null");
  EXPECT_EQ(world.Column(spine, "y"), "4 -1 2 -1 -1 null -1 -1");
  EXPECT_EQ(world.Column(spine, "n_50s"), "3 0 2 0 0 null 0 0");
  EXPECT_EQ(world.Column(spine, "total_50s"), "7 null 3 null null null null null");
  EXPECT_EQ(world.Column(spine, "big_50s"), "1 0 0 0 0 null 0 0");
}

TEST(TrainingSet, OtherCuts) {
  World world(kUserViews, {{"events", UserEvents()}});
  const Fields spine = {{"user_id", arrow::int64(), "[1, 2, 1]"},
                        {"event_timestamp", Seconds(), "[115, 115, 105]"}};
  EXPECT_EQ(world.Column(spine, "x", {KnowledgeCut::Kind::kLatest, 0}), "4 3 1");
  EXPECT_EQ(world.Column(spine, "total_50s", {KnowledgeCut::Kind::kLatest, 0}), "7 3 1");
  EXPECT_EQ(world.Column(spine, "x", {KnowledgeCut::Kind::kTime, 135'000'000}), "2 3 1");
  EXPECT_EQ(world.Column(spine, "n_50s", {KnowledgeCut::Kind::kTime, 135'000'000}), "2 1 1");
}

// The features of kUserViews in one view: each kind is answered from the rows that it needs.
TEST(TrainingSet, AsOfFeaturesAndWindowsOfOneView) {
  const std::string mixed = R"(
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: both
entity: user
from: processing.events
event_time: happened_at
known_at: told_at
ttl: 100s
features:
  - {name: n, aggregate: count, windows: [50s], hop: 0s}
  - x
  - {name: total, aggregate: sum, of: x, windows: [50s], hop: 10s}
  - {name: y, of: x, default: -1.0}
  - {name: big, aggregate: count, where: "x > 2", windows: [50s], hop: 10s}
---
feature_service: training
features: [both, {view: both, keys: {user_id: other}, prefix: other_}]
)";
  World apart(kUserViews, {{"events", UserEvents()}});
  World together(mixed, {{"events", UserEvents()}});
  const std::string users = "[1, 2, 1, 3, null, 1, 1, 1]";
  const std::string others = "[2, 1, 1, 1, 1, 1, 3, 2]";
  const std::string times = "[145, 125, 115, 115, 115, null, 199, 215]";
  const Fields spine = {{"user_id", arrow::int64(), users},
                        {"other", arrow::int64(), others},
                        {"event_timestamp", Seconds(), times}};
  const Fields of_others = {{"user_id", arrow::int64(), others},
                            {"event_timestamp", Seconds(), times}};
  using Kind = KnowledgeCut::Kind;
  for (const KnowledgeCut& cut :
       {KnowledgeCut{}, KnowledgeCut{Kind::kLatest, 0}, KnowledgeCut{Kind::kTime, 135'000'000}}) {
    for (const std::string name : {"x", "y", "n_50s", "total_50s", "big_50s"}) {
      EXPECT_EQ(together.Column(spine, name, cut), apart.Column(spine, name, cut)) << name;
      EXPECT_EQ(together.Column(spine, "other_" + name, cut), apart.Column(of_others, name, cut))
          << name;
    }
    const auto expected = apart.Build(spine, cut);
    const auto built = together.Build(spine, cut);
    ASSERT_TRUE(expected.ok() && built.ok());
    for (const FeatureReport& report : built->features) {
      const auto same = std::find_if(expected->features.begin(), expected->features.end(),
                                     [&](const auto& other) { return other.name == report.name; });
      if (same == expected->features.end()) continue;
      EXPECT_EQ(report.nulls, same->nulls) << report.name;
      EXPECT_EQ(report.expired, same->expired) << report.name;
    }
  }
  // The first window begins at 60 s, though as-of features look at everything.
  EXPECT_TRUE(together.earliest_asked().contains(60'000'000));
  EXPECT_TRUE(together.earliest_asked().contains(INT64_MIN));
}

TEST(TrainingSet, KeysTooWideMatchNothing) {
  Fields events = UserEvents();
  std::get<1>(events[0]) = arrow::int64();
  World world(std::string("entity: user\nkeys: [{name: user_id, type: int32}]\n") +
                  std::string(kUserViews).substr(std::string(kUserViews).find("---")),
              {{"events", events}});
  EXPECT_EQ(world.Column({{"user_id", arrow::int64(), "[1, 4294967297]"},
                          {"event_timestamp", Seconds(), "[115, 115]"}},
                         "x"),
            "2 null");
}

TEST(TrainingSet, ReportsNullsAndExpired) {
  World world(kUserViews, {{"events", UserEvents()}});
  const auto set = world.Build({{"user_id", arrow::int64(), "[1, 1, 7]"},
                                {"event_timestamp", Seconds(), "[115, 300, 115]"}});
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  EXPECT_EQ(set->features[0].name, "x");
  EXPECT_EQ(set->features[0].rows, 3);
  EXPECT_EQ(set->features[0].nulls, 2);
  EXPECT_EQ(set->features[0].expired, 1);
}

TEST(TrainingSet, TakesAnyKindOfTime) {
  World world(kUserViews, {{"events", UserEvents()}});
  EXPECT_EQ(world.Column({{"user_id", arrow::int64(), "[1, 1]"},
                          {"event_timestamp", arrow::utf8(),
                           R"(["1970-01-01T00:01:55", "1970-01-01T01:01:45+01:00"])"}},
                         "x"),
            "2 1");
  EXPECT_EQ(world.Column({{"user_id", arrow::int64(), "[1, 1]"},
                          {"event_timestamp", arrow::timestamp(arrow::TimeUnit::NANO),
                           "[109999999999, 110000000999]"}},
                         "x"),
            "1 2");
  EXPECT_EQ(
      world.Column({{"user_id", arrow::int64(), "[]"}, {"event_timestamp", Seconds(), "[]"}}, "x"),
      "");
}

TEST(TrainingSet, RefusesAWrongSpine) {
  World world(kUserViews, {{"events", UserEvents()}});
  auto code = [&](const Fields& spine) { return base::CodeOf(world.Build(spine).status()); };
  const auto wrong = base::ErrorCode::kInvalidArgument;
  EXPECT_EQ(code({{"user", arrow::int64(), "[1]"}, {"event_timestamp", Seconds(), "[1]"}}), wrong);
  EXPECT_EQ(code({{"user_id", arrow::int64(), "[1]"}, {"time", Seconds(), "[1]"}}), wrong);
  EXPECT_EQ(code({{"user_id", arrow::float64(), "[1]"}, {"event_timestamp", Seconds(), "[1]"}}),
            wrong);
  EXPECT_EQ(
      code({{"user_id", arrow::int64(), "[1]"}, {"event_timestamp", arrow::utf8(), "[\"x\"]"}}),
      wrong);
  EXPECT_EQ(code({{"user_id", arrow::int64(), "[1]"},
                  {"x", arrow::int64(), "[1]"},
                  {"event_timestamp", Seconds(), "[1]"}}),
            wrong);
}

TEST(TrainingSet, CompositeKeysDoNotRunTogether) {
  World world(R"(
entity: pair
keys: [{name: a, type: string}, {name: b, type: string}]
---
feature_view: v
entity: pair
from: processing.events
event_time: happened_at
features: [x]
---
feature_service: training
features: [v]
)",
              {{"events",
                {{"a", arrow::utf8(), R"(["1", "12", null])"},
                 {"b", arrow::large_utf8(), R"(["23", "3", "3"])"},
                 {"happened_at", Seconds(), "[1, 1, 1]"},
                 {"x", arrow::int64(), "[10, 20, 30]"}}}});
  EXPECT_EQ(world.Column({{"a", arrow::large_utf8(), R"(["12", "1", null, "1"])"},
                          {"b", arrow::utf8(), R"(["3", "23", "3", null])"},
                          {"event_timestamp", Seconds(), "[5, 5, 5, 5]"}},
                         "x"),
            "20 10 null null");
}

TEST(TrainingSet, OneViewTwiceAndRequestViews) {
  World world(R"(
entity: airport
keys: [{name: airport, type: string}]
---
feature_view: weather
entity: airport
from: processing.weather
event_time: observed_at
features: [{name: temp, default: 20.0}]
---
feature_view: trip
request: [{name: distance, type: float64}]
inputs: {here: weather.temp}
features: [{name: product, expression: "here * distance", default: -5.0}]
---
feature_service: training
features:
  - weather
  - {view: weather, keys: {airport: dest}, prefix: dest_}
  - {view: trip, as: {product: scaled}}
)",
              {{"weather",
                {{"airport", arrow::utf8(), R"(["A", "B"])"},
                 {"observed_at", Seconds(), "[1, 1]"},
                 {"temp", arrow::float64(), "[3, 4]"}}}});
  const Fields spine = {{"airport", arrow::utf8(), R"(["A", "B", "C", "A"])"},
                        {"dest", arrow::utf8(), R"(["B", "A", "A", "A"])"},
                        {"distance", arrow::int64(), "[10, null, 2, 1]"},
                        {"event_timestamp", Seconds(), "[5, 5, 5, null]"}};
  EXPECT_EQ(world.Column(spine, "temp"), "3 4 20 null");
  EXPECT_EQ(world.Column(spine, "dest_temp"), "4 3 3 null");
  EXPECT_EQ(world.Column(spine, "scaled"), "30 -5 40 null");
}

TEST(TrainingSet, FactsWithoutTime) {
  World world(R"(
entity: airport
keys: [{name: airport, type: string}]
---
feature_view: facts
entity: airport
from: processing.airports
event_time: always
features: [height]
---
feature_service: training
features: [facts]
)",
              {{"airports",
                {{"airport", arrow::utf8(), R"(["A", "B", "A"])"},
                 {"height", arrow::float64(), "[3, 4, 5]"}}}});
  EXPECT_EQ(world.Column({{"airport", arrow::utf8(), R"(["A", "A", "B"])"},
                          {"event_timestamp", Seconds(), "[-2208988800, 5, 5]"}},
                         "height"),
            "5 5 4");
}

constexpr char kOrderViews[] = R"(
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: latest
entity: user
from: processing.orders
event_time: placed_at
known_at: told_at
features: [order_id, amount]
---
feature_view: open
entity: user
from: processing.orders
event_time: placed_at
known_at: told_at
where: "state <> 'cancelled'"
features:
  - {name: open, aggregate: count, windows: [1h]}
  - {name: total, aggregate: sum, of: amount, windows: [1h]}
  - {name: first, aggregate: first, of: amount, windows: [1h]}
  - {name: most, aggregate: max, of: amount, windows: [1h]}
---
feature_service: training
features: [latest, open]
)";

// Order 1 is corrected and cancelled; order 2 moves to user 8 and an older version of it comes
// late; order 3 is deleted, found at 150; order 4 loses its user.
Fields OrderVersions() {
  return {{"order_id", arrow::int64(), "[1, 2, 1, 3, 2, 1, 2, 3, 4, 4]"},
          {"user_id", arrow::int64(), "[7, 7, 7, 7, 8, 7, 7, 7, 7, null]"},
          {"placed_at", Seconds(), "[100, 101, 100, 102, 101, 100, 101, 102, 90, 90]"},
          {"told_at", Seconds(), "[100, 101, 110, 102, 120, 130, 125, 102, 90, 160]"},
          {"version", arrow::int32(), "[1, 1, 2, 1, 3, 3, 2, null, 1, 2]"},
          {"state", arrow::utf8(),
           R"(["open","open","open","open","open","cancelled","open","open","open","open"])"},
          {"amount", arrow::float64(), "[10, 20, 11, 30, 21, 11, 22, 30, 40, 40]"},
          {"_op", arrow::utf8(),
           R"(["insert","insert","update","insert","update","update","update","delete","insert",
               "update"])"},
          {"_known_at", Seconds(), "[100, 101, 110, 102, 120, 130, 125, 150, 90, 160]"}};
}

TEST(TrainingSet, OfATableWithVersions) {
  // Order 3's delete has no version, so `_seq` alone must decide.
  World by_seq(kOrderViews, {{"orders", OrderVersions()}}, TableVersions{{"order_id"}, {}});
  const Fields spine = {{"user_id", arrow::int64(), "[7, 7, 7, 7, 7, 7, 8, 8]"},
                        {"event_timestamp", Seconds(), "[100, 105, 110, 120, 149, 160, 119, 120]"}};
  EXPECT_EQ(by_seq.Column(spine, "order_id"), "1 3 3 3 3 2 null 2");
  EXPECT_EQ(by_seq.Column(spine, "open_1h"), "2 4 4 3 3 1 0 1");
  EXPECT_EQ(by_seq.Column(spine, "total_1h"), "50 100 101 81 92 22 null 21");
  EXPECT_EQ(by_seq.Column(spine, "first_1h"), "40 40 40 40 40 22 null 21");
  EXPECT_EQ(by_seq.Column(spine, "most_1h"), "40 40 40 40 40 22 null 21");
  // By version: the older version of order 2 that came late changes nothing, nor does a delete that
  // has none.
  World by_version(kOrderViews, {{"orders", OrderVersions()}},
                   TableVersions{{"order_id"}, {"version"}});
  EXPECT_EQ(by_version.Column(spine, "order_id"), "1 3 3 3 3 3 null 2");
  EXPECT_EQ(by_version.Column(spine, "open_1h"), "2 4 4 3 2 1 0 1");
  EXPECT_EQ(by_version.Column(spine, "total_1h"), "50 100 101 81 70 30 null 21");
}

TEST(TrainingSet, OtherCutsOfATableWithVersions) {
  World world(kOrderViews, {{"orders", OrderVersions()}}, TableVersions{{"order_id"}, {}});
  const Fields spine = {{"user_id", arrow::int64(), "[7, 7, 8]"},
                        {"event_timestamp", Seconds(), "[100, 105, 105]"}};
  // What is known at last: 1 cancelled, 2 back at user 7, 3 deleted, 4 nobody's.
  const KnowledgeCut latest{KnowledgeCut::Kind::kLatest, 0};
  EXPECT_EQ(world.Column(spine, "order_id", latest), "1 2 null");
  EXPECT_EQ(world.Column(spine, "open_1h", latest), "0 1 0");
  const KnowledgeCut then{KnowledgeCut::Kind::kTime, 122'000'000};
  EXPECT_EQ(world.Column(spine, "order_id", then), "1 3 2");
  EXPECT_EQ(world.Column(spine, "total_1h", then), "51 81 21");
}

TEST(BoundView, NamesWhatIsWrong) {
  base::Diagnostics diagnostics;
  spec::Entity entity;
  entity.name = "user";
  entity.keys.push_back({"user_id", arrow::int64(), "int64", {}});
  spec::FeatureView view;
  view.name = "latest";
  view.from = "processing.events";
  spec::Feature feature;
  feature.name = "x";
  feature.of = "amont";
  view.features.push_back(feature);
  feature.of = "amount";
  feature.default_value = spec::Literal{};
  feature.default_value->kind = spec::Literal::Kind::kString;
  feature.default_value->string_value = "none";
  spec::EventTime event_time;
  event_time.column = "happened_at";
  const auto table =
      arrow::schema({arrow::field("_seq", arrow::int64()), arrow::field("user_id", arrow::utf8()),
                     arrow::field("amount", arrow::float64()),
                     arrow::field("happened_at", arrow::timestamp(arrow::TimeUnit::MICRO))});
  EXPECT_FALSE(
      BoundView::Bind(view, entity, event_time, spec::KnownAt{}, *table, nullptr, &diagnostics)
          .ok());
  // The key's type, the time without zone, and the column.
  EXPECT_EQ(diagnostics.error_count(), 3);
}

}  // namespace
}  // namespace icecore::feature
