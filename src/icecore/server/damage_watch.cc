#include "icecore/server/damage_watch.h"

#include "icecore/base/log.h"

namespace icecore::server {
namespace {

constexpr int64_t kBetweenLinesNanos = 60'000'000'000;

}  // namespace

void DamageWatch::Count(const std::string& view, int64_t keys, const std::string& why,
                        int64_t now_ns) {
  int64_t untold = 0;
  {
    const std::lock_guard lock(mutex_);
    Damage& damage = by_view_[view];
    damage.keys += keys;
    if (damage.told_keys > 0 && now_ns < damage.told_at_ns + kBetweenLinesNanos) return;
    untold = damage.keys - damage.told_keys;
    damage.told_keys = damage.keys;
    damage.told_at_ns = now_ns;
  }
  base::Log(base::LogLevel::kError,
            "view " + view + ": what the online store holds of keys is damaged, " +
                std::to_string(untold) + " answers for them were errors (" + why +
                "); `icecore materialize --full " + view + "` writes the view anew");
}

int64_t DamageWatch::CountOf(const std::string& view) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_view_.find(view);
  return found == by_view_.end() ? 0 : found->second.keys;
}

}  // namespace icecore::server
