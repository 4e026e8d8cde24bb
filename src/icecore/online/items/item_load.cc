#include "icecore/online/items/item_load.h"

#include <arrow/array.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/online/items/load_holder.h"
#include "icecore/online/position_checks.h"

namespace icecore::online {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kLeaseUs = 8'000'000;  // a dead holder elsewhere is waited for so long
constexpr int64_t kLeaseRenewalNs = 2'000'000'000;
constexpr size_t kKeysPerStep = 500;
constexpr size_t kBytesPerStep = size_t{4} << 20;
constexpr size_t kMaxAbandoned = 256;
constexpr int kMaxLoadTurns = 100;

std::string PlaceText(const ItemKey& key) { return key.name + "/" + key.group; }

// A lease of a load of its own in `record`; what an earlier one left is settled.
arrow::Status TakeLease(const std::string& view, bool fresh, int64_t now_us,
                        ItemViewRecord* record) {
  // Somebody elsewhere who only was too slow might write into what another goes on with.
  const bool is_alone = !record->lease || HolderIsGone(record->lease->holder);
  record->EndLease();
  if (!is_alone) record->GiveUpUnfinished();
  const bool new_generation = fresh || !record->loaded;
  if (!new_generation && record->abandoned.size() >= kMaxAbandoned) {
    return MakeError(ErrorCode::kLimit, "view " + view + " has " + std::to_string(kMaxAbandoned) +
                                            " loads that were cut off; run 'icecore materialize " +
                                            view + " --full'");
  }
  LoadLease lease;
  lease.load = ++record->last_load;
  lease.holder = LoadHolder();
  lease.until_us = now_us + kLeaseUs;
  if (new_generation) {
    lease.generation =
        record->unfinished ? record->unfinished->generation : ++record->last_generation;
    lease.writing = record->unfinished.has_value();
  }
  record->lease = std::move(lease);
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::unique_ptr<ItemLoad>> ItemLoad::Begin(ItemRecords* records,
                                                         const StoredView& view, bool fresh) {
  ARROW_RETURN_NOT_OK(records->table()->Prepare());
  uint32_t view_id = 0;
  uint32_t entity_id = 0;
  ARROW_RETURN_NOT_OK(records->GiveIds(view.name, view.entity, &view_id, &entity_id));
  for (int turn = 0; turn < kMaxLoadTurns; ++turn) {
    ARROW_ASSIGN_OR_RAISE(ReadViewRecord seen, records->GetView(view.name));
    if (IsHeld(seen.record.lease, records->NowMicros())) return BeingLoaded(view.name);
    if (!fresh) ARROW_RETURN_NOT_OK(CheckLoad(view, seen.record.Held()));
    ItemViewRecord next = seen.record;
    next.view_id = view_id;
    ARROW_RETURN_NOT_OK(TakeLease(view.name, fresh, records->NowMicros(), &next));
    ARROW_ASSIGN_OR_RAISE(const bool done, records->ReplaceView(view.name, std::move(next), &seen));
    if (done) return std::make_unique<ItemLoad>(records, view, entity_id, std::move(seen));
  }
  return BeingLoaded(view.name);
}

ItemLoad::ItemLoad(ItemRecords* records, StoredView view, uint32_t entity_id, ReadViewRecord seen)
    : records_(records),
      view_(std::move(view)),
      entity_id_(entity_id),
      seen_(std::move(seen)),
      kept_ns_(base::MonotonicNanos()),
      rows_(&view_) {
  UseLease();
  if (is_new_generation()) left_ = seen_.record.unfinished;
}

void ItemLoad::UseLease() {
  lease_ = *seen_.record.lease;
  space_ = SpaceName(seen_.record.view_id,
                     is_new_generation() ? lease_.generation
                                         : static_cast<uint32_t>(seen_.record.position.generation));
}

std::optional<ViewPosition> ItemLoad::Unfinished() const {
  return left_ ? std::optional<ViewPosition>(left_->position) : std::nullopt;
}

void ItemLoad::Resume() {
  is_resumed_ = true;
  so_far_ = left_;
  added_keys_ = left_->keys;
  added_bytes_ = left_->bytes;
  rows_.StartFrom(left_->from);
}

ItemLoad::~ItemLoad() {
  if (committed_ || is_lost_) return;
  // Nobody is left to tell of a failure, and a lease that stays does no harm.
  static_cast<void>(ChangeRecord([](ItemViewRecord* record) { record->EndLease(); }));
}

// While the lease is ours, others change only what waits to be swept.
arrow::Status ItemLoad::ChangeRecord(const std::function<void(ItemViewRecord*)>& change) {
  for (int turn = 0; turn < kMaxLoadTurns; ++turn) {
    if (!seen_.record.lease.has_value() || seen_.record.lease->load != lease_.load) {
      is_lost_ = true;
      return MakeError(ErrorCode::kConflict,
                       "view " + view_.name + " was loaded by somebody else meanwhile");
    }
    ItemViewRecord next = seen_.record;
    change(&next);
    auto done = records_->ReplaceView(view_.name, std::move(next), &seen_);
    if (!done.ok()) {
      is_lost_ = true;
      return done.status();
    }
    if (*done) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(seen_, records_->GetView(view_.name));
  }
  return MakeError(ErrorCode::kConflict,
                   "view " + view_.name + ": its record changes all the time");
}

arrow::Status ItemLoad::KeepLease() {
  const int64_t now_ns = base::MonotonicNanos();
  if (now_ns - kept_ns_ < kLeaseRenewalNs) return arrow::Status::OK();
  kept_ns_ = now_ns;
  const int64_t until_us = records_->NowMicros() + kLeaseUs;
  return ChangeRecord([&](ItemViewRecord* record) {
    record->lease->until_us = until_us;
    if (so_far_) record->unfinished = so_far_;
  });
}

arrow::Status ItemLoad::Add(const state::PreparedRows& rows) {
  if (committed_) return MakeError(ErrorCode::kInternal, "this load is committed");
  ARROW_RETURN_NOT_OK(KeepLease());
  return rows_.Add(rows);
}

std::vector<ItemLoad::Touch> ItemLoad::TouchesOfRows() const {
  std::vector<Touch> touches;
  for (size_t i = 0; i < rows_.size();) {
    const size_t end = rows_.EndOfKey(i);
    touches.push_back({rows_.KeyAt(i), i, end});
    i = end;
  }
  return touches;
}

void ItemLoad::NoteProgress(const ViewPosition& position, std::string_view from) {
  if (!is_new_generation() || view_.engine->layout().versioned) return;
  so_far_ = {lease_.generation, position, std::string(from), added_keys_, added_bytes_};
}

arrow::Status ItemLoad::BeginWriting(const ViewPosition& position) {
  if (is_resumed_) ARROW_RETURN_NOT_OK(CheckGoesOn(view_, left_->position, position));
  ARROW_RETURN_NOT_OK(
      CheckAdvance(view_, is_new_generation() ? std::nullopt : seen_.record.Held(), position));
  if (left_ && !is_resumed_) {
    ARROW_RETURN_NOT_OK(ChangeRecord([](ItemViewRecord* record) {
      record->GiveUpUnfinished();
      record->lease->generation = ++record->last_generation;
    }));
    UseLease();
    left_.reset();
    return arrow::Status::OK();
  }
  if (seen_.record.lease.has_value() && seen_.record.lease->writing) return KeepLease();
  // From here on a load that takes over knows that items of this one may be there.
  return ChangeRecord([](ItemViewRecord* record) { record->lease->writing = true; });
}

arrow::Status ItemLoad::Failed(const arrow::Status& status) {
  const ErrorCode code = base::CodeOf(status);
  is_lost_ = is_lost_ || code == ErrorCode::kUnavailable;
  return base::WithContext(
      status,
      "view " + view_.name + (code == ErrorCode::kCorrupt ? " (materialize it with --full)" : ""));
}

arrow::Result<bool> ItemLoad::NextPass(const ViewPosition& position) {
  const bool takes_passes = is_new_generation() || !view_.extends.empty();
  if (!takes_passes || committed_ || !rows_.left_out_from()) return false;
  ARROW_RETURN_NOT_OK(BeginWriting(position));
  if (const arrow::Status written = WriteRows(position); !written.ok()) return Failed(written);
  NoteProgress(position, *rows_.left_out_from());
  rows_.NextPass();
  if (!so_far_) return true;
  ARROW_RETURN_NOT_OK(
      ChangeRecord([this](ItemViewRecord* record) { record->unfinished = so_far_; }));
  return true;
}

arrow::Status ItemLoad::Commit(const ViewPosition& position) {
  if (committed_) return MakeError(ErrorCode::kInternal, "this load is committed");
  ARROW_RETURN_NOT_OK(BeginWriting(position));
  const arrow::Status written =
      view_.engine->layout().versioned ? WriteVersions(position) : WriteRows(position);
  if (!written.ok()) return Failed(written);
  ARROW_RETURN_NOT_OK(WriteRecord(position));
  committed_ = true;
  rows_.Clear();
  return arrow::Status::OK();
}

// The one write by which the load becomes visible.
arrow::Status ItemLoad::WriteRecord(const ViewPosition& position) {
  return ChangeRecord([&](ItemViewRecord* record) {
    uint32_t generation = static_cast<uint32_t>(record->position.generation);
    if (is_new_generation()) {
      if (record->loaded) record->swept.push_back({generation, ""});
      generation = lease_.generation;
      record->entity_id = entity_id_;
      record->loaded = true;
      record->abandoned.clear();
      record->unfinished.reset();
      record->keys = 0;
      record->bytes = 0;
    }
    record->GiveUpUnfinished();  // the view goes beyond it
    record->position = position;
    record->position.generation = generation;
    record->committed = lease_.load;
    record->keys += added_keys_;
    record->bytes += added_bytes_;
    record->lease.reset();
  });
}

arrow::Result<std::vector<ItemLoad::Base>> ItemLoad::GetBases(
    const std::vector<std::string_view>& keys) {
  const uint32_t entity = is_new_generation() ? entity_id_ : seen_.record.entity_id;
  std::vector<Base> bases(keys.size());
  std::vector<ItemKey> places;
  for (size_t i = 0; i < keys.size(); ++i) {
    bases[i].place = {KeyGroup(entity, keys[i], &bases[i].shortened), space_};
    places.push_back(bases[i].place);
  }
  // Nobody but this load writes into a new generation.
  if (is_new_generation()) return bases;
  ARROW_ASSIGN_OR_RAISE(const auto found, records_->table()->Get(places));
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!found[i].has_value()) continue;
    bool same_key = true;
    ARROW_ASSIGN_OR_RAISE(KeyItem item,
                          DecodeItem(*found[i], PlaceText(places[i]), keys[i], &same_key));
    bases[i].stored_bytes = static_cast<int64_t>(found[i]->size());
    auto cells = seen_.record.CellsOf(item);
    if (!cells.has_value()) {
      is_lost_ = true;
      return MakeError(ErrorCode::kConflict,
                       "view " + view_.name + " was loaded by somebody else meanwhile");
    }
    bases[i].load = seen_.record.IsCommitted(item.load) ? item.load : item.base_load;
    if (same_key) bases[i].cells = *std::move(cells);
  }
  return bases;
}

