#include "icecore/cli/progress.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "icecore/base/clock.h"
#include "icecore/cli/text_table.h"

namespace icecore::cli {
namespace {

constexpr int64_t kRedrawNanos = 100'000'000;

struct Line {
  int64_t started_ns = 0;
  int64_t drawn_ns = 0;
};

void Draw(const pipeline::Event& event, Line* line) {
  const int64_t now = base::MonotonicNanos();
  if (event.kind == pipeline::Event::Kind::kStepStarted) {
    line->started_ns = now;
  }
  const bool ends = event.kind == pipeline::Event::Kind::kStepFinished;
  if (!ends && now - line->drawn_ns < kRedrawNanos) {
    return;
  }
  line->drawn_ns = now;
  if (ends) {
    std::fputs("\r\x1b[K", stderr);
    return;
  }
  const double seconds = static_cast<double>(now - line->started_ns) / 1e9;
  const auto rate =
      seconds > 0 ? static_cast<int64_t>(static_cast<double>(event.rows) / seconds) : 0;
  std::fprintf(stderr, "\r\x1b[K%s  %s  %s rows  %s rows/s", event.thing.c_str(),
               event.step.c_str(), Grouped(event.rows).c_str(), Grouped(rate).c_str());
  if (event.bytes > 0) {
    std::fprintf(stderr, "  %s KiB", Grouped(event.bytes / 1024).c_str());
  }
  std::fflush(stderr);
}

}  // namespace

pipeline::EventListener MakeProgress(bool enabled) {
  if (!enabled || ::isatty(STDERR_FILENO) == 0) {
    return nullptr;
  }
  auto line = std::make_shared<Line>();
  return [line](const pipeline::Event& event) { Draw(event, line.get()); };
}

}  // namespace icecore::cli
