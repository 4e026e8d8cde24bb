#pragma once
// The online store in one LMDB environment. Invariants: README.md of the module.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/online/lmdb/store_folder.h"
#include "icecore/online/lmdb/view_record.h"
#include "icecore/online/store.h"

namespace icecore::online::lmdb {

// Thread safe; any number of processes may have it open. Reads never wait for writers.
class LmdbStore : public Store {
 public:
  static arrow::Result<std::unique_ptr<LmdbStore>> Open(const EnvironmentOptions& options);
  explicit LmdbStore(std::shared_ptr<StoreFolder> folder) : folder_(std::move(folder)) {}

  arrow::Result<std::optional<ViewPosition>> Position(const std::string& view) override;
  arrow::Result<std::unique_ptr<ViewLoad>> BeginLoad(const StoredView& view, bool fresh) override;
  arrow::Result<std::vector<ViewAnswer>> Read(const std::vector<ViewRead>& reads, int64_t t,
                                              int64_t deadline_ns = kNoDeadline) override;
  arrow::Status Drop(const std::string& view) override;
  arrow::Result<int64_t> Sweep(int64_t max_cells) override;
  arrow::Result<PackReport> Pack(const PackRule& rule) override;
  arrow::Result<Info> Describe() override;

 private:
  // The view's record, made with ids of its own at first sight.
  arrow::Result<ViewRecord> RecordForLoad(const std::string& view);

  const std::shared_ptr<StoreFolder> folder_;
  ViewRecords records_;  // as reads found them
};

// Deletes up to `max_cells` cells of spaces that no longer answer (of one view alone when `view_id`
// is given), in transactions of bounded size; returns how many went.
arrow::Result<int64_t> SweepGarbage(StoreFolder* folder, std::optional<uint32_t> view_id,
                                    int64_t max_cells);

// Deletes cells of the space that no answer at t or later needs, a bounded number at a time: where
// one call ends the next goes on, so that calls reach keys that get no more rows.
arrow::Status SweepExpired(Transaction* transaction, const CellSpace& space,
                           const state::ViewEngine& engine, int64_t t);

}  // namespace icecore::online::lmdb