Item ItemLoad::MakeItem(Base base, std::string_view key, std::vector<state::CellChange> changes) {
  std::sort(changes.begin(), changes.end(),
            [](const auto& a, const auto& b) { return a.suffix < b.suffix; });
  const bool was_there = !base.cells.empty();
  const KeyItem item = ApplyChanges(lease_.load, base.load, std::move(base.cells), changes);
  Item made{std::move(base.place), ""};
  made.bytes = EncodeItem(item, PlaceText(made.key), base.shortened ? key : std::string_view());
  added_keys_ += (item.cells.empty() ? 0 : 1) - (was_there ? 1 : 0);
  added_bytes_ += static_cast<int64_t>(made.bytes.size()) - base.stored_bytes;
  return made;
}

arrow::Status ItemLoad::Put(std::vector<Item>* items) {
  if (items->empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(is_new_generation() ? records_->table()->PutNew(*items)
                                          : records_->table()->PutNewer(*items));
  items->clear();
  return KeepLease();
}

arrow::Status ItemLoad::WriteKeys(const std::vector<Touch>& touches, const ViewPosition& position,
                                  const Fold& fold) {
  std::vector<Item> items;
  for (size_t begin = 0; begin < touches.size(); begin += kKeysPerStep) {
    const size_t end = std::min(begin + kKeysPerStep, touches.size());
    std::vector<std::string_view> keys;
    for (size_t i = begin; i < end; ++i) keys.push_back(touches[i].key);
    ARROW_ASSIGN_OR_RAISE(std::vector<Base> bases, GetBases(keys));
    size_t bytes = 0;
    for (size_t i = begin; i < end; ++i) {
      Base& base = bases[i - begin];
      std::unique_ptr<state::KeyState> state;
      if (base.cells.empty()) {
        state = view_.engine->NewKey();
      } else {
        ARROW_ASSIGN_OR_RAISE(state, view_.engine->LoadKey(base.cells));
      }
      ARROW_RETURN_NOT_OK(fold(touches[i], state.get()));
      ARROW_RETURN_NOT_OK(state->AdvanceTo(position.applied_at));
      state->SetApplied(position.seq, position.applied_until);
      ARROW_ASSIGN_OR_RAISE(auto changes, state->TakeChanges());
      if (changes.empty()) continue;
      items.push_back(MakeItem(std::move(base), touches[i].key, std::move(changes)));
      bytes += items.back().bytes.size();
      if (bytes >= kBytesPerStep) {
        ARROW_RETURN_NOT_OK(Put(&items));
        bytes = 0;
      }
    }
    ARROW_RETURN_NOT_OK(Put(&items));
    if (end < touches.size()) NoteProgress(position, touches[end].key);
  }
  return arrow::Status::OK();
}

arrow::Status ItemLoad::WriteRows(const ViewPosition& position) {
  rows_.Sort();
  return WriteKeys(TouchesOfRows(), position, [this](const Touch& touch, state::KeyState* state) {
    return rows_.AddTo(touch.begin, touch.end, state);
  });
}

// The cells of all table keys of the load, read before and written after.
class ItemLoad::PrefetchedChains final : public ChainCells {
 public:
  explicit PrefetchedChains(ItemLoad* load) : load_(load) {}

  arrow::Status Fetch(const std::vector<std::string>& keys) {
    for (size_t begin = 0; begin < keys.size(); begin += kKeysPerStep) {
      const size_t end = std::min(begin + kKeysPerStep, keys.size());
      ARROW_ASSIGN_OR_RAISE(auto bases,
                            load_->GetBases({keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                             keys.begin() + static_cast<std::ptrdiff_t>(end)}));
      for (size_t i = begin; i < end; ++i) bases_[keys[i]] = std::move(bases[i - begin]);
    }
    return arrow::Status::OK();
  }
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override {
    const Base& base = bases_.at(key);
    if (base.cells.empty()) return std::nullopt;
    return base.cells.front().bytes;
  }
  arrow::Status Put(const std::string& key, const std::string& bytes) override {
    items_.push_back(load_->MakeItem(std::move(bases_.at(key)), key, {{"", bytes}}));
    return arrow::Status::OK();
  }
  arrow::Status Flush() {
    std::vector<Item> step;
    for (Item& item : items_) {
      step.push_back(std::move(item));
      if (step.size() == kKeysPerStep) ARROW_RETURN_NOT_OK(load_->Put(&step));
    }
    items_.clear();
    return load_->Put(&step);
  }

 private:
  ItemLoad* const load_;
  std::unordered_map<std::string, Base> bases_;
  std::vector<Item> items_;
};

std::vector<std::string> ItemLoad::TableKeys() const {
  std::set<std::string_view> seen;
  for (const LoadPiece& piece : rows_.pieces()) {
    if (piece.rows.table_key == nullptr) continue;
    for (int64_t row = 0; row < piece.rows.num_rows; ++row) {
      seen.insert(piece.rows.table_key->GetView(row));
    }
  }
  std::vector<std::string> keys;
  keys.reserve(seen.size());
  for (const std::string_view key : seen) keys.push_back(EncodeTableKey(key));
  return keys;
}

arrow::Status ItemLoad::WriteVersions(const ViewPosition& position) {
  PrefetchedChains chains(this);
  ARROW_RETURN_NOT_OK(chains.Fetch(TableKeys()));
  ARROW_ASSIGN_OR_RAISE(
      const std::vector<OwnerChange> changes,
      SettleVersions(*view_.engine, rows_.pieces(), position.applied_at, &chains));
  ARROW_RETURN_NOT_OK(chains.Flush());
  std::vector<Touch> touches;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (touches.empty() || touches.back().key != changes[i].owner) {
      touches.push_back({changes[i].owner, i, i});
    }
    touches.back().end = i + 1;
  }
  return WriteKeys(touches, position,
                   [&](const Touch& touch, state::KeyState* state) -> arrow::Status {
                     for (size_t i = touch.begin; i < touch.end; ++i) {
                       ARROW_RETURN_NOT_OK(ApplyChange(rows_.pieces(), changes[i], state));
                     }
                     return arrow::Status::OK();
                   });
}

}  // namespace icecore::online
