#include "icecore/pipeline/training_spine.h"

#include <arrow/compute/api_vector.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/feature/spine_label.h"
#include "icecore/feature/spine_split.h"
#include "icecore/pipeline/sql_tables.h"
#include "icecore/pipeline/table_inputs.h"
#include "icecore/sql/session.h"

namespace icecore::pipeline {
namespace {

// One set's columns held against what its spine gives.
class ColumnCheck {
 public:
  ColumnCheck(const spec::TrainingSet& set, const arrow::Schema& spine,
              base::Diagnostics* diagnostics)
      : set_(set), spine_(spine), diagnostics_(diagnostics) {}

  void Run(const feature::BoundService* service) {
    Need(feature::kEventTimestamp, set_.spine.location, "the time t of each row");
    if (service != nullptr) {
      CheckServiceColumns(*service);
    }
    if (set_.label) {
      Need(set_.label->column, set_.label->location, "the label");
      if (set_.label->known_at) {
        Need(*set_.label->known_at, set_.label->location, "when the label was known");
      }
      Refuse(feature::kLabelStatusColumn, set_.label->location);
    }
    if (set_.sample) {
      for (const std::string& column : set_.sample->by) {
        Need(column, set_.sample->location, "what the sample hashes");
      }
    }
    if (set_.split) {
      Need(set_.split->by, set_.split->location, "what the split goes by");
      Refuse(feature::kSplitColumn, set_.split->location);
    }
  }

 private:
  void CheckServiceColumns(const feature::BoundService& service) {
    for (const auto* columns : {&service.key_columns(), &service.request_columns()}) {
      for (const feature::RequestColumn& column : *columns) {
        Need(column.name, set_.spine.location,
             columns == &service.key_columns() ? "a key of the service"
                                               : "request data of the service");
      }
    }
    for (const feature::OutputFeature& output : service.outputs()) {
      if (spine_.GetFieldIndex(output.name) >= 0) {
        Error(set_.spine.location, "the spine's column '" + output.name +
                                       "' has the name of a feature; name it otherwise, or the "
                                       "feature with `prefix` or `as`");
      }
      if ((set_.label && output.name == feature::kLabelStatusColumn) ||
          (set_.split && output.name == feature::kSplitColumn)) {
        Error(set_.location, "the service has a feature '" + output.name +
                                 "', the name of a column that the set adds; rename it with `as`");
      }
    }
  }

  void Need(const std::string& column, const base::Location& location, const std::string& what) {
    if (spine_.GetFieldIndex(column) < 0) {
      Error(location, "the spine gives no column '" + column + "' (" + what + ")" +
                          base::DidYouMean(column, spine_.field_names()));
    }
  }

  void Refuse(const std::string& column, const base::Location& location) {
    if (spine_.GetFieldIndex(column) >= 0) {
      Error(location, "the spine has a column '" + column +
                          "', the name of a column that the set adds; name it otherwise");
    }
  }

  void Error(const base::Location& location, const std::string& message) {
    diagnostics_->Error(location, "training_set '" + set_.name + "': " + message);
  }

  const spec::TrainingSet& set_;
  const arrow::Schema& spine_;
  base::Diagnostics* diagnostics_;
};

// Ties are rows that are equal in every column, which nobody can tell apart.
arrow::Result<std::shared_ptr<arrow::Table>> InOrder(const std::shared_ptr<arrow::Table>& rows) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  if (rows->schema()->GetFieldIndex(feature::kEventTimestamp) < 0) {
    return rows;  // refused where the features are computed
  }
  std::vector<std::string> names = {feature::kEventTimestamp};
  for (const auto& field : rows->schema()->fields()) {
    if (field->name() != feature::kEventTimestamp && !arrow::is_nested(field->type()->id()) &&
        field->type()->id() != arrow::Type::NA) {
      names.push_back(field->name());
    }
  }
  const arrow::compute::SortOptions options(
      std::vector<arrow::compute::SortKey>(names.begin(), names.end()));
  ARROW_ASSIGN_OR_RAISE(const auto indices,
                        arrow::compute::SortIndices(arrow::Datum(rows), options));
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum sorted, arrow::compute::Take(rows, indices));
  return sorted.table();
}

}  // namespace

arrow::Status AnalyseTrainingSets(const spec::Project& definitions, AnalysedProject* project) {
  ARROW_ASSIGN_OR_RAISE(const auto mentioned, TablesOfSpines(definitions));
  for (const spec::TrainingSet& set : definitions.training_sets) {
    AnalysedTrainingSet& analysed = project->training_sets[set.name];
    analysed.set = &set;
    if (set.spine.sql.empty()) {
      continue;
    }
    sql::AnalysisRequest request;
    request.sql = set.spine.sql;
    request.location = set.spine.sql_location;
    if (!AddSqlInputs(*project, mentioned.at(set.name), nullptr, &request)) {
      continue;  // an input's columns are not known, so neither are these
    }
    ARROW_ASSIGN_OR_RAISE(analysed.spine, sql::Analyse(request));
    for (const auto& entry : analysed.spine.diagnostics.entries()) {
      // As-of joins in a spine are its author's matter: a label may know what came later.
      if (entry.severity == base::Diagnostics::Entry::Severity::kError) {
        project->diagnostics.Error(entry.location, entry.message);
      }
    }
    if (analysed.spine.output) {
      const auto service = project->services.find(set.service);
      ColumnCheck(set, *analysed.spine.output, &project->diagnostics)
          .Run(service == project->services.end() ? nullptr : service->second.get());
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> RunSpineSql(const Workspace& workspace,
                                                         const AnalysedProject& project,
                                                         const AnalysedTrainingSet& set,
                                                         int64_t run_time_us,
                                                         PinnedTables* tables) {
  sql::Limits limits;
  limits.temp_dir = workspace.scratch_root;
  ARROW_ASSIGN_OR_RAISE(auto session, sql::Session::Open(limits, {workspace.lake_root}));
  ARROW_RETURN_NOT_OK(session->SetRunTime(run_time_us));
  for (const std::string& table : set.spine.tables) {
    ARROW_ASSIGN_OR_RAISE(const PinnedRows rows, tables->Get(table));
    ARROW_RETURN_NOT_OK(RegisterTable(workspace, project, {table, rows.snapshot, 1}, table,
                                      rows.range, session.get()));
  }
  ARROW_RETURN_NOT_OK(session->Lock());
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        session->QueryAt(set.spine.plain_sql, set.set->spine.sql_location));
  ARROW_ASSIGN_OR_RAISE(const auto rows, reader->ToTable());
  return InOrder(rows);
}

}  // namespace icecore::pipeline
