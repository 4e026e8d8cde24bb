#include "icecore/pipeline/pinned_tables.h"

#include <arrow/record_batch.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Result<int64_t> CountRows(const Workspace& workspace, const PinnedRows& rows) {
  if (!rows.range) {
    if (const auto count = rows.snapshot->row_count()) {
      return *count;
    }
  }
  lake::ScanOptions options;
  options.columns = std::vector<std::string>{std::string(lake::kSeq)};
  options.seq = rows.range;
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, *rows.snapshot, options, workspace.access));
  int64_t count = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (!batch) {
      return count;
    }
    count += batch->num_rows();
  }
}

// Whether rows once there stay as they are while the generation lasts.
bool OnlyGrows(const spec::Project& project, const std::string& table) {
  const auto versions = FindVersionedTable(project, table);
  return !IsComputedWhole(project, table) && !(versions && versions->present == table);
}

std::string At(const CardInput& pin) { return pin.table + "@" + std::to_string(pin.version); }

// The version's own snapshot, with all of its files.
arrow::Result<std::shared_ptr<const lake::Snapshot>> OldVersion(const Workspace& workspace,
                                                                const CardInput& pin) {
  ARROW_ASSIGN_OR_RAISE(const auto table, OpenTable(workspace, pin.table));
  auto snapshot = table->Load(pin.version);
  if (!snapshot.ok()) {
    return MakeError(ErrorCode::kNotFound,
                     At(pin) +
                         ": its rows were replaced, and the log no longer has that version: " +
                         snapshot.status().message());
  }
  for (const lake::DataFile& file : (*snapshot)->files) {
    ARROW_ASSIGN_OR_RAISE(const bool there,
                          workspace.store->Exists((*snapshot)->table_path + "/" + file.path));
    if (!there) {
      return MakeError(ErrorCode::kNotFound, At(pin) +
                                                 ": its rows were replaced, and vacuum took "
                                                 "the files of that version (" +
                                                 file.path + ")");
    }
  }
  return snapshot;
}

}  // namespace

PinnedTables::PinnedTables(const Workspace& workspace, const std::vector<CardInput>& pins)
    : workspace_(workspace), again_(true) {
  for (const CardInput& pin : pins) {
    wanted_[pin.table] = pin;
  }
}

arrow::Result<PinnedRows> PinnedTables::Get(const std::string& table) {
  const auto known = tables_.find(table);
  if (known != tables_.end()) {
    return known->second.rows;
  }
  const auto wanted = wanted_.find(table);
  if (again_ && wanted == wanted_.end()) {
    return MakeError(ErrorCode::kNotFound, table + " was not read when the set was made");
  }
  ARROW_ASSIGN_OR_RAISE(Entry entry, again_ ? Again(wanted->second) : PinNewest(table));
  return tables_.emplace(table, std::move(entry)).first->second.rows;
}

std::vector<CardInput> PinnedTables::Inputs() const {
  std::vector<CardInput> pins;
  pins.reserve(tables_.size());
  for (const auto& [name, entry] : tables_) {
    pins.push_back(entry.pin);
  }
  return pins;
}

TablePins PinnedTables::LogPins() const {
  TablePins pins;
  for (const auto& [name, entry] : tables_) {
    TablePin& pin = pins[name];
    pin.version = entry.rows.snapshot->version;
    if (entry.rows.range) {
      pin.seq_up_to = entry.rows.range->up_to;
    }
  }
  return pins;
}

arrow::Result<PinnedTables::Entry> PinnedTables::PinNewest(const std::string& table) const {
  Entry entry;
  ARROW_ASSIGN_OR_RAISE(entry.rows.snapshot, LoadTable(workspace_, table));
  const lake::Snapshot& snapshot = *entry.rows.snapshot;
  if (!snapshot.exists()) {
    return MakeError(ErrorCode::kNotFound, table + " was never computed: run `icecore run`");
  }
  ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(snapshot));
  entry.pin.table = table;
  entry.pin.table_id = snapshot.table_id;
  entry.pin.version = snapshot.version;
  ARROW_ASSIGN_OR_RAISE(entry.pin.generation, GenerationOf(snapshot));
  entry.pin.seq_up_to = TakenUpTo(snapshot, state);
  ARROW_ASSIGN_OR_RAISE(entry.pin.rows, CountRows(workspace_, entry.rows));
  return entry;
}

arrow::Result<PinnedTables::Entry> PinnedTables::Again(const CardInput& pin) const {
  Entry entry{pin, {}};
  ARROW_ASSIGN_OR_RAISE(auto newest, LoadTable(workspace_, pin.table));
  if (!newest->exists()) {
    return MakeError(ErrorCode::kNotFound, At(pin) + ": the table is gone");
  }
  if (newest->table_id != pin.table_id) {
    return MakeError(ErrorCode::kNotFound,
                     At(pin) + ": another table of that name took its place (its id is " +
                         newest->table_id + ", the set was made from " + pin.table_id + ")");
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(*newest));
  if (generation == pin.generation && OnlyGrows(*workspace_.project, pin.table)) {
    entry.rows = {std::move(newest), lake::SeqRange{-1, pin.seq_up_to}};
    ARROW_ASSIGN_OR_RAISE(const int64_t rows, CountRows(workspace_, entry.rows));
    if (rows < pin.rows) {
      return MakeError(ErrorCode::kNotFound, At(pin) + ": " + std::to_string(pin.rows - rows) +
                                                 " of its " + std::to_string(pin.rows) +
                                                 " rows are gone (erased or expired)");
    }
    if (rows > pin.rows) {
      return MakeError(ErrorCode::kNotFound,
                       At(pin) + ": " + std::to_string(rows - pin.rows) +
                           " rows were put among those that the set was made from");
    }
    return entry;
  }
  bool same = false;
  if (generation == pin.generation && newest->version >= pin.version) {
    ARROW_ASSIGN_OR_RAISE(const bool changed,
                          lake::RowsChangedBetween(*workspace_.store, newest->table_path,
                                                   pin.version, newest->version));
    same = !changed;
  }
  if (!same) {
    auto old = OldVersion(workspace_, pin);
    if (!old.ok() && generation != pin.generation) {
      return MakeError(ErrorCode::kNotFound,
                       At(pin) + ": the table is in generation " + std::to_string(generation) +
                           " now, the set was made from generation " +
                           std::to_string(pin.generation) + "; " + old.status().message());
    }
    ARROW_ASSIGN_OR_RAISE(newest, std::move(old));
  }
  entry.rows = {std::move(newest), std::nullopt};
  return entry;
}

}  // namespace icecore::pipeline
