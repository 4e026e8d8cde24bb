#pragma once
// The tables that a training set reads, each at one moment for everything that reads it; and the
// same rows again later.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/scan.h"
#include "icecore/lake/snapshot.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// What tells the rows that were read. Rests in cards: docs/formats/training-card.md.
struct CardInput {
  std::string table;  // full name
  std::string table_id;
  int64_t generation = 0;
  int64_t version = -1;
  int64_t seq_up_to = 0;  // the greatest _seq there was
  int64_t rows = 0;
  friend bool operator==(const CardInput&, const CardInput&) = default;
};

struct PinnedRows {
  std::shared_ptr<const lake::Snapshot> snapshot;
  std::optional<lake::SeqRange> range;  // nullopt: all rows
};

// One thread at a time. The workspace must outlive it.
class PinnedTables {
 public:
  // Every table at its newest version, when it is first asked for.
  explicit PinnedTables(const Workspace& workspace) : workspace_(workspace) {}
  // The rows of the pins, and no others.
  //
  // Of a table that only grows these are the rows up to the pin's _seq in the present files,
  // wherever maintenance moved them. Other tables (computed whole, the present of one that keeps
  // versions) must hold the same rows still, or that version's files. Rows that are gone (erased,
  // expired, vacuumed, made anew in another generation) are kNotFound, which names the table and
  // what happened.
  PinnedTables(const Workspace& workspace, const std::vector<CardInput>& pins);

  // A table that does not exist is kNotFound; one without a pin, where there are pins, too.
  arrow::Result<PinnedRows> Get(const std::string& table);

  // Of the tables asked for so far, by name.
  std::vector<CardInput> Inputs() const;
  // The same, for a feature log to read.
  TablePins LogPins() const;

 private:
  struct Entry {
    CardInput pin;
    PinnedRows rows;
  };
  arrow::Result<Entry> PinNewest(const std::string& table) const;
  arrow::Result<Entry> Again(const CardInput& pin) const;

  const Workspace& workspace_;
  bool again_ = false;
  std::map<std::string, CardInput> wanted_;
  std::map<std::string, Entry> tables_;
};

}  // namespace icecore::pipeline
