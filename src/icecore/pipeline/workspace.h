#pragma once
// What every step works with: the project's definitions, its lake, its clock, its stores. Wired by
// engine; the steps own none of it.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/catalog/catalog.h"
#include "icecore/ingest/push/journal.h"
#include "icecore/lake/local_copies.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/snapshot.h"
#include "icecore/lake/table.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/direct_reach.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

// What a step tells while it works; the event bus of runs.
struct Event {
  enum class Kind { kStepStarted, kProgress, kStepFinished, kWarning };
  Kind kind = Kind::kProgress;
  std::string thing;    // full name
  std::string step;     // "ingest", "contract", "table", "online"
  std::string message;  // of a warning or a failure
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t duration_us = 0;
};
using EventListener = std::function<void(const Event&)>;

// The tables of a lake that were looked at, so that what one step read of a log the next need not
// read again; see lake::Table::Load, which always asks whether there is more. Thread safe.
class OpenTables {
 public:
  // The same table for the same path, while it is of the same store. Does no I/O.
  arrow::Result<std::shared_ptr<lake::Table>> Open(lake::ObjectStore& store,
                                                   const std::string& path,
                                                   const base::Clock& clock, base::Random& random);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<lake::Table>> tables_;  // by path; guarded by mutex_
};

// The journals of pushes that were opened, so that a run need not read again what the one before it
// read of them. Thread safe.
class OpenJournals {
 public:
  // The same journal for the same folder, while the folder is there.
  arrow::Result<std::shared_ptr<ingest::PushJournal>> Open(const std::string& folder);

 private:
  const std::unique_ptr<base::Clock> clock_ = base::MakeSystemClock();
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ingest::PushJournal>> journals_;  // guarded by mutex_
};

// All pointers are borrowed and outlive the steps. Thread: one.
struct Workspace {
  const spec::Project* project = nullptr;
  lake::ObjectStore* store = nullptr;
  const base::Clock* clock = nullptr;
  base::Random* random = nullptr;
  OpenTables* tables = nullptr;  // of `store`; null: each step opens its own
  OpenJournals* journals = nullptr;
  catalog::Catalog* catalog = nullptr;
  online::Store* online = nullptr;  // null where a command needs none
  // Of direct loads of this process, which lands pushes itself: to wait for the lake is of no use.
  // null: others do.
  DirectReach* direct = nullptr;
  lake::ReadAccess access;
  EventListener listener;
  lake::LocalCopies* copies = nullptr;  // of a lake elsewhere; null where the lake is a folder
  std::string lake_root;                // absolute local folder of the files that SQL reads
  std::string scratch_root;             // absolute local folder, for spills
  std::string features_root;            // absolute local folder of clustered logs; "": none

  void Tell(const Event& event) const {
    if (listener) {
      listener(event);
    }
  }
};

// "landing.flights_raw" -> "landing/flights_raw".
std::string TablePath(const std::string& full_name);

arrow::Result<std::shared_ptr<lake::Table>> OpenTable(const Workspace& workspace,
                                                      const std::string& full_name);
// The newest version; version -1 where the table does not exist yet.
arrow::Result<std::shared_ptr<const lake::Snapshot>> LoadTable(const Workspace& workspace,
                                                               const std::string& full_name);
// Rows in the order of their _seq (lake/ordered_scan.h), whatever maintenance did to their files.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ScanInOrder(
    const Workspace& workspace, const lake::Snapshot& snapshot, const lake::ScanOptions& options);

// The snapshot's files on this machine, copied where the lake is elsewhere, for the SQL engine.
// They stay as long as they are held.
arrow::Result<std::vector<lake::LocalCopies::FilePtr>> LocalFilesOf(
    const Workspace& workspace, const lake::Snapshot& snapshot,
    const std::optional<lake::SeqRange>& range);

// Fields whose names do not begin with `_`.
std::shared_ptr<arrow::Schema> UserSchema(const arrow::Schema& schema);

}  // namespace icecore::pipeline
