#pragma once
// Versions of a table out of its log: which checkpoint, which entries. Delta protocol,
// "Checkpoints", "Last Checkpoint File".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/replay_internal.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// Log entries whose bytes are here already, by version. An entry never changes.
using KnownEntries = std::map<int64_t, std::shared_ptr<const std::string>>;

// Reads several entries at once, on Arrow's threads for I/O: must not be used on one of them. Not
// thread safe. The first two arguments must outlive it.
class LogLoader {
 public:
  LogLoader(ObjectStore& store, const std::string& table_path, KnownEntries known);

  // See Table::Load. The newest whole checkpoint is the start; one that cannot be read is passed
  // over, with a warning, where an older one or the entries themselves suffice. _last_checkpoint is
  // a hint only, which may be left alone: where it is wrong the log is listed.
  arrow::Result<std::shared_ptr<const Snapshot>> Load(std::optional<int64_t> version,
                                                      bool use_hint);

  // The version (nullopt: the newest), replayed from `start` on; nullptr where the log no longer
  // goes with it.
  arrow::Result<std::shared_ptr<const Snapshot>> LoadSince(
      const std::shared_ptr<const Snapshot>& start, std::optional<int64_t> version);

 private:
  arrow::Status CheckNoGap(const LogListing& listing, int64_t from, int64_t to) const;
  arrow::Status CheckThere(const LogListing& listing, int64_t version) const;
  arrow::Result<std::shared_ptr<const Snapshot>> LoadFrom(const LogListing& listing,
                                                          std::optional<int64_t> version,
                                                          bool is_whole);
  arrow::Result<std::shared_ptr<const Snapshot>> ReplayTo(const LogListing& listing,
                                                          int64_t checkpoint, Replay replay,
                                                          int64_t target);
  arrow::Status ApplyCommits(int64_t from, int64_t to, Replay* replay);
  arrow::Result<LogActions> ReadEntry(int64_t version) const;
  arrow::Future<LogActions> StartReading(int64_t version) const;

  ObjectStore& store_;
  const std::string& path_;
  const KnownEntries known_;
  const std::vector<std::string> roots_;
};

// The entry of one version.
arrow::Result<LogActions> ReadLogActions(ObjectStore& store, const std::string& table_path,
                                         int64_t version);

}  // namespace icecore::lake
