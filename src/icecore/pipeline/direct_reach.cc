#include "icecore/pipeline/direct_reach.h"

#include <algorithm>
#include <utility>

namespace icecore::pipeline {

void DirectReach::Tell(const std::string& source, Source reached) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    sources_[source] = std::move(reached);
  }
  changed_.notify_all();
}

void DirectReach::TellNone() {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    sources_.clear();
  }
  changed_.notify_all();
}

bool DirectReach::Await(const std::string& view, int64_t seq, std::chrono::milliseconds at_most) {
  std::unique_lock<std::mutex> guard(mutex_);
  // Whether some source's direct loads bring the view, and it is below that.
  const auto is_brought = [&](int64_t below) {
    return std::any_of(sources_.begin(), sources_.end(), [&](const auto& source) {
      const auto found = source.second.views.find(view);
      return found != source.second.views.end() && found->second < below;
    });
  };
  const bool brought = is_brought(INT64_MAX);
  changed_.wait_for(guard, at_most, [&] { return !is_brought(seq); });
  return brought;
}

bool DirectReach::BringsAll(const std::vector<std::string>& sources) {
  const std::lock_guard<std::mutex> guard(mutex_);
  return std::all_of(sources.begin(), sources.end(), [this](const std::string& source) {
    const auto found = sources_.find(source);
    return found != sources_.end() && found->second.all;
  });
}

}  // namespace icecore::pipeline
