#include "icecore/online/items/item_store.h"

#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/items/item_load.h"

namespace icecore::online {

using base::ErrorCode;
using base::MakeError;

ItemStore::ItemStore(std::unique_ptr<ItemTable> table, std::unique_ptr<base::Clock> clock)
    : table_(std::move(table)), clock_(std::move(clock)), records_(table_.get(), clock_.get()) {}

arrow::Result<std::optional<ViewPosition>> ItemStore::Position(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(const ReadViewRecord read, records_.GetView(view));
  return read.record.Held();
}

arrow::Result<std::unique_ptr<ViewLoad>> ItemStore::BeginLoad(const StoredView& view, bool fresh) {
  ARROW_ASSIGN_OR_RAISE(auto load, ItemLoad::Begin(&records_, view, fresh));
  return load;
}

ItemStore::KnownRecord ItemStore::Known(const std::string& view) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(view);
  return found == known_.end() ? nullptr : found->second;
}

void ItemStore::Remember(const std::string& view, KnownRecord record) {
  const std::lock_guard lock(mutex_);
  known_[view] = std::move(record);
}

arrow::Status ItemStore::Drop(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(ReadViewRecord seen, records_.GetView(view));
  if (!seen.bytes.has_value()) return arrow::Status::OK();
  if (IsHeld(seen.record.lease, records_.NowMicros())) return BeingLoaded(view);
  ItemViewRecord next = seen.record;
  next.EndLease();
  next.GiveUpUnfinished();
  if (next.loaded) next.swept.push_back({static_cast<uint32_t>(next.position.generation), ""});
  next.loaded = false;
  next.abandoned.clear();
  next.position = ViewPosition{};
  next.keys = 0;
  next.bytes = 0;
  ARROW_ASSIGN_OR_RAISE(const bool done, records_.ReplaceView(view, std::move(next), &seen));
  if (!done) return BeingLoaded(view);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const int64_t swept, SweepView(view, INT64_MAX));
    if (swept == 0) break;
  }
  ARROW_ASSIGN_OR_RAISE(seen, records_.GetView(view));
  // Loaded again meanwhile: the name stays.
  if (!seen.bytes.has_value() || seen.record.loaded || seen.record.lease.has_value() ||
      !seen.record.swept.empty()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const bool removed,
                        table_->Replace(ViewRecordKey(view), seen.bytes, std::nullopt));
  return removed ? records_.ForgetView(view) : arrow::Status::OK();
}

arrow::Result<int64_t> ItemStore::Sweep(int64_t max_cells) {
  ARROW_ASSIGN_OR_RAISE(const ItemIndex index, records_.GetIndex());
  int64_t deleted = 0;
  for (const auto& [view, id] : index.views) {
    if (deleted >= max_cells) break;
    ARROW_ASSIGN_OR_RAISE(const int64_t step, SweepView(view, max_cells - deleted));
    deleted += step;
  }
  return deleted;
}

// What waits of one view, up to `max_cells`. Where the walk stands is written down at the end: a
// sweep that is cut off begins again at the place before, which costs time only.
arrow::Result<int64_t> ItemStore::SweepView(const std::string& view, int64_t max_cells) {
  int64_t deleted = 0;
  while (deleted < max_cells) {
    ARROW_ASSIGN_OR_RAISE(ReadViewRecord seen, records_.GetView(view));
    if (!seen.bytes.has_value() || seen.record.swept.empty()) return deleted;
    SweptGeneration step = seen.record.swept.front();
    const std::string space = SpaceName(seen.record.view_id, step.generation);
    bool ended = false;
    while (!ended && deleted < max_cells) {
      ARROW_ASSIGN_OR_RAISE(ItemTable::Page page, table_->Scan(space, step.from));
      const bool all = static_cast<int64_t>(page.keys.size()) <= max_cells - deleted;
      if (!all) page.keys.resize(static_cast<size_t>(max_cells - deleted));
      ARROW_RETURN_NOT_OK(table_->Delete(page.keys));
      deleted += static_cast<int64_t>(page.keys.size());
      if (!all) break;
      step.from = page.next;
      ended = page.next.empty();
    }
    for (bool done = false; !done;) {
      ItemViewRecord next = seen.record;
      if (next.swept.empty() || next.swept.front().generation != step.generation) return deleted;
      if (ended) {
        next.swept.erase(next.swept.begin());
      } else {
        next.swept.front().from = step.from;
      }
      ARROW_ASSIGN_OR_RAISE(done, records_.ReplaceView(view, std::move(next), &seen));
      if (!done) {
        ARROW_ASSIGN_OR_RAISE(seen, records_.GetView(view));
      }
    }
  }
  return deleted;
}

arrow::Result<PackReport> ItemStore::Pack(const PackRule& /*rule*/) {
  PackReport report;
  report.kind = table_->kind();
  return report;
}

arrow::Result<Store::Info> ItemStore::Describe() {
  ARROW_ASSIGN_OR_RAISE(const ItemIndex index, records_.GetIndex());
  Info info;
  info.kind = table_->kind();
  std::vector<ItemKey> keys;
  keys.reserve(index.views.size());
  for (const auto& [view, id] : index.views) keys.push_back(ViewRecordKey(view));
  if (keys.empty()) return info;
  ARROW_ASSIGN_OR_RAISE(const auto found, table_->Get(keys));
  size_t next = 0;
  for (const auto& [view, id] : index.views) {
    const auto& bytes = found[next++];
    if (!bytes.has_value()) continue;
    ARROW_ASSIGN_OR_RAISE(ItemViewRecord record, DecodeViewRecord(*bytes, view));
    if (!record.loaded) continue;
    info.cells += record.keys;
    info.bytes += record.bytes;
    info.views.emplace_back(view, std::move(record.position));
  }
  return info;
}

}  // namespace icecore::online
