// How fast one core brings a stream into the states of its keys, and reads them.
//   icecore_state_bench [NAME=VALUE …] [EVENTS_FILE]
//   events=5000000 keys=10000 span_hours=240 late=0 batch=10000 cells=0
//   late: percent known up to an hour after e; cells: 0 keeps the states of all keys in memory, 1
//   brings each batch from the cells of its keys into these, as loads do (key_updater.h)
// EVENTS_FILE: written as an Arrow file of the events (k, ts in microseconds, v) in their order.
// The view: 1h, 1d, 7d and 30d, each count, sum, mean, min, max and stddev, with the default hops.
// Rows come in the order in which they become known, in batches; each key is moved to the batch's
// time, takes its rows, and is read once at the end.
// Answers a JSON object: events and reads per second by the clock and by the processor's time,
// peak_bytes, and over all keys of the features of 30 days: count, sum, min, max. Neither holds the
// making of the events.
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "icecore/base/time.h"
#include "icecore/state/key_updater.h"
#include "icecore/state/view_state.h"

namespace icecore::state {
namespace {

using Options = std::map<std::string, int64_t>;

ViewLayout Layout() {
  using base::kMicrosPerDay;
  using base::kMicrosPerHour;
  ViewLayout layout;
  layout.value_types = {arrow::float64()};
  const std::pair<int64_t, int64_t> windows[] = {{kMicrosPerHour, 5 * base::kMicrosPerMinute},
                                                 {kMicrosPerDay, kMicrosPerHour},
                                                 {7 * kMicrosPerDay, kMicrosPerHour},
                                                 {30 * kMicrosPerDay, kMicrosPerDay}};
  for (const auto& [length, hop] : windows) {
    for (const AggregateKind kind :
         {AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kMean, AggregateKind::kMin,
          AggregateKind::kMax, AggregateKind::kStddev}) {
      FeatureLayout& feature = layout.features.emplace_back();
      feature.kind = FeatureLayout::Kind::kWindow;
      feature.value = 0;
      feature.aggregate.kind = kind;
      feature.length_us = length;
      feature.hop_us = hop;
    }
  }
  return layout;
}

struct Event {
  int64_t known_at;
  int64_t event_time;
  int64_t key;
  double value;
};

std::vector<Event> MakeEvents(const Options& options) {
  std::mt19937_64 random(1);
  const int64_t count = options.at("events");
  const int64_t span = options.at("span_hours") * base::kMicrosPerHour;
  std::vector<Event> events;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t e = span / count * i;
    const bool late = static_cast<int64_t>(random() % 100) < options.at("late");
    const auto delay = static_cast<int64_t>(random() % base::kMicrosPerHour);
    events.push_back({e + (late ? delay : 0), e,
                      static_cast<int64_t>(random() % static_cast<uint64_t>(options.at("keys"))),
                      static_cast<double>(random() % 100000) / 100});
  }
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.known_at < b.known_at; });
  return events;
}

arrow::Result<PreparedRows> Prepare(const std::vector<Event>& events) {
  arrow::Int64Builder event_time;
  arrow::Int64Builder known_at;
  arrow::Int64Builder seq;
  arrow::DoubleBuilder value;
  int64_t next = 0;
  for (const Event& event : events) {
    ARROW_RETURN_NOT_OK(event_time.Append(event.event_time));
    ARROW_RETURN_NOT_OK(known_at.Append(event.known_at));
    ARROW_RETURN_NOT_OK(seq.Append(next++));
    ARROW_RETURN_NOT_OK(value.Append(event.value));
  }
  PreparedRows rows;
  ARROW_ASSIGN_OR_RAISE(const auto e, event_time.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto a, known_at.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto s, seq.Finish());
  rows.event_time = std::static_pointer_cast<arrow::Int64Array>(e);
  rows.known_at = std::static_pointer_cast<arrow::Int64Array>(a);
  rows.seq = std::static_pointer_cast<arrow::Int64Array>(s);
  rows.values.resize(1);
  ARROW_ASSIGN_OR_RAISE(rows.values[0], value.Finish());
  rows.num_rows = next;
  return rows;
}

arrow::Status WriteEvents(const std::vector<Event>& events, const PreparedRows& rows,
                          const std::string& path) {
  arrow::Int64Builder keys;
  for (const Event& event : events) ARROW_RETURN_NOT_OK(keys.Append(event.key));
  ARROW_ASSIGN_OR_RAISE(const auto k, keys.Finish());
  const auto schema =
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field("ts", arrow::int64()),
                     arrow::field("v", arrow::float64())});
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::FileOutputStream::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeFileWriter(file, schema));
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(
      *arrow::RecordBatch::Make(schema, rows.num_rows, {k, rows.event_time, rows.values[0]})));
  ARROW_RETURN_NOT_OK(writer->Close());
  return file->Close();
}

