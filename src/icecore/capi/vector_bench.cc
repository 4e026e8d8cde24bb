// Reads in this process, one after the other: microseconds by percentile.
//   icecore_capi_bench FOLDER SERVICE KEYS [SECONDS [rows|c|c-all [ENTITIES]]]
// FOLDER: a project whose views are loaded; SERVICE: of one key column of type int64 with the
// values 0 to KEYS - 1, all features float64. `sum`: of all values of the keys 0 to 99, so that
// whoever made the rows can tell that they are these. Read as rows of the engine (the default), or
// through the C interface: the features, or with statuses and event times too. ENTITIES: vectors of
// one read, which divide 100 (default 1). Answers a JSON object.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/c/bridge.h>
#include <arrow/table.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/capi/icecore.h"
#include "icecore/engine/engine.h"

namespace icecore::engine {
namespace {

constexpr int64_t kSummed = 100;
constexpr int64_t kWarmUp = 2000;  // reads that are not timed

// The keys of each read: `entities` that follow each other.
arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> KeysOf(int64_t count, int64_t entities) {
  std::vector<std::shared_ptr<arrow::Array>> keys;
  for (int64_t key = 0; key < count; key += entities) {
    arrow::Int64Builder builder;
    for (int64_t i = 0; i < entities; ++i) ARROW_RETURN_NOT_OK(builder.Append((key + i) % count));
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    keys.push_back(std::move(array));
  }
  return keys;
}

// Reads the vectors of some keys.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual arrow::Status Read(const std::shared_ptr<arrow::Array>& keys) = 0;
  // Of what was read last.
  virtual arrow::Result<double> Sum() const = 0;
  virtual size_t num_features() const = 0;
};

class RowReader final : public Reader {
 public:
  static arrow::Result<std::unique_ptr<Reader>> Open(const std::string& folder,
                                                     const std::string& service) {
    auto reader = std::make_unique<RowReader>();
    OpenOptions options;
    options.directory = folder;
    ARROW_ASSIGN_OR_RAISE(reader->engine_, Engine::Open(options));
    ARROW_ASSIGN_OR_RAISE(reader->service_, reader->engine_->OpenService(service));
    reader->t_us_ = reader->engine_->clock().NowMicros();
    return reader;
  }
  arrow::Status Read(const std::shared_ptr<arrow::Array>& keys) override {
    return service_->ReadRows({keys}, {}, t_us_).Value(&vectors_);
  }
  arrow::Result<double> Sum() const override {
    double sum = 0;
    for (const state::FeatureAnswers& feature : vectors_.features) {
      for (int64_t row = 0; row < vectors_.num_rows; ++row) {
        if (feature.type().id() != arrow::Type::DOUBLE || !feature.slot(row).is_valid) {
          return arrow::Status::Invalid("a feature is no float64, or null");
        }
        sum += std::bit_cast<double>(feature.slot(row).word);
      }
    }
    return sum;
  }
  size_t num_features() const override { return vectors_.features.size(); }

 private:
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const OnlineService> service_;
  int64_t t_us_ = 0;
  VectorRows vectors_;
};

class CReader final : public Reader {
 public:
  static arrow::Result<std::unique_ptr<Reader>> Open(const std::string& folder,
                                                     const std::string& service, bool all) {
    auto reader = std::make_unique<CReader>();
    reader->all_ = all;
    icecore_error* error = nullptr;
    if (icecore_open(folder.c_str(), nullptr, &reader->project_, &error) != ICECORE_OK ||
        icecore_service_open(reader->project_, service.c_str(), &reader->service_, &error) !=
            ICECORE_OK) {
      return Failed(error);
    }
    char* description = nullptr;
    if (icecore_service_describe(reader->service_, &description, &error) != ICECORE_OK) {
      return Failed(error);
    }
    reader->key_name_ =
        nlohmann::json::parse(description).at("keys").at(0).at("name").get<std::string>();
    icecore_text_free(description);
    return reader;
  }
  ~CReader() override {
    icecore_service_free(service_);
    icecore_close(project_);
  }
  arrow::Status Read(const std::shared_ptr<arrow::Array>& keys) override {
    const auto schema = arrow::schema({arrow::field(key_name_, keys->type())});
    const auto batch = arrow::RecordBatch::Make(schema, keys->length(), {keys});
    ARROW_ASSIGN_OR_RAISE(auto entities, arrow::RecordBatchReader::Make({batch}, schema));
    ArrowArrayStream given;
    ArrowArrayStream features;
    ArrowArrayStream statuses;
    ArrowArrayStream event_times;
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(entities, &given));
    icecore_error* error = nullptr;
    if (icecore_service_read(service_, &given, nullptr, &features, all_ ? &statuses : nullptr,
                             all_ ? &event_times : nullptr, nullptr, &error) != ICECORE_OK) {
      return Failed(error);
    }
    ARROW_RETURN_NOT_OK(Take(&features).Value(&vectors_));
    if (all_) {
      ARROW_RETURN_NOT_OK(Take(&statuses).status());
      ARROW_RETURN_NOT_OK(Take(&event_times).status());
    }
    return arrow::Status::OK();
  }
  arrow::Result<double> Sum() const override {
    double sum = 0;
    for (const auto& column : vectors_->columns()) {
      if (column->type_id() != arrow::Type::DOUBLE || column->null_count() > 0) {
        return arrow::Status::Invalid("a feature is no float64, or null");
      }
      const auto& values = static_cast<const arrow::DoubleArray&>(*column);
      for (int64_t row = 0; row < values.length(); ++row) sum += values.Value(row);
    }
    return sum;
  }
  size_t num_features() const override { return static_cast<size_t>(vectors_->num_columns()); }

