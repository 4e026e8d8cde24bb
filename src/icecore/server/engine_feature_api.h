#pragma once
// The engine behind the HTTP shell.

#include <functional>
#include <memory>
#include <string>

#include "icecore/engine/engine.h"
#include "icecore/engine/push_follower.h"
#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Answers by the definitions that were applied, and follows them: see Refresh. What it hears of the
// follower of pushes is in its State.
class EngineFeatureApi : public FeatureApi, public engine::PushFollower::Listener {
 public:
  // Opens every service of the project at once, so that a wrong definition shows before the first
  // request.
  static arrow::Result<std::unique_ptr<EngineFeatureApi>> Open(const engine::OpenOptions& options);

  virtual const spec::Project& project() const = 0;  // as it was opened first

  // Looks whether other definitions were applied, and takes them over without a gap: a service
  // answers by the new ones as soon as the store holds its views by them, and by the old ones until
  // then. Looks up State, too. An error leaves what answers as it is; the same error is given once.
  // One thread at a time; requests go on meanwhile.
  virtual arrow::Status Refresh() = 0;

  // `wake` is called after each push that was taken, by the thread that took it. To be said before
  // anything is pushed.
  virtual void OnPushed(std::function<void()> wake) = 0;
};

}  // namespace icecore::server
