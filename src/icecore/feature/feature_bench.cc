// Window features at label times, timed; bench/windows compares it with other engines.
//   icecore_feature_bench windows EVENTS LABELS [NAME=VALUE …]
// EVENTS: Parquet with k (int64), ts (int64, UTC microseconds), v (float64); LABELS: k, ts.
//   set=basic      count, sum, mean, min, max, stddev of v (default)
//   set=sketch     count_distinct, quantiles 0.5 and 0.95, last_n(10), top_n(5) of v
//   windows=3600,86400   lengths in seconds, exact (hop 0)
//   maintained=1   the events are clustered by (k, ts) and k is their number, as a feature log has
//                  them; else keys are numbered and rows ordered inside the clock
//   late=PERCENT   so many rows become known up to an hour later
//   repeat=N       times; output=FILE  writes the answers of the last
// Answers a JSON object: seconds (each run), processor_seconds, peak_bytes.
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "icecore/base/memory_pool.h"
#include "icecore/base/time.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/sweep.h"

namespace icecore::feature {
namespace {

using Options = std::map<std::string, std::string>;

struct Events {
  std::shared_ptr<arrow::Array> keys;
  std::shared_ptr<arrow::Int64Array> times;
  std::shared_ptr<arrow::Int64Array> known;
  std::shared_ptr<arrow::Int64Array> seq;
  std::shared_ptr<arrow::Array> values;
};

arrow::Result<std::shared_ptr<arrow::Array>> Whole(const arrow::Table& table,
                                                   const std::string& name) {
  const auto column = table.GetColumnByName(name);
  if (column == nullptr) return arrow::Status::Invalid("no column ", name);
  if (column->num_chunks() == 1) return column->chunk(0);
  return arrow::Concatenate(column->chunks());
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  return reader->ReadTable();
}

arrow::Result<Events> ReadEvents(const std::string& path, int64_t late_percent) {
  Events events;
  ARROW_ASSIGN_OR_RAISE(const auto table, ReadParquet(path));
  ARROW_ASSIGN_OR_RAISE(events.keys, Whole(*table, "k"));
  ARROW_ASSIGN_OR_RAISE(const auto times, Whole(*table, "ts"));
  ARROW_ASSIGN_OR_RAISE(events.values, Whole(*table, "v"));
  events.times = std::static_pointer_cast<arrow::Int64Array>(times);
  arrow::Int64Builder seq;
  arrow::Int64Builder known;
  uint64_t random = 1;
  for (int64_t i = 0; i < times->length(); ++i) {
    ARROW_RETURN_NOT_OK(seq.Append(i));
    random = random * 6364136223846793005u + 1442695040888963407u;
    const auto late = static_cast<int64_t>((random >> 33) % 100) < late_percent;
    const auto delay = static_cast<int64_t>((random >> 20) % base::kMicrosPerHour);
    ARROW_RETURN_NOT_OK(known.Append(events.times->Value(i) + (late ? delay : 0)));
  }
  ARROW_ASSIGN_OR_RAISE(const auto seqs, seq.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto knowns, known.Finish());
  events.seq = std::static_pointer_cast<arrow::Int64Array>(seqs);
  events.known = std::static_pointer_cast<arrow::Int64Array>(knowns);
  return events;
}

std::string Get(const Options& options, const std::string& name, const std::string& otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

struct Asked {
  state::ViewLayout layout;
  std::vector<std::string> names;
};

Asked MakeLayout(const Options& options) {
  using Kind = state::AggregateKind;
  struct Aggregate {
    std::string name;
    Kind kind;
    int64_t n = 0;
    double q = 0;
  };
  const std::vector<Aggregate> basic = {{"count", Kind::kCount}, {"sum", Kind::kSum},
                                        {"mean", Kind::kMean},   {"min", Kind::kMin},
                                        {"max", Kind::kMax},     {"stddev", Kind::kStddev}};
  const std::vector<Aggregate> sketch = {{"distinct", Kind::kCountDistinct},
                                         {"p50", Kind::kQuantile, 0, 0.5},
                                         {"p95", Kind::kQuantile, 0, 0.95},
                                         {"last10", Kind::kLastN, 10},
                                         {"top5", Kind::kTopN, 5}};
  Asked asked;
  asked.layout.value_types = {arrow::float64()};
  std::stringstream lengths(Get(options, "windows", "3600,86400,604800,2592000"));
  for (std::string length; std::getline(lengths, length, ',');) {
    for (const Aggregate& aggregate : Get(options, "set", "basic") == "basic" ? basic : sketch) {
      state::FeatureLayout feature;
      feature.kind = state::FeatureLayout::Kind::kWindow;
      feature.value = 0;
      feature.aggregate.kind = aggregate.kind;
      feature.aggregate.n = aggregate.n;
      feature.aggregate.q = aggregate.q;
      feature.length_us = std::stoll(length) * base::kMicrosPerSecond;
      feature.hop_us = 0;
      asked.layout.features.push_back(feature);
      asked.names.push_back(aggregate.name + "_" + length);
    }
  }
  return asked;
}

std::vector<int64_t> Plain(const arrow::Array& array) {
  const auto& values = static_cast<const arrow::Int64Array&>(array);
  return {values.raw_values(), values.raw_values() + values.length()};
}

SweepRows RowsOf(const Events& events, std::vector<int64_t> keys) {
  SweepRows rows;
  rows.keys = std::move(keys);
  rows.activations = Plain(*events.known);
  rows.rows.event_time = events.times;
  rows.rows.known_at = events.known;
  rows.rows.seq = events.seq;
  rows.rows.values = {events.values};
  rows.rows.num_rows = events.times->length();
  return rows;
}

// From columns in memory to Arrow columns, in the labels' order.
class Question {
 public:
  Question(const state::ViewPlan& plan, const Events& events,
           const std::shared_ptr<arrow::Array>& keys, const arrow::Int64Array& times,
           bool maintained)
      : plan_(plan), events_(events), keys_(keys), times_(times), maintained_(maintained) {
    if (!maintained) return;
    clustered_ = RowsOf(events, Plain(*events.keys));
    key_count_ = 1 + *std::max_element(clustered_.keys.begin(), clustered_.keys.end());
  }

  arrow::Result<std::vector<state::VectorSink::Column>> Answer() const {
    SweepLabels labels;
    labels.times = Plain(times_);
    if (maintained_) {
      labels.keys = Plain(*keys_);
      const int64_t greatest = *std::max_element(labels.keys.begin(), labels.keys.end());
      return Sweep(plan_, clustered_, labels, std::max(key_count_, greatest + 1));
    }
    ARROW_ASSIGN_OR_RAISE(const auto dictionary, KeyDictionary::Make({arrow::int64()}));
    ARROW_ASSIGN_OR_RAISE(const auto label_keys, dictionary->AddAll({keys_}));
    ARROW_ASSIGN_OR_RAISE(const auto row_keys, dictionary->FindAll({events_.keys}));
    labels.keys.assign(label_keys.begin(), label_keys.end());
    return Sweep(plan_, RowsOf(events_, {row_keys.begin(), row_keys.end()}), labels,
                 dictionary->size());
  }

 private:
  const state::ViewPlan& plan_;
  const Events& events_;
  const std::shared_ptr<arrow::Array>& keys_;
  const arrow::Int64Array& times_;
  const bool maintained_;
  SweepRows clustered_;  // as a feature log has them
  int64_t key_count_ = 0;
};

arrow::Status WriteAnswers(const std::string& path, const Asked& asked,
                           const std::vector<state::VectorSink::Column>& columns) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(arrow::field(asked.names[i], columns[i].values->type()));
    arrays.push_back(columns[i].values);
  }
  const auto table = arrow::Table::Make(arrow::schema(fields), arrays);
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::FileOutputStream::Open(path));
  return parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file, 1 << 20);
}

