#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "icecore/state/key_state.h"
#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

namespace {

class PlannedEngine final : public ViewEngine {
 public:
  explicit PlannedEngine(ViewPlan plan) : plan_(std::move(plan)) {}

  const ViewLayout& layout() const override { return plan_.layout; }
  const std::vector<std::shared_ptr<arrow::DataType>>& output_types() const override {
    return plan_.output_types;
  }
  int64_t ActivationOf(int64_t event_time, int64_t known_at) const override {
    return plan_.ActivationOf(event_time, known_at);
  }
  int64_t OldestRelevant(int64_t t) const override;
  std::unique_ptr<KeyState> NewKey() const override {
    return std::make_unique<TiledKeyState>(&plan_);
  }
  arrow::Result<std::unique_ptr<KeyState>> LoadKey(const std::vector<Cell>& cells) const override {
    auto key = std::make_unique<TiledKeyState>(&plan_);
    ARROW_RETURN_NOT_OK(key->Load(cells));
    return key;
  }
  arrow::Status ReadEmpty(VectorSink* sink) const override {
    return TiledKeyState(&plan_).Read(std::numeric_limits<int64_t>::min(), sink);
  }

 private:
  ViewPlan plan_;
};

int64_t PlannedEngine::OldestRelevant(int64_t t) const {
  if (!plan_.as_of.empty()) return std::numeric_limits<int64_t>::min();
  int64_t oldest = std::numeric_limits<int64_t>::max();
  for (const TileGroup& group : plan_.groups) {
    oldest = std::min(oldest, WindowTail(t, group.longest_us, group.hop_us));
  }
  return oldest;
}

}  // namespace

arrow::Result<std::unique_ptr<ViewEngine>> ViewEngine::Make(ViewLayout layout) {
  ARROW_ASSIGN_OR_RAISE(ViewPlan plan, ViewPlan::Make(std::move(layout)));
  return std::make_unique<PlannedEngine>(std::move(plan));
}

}  // namespace icecore::state