// What another engine, too, can say of the events: the features of 30 days over all keys.
struct Totals {
  int64_t count = 0;
  double sum = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
};

Totals TotalsOf(const std::vector<VectorSink::Column>& columns) {
  constexpr size_t kFirst = 18;  // of the fourth window
  const auto doubles = [&](size_t offset) -> const arrow::DoubleArray& {
    return static_cast<const arrow::DoubleArray&>(*columns[kFirst + offset].values);
  };
  const auto& counts = static_cast<const arrow::Int64Array&>(*columns[kFirst].values);
  Totals totals;
  for (int64_t i = 0; i < counts.length(); ++i) {
    if (counts.IsNull(i) || counts.Value(i) == 0) continue;
    totals.count += counts.Value(i);
    totals.sum += doubles(1).Value(i);
    totals.min = std::min(totals.min, doubles(3).Value(i));
    totals.max = std::max(totals.max, doubles(4).Value(i));
  }
  return totals;
}

// By the clock and by the processor's time, which says more where others share the machine.
class Stopwatch {
 public:
  double clock() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double processor() const { return Processor() - processor_; }

 private:
  static double Processor() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double processor_ = Processor();
};

// "NAME_per_second": …, "NAME_per_processor_second": …
void PrintRates(const std::string& name, size_t count, double clock, double processor) {
  const auto many = static_cast<double>(count);
  std::cout << "\"" << name << "_per_second\": " << many / clock << ", \"" << name
            << "_per_processor_second\": " << many / processor << ", ";
}

// The keys of the stream.
class Keys {
 public:
  virtual ~Keys() = default;
  // Rows [begin, end), of which the last becomes known at `now`.
  virtual arrow::Status Take(size_t begin, size_t end, int64_t now) = 0;
  virtual arrow::Status Read(int64_t t, VectorSink* sink) const = 0;
};

// As states that stay in memory.
class HeldKeys final : public Keys {
 public:
  HeldKeys(const ViewEngine& engine, size_t count, const std::vector<Event>* events,
           const PreparedRows* rows)
      : events_(*events), rows_(*rows), states_(count) {
    for (auto& state : states_) state = engine.NewKey();
  }

  arrow::Status Take(size_t begin, size_t end, int64_t now) override {
    for (size_t i = begin; i < end; ++i) {
      KeyState& state = *states_[static_cast<size_t>(events_[i].key)];
      ARROW_RETURN_NOT_OK(state.AdvanceTo(now));
      ARROW_RETURN_NOT_OK(state.Add(rows_, static_cast<int64_t>(i)));
    }
    return arrow::Status::OK();
  }
  arrow::Status Read(int64_t t, VectorSink* sink) const override {
    for (const auto& state : states_) ARROW_RETURN_NOT_OK(state->Read(t, sink));
    return arrow::Status::OK();
  }

 private:
  const std::vector<Event>& events_;
  const PreparedRows& rows_;
  std::vector<std::unique_ptr<KeyState>> states_;
};

// The cells of one key, by suffix.
class StoredKey final : public CellChanges {
 public:
  arrow::Status Put(std::string_view suffix, std::string_view bytes) override {
    const auto at = Find(suffix);
    if (at != cells_.end() && at->suffix == suffix) {
      at->bytes = bytes;
    } else {
      cells_.insert(at, {std::string(suffix), std::string(bytes)});
    }
    return arrow::Status::OK();
  }
  arrow::Status Delete(std::string_view suffix) override {
    const auto at = Find(suffix);
    if (at != cells_.end() && at->suffix == suffix) cells_.erase(at);
    return arrow::Status::OK();
  }
  std::vector<CellView> views() const {
    std::vector<CellView> views;
    views.reserve(cells_.size());
    for (const Cell& cell : cells_) views.push_back({cell.suffix, cell.bytes});
    return views;
  }

 private:
  std::vector<Cell>::iterator Find(std::string_view suffix) {
    return std::lower_bound(
        cells_.begin(), cells_.end(), suffix,
        [](const Cell& cell, std::string_view wanted) { return cell.suffix < wanted; });
  }

  std::vector<Cell> cells_;
};

// As loads bring them up to date: each batch from the cells of its keys into these.
class StoredKeys final : public Keys {
 public:
  StoredKeys(const ViewEngine& engine, std::unique_ptr<KeyUpdater> updater, size_t count,
             const std::vector<Event>* events, const PreparedRows* rows)
      : engine_(engine),
        updater_(std::move(updater)),
        events_(*events),
        rows_(*rows),
        keys_(count),
        taken_(count) {}

