#include "icecore/state/key_updater.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/head_cell.h"
#include "icecore/state/key_state.h"
#include "icecore/state/view_plan.h"
#include "icecore/state/wire.h"

namespace icecore::state {
namespace {

bool IsOfPart(std::string_view suffix) { return suffix.starts_with(kPartMark); }

// What a key changes when the load brings it its rows.
arrow::Status UpdateState(std::span<const RowAt> rows, const LoadReach& reach, KeyState* key,
                          CellChanges* changes) {
  // Rows that are due already then go straight into tiles.
  ARROW_RETURN_NOT_OK(key->AdvanceTo(reach.applied_at));
  for (const RowAt& at : rows) ARROW_RETURN_NOT_OK(key->Add(*at.rows, at.row));
  key->SetApplied(reach.seq, reach.applied_until);
  ARROW_ASSIGN_OR_RAISE(const std::vector<CellChange> changed, key->TakeChanges());
  for (const CellChange& change : changed) {
    ARROW_RETURN_NOT_OK(change.bytes ? changes->Put(change.suffix, *change.bytes)
                                     : changes->Delete(change.suffix));
  }
  return arrow::Status::OK();
}

// Of states in parts, by whatever the engine makes.
class EngineUpdater final : public KeyUpdater {
 public:
  explicit EngineUpdater(const ViewEngine* engine) : engine_(*engine) {}

  arrow::Status Update(const std::vector<CellView>& cells, std::span<const RowAt> rows,
                       const LoadReach& reach, CellChanges* changes) override {
    if (cells.empty()) return UpdateState(rows, reach, engine_.NewKey().get(), changes);
    std::vector<Cell> copies;
    copies.reserve(cells.size());
    for (const CellView& cell : cells) {
      copies.push_back({std::string(cell.suffix), std::string(cell.bytes)});
    }
    ARROW_ASSIGN_OR_RAISE(const auto key, engine_.LoadKey(copies));
    return UpdateState(rows, reach, key.get(), changes);
  }

 private:
  const ViewEngine& engine_;
};

// By states that read cells where they lie.
class StateUpdater final : public KeyUpdater {
 public:
  explicit StateUpdater(std::shared_ptr<const ViewPlan> plan) : plan_(std::move(plan)) {}

  arrow::Status Update(const std::vector<CellView>& cells, std::span<const RowAt> rows,
                       const LoadReach& reach, CellChanges* changes) override {
    own_.clear();
    std::copy_if(cells.begin(), cells.end(), std::back_inserter(own_),
                 [](const CellView& cell) { return !IsOfPart(cell.suffix); });
    TiledKeyState key(plan_.get());
    if (!own_.empty()) ARROW_RETURN_NOT_OK(key.Load(own_, /*borrowed=*/true));
    return UpdateState(rows, reach, &key, changes);
  }

 private:
  const std::shared_ptr<const ViewPlan> plan_;
  std::vector<CellView> own_;  // of the key at hand, without those of parts
};

// Of a view without windows, whose keys are a head each: of the row that was chosen and those that
// come the greatest is found where they lie, and its bytes go into the new head. Keys with rows
// that wait go the long way.
class HeadUpdater final : public KeyUpdater {
 public:
  explicit HeadUpdater(const std::shared_ptr<const ViewPlan>& plan)
      : plan_(plan), long_way_(plan), chosen_(plan->as_of.size()) {}

