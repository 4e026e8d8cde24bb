#pragma once
// How long rows took to become servable, counted by bounds: what a load of an online view tells the
// catalog, and a server its metrics.

#include <arrow/result.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace icecore::pipeline {

class DelayCounts {
 public:
  // A delay counts under the first bound that is not below it, or beyond them all.
  static constexpr std::array<double, 17> kBoundsSeconds = {
      0.01, 0.05, 0.1, 0.25, 0.5,    1,       2.5,     5,       10,
      30,   60,   300, 900,  3600.0, 21600.0, 86400.0, 604800.0};
  using Counts = std::array<int64_t, kBoundsSeconds.size() + 1>;

  DelayCounts() = default;
  DelayCounts(const Counts& counts, double sum_seconds)
      : counts_(counts), sum_seconds_(sum_seconds) {}

  // A delay below 0 counts as 0.
  void Add(int64_t delay_us) { AddBetween(0, delay_us); }
  // The same of two times, however far they lie apart.
  void AddBetween(int64_t begin_us, int64_t end_us);
  void Add(const DelayCounts& other);
  // By bound, each delay once; the last: beyond all bounds.
  const Counts& counts() const { return counts_; }
  double sum_seconds() const { return sum_seconds_; }
  int64_t total() const;

 private:
  Counts counts_ = {};
  double sum_seconds_ = 0;
};

// Of the rows of one load.
struct LoadDelays {
  DelayCounts since_event;  // from when it happened
  DelayCounts since_known;  // from when it was known
  // From when the version of the lake's table that brought it was committed; rows of which that is
  // not known, and those that a load before this one left waiting, are not counted.
  DelayCounts since_commit;

  void Add(const LoadDelays& other);
};

// One JSON object; what FromJson reads again. Other text, or other bounds: kCorrupt.
std::string ToJson(const LoadDelays& delays);
arrow::Result<LoadDelays> LoadDelaysFromJson(const std::string& text);

}  // namespace icecore::pipeline
