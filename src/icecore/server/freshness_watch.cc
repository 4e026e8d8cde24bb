#include "icecore/server/freshness_watch.h"

#include <algorithm>
#include <optional>

namespace icecore::server {

arrow::Status FreshnessWatch::LookAtLoads(catalog::Catalog* catalog,
                                          const std::vector<std::string>& views) {
  const std::lock_guard<std::mutex> look(look_mutex_);
  for (const std::string& view : views) {
    ARROW_RETURN_NOT_OK(LookAtLoadsOf(catalog, view, !has_looked_));
  }
  has_looked_ = true;
  return arrow::Status::OK();
}

arrow::Status FreshnessWatch::LookAtLoadsOf(catalog::Catalog* catalog, const std::string& view,
                                            bool remember) {
  ARROW_ASSIGN_OR_RAISE(const auto latest, catalog->LatestStepOf("view." + view));
  std::string last_step;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ViewState& state = views_[view];
    if (remember && latest) {
      state.last_step = latest->id;
    }
    last_step = state.last_step;
  }
  // A step that is being written down just now is looked at again.
  if (!latest || latest->id == last_step || latest->status == catalog::RunStatus::kRunning) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto steps, catalog->StepsOf("view." + view, kMaxLoads));
  pipeline::LoadDelays delays;
  for (const catalog::Step& step : steps) {
    if (step.id == last_step) {
      break;
    }
    // What other versions wrote, and loads without rows, tell nothing.
    const auto read = pipeline::LoadDelaysFromJson(step.detail_json);
    if (step.kind == "online" && read.ok()) {
      delays.Add(*read);
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ViewState& state = views_[view];
  state.last_step = steps.front().id;
  state.delays.Add(delays);
  return arrow::Status::OK();
}

void FreshnessWatch::Accepted(const std::string& source, int64_t accepted_ns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pushes_.try_emplace(source);
  std::deque<int64_t>& waiting = waiting_[source];
  if (waiting.size() >= kMaxWaiting) waiting.pop_front();
  waiting.push_back(accepted_ns);
}

void FreshnessWatch::Servable(const std::string& source, int64_t begin_ns, int64_t end_ns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = waiting_.find(source);
  if (found == waiting_.end()) return;
  std::deque<int64_t>& waiting = found->second;
  for (; !waiting.empty() && waiting.front() < begin_ns; waiting.pop_front()) {
    pushes_[source].Add((end_ns - waiting.front()) / 1000);
  }
}

std::vector<ViewDelays> FreshnessWatch::view_delays() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ViewDelays> list;
  list.reserve(views_.size());
  for (const auto& [view, state] : views_) {
    list.push_back({view, state.delays});
  }
  return list;
}

std::vector<PushDelays> FreshnessWatch::push_delays() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<PushDelays> list;
  list.reserve(pushes_.size());
  for (const auto& [source, delays] : pushes_) {
    list.push_back({source, delays});
  }
  return list;
}

}  // namespace icecore::server
