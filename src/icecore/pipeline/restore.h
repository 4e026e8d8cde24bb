#pragma once
// An older version of a table as its newest, so that the laws still hold: its position goes back
// with its rows, what its step rejected since then goes, and its readers start over.
// docs/decisions/restore.md.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>

#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

struct RestoreRequest {
  std::string table;               // full name
  std::optional<int64_t> version;  // or
  std::optional<int64_t> at_us;    // the newest version of that time
  std::string run_id;              // of the commit
};

struct RestoreReport {
  int64_t from = 0;     // the version that was the newest
  int64_t to = 0;       // the version whose rows are back
  int64_t version = 0;  // the new one; -1: the rows were those of `to` already
  int64_t files_restored = 0;
  int64_t files_removed = 0;
  int64_t rows = 0;       // of the table now
  int64_t seq_up_to = 0;  // the next run takes the driver's rows above; 0: no step fills it
};

// Row-wise tables and landing.X get a new generation with the old version's range: the quarantine
// first, then the table; a kill between the two is healed by the next run, which makes that
// generation from its driver. Tables that no step fills get their files back.
// kInvalidArgument with the reason: landing.X_raw (landed rows never change), quarantines (they
// follow their tables), tables computed whole or merged. kNotFound: no such version, or a file of
// it is gone. kConflict: somebody else changed the table meanwhile.
arrow::Result<RestoreReport> RestoreTable(const Workspace& workspace,
                                          const RestoreRequest& request);

}  // namespace icecore::pipeline
