#pragma once
// One load of one view into a table of items: rows are held (not copied) until Commit, which brings
// the items of every touched key up to date, some hundred at a time, and then the view's record.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/items/item_store.h"
#include "icecore/online/load_rows.h"
#include "icecore/online/store.h"

namespace icecore::online {

class ItemLoad : public ViewLoad {
 public:
  // Takes the lease. The errors of Store::BeginLoad. `records` is borrowed.
  static arrow::Result<std::unique_ptr<ItemLoad>> Begin(ItemRecords* records,
                                                        const StoredView& view, bool fresh);
  ItemLoad(ItemRecords* records, StoredView view, uint32_t entity_id, ReadViewRecord seen);
  // Gives the lease back; where that fails, it runs out.
  ~ItemLoad() override;

  arrow::Status Add(const state::PreparedRows& rows) override;
  void Bound(int64_t memory_bytes, int64_t rows) override { rows_.Limit(memory_bytes, rows); }
  arrow::Result<bool> NextPass(const ViewPosition& position) override;
  // Of fresh loads. Not where whoever was cut off may be at work still, elsewhere.
  std::optional<ViewPosition> Unfinished() const override;
  void Resume() override;
  arrow::Status Commit(const ViewPosition& position) override;

 private:
  // A key that is brought up to date; [begin, end) of rows or changes belong to it.
  struct Touch {
    std::string_view key;
    size_t begin = 0;
    size_t end = 0;
  };
  // What the store holds of a key before the load.
  struct Base {
    ItemKey place;
    bool shortened = false;
    LoadNumber load = 0;
    std::vector<state::Cell> cells;
    int64_t stored_bytes = 0;
  };
  class PrefetchedChains;
  using Fold = std::function<arrow::Status(const Touch&, state::KeyState*)>;

  bool is_new_generation() const { return lease_.generation != 0; }
  arrow::Status BeginWriting(const ViewPosition& position);
  // Keys before `from` are written. Others learn it with the next change of the record.
  void NoteProgress(const ViewPosition& position, std::string_view from);
  // `status` with the view's name and what can be done.
  arrow::Status Failed(const arrow::Status& status);
  std::vector<Touch> TouchesOfRows() const;
  std::vector<std::string> TableKeys() const;
  arrow::Status ChangeRecord(const std::function<void(ItemViewRecord*)>& change);
  void UseLease();
  arrow::Status KeepLease();
  arrow::Result<std::vector<Base>> GetBases(const std::vector<std::string_view>& keys);
  arrow::Status Put(std::vector<Item>* items);
  Item MakeItem(Base base, std::string_view key, std::vector<state::CellChange> changes);
  arrow::Status WriteKeys(const std::vector<Touch>& touches, const ViewPosition& position,
                          const Fold& fold);
  arrow::Status WriteRows(const ViewPosition& position);
  arrow::Status WriteVersions(const ViewPosition& position);
  arrow::Status WriteRecord(const ViewPosition& position);

  ItemRecords* const records_;
  const StoredView view_;
  const uint32_t entity_id_;
  ReadViewRecord seen_;
  LoadLease lease_;
  std::string space_;                     // the name of its items
  std::optional<UnfinishedLoad> left_;    // by the load before
  std::optional<UnfinishedLoad> so_far_;  // what is written of a new generation
  bool is_resumed_ = false;
  int64_t kept_ns_ = 0;
  LoadRows rows_;
  int64_t added_keys_ = 0;
  int64_t added_bytes_ = 0;
  bool committed_ = false;
  bool is_lost_ = false;  // the lease, or the way to the server
};

}  // namespace icecore::online
