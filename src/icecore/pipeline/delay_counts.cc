#include "icecore/pipeline/delay_counts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::pipeline {
namespace {

using nlohmann::json;

constexpr char kSinceEvent[] = "event_to_servable";
constexpr char kSinceKnown[] = "known_to_servable";
constexpr char kSinceCommit[] = "commit_to_servable";

json Object(const DelayCounts& delays) {
  return {{"bounds_s", DelayCounts::kBoundsSeconds},
          {"counts", delays.counts()},
          {"sum_s", delays.sum_seconds()}};
}

// Throws json::exception.
arrow::Result<DelayCounts> Parse(const json& object) {
  const auto bounds = object.at("bounds_s").get<std::vector<double>>();
  const auto counts = object.at("counts").get<std::vector<int64_t>>();
  DelayCounts::Counts known = {};
  if (!std::equal(bounds.begin(), bounds.end(), DelayCounts::kBoundsSeconds.begin(),
                  DelayCounts::kBoundsSeconds.end()) ||
      counts.size() != known.size()) {
    return base::MakeError(base::ErrorCode::kCorrupt, "delays are counted by other bounds");
  }
  std::copy(counts.begin(), counts.end(), known.begin());
  return DelayCounts(known, object.at("sum_s").get<double>());
}

}  // namespace

void DelayCounts::AddBetween(int64_t begin_us, int64_t end_us) {
  const double delay_us = static_cast<double>(end_us) - static_cast<double>(begin_us);
  const double seconds = std::max(delay_us, 0.0) / 1e6;
  const auto bound = std::lower_bound(kBoundsSeconds.begin(), kBoundsSeconds.end(), seconds);
  ++counts_[static_cast<size_t>(bound - kBoundsSeconds.begin())];
  sum_seconds_ += seconds;
}

void DelayCounts::Add(const DelayCounts& other) {
  for (size_t i = 0; i < counts_.size(); ++i) {
    counts_[i] += other.counts_[i];
  }
  sum_seconds_ += other.sum_seconds_;
}

int64_t DelayCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

void LoadDelays::Add(const LoadDelays& other) {
  since_event.Add(other.since_event);
  since_known.Add(other.since_known);
  since_commit.Add(other.since_commit);
}

std::string ToJson(const LoadDelays& delays) {
  return json{{kSinceEvent, Object(delays.since_event)},
              {kSinceKnown, Object(delays.since_known)},
              {kSinceCommit, Object(delays.since_commit)}}
      .dump();
}

arrow::Result<LoadDelays> LoadDelaysFromJson(const std::string& text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    LoadDelays delays;
    ARROW_ASSIGN_OR_RAISE(delays.since_event, Parse(document.at(kSinceEvent)));
    ARROW_ASSIGN_OR_RAISE(delays.since_known, Parse(document.at(kSinceKnown)));
    ARROW_ASSIGN_OR_RAISE(delays.since_commit, Parse(document.at(kSinceCommit)));
    return delays;
  } catch (const json::exception& error) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           std::string("no delays of a load: ") + error.what());
  }
}

}  // namespace icecore::pipeline
