#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <limits>
#include <optional>
#include <utility>

#include "icecore/state/answers.h"
#include "icecore/state/head_cell.h"
#include "icecore/state/key_state.h"
#include "icecore/state/versioned_state.h"
#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"
#include "icecore/state/word_head.h"

namespace icecore::state {

namespace {

constexpr size_t kMaxSuffix = 64;  // no suffix is as long

bool IsOfAPart(const CellView& cell) { return cell.suffix.starts_with(kPartMark); }

class PlannedEngine final : public ViewEngine {
 public:
  explicit PlannedEngine(ViewPlan plan) : plan_(std::move(plan)), word_head_(WordHead::Of(plan_)) {}

  const ViewLayout& layout() const override { return plan_.layout; }
  const std::vector<std::shared_ptr<arrow::DataType>>& output_types() const override {
    return plan_.output_types;
  }
  int64_t ActivationOf(int64_t event_time, int64_t known_at) const override {
    return plan_.ActivationOf(event_time, known_at);
  }
  int64_t OldestRelevant(int64_t t) const override {
    return plan_.as_of.empty() ? plan_.OldestInWindows(t) : std::numeric_limits<int64_t>::min();
  }
  std::unique_ptr<KeyState> NewKey() const override {
    if (plan_.layout.versioned) return std::make_unique<VersionedKeyState>(&plan_);
    return std::make_unique<TiledKeyState>(&plan_);
  }
  arrow::Result<std::unique_ptr<KeyState>> LoadKey(const std::vector<Cell>& cells) const override {
    std::vector<CellView> views;
    views.reserve(cells.size());
    for (const Cell& cell : cells) views.push_back({cell.suffix, cell.bytes});
    if (plan_.layout.versioned) return Loaded<VersionedKeyState>(views);
    std::erase_if(views, IsOfAPart);
    if (views.empty() && !cells.empty()) return NewKey();
    return Loaded<TiledKeyState>(views);
  }
  arrow::Status ReadCells(const std::vector<CellView>& cells, int64_t t,
                          VectorSink* sink) const override {
    if (plan_.layout.versioned) {
      VersionedKeyState key(&plan_);
      ARROW_RETURN_NOT_OK(key.Load(cells));
      return key.Read(t, sink);
    }
    // Chosen rows alone are answered as they lie there, where none waits to take their place.
    if (word_head_ && cells.size() == 1 && cells.front().suffix.empty()) {
      if (AnswerSlot* const slots = sink->BeginKey(); slots != nullptr) {
        ARROW_ASSIGN_OR_RAISE(const bool done, word_head_->Read(cells.front().bytes, t, slots));
        if (done) sink->EndKey();
        if (done) return arrow::Status::OK();
      }
    }
    if (plan_.groups.empty() && cells.size() == 1 && cells.front().suffix.empty()) {
      ARROW_ASSIGN_OR_RAISE(const HeadParts head, SplitHead(plan_, cells.front().bytes));
      if (head.queue_size == 0) return ReadHead(plan_, head, t, sink);
    }
    TiledKeyState key(&plan_);
    ARROW_RETURN_NOT_OK(key.Load(cells, /*borrowed=*/true));
    return key.Read(t, sink);
  }
  std::vector<CellRange> CellsAt(int64_t t) const override {
    // Rows of a versioned view are told apart by what is in them only.
    if (plan_.layout.versioned) return {{"", std::string(kMaxSuffix, '\xff')}};
    return state::CellsAt(plan_, t);
  }
  bool CellExpired(std::string_view suffix, int64_t t) const override {
    return !plan_.layout.versioned && state::CellExpired(plan_, suffix, t);
  }
  arrow::Status ReadEmpty(VectorSink* sink) const override {
    if (AnswerSlot* const slots = word_head_ ? sink->BeginKey() : nullptr; slots != nullptr) {
      word_head_->ReadEmpty(slots);
      sink->EndKey();
      return arrow::Status::OK();
    }
    if (plan_.groups.empty()) {
      for (const AsOfSet& set : plan_.as_of) {
        ARROW_RETURN_NOT_OK(
            AppendAsOf(plan_, set, 0, nullptr, sink, [](size_t) { return std::string_view(); }));
      }
      return arrow::Status::OK();
    }
    return TiledKeyState(&plan_).Read(std::numeric_limits<int64_t>::min(), sink);
  }

 private:
  template <typename State>
  arrow::Result<std::unique_ptr<KeyState>> Loaded(const std::vector<CellView>& cells) const {
    auto key = std::make_unique<State>(&plan_);
    ARROW_RETURN_NOT_OK(key->Load(cells));
    return key;
  }

  const ViewPlan plan_;
  const std::optional<WordHead> word_head_;
};

}  // namespace

arrow::Result<std::unique_ptr<ViewEngine>> ViewEngine::Make(ViewLayout layout) {
  ARROW_ASSIGN_OR_RAISE(ViewPlan plan, ViewPlan::Make(std::move(layout)));
  return std::make_unique<PlannedEngine>(std::move(plan));
}

}  // namespace icecore::state