  arrow::Status Take(size_t begin, size_t end, int64_t now) override {
    for (size_t i = begin; i < end; ++i) {
      taken_[static_cast<size_t>(events_[i].key)].push_back({&rows_, static_cast<int64_t>(i)});
    }
    const LoadReach reach = {now, static_cast<int64_t>(end) - 1, now};
    for (size_t key = 0; key < keys_.size(); ++key) {
      if (taken_[key].empty()) continue;
      StoredKey changed = keys_[key];
      ARROW_RETURN_NOT_OK(updater_->Update(keys_[key].views(), taken_[key], reach, &changed));
      keys_[key] = std::move(changed);
      taken_[key].clear();
    }
    return arrow::Status::OK();
  }
  arrow::Status Read(int64_t t, VectorSink* sink) const override {
    for (const StoredKey& key : keys_) {
      ARROW_RETURN_NOT_OK(engine_.ReadCells(key.views(), t, sink));
    }
    return arrow::Status::OK();
  }

 private:
  const ViewEngine& engine_;
  const std::unique_ptr<KeyUpdater> updater_;
  const std::vector<Event>& events_;
  const PreparedRows& rows_;
  std::vector<StoredKey> keys_;
  std::vector<std::vector<RowAt>> taken_;  // of the batch, by key
};

arrow::Result<std::unique_ptr<Keys>> MakeKeys(const Options& options, const ViewEngine& engine,
                                              const std::vector<Event>* events,
                                              const PreparedRows* rows) {
  const auto count = static_cast<size_t>(options.at("keys"));
  if (options.at("cells") == 0) {
    return std::make_unique<HeldKeys>(engine, count, events, rows);
  }
  ARROW_ASSIGN_OR_RAISE(auto updater, KeyUpdater::Make(engine));
  return std::make_unique<StoredKeys>(engine, std::move(updater), count, events, rows);
}

arrow::Status Main(const Options& options, const std::string& events_file) {
  ARROW_ASSIGN_OR_RAISE(const auto engine, ViewEngine::Make(Layout()));
  const std::vector<Event> events = MakeEvents(options);
  ARROW_ASSIGN_OR_RAISE(const PreparedRows rows, Prepare(events));
  if (!events_file.empty()) ARROW_RETURN_NOT_OK(WriteEvents(events, rows, events_file));
  ARROW_ASSIGN_OR_RAISE(const auto keys, MakeKeys(options, *engine, &events, &rows));

  const auto batch = static_cast<size_t>(options.at("batch"));
  const Stopwatch writing;
  for (size_t begin = 0; begin < events.size(); begin += batch) {
    const size_t end = std::min(begin + batch, events.size());
    ARROW_RETURN_NOT_OK(keys->Take(begin, end, events[end - 1].known_at));
  }
  const double writing_clock = writing.clock();
  const double writing_processor = writing.processor();
  ARROW_ASSIGN_OR_RAISE(const auto sink, VectorSink::Make(engine->output_types()));
  const Stopwatch reading;
  ARROW_RETURN_NOT_OK(keys->Read(events.back().known_at, sink.get()));
  const double reading_clock = reading.clock();
  const double reading_processor = reading.processor();
  ARROW_ASSIGN_OR_RAISE(const auto columns, sink->Finish());
  const Totals totals = TotalsOf(columns);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << "{";
  PrintRates("events", events.size(), writing_clock, writing_processor);
  PrintRates("reads", static_cast<size_t>(options.at("keys")), reading_clock, reading_processor);
  std::cout << "\"peak_bytes\": " << usage.ru_maxrss * 1024 << std::setprecision(17)
            << ", \"count\": " << totals.count << ", \"sum\": " << totals.sum
            << ", \"min\": " << totals.min << ", \"max\": " << totals.max << "}\n";
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::state

int main(int argc, char** argv) {
  icecore::state::Options options = {{"events", 5000000}, {"keys", 10000},  {"span_hours", 240},
                                     {"late", 0},         {"batch", 10000}, {"cells", 0}};
  std::string events_file;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos && events_file.empty()) {
      events_file = argument;
      continue;
    }
    if (equals == std::string::npos || options.count(argument.substr(0, equals)) == 0) {
      std::cerr << "no such option: " << argument << "\n";
      return 2;
    }
    options[argument.substr(0, equals)] = std::stoll(argument.substr(equals + 1));
  }
  const arrow::Status status = icecore::state::Main(options, events_file);
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    return 1;
  }
  return 0;
}
