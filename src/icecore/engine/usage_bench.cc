// What counting uses costs: nanoseconds of one count, by threads and callers, and milliseconds of a
// flush into a catalog on the disk.
//   icecore_engine_bench [FOLDER]      default: the system's folder for temporary files
// Answers a JSON object a line.

#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/engine/usage.h"

namespace icecore::engine {
namespace {

constexpr int64_t kCounts = 5'000'000;  // of each thread

std::vector<std::string> Callers(int count) {
  std::vector<std::string> callers;
  for (int i = 0; i < count; ++i) {
    char id[9];
    std::snprintf(id, sizeof id, "%08x", 0x9e3779b9U * static_cast<unsigned>(i + 1));
    callers.emplace_back(id);
  }
  return callers;
}

void TimeCounts(int threads, int caller_count) {
  UsageCounter counter;
  const std::vector<std::string> callers = Callers(caller_count);
  const int64_t begin_ns = base::MonotonicNanos();
  {
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) {
      running.emplace_back([&] {
        for (int64_t i = 0; i < kCounts; ++i) {
          counter.Count(callers[static_cast<size_t>(i) % callers.size()], 10);
        }
      });
    }
  }
  const auto elapsed_ns = static_cast<double>(base::MonotonicNanos() - begin_ns);
  std::printf("{\"threads\": %d, \"callers\": %d, \"ns_per_count\": %.1f}\n", threads, caller_count,
              elapsed_ns / static_cast<double>(kCounts));
}

arrow::Status TimeFlush(const std::string& folder, int features, int caller_count) {
  const std::string path = folder + "/icecore_usage_bench.db";
  ARROW_ASSIGN_OR_RAISE(auto catalog, catalog::OpenSqlite(path, &base::SystemRandom()));
  const auto clock = base::MakeSystemClock();
  UsageRecorder recorder(catalog.get(), clock.get());
  std::vector<std::string> names = {"service.s", "view.v"};
  for (int i = 0; i < features; ++i) {
    names.push_back("view.v.feature_" + std::to_string(i));
  }
  const auto counter = recorder.CounterOf(names);
  for (int round = 0; round < 3; ++round) {
    for (const std::string& caller : Callers(caller_count)) {
      counter->Count(caller, 10);
    }
    const int64_t begin_ns = base::MonotonicNanos();
    ARROW_RETURN_NOT_OK(recorder.Flush());
    std::printf("{\"flush_of_records\": %zu, \"ms\": %.2f}\n",
                names.size() * static_cast<size_t>(caller_count),
                static_cast<double>(base::MonotonicNanos() - begin_ns) * 1e-6);
  }
  catalog.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path + suffix);
  }
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::engine

int main(int argc, char** argv) {
  using icecore::engine::TimeCounts;
  for (const int threads : {1, 2, 4}) {
    TimeCounts(threads, 1);
    TimeCounts(threads, 100);
  }
  const std::string folder = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const arrow::Status status = icecore::engine::TimeFlush(folder, 100, 10);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
