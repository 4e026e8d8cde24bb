#pragma once
// The online store over a table of items: one item per entity key, view and generation, one record
// per view.
//
// A load gives every item it writes its own number and what it changed; readers take what is
// numbered up to the last committed load, which stands in the view's record, and undo the rest. So
// a load becomes visible whole, with its record, wherever its items rest, and one that never ends
// is as if it had not been.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/online/items/item_records.h"
#include "icecore/online/items/item_table.h"
#include "icecore/online/store.h"

namespace icecore::online {

// A view's record with the bytes it was read from.
struct ReadViewRecord {
  std::optional<std::string> bytes;  // nullopt: there is none
  ItemViewRecord record;
};

// The records of a table, for store and loads. Thread safe.
class ItemRecords {
 public:
  // Both are borrowed.
  ItemRecords(ItemTable* table, const base::Clock* clock) : table_(table), clock_(clock) {}

  ItemTable* table() const { return table_; }
  int64_t NowMicros() const { return clock_->NowMicros(); }

  arrow::Result<ReadViewRecord> GetView(const std::string& view);
  // Writes `next` in the place of `seen`, which is brought up to date; false where it has changed.
  arrow::Result<bool> ReplaceView(const std::string& view, ItemViewRecord next,
                                  ReadViewRecord* seen);
  arrow::Result<ItemIndex> GetIndex();
  // The ids of both names, given at first sight.
  arrow::Status GiveIds(const std::string& view, const std::string& entity, uint32_t* view_id,
                        uint32_t* entity_id);
  arrow::Status ForgetView(const std::string& view);

 private:
  template <typename Change>
  arrow::Result<ItemIndex> ChangeIndex(const Change& change);

  ItemTable* const table_;
  const base::Clock* const clock_;
};

// Thread safe; any number of processes may use one store. Reads never wait for loads.
class ItemStore : public Store {
 public:
  ItemStore(std::unique_ptr<ItemTable> table, std::unique_ptr<base::Clock> clock);

  arrow::Result<std::optional<ViewPosition>> Position(const std::string& view) override;
  arrow::Result<std::unique_ptr<ViewLoad>> BeginLoad(const StoredView& view, bool fresh) override;
  arrow::Result<std::vector<ViewAnswer>> Read(const std::vector<ViewRead>& reads, int64_t t,
                                              int64_t deadline_ns = kNoDeadline) override;
  arrow::Status Drop(const std::string& view) override;
  arrow::Result<int64_t> Sweep(int64_t max_cells) override;
  // Servers keep their own memory: nothing is done.
  arrow::Result<PackReport> Pack(const PackRule& rule) override;
  arrow::Result<Info> Describe() override;

 private:
  class Request;
  using KnownRecord = std::shared_ptr<const ReadViewRecord>;

  KnownRecord Known(const std::string& view);
  void Remember(const std::string& view, KnownRecord record);
  arrow::Result<int64_t> SweepView(const std::string& view, int64_t max_cells);

  const std::unique_ptr<ItemTable> table_;
  const std::unique_ptr<base::Clock> clock_;
  ItemRecords records_;
  std::mutex mutex_;
  std::map<std::string, KnownRecord> known_;  // as last read
};

// Whether somebody else loads a view by this lease at that time.
bool IsHeld(const std::optional<LoadLease>& lease, int64_t now_us);
arrow::Status BeingLoaded(const std::string& view);

}  // namespace icecore::online
