// Reads of one vector in this process, one after the other: microseconds by percentile.
//   icecore_capi_bench FOLDER SERVICE KEYS [SECONDS]
// FOLDER: a project whose views are loaded; SERVICE: of one key column of type int64 with the
// values 0 to KEYS - 1, all features float64. `sum`: of all values of the keys 0 to 99, so that
// whoever made the rows can tell that they are these. Answers a JSON object.

#include <arrow/array.h>
#include <arrow/builder.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/engine/engine.h"

namespace icecore::engine {
namespace {

constexpr int64_t kSummed = 100;
constexpr int64_t kWarmUp = 2000;  // reads that are not timed

arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> KeysOf(int64_t count) {
  std::vector<std::shared_ptr<arrow::Array>> keys;
  for (int64_t key = 0; key < count; ++key) {
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.Append(key));
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    keys.push_back(std::move(array));
  }
  return keys;
}

arrow::Result<double> SumOf(const VectorRows& vectors) {
  double sum = 0;
  for (const state::FeatureAnswers& feature : vectors.features) {
    if (feature.type().id() != arrow::Type::DOUBLE || !feature.slot(0).is_valid) {
      return arrow::Status::Invalid("a feature is no float64, or null");
    }
    sum += std::bit_cast<double>(feature.slot(0).word);
  }
  return sum;
}

arrow::Status Measure(const std::string& folder, const std::string& service_name, int64_t key_count,
                      double seconds) {
  OpenOptions options;
  options.directory = folder;
  ARROW_ASSIGN_OR_RAISE(const auto engine, Engine::Open(options));
  ARROW_ASSIGN_OR_RAISE(const auto service, engine->OpenService(service_name));
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(std::min<int64_t>(key_count, 100'000)));
  const int64_t t_us = engine->clock().NowMicros();
  // A step that is prime to their number meets all keys, none of them twice in a row.
  constexpr size_t kStep = 7919;
  size_t at = 0;
  const auto read = [&]() {
    at = (at + kStep) % keys.size();
    return service->ReadRows({keys[at]}, {}, t_us);
  };
  double sum = 0;
  for (size_t key = 0; key < std::min<size_t>(kSummed, keys.size()); ++key) {
    ARROW_ASSIGN_OR_RAISE(const auto vectors, service->ReadRows({keys[key]}, {}, t_us));
    ARROW_ASSIGN_OR_RAISE(const double of_key, SumOf(vectors));
    sum += of_key;
  }
  for (int64_t i = 0; i < kWarmUp; ++i) ARROW_RETURN_NOT_OK(read().status());
  std::vector<int64_t> times_ns;
  size_t features = 0;
  const int64_t begin_ns = base::MonotonicNanos();
  const int64_t end_ns = begin_ns + static_cast<int64_t>(seconds * 1e9);
  for (int64_t now_ns = begin_ns; now_ns < end_ns;) {
    ARROW_ASSIGN_OR_RAISE(const auto vectors, read());
    features = vectors.features.size();
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
      times_ns.size(), features, micros(0.5), micros(0.9), micros(0.99), micros(0.999), micros(1),
      sum);
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::engine

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "icecore_capi_bench FOLDER SERVICE KEYS [SECONDS]\n");
    return 2;
  }
  const double seconds = argc > 4 ? std::atof(argv[4]) : 5;
  const auto status = icecore::engine::Measure(argv[1], argv[2], std::atoll(argv[3]), seconds);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  return 0;
}