  arrow::Status Update(const std::vector<CellView>& cells, std::span<const RowAt> rows,
                       const LoadReach& reach, CellChanges* changes) override {
    ARROW_ASSIGN_OR_RAISE(bool is_short, Begin(cells));
    if (is_short && advanced_to_ > reach.applied_at) {
      return CannotGoBack(advanced_to_, reach.applied_at);
    }
    for (size_t i = 0; is_short && i < rows.size(); ++i) is_short = Add(rows[i], reach);
    if (!is_short) return long_way_.Update(cells, rows, reach, changes);
    if (!changed_ && applied_seq_ == reach.seq && applied_until_ == reach.applied_until) {
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(Encode(reach));
    return changes->Put("", head_);
  }

 private:
  struct Chosen {
    bool present = false;
    RowOrder order;
    std::string_view values;  // encoded, of a row that was there; else they are at `row`
    RowAt row;
  };

  // False where the cells are not a head alone, or rows wait in it.
  arrow::Result<bool> Begin(const std::vector<CellView>& cells) {
    for (Chosen& chosen : chosen_) chosen = {};
    applied_seq_ = applied_until_ = advanced_to_ = std::numeric_limits<int64_t>::min();
    const CellView* found = nullptr;
    for (const CellView& cell : cells) {
      if (IsOfPart(cell.suffix)) continue;
      if (found != nullptr || !cell.suffix.empty()) return false;
      found = &cell;
    }
    changed_ = found == nullptr;
    if (found == nullptr) return true;
    ARROW_ASSIGN_OR_RAISE(const HeadParts head, SplitHead(*plan_, found->bytes));
    if (head.queue_size > 0) return false;
    applied_seq_ = head.applied_seq;
    applied_until_ = head.applied_until;
    advanced_to_ = head.advanced_to;
    std::string_view in = head.chosen;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      Chosen& chosen = chosen_[i];
      ARROW_ASSIGN_OR_RAISE(chosen.present, TakeChosenOrder(&in, &chosen.order));
      if (!chosen.present) continue;
      const std::string_view before = in;
      for (const int value : plan_->as_of[i].values) {
        if (!plan_->codecs[static_cast<size_t>(value)]->Skip(&in)) {
          return CorruptCell("a value of a chosen row");
        }
      }
      chosen.values = before.substr(0, before.size() - in.size());
    }
    return true;
  }

  bool Passes(const RowAt& at, int mask) const {
    if (mask < 0) return true;
    const arrow::BooleanArray& holds = *at.rows->masks[plan_->MaskPlace(static_cast<size_t>(mask))];
    return holds.IsValid(at.row) && holds.Value(at.row);
  }

  // False where the row has to wait. As TiledKeyState::Add.
  bool Add(const RowAt& at, const LoadReach& reach) {
    const PreparedRows& rows = *at.rows;
    if (rows.event_time->IsNull(at.row) || rows.known_at->IsNull(at.row)) return true;
    RowOrder order{rows.event_time->Value(at.row), rows.known_at->Value(at.row),
                   rows.seq->Value(at.row)};
    order.known_at = std::max(order.known_at, order.event_time);
    if (plan_->layout.always) order.event_time = order.known_at = 0;
    const int64_t activation = plan_->ActivationOf(order.event_time, order.known_at);
    if (order.seq <= applied_seq_ && activation <= applied_until_) return true;
    if (activation > reach.applied_at) return false;
    changed_ = true;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      Chosen& chosen = chosen_[i];
      if (chosen.present && !(chosen.order < order)) continue;
      if (Passes(at, plan_->as_of[i].mask)) chosen = {true, order, {}, at};
    }
    return true;
  }

  arrow::Status Encode(const LoadReach& reach) {
    head_.clear();
    BeginHead(reach.seq, reach.applied_until, reach.applied_at, chosen_.size(), &head_);
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const Chosen& chosen = chosen_[i];
      PutChosenOrder(chosen.present ? &chosen.order : nullptr, &head_);
      head_.append(chosen.values);
      if (chosen.row.rows == nullptr) continue;
      for (const int value : plan_->as_of[i].values) {
        const auto at = static_cast<size_t>(value);
        const arrow::Array& column = *chosen.row.rows->values[plan_->ValuePlace(at)];
        ARROW_RETURN_NOT_OK(plan_->codecs[at]->Encode(column, chosen.row.row, &head_));
      }
    }
    wire::PutVarint(0, &head_);  // none waits
    SealCell(&head_);
    return arrow::Status::OK();
  }

  const std::shared_ptr<const ViewPlan> plan_;
  StateUpdater long_way_;
  // Of the key at hand.
  std::vector<Chosen> chosen_;  // one per AsOfSet
  int64_t applied_seq_ = 0;
  int64_t applied_until_ = 0;
  int64_t advanced_to_ = 0;
  bool changed_ = false;
  std::string head_;
};

}  // namespace

arrow::Result<std::unique_ptr<KeyUpdater>> KeyUpdater::Make(const ViewEngine& engine) {
  const std::vector<CellRange> ranges = engine.CellsAt(0);
  const bool in_parts = std::any_of(ranges.begin(), ranges.end(),
                                    [](const CellRange& range) { return IsOfPart(range.from); });
  if (in_parts) return std::make_unique<EngineUpdater>(&engine);
  ARROW_ASSIGN_OR_RAISE(ViewPlan made, ViewPlan::Make(engine.layout()));
  const auto plan = std::make_shared<const ViewPlan>(std::move(made));
  if (plan->groups.empty()) return std::make_unique<HeadUpdater>(plan);
  return std::make_unique<StateUpdater>(plan);
}

}  // namespace icecore::state