 private:
  static arrow::Status Failed(icecore_error* error) {
    const arrow::Status status = arrow::Status::Invalid(icecore_error_message(error));
    icecore_error_free(error);
    return status;
  }
  // The one batch of a stream.
  static arrow::Result<std::shared_ptr<arrow::RecordBatch>> Take(ArrowArrayStream* stream) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ImportRecordBatchReader(stream));
    return reader->Next();
  }

  bool all_ = false;
  std::string key_name_;
  icecore_project* project_ = nullptr;
  icecore_service* service_ = nullptr;
  std::shared_ptr<arrow::RecordBatch> vectors_;
};

arrow::Result<std::unique_ptr<Reader>> OpenReader(const std::string& folder,
                                                  const std::string& service,
                                                  const std::string& how) {
  if (how == "rows") return RowReader::Open(folder, service);
  if (how == "c" || how == "c-all") return CReader::Open(folder, service, how == "c-all");
  return arrow::Status::Invalid("read as rows, c or c-all, not as '", how, "'");
}

arrow::Status Measure(Reader* reader, int64_t key_count, double seconds, int64_t entities) {
  if (entities < 1 || kSummed % entities != 0) {
    return arrow::Status::Invalid("ENTITIES divide ", kSummed);
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(std::min<int64_t>(key_count, 100'000), entities));
  // A step that is prime to their number meets all keys, none of them twice in a row.
  constexpr size_t kStep = 7919;
  size_t at = 0;
  const auto read = [&]() {
    at = (at + kStep) % keys.size();
    return reader->Read(keys[at]);
  };
  double sum = 0;
  for (size_t i = 0; i < std::min<size_t>(kSummed / entities, keys.size()); ++i) {
    ARROW_RETURN_NOT_OK(reader->Read(keys[i]));
    ARROW_ASSIGN_OR_RAISE(const double of_read, reader->Sum());
    sum += of_read;
  }
  for (int64_t i = 0; i < kWarmUp; ++i) ARROW_RETURN_NOT_OK(read());
  std::vector<int64_t> times_ns;
  const int64_t begin_ns = base::MonotonicNanos();
  const int64_t end_ns = begin_ns + static_cast<int64_t>(seconds * 1e9);
  for (int64_t now_ns = begin_ns; now_ns < end_ns;) {
    ARROW_RETURN_NOT_OK(read());
    const int64_t then_ns = base::MonotonicNanos();
    times_ns.push_back(then_ns - now_ns);
    now_ns = then_ns;
  }
  std::sort(times_ns.begin(), times_ns.end());
  const auto micros = [&](double q) {
    const auto index = static_cast<size_t>(q * static_cast<double>(times_ns.size() - 1));
    return static_cast<double>(times_ns[index]) / 1e3;
  };
  std::printf(
      "{\"reads\": %zu, \"features\": %zu, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, "
      "\"p999_us\": %.2f, \"max_us\": %.1f, \"sum\": %.17g}\n",
      times_ns.size(), reader->num_features(), micros(0.5), micros(0.9), micros(0.99),
      micros(0.999), micros(1), sum);
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::engine

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr,
                 "icecore_capi_bench FOLDER SERVICE KEYS [SECONDS [rows|c|c-all [ENTITIES]]]\n");
    return 2;
  }
  const double seconds = argc > 4 ? std::atof(argv[4]) : 5;
  auto reader = icecore::engine::OpenReader(argv[1], argv[2], argc > 5 ? argv[5] : "rows");
  const auto status = reader.ok()
                          ? icecore::engine::Measure(reader->get(), std::atoll(argv[3]), seconds,
                                                     argc > 6 ? std::atoll(argv[6]) : 1)
                          : reader.status();
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  return 0;
}
