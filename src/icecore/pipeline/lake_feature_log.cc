#include "icecore/pipeline/lake_feature_log.h"

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status CheckPin(const std::string& table, const TablePin& pin, const TableRead& read) {
  if (pin.table_id && *pin.table_id != read.table_id) {
    return MakeError(ErrorCode::kNotFound, table + " is another table now (id " + read.table_id +
                                               "), the one asked for had id " + *pin.table_id);
  }
  if (pin.generation && *pin.generation != read.generation) {
    return MakeError(ErrorCode::kNotFound,
                     table + "@" + std::to_string(read.version) + " is of generation " +
                         std::to_string(read.generation) + ", asked for is generation " +
                         std::to_string(*pin.generation) + ": the table was built anew");
  }
  return arrow::Status::OK();
}

}  // namespace

std::string LogOf(const spec::Project& project, const spec::FeatureView& view) {
  const auto versions = FindVersionedTable(project, view.from);
  return versions ? versions->history : view.from;
}

arrow::Result<const lake::Snapshot*> LakeFeatureLog::Open(const std::string& table,
                                                          const std::string& from) {
  if (const auto known = tables_.find(table); known != tables_.end()) return known->second.get();
  const auto found = pins_.find(table);
  const TablePin pin = found == pins_.end() ? TablePin{} : found->second;
  std::shared_ptr<const lake::Snapshot> snapshot;
  if (pin.version) {
    ARROW_ASSIGN_OR_RAISE(const auto opened, OpenTable(workspace_, table));
    ARROW_ASSIGN_OR_RAISE(snapshot, opened->Load(pin.version));
  } else {
    ARROW_ASSIGN_OR_RAISE(snapshot, LoadTable(workspace_, table));
  }
  if (!snapshot->exists()) {
    return MakeError(ErrorCode::kNotFound, from + " was never computed: run `icecore run`");
  }
  TableRead read{snapshot->table_id, 0, snapshot->version, 0};
  ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*snapshot));
  ARROW_ASSIGN_OR_RAISE(read.generation, GenerationOf(*snapshot));
  ARROW_RETURN_NOT_OK(CheckPin(table, pin, read));
  read.seq_up_to = TakenUpTo(*snapshot, state);
  if (pin.seq_up_to) read.seq_up_to = std::min(read.seq_up_to, *pin.seq_up_to);
  reads_[table] = read;
  return (tables_[table] = std::move(snapshot)).get();
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> LakeFeatureLog::Scan(
    const feature::BoundView& view) {
  const spec::FeatureView* definition = workspace_.project->FindView(view.name());
  if (definition == nullptr) {
    return MakeError(ErrorCode::kInternal, "no view " + view.name());
  }
  const std::string table = LogOf(*workspace_.project, *definition);
  ARROW_ASSIGN_OR_RAISE(const lake::Snapshot* snapshot, Open(table, definition->from));
  lake::ScanOptions options;
  options.columns = view.columns();
  const auto pin = pins_.find(table);
  if (pin != pins_.end() && pin->second.seq_up_to) {
    options.seq = lake::SeqRange{INT64_MIN, *pin->second.seq_up_to};
  }
  return lake::Scan(*workspace_.store, *snapshot, options, workspace_.access);
}

}  // namespace icecore::pipeline