arrow::Status Main(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3 || arguments[0] != "windows") {
    return arrow::Status::Invalid(
        "usage: icecore_feature_bench windows EVENTS LABELS [NAME=VALUE …]");
  }
  Options options;
  for (size_t i = 3; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    if (equals == std::string::npos) return arrow::Status::Invalid("not NAME=VALUE");
    options[arguments[i].substr(0, equals)] = arguments[i].substr(equals + 1);
  }
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  ARROW_ASSIGN_OR_RAISE(const Events events,
                        ReadEvents(arguments[1], std::stoll(Get(options, "late", "0"))));
  ARROW_ASSIGN_OR_RAISE(const auto table, ReadParquet(arguments[2]));
  ARROW_ASSIGN_OR_RAISE(const auto keys, Whole(*table, "k"));
  ARROW_ASSIGN_OR_RAISE(const auto times, Whole(*table, "ts"));
  const Asked asked = MakeLayout(options);
  ARROW_ASSIGN_OR_RAISE(const auto plan, state::ViewPlan::Make(asked.layout));
  const Question question(plan, events, keys, static_cast<const arrow::Int64Array&>(*times),
                          Get(options, "maintained", "0") == "1");
  std::vector<state::VectorSink::Column> columns;
  std::vector<double> seconds;
  const std::clock_t processor_start = std::clock();
  for (int64_t i = std::stoll(Get(options, "repeat", "1")); i > 0; --i) {
    const auto start = std::chrono::steady_clock::now();
    ARROW_ASSIGN_OR_RAISE(columns, question.Answer());
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double processors = static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC;
  if (options.count("output") != 0) {
    ARROW_RETURN_NOT_OK(WriteAnswers(options["output"], asked, columns));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"seconds\": [";
  for (size_t i = 0; i < seconds.size(); ++i) std::cout << (i > 0 ? ", " : "") << seconds[i];
  std::cout << "], \"processor_seconds\": " << processors / static_cast<double>(seconds.size())
            << ", \"peak_bytes\": " << usage.ru_maxrss * 1024 << "}\n";
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::feature

int main(int argc, char** argv) {
  icecore::base::ChooseMemoryPool();
  const arrow::Status status =
      icecore::feature::Main(std::vector<std::string>(argv + 1, argv + argc));
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    return 1;
  }
  return 0;
}
