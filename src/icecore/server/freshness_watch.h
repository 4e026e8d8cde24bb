#pragma once
// How long rows take to become servable, as seen by a server: loads of any process from the
// catalog, pushes from its own acceptance of them.

#include <arrow/status.h>

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "icecore/catalog/catalog.h"
#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Thread safe.
class FreshnessWatch {
 public:
  // Counts the loads of `views` that have ended since the last call; the first call only remembers
  // where they stand. Loads between two calls count up to kMaxLoads of a view, the newest.
  static constexpr int64_t kMaxLoads = 64;
  arrow::Status LookAtLoads(catalog::Catalog* catalog, const std::vector<std::string>& views);

  // A push was accepted at this time (base::MonotonicNanos). Of those that wait for a run, the
  // newest kMaxWaiting of each source are remembered.
  static constexpr size_t kMaxWaiting = 65'536;
  void Accepted(const std::string& source, int64_t accepted_ns);
  // What was accepted of the source before `begin_ns` can be served at `end_ns`.
  void Servable(const std::string& source, int64_t begin_ns, int64_t end_ns);

  std::vector<ViewDelays> view_delays();
  std::vector<PushDelays> push_delays();

 private:
  struct ViewState {
    std::string last_step;  // that was counted or passed over
    pipeline::LoadDelays delays;
  };

  arrow::Status LookAtLoadsOf(catalog::Catalog* catalog, const std::string& view, bool remember);

  std::mutex look_mutex_;    // one look at a time; taken before mutex_
  bool has_looked_ = false;  // guarded by look_mutex_
  std::mutex mutex_;
  std::map<std::string, ViewState> views_;
  std::map<std::string, std::deque<int64_t>> waiting_;  // accepted at, by source; oldest first
  std::map<std::string, pipeline::DelayCounts> pushes_;
};

}  // namespace icecore::server
