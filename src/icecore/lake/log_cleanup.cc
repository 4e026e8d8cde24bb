#include "icecore/lake/log_cleanup.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/table_settings.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status CheckAllowed(const Snapshot& snapshot) {
  const auto& configuration = snapshot.configuration;
  const auto enabled = configuration.find("delta.enableExpiredLogCleanup");
  if (enabled != configuration.end() && enabled->second == "false") {
    return MakeError(ErrorCode::kDenied, "table " + snapshot.table_path +
                                             " keeps its log (delta.enableExpiredLogCleanup)");
  }
  if (!snapshot.transactions.empty() &&
      configuration.contains("delta.setTransactionRetentionDuration")) {
    return MakeError(ErrorCode::kDenied,
                     "table " + snapshot.table_path +
                         ": delta.setTransactionRetentionDuration lets checkpoints forget "
                         "transactions; unset it before the log is cleaned up");
  }
  return arrow::Status::OK();
}

// The newest version that may go once a checkpoint has it; -1 = none.
arrow::Result<int64_t> NewestExpired(Table& table, const Snapshot& newest, const base::Clock& clock,
                                     const LogCleanupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const int64_t retention_us, LogRetention(newest.configuration));
  const int64_t cut_us = base::FloorTo(clock.NowMicros() - retention_us, base::kMicrosPerDay);
  const auto at_cut = table.LoadAt(cut_us);
  if (!at_cut.ok()) {
    return base::CodeOf(at_cut.status()) == ErrorCode::kNotFound ? arrow::Result<int64_t>(-1)
                                                                 : at_cut.status();
  }
  return std::min((*at_cut)->version, options.oldest_wanted.value_or((*at_cut)->version));
}

// The log's files of versions below `version`: checkpoints first, so that what is left when this
// stops half-way is a log whose beginning is missing, never one with a hole.
struct OldFiles {
  std::vector<std::string> checkpoints;
  std::vector<std::string> entries;
};

arrow::Result<OldFiles> FilesBefore(ObjectStore& store, const std::string& table_path,
                                    int64_t version) {
  const std::string folder = LogFolder(table_path);
  ARROW_ASSIGN_OR_RAISE(const auto paths, store.List(folder, ""));
  OldFiles old;
  for (const std::string& path : paths) {
    const std::string_view name = std::string_view(path).substr(folder.size());
    int64_t number = -1;
    const auto [end, error] =
        std::from_chars(name.begin(), name.begin() + std::min(name.size(), kVersionDigits), number);
    const bool has_version = error == std::errc() && end == name.begin() + kVersionDigits &&
                             name.size() > kVersionDigits;
    if (!has_version || number >= version) {
      continue;
    }
    const std::string_view kind = name.substr(kVersionDigits);
    if (kind.starts_with(".checkpoint.")) {
      old.checkpoints.push_back(path);
    } else if (kind == ".json" || kind == ".crc") {
      old.entries.push_back(path);
    }
  }
  return old;
}

}  // namespace

arrow::Result<LogCleanup> CleanUpLog(Table& table, const base::Clock& clock, base::Random& random,
                                     const LogCleanupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto newest, table.Load());
  ARROW_RETURN_NOT_OK(CheckAllowed(*newest));
  ARROW_ASSIGN_OR_RAISE(const int64_t expired, NewestExpired(table, *newest, clock, options));
  ObjectStore& store = table.store();
  ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store, table.path(), 0));
  LogCleanup done;
  done.first_version = listing.commits.empty() ? newest->version : *listing.commits.begin();
  const auto after = listing.checkpoints.upper_bound(expired);
  if (after == listing.checkpoints.begin()) {
    return done;
  }
  const int64_t first = *std::prev(after);
  // A table object of its own: it must read the checkpoint, not go on from what it knows.
  ARROW_ASSIGN_OR_RAISE(const auto reader, Table::Open(store, table.path(), clock, random));
  ARROW_ASSIGN_OR_RAISE(const auto kept, reader->Load(first));
  if (kept->checkpoint_version != first) {
    return MakeError(ErrorCode::kCorrupt, "the checkpoint of version " + std::to_string(first) +
                                              " of table " + table.path() +
                                              " cannot be read: the log before it stays");
  }
  ARROW_ASSIGN_OR_RAISE(const OldFiles old, FilesBefore(store, table.path(), first));
  for (const std::string& path : old.checkpoints) {
    ARROW_RETURN_NOT_OK(store.Delete(path));
    ++done.checkpoints_deleted;
  }
  for (const std::string& path : old.entries) {
    ARROW_RETURN_NOT_OK(store.Delete(path));
    ++done.entries_deleted;
  }
  done.first_version = first;
  return done;
}

}  // namespace icecore::lake
