#pragma once
// The journal of a push source: what was sent, durable before it is acknowledged, each idempotency
// key once. A folder of append-only segments; any number of processes append and read.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/ingest/push/closed_batches.h"
#include "icecore/ingest/push/journal_format.h"

namespace icecore::ingest {

struct PushReceipt {
  int64_t number = 0;      // of the entry that holds the rows
  int64_t row_count = 0;   // of that entry
  bool duplicate = false;  // the key was known: nothing was added
};

// Thread safe. Calls that append at the same time share one sync of the disk.
class PushJournal {
 public:
  struct Options {
    int64_t segment_bytes = int64_t{64} << 20;  // a longer segment is followed by a new one
    int64_t key_retention_us = int64_t{24} * 3600 * 1'000'000;
  };
  // folder: absolute; made where it is missing. The clock is borrowed.
  static arrow::Result<std::unique_ptr<PushJournal>> Open(std::string folder,
                                                          const Options& options,
                                                          const base::Clock* clock);
  virtual ~PushJournal() = default;

  // Makes the rows durable. `key`: at most kMaxIdempotencyKeyBytes; one that was taken within the
  // retention adds nothing, whatever its rows are. kUnavailable: nothing was taken (also a full
  // disk). kOutcomeUnknown: the disk failed while the rows were synced; send them again under the
  // same key.
  virtual arrow::Result<PushReceipt> Append(std::string key, std::string rows,
                                            int64_t row_count) = 0;

  // Entries behind `number`, in order, until their rows exceed max_bytes; at least one where there
  // is one. kCorrupt where the journal ends before `number`, or entries behind it, or their rows,
  // are gone.
  virtual arrow::Result<std::vector<JournalEntry>> ReadAfter(int64_t number, int64_t max_bytes) = 0;

  // Closes what lies behind the last closed batch, if anything does, as one more, which arrived at
  // `now_us`, or with the one before where that is later. Gives the batches that end behind
  // `number`, oldest first, durably: all who take their entries give the rows these arrivals.
  // kConflict where entries behind `number` were released.
  virtual arrow::Result<std::vector<ClosedBatch>> Close(int64_t number, int64_t now_us) = 0;

  // The number of the newest entry, 0 for none.
  virtual arrow::Result<int64_t> LastNumber() = 0;

  // Rows of all entries there ever were.
  virtual arrow::Result<int64_t> RowsTaken() = 0;

  // Entries up to `number` are durable elsewhere: segments that hold nothing newer keep no rows,
  // one segment a call, and are deleted once their keys are older than the retention. May be called
  // again.
  virtual arrow::Status Release(int64_t number) = 0;

  // Release through this object leaves entries behind `number` as they are: somebody reads them
  // yet. INT64_MAX, as at the beginning: nobody does.
  virtual void KeepBehind(int64_t number) = 0;

  // Numbers go on behind `number` (with `rows` rows before), whatever the journal holds: for a
  // journal whose folder was lost after its entries had been taken elsewhere.
  virtual arrow::Status ContinueBehind(int64_t number, int64_t rows) = 0;
};

}  // namespace icecore::ingest
