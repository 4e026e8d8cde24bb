#include "icecore/pipeline/lake_feature_log.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_pieces.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/view_log.h"

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

feature::LogQuery EverythingOf(const feature::BoundView& view) {
  feature::LogQuery query;
  query.columns = view.columns();
  return query;
}

}  // namespace

std::string LogOf(const spec::Project& project, const spec::FeatureView& view) {
  const auto versions = FindVersionedTable(project, view.from);
  return versions ? versions->history : view.from;
}

lake::Predicates EventTimesBetween(const lake::Snapshot& snapshot, const feature::BoundView& view,
                                   int64_t earliest, int64_t latest) {
  lake::Predicates predicates;
  const auto time = snapshot.schema->GetFieldByName(view.event_time_column());
  if (time == nullptr || time->type()->id() != arrow::Type::TIMESTAMP) return predicates;
  const auto& type = static_cast<const arrow::TimestampType&>(*time->type());
  if (type.unit() != arrow::TimeUnit::MICRO) return predicates;
  const auto bound = [&](lake::Predicate::Op op, int64_t value) {
    predicates.push_back(
        {time->name(), op, std::make_shared<arrow::TimestampScalar>(value, time->type())});
  };
  if (latest < INT64_MAX) bound(lake::Predicate::Op::kLessOrEqual, latest);
  if (earliest > INT64_MIN) bound(lake::Predicate::Op::kGreaterOrEqual, earliest);
  return predicates;
}

arrow::Result<const lake::Snapshot*> LakeFeatureLog::Open(const feature::BoundView& view) {
  const spec::FeatureView* definition = workspace_.project->FindView(view.name());
  if (definition == nullptr) {
    return MakeError(ErrorCode::kInternal, "no view " + view.name());
  }
  const std::string table = LogOf(*workspace_.project, *definition);
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
    return MakeError(ErrorCode::kNotFound,
                     definition->from + " was never computed: run `icecore run`");
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

arrow::Result<lake::ScanOptions> LakeFeatureLog::OptionsFor(const lake::Snapshot& snapshot,
                                                            const feature::BoundView& view,
                                                            const feature::LogQuery& query) const {
  lake::ScanOptions options;
  options.columns = query.columns;
  const std::string table = LogOf(*workspace_.project, *workspace_.project->FindView(view.name()));
  const auto pin = pins_.find(table);
  if (query.seq_after > INT64_MIN || (pin != pins_.end() && pin->second.seq_up_to)) {
    options.seq = lake::SeqRange{query.seq_after, reads_.at(table).seq_up_to};
  }
  options.predicates = EventTimesBetween(snapshot, view, query.earliest_us, query.latest_us);
  return options;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> LakeFeatureLog::Scan(
    const feature::BoundView& view) {
  ARROW_ASSIGN_OR_RAISE(const lake::Snapshot* snapshot, Open(view));
  ARROW_ASSIGN_OR_RAISE(const auto options, OptionsFor(*snapshot, view, EverythingOf(view)));
  return lake::Scan(*workspace_.store, *snapshot, options, workspace_.access);
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> LakeFeatureLog::ScanParts(
    const feature::BoundView& view, const feature::LogQuery& query) {
  ARROW_ASSIGN_OR_RAISE(const lake::Snapshot* snapshot, Open(view));
  ARROW_ASSIGN_OR_RAISE(auto options, OptionsFor(*snapshot, view, query));
  std::vector<std::shared_ptr<arrow::RecordBatchReader>> parts;
  if (options.seq && options.seq->after >= options.seq->up_to) return parts;
  const std::vector<TablePiece> pieces = PiecesOf(*snapshot);
  options.use_threads = pieces.size() == 1;
  for (const TablePiece& piece : pieces) {
    options.share = piece.share;
    ARROW_ASSIGN_OR_RAISE(parts.emplace_back(),
                          lake::Scan(*workspace_.store, piece.files, options, workspace_.access));
  }
  return parts;
}

arrow::Result<std::shared_ptr<const feature::ClusteredLog>> LakeFeatureLog::Clustered(
    const feature::BoundView& view) {
  if (const auto known = clustered_.find(view.name()); known != clustered_.end()) {
    return known->second;
  }
  ARROW_ASSIGN_OR_RAISE(const lake::Snapshot* snapshot, Open(view));
  const spec::FeatureView& definition = *workspace_.project->FindView(view.name());
  ARROW_ASSIGN_OR_RAISE(clustered_[view.name()],
                        OpenViewLog(workspace_, view, definition, *snapshot,
                                    reads_.at(LogOf(*workspace_.project, definition)).seq_up_to));
  return clustered_.at(view.name());
}

}  // namespace icecore::pipeline
