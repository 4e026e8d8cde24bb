#include "icecore/pipeline/delta_landing.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/lake/appends.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/located_table.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/writer.h"
#include "icecore/pipeline/landing_rows.h"
#include "icecore/spec/references.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

// Rows of landing.X_raw that are one snapshot.
struct SnapshotRows {
  int64_t first_seq = 0;
  int64_t rows = 0;
};

// How far a source table was taken.
struct DeltaPosition {
  std::string table_id;
  int64_t version = -1;
  std::vector<SnapshotRows> snapshots;  // of load: snapshot, oldest first

  std::string Serialize() const {
    json delta = {{"table", table_id}, {"version", version}};
    for (const SnapshotRows& snapshot : snapshots) {
      delta["snapshots"].push_back({snapshot.first_seq, snapshot.rows});
    }
    return json{{"delta", std::move(delta)}}.dump();
  }

  static arrow::Result<DeltaPosition> Parse(const std::string& text) {
    const json parsed = json::parse(text, nullptr, false);
    const auto delta = parsed.is_object() ? parsed.find("delta") : parsed.end();
    if (!parsed.is_object() || delta == parsed.end()) {
      return MakeError(ErrorCode::kBadInput,
                       "what landed before came from files, not from a Delta table; give the "
                       "source another name");
    }
    if (!delta->is_object() || !delta->contains("table") || !delta->at("table").is_string() ||
        !delta->contains("version") || !delta->at("version").is_number_integer()) {
      return MakeError(ErrorCode::kCorrupt, "position '" + text + "'");
    }
    DeltaPosition position{
        delta->at("table").get<std::string>(), delta->at("version").get<int64_t>(), {}};
    for (const json& snapshot : delta->value("snapshots", json::array())) {
      if (!snapshot.is_array() || snapshot.size() != 2 || !snapshot[0].is_number_integer() ||
          !snapshot[1].is_number_integer()) {
        return MakeError(ErrorCode::kCorrupt, "position '" + text + "'");
      }
      position.snapshots.push_back({snapshot[0].get<int64_t>(), snapshot[1].get<int64_t>()});
    }
    return position;
  }
};

// The source's table now, and what of it is new.
struct Pending {
  lake::LocatedTable located;
  std::shared_ptr<const lake::Snapshot> newest;
  DeltaPosition position;  // taken before
  std::vector<lake::DataFile> files;
  bool is_snapshot = false;  // the files are all of the table
};

arrow::Status CheckSameTable(const Pending& pending) {
  const DeltaPosition& taken = pending.position;
  if (taken.version < 0) {
    return arrow::Status::OK();
  }
  if (taken.table_id != pending.newest->table_id) {
    return MakeError(ErrorCode::kBadInput, "another table lies at " + pending.located.folder +
                                               " now (id " + pending.newest->table_id +
                                               ", taken before: " + taken.table_id +
                                               "); give the source another name");
  }
  if (taken.version > pending.newest->version) {
    return MakeError(ErrorCode::kBadInput,
                     "the table at " + pending.located.folder + " is at version " +
                         std::to_string(pending.newest->version) + ", but version " +
                         std::to_string(taken.version) + " was taken from it");
  }
  return arrow::Status::OK();
}

// The whole table where its rows differ from those that were taken last, else nothing.
arrow::Status TakeSnapshot(const lake::Snapshot& landed, Pending* pending) {
  DeltaPosition& position = pending->position;
  if (position.snapshots.empty() && landed.last_seq() > 0) {
    position.snapshots.push_back({1, landed.last_seq()});  // what landed as rows that add up
  }
  bool changed = true;
  if (position.version >= 0) {
    ARROW_ASSIGN_OR_RAISE(
        changed, lake::RowsChangedBetween(*pending->located.store, pending->newest->table_path,
                                          position.version, pending->newest->version));
  }
  if (changed) {
    pending->is_snapshot = true;
    pending->files = pending->newest->files;
  }
  return arrow::Status::OK();
}

arrow::Result<Pending> LookAt(const Workspace& workspace, const spec::Source& source,
                              const lake::Snapshot& landed) {
  Pending pending;
  if (const auto domain = landed.Domain(lake::kPositionDomain)) {
    ARROW_ASSIGN_OR_RAISE(pending.position, DeltaPosition::Parse(*domain));
  }
  ARROW_ASSIGN_OR_RAISE(
      const std::string place,
      spec::ResolveReferences(source.files.path, source.files.location,
                              spec::MakeSystemReferences(workspace.project->root)));
  ARROW_ASSIGN_OR_RAISE(pending.located, lake::LocateTable(place, workspace.project->root));
  ARROW_ASSIGN_OR_RAISE(pending.newest, pending.located.table->Load());
  ARROW_RETURN_NOT_OK(CheckSameTable(pending));
  if (source.files.load == spec::FilesConnector::Load::kSnapshot) {
    ARROW_RETURN_NOT_OK(TakeSnapshot(landed, &pending));
    return pending;
  }
  auto files =
      lake::AppendsSince(*pending.located.store, *pending.newest, pending.position.version);
  if (!files.ok() && base::CodeOf(files.status()) == ErrorCode::kBadInput) {
    return MakeError(ErrorCode::kBadInput,
                     files.status().message() +
                         "; a source of format delta takes added rows only: for a table whose "
                         "rows change say load: snapshot");
  }
  ARROW_RETURN_NOT_OK(files.status());
  pending.files = *std::move(files);
  return pending;
}

// The columns that land. Those of another Icecore table that begin with _ are that table's own and
// stay behind; in a table of somebody else they would be lost, which is refused.
arrow::Result<std::shared_ptr<arrow::Schema>> ColumnsOf(const lake::Snapshot& table) {
  const bool is_ours = table.configuration.contains("icecore.last_column_id");
  arrow::FieldVector columns;
  for (const auto& field : table.schema->fields()) {
    if (!lake::IsEnvelope(field->name())) {
      columns.push_back(field);
    } else if (!is_ours) {
      return MakeError(ErrorCode::kUnsupported, "a source with a column '" + field->name() +
                                                    "': names that begin with _ are Icecore's own");
    }
  }
  return arrow::schema(std::move(columns));
}

// Rows with _file and _row behind their columns.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithOrigin(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::string& file, int64_t first_row) {
  arrow::Int64Builder numbers;
  ARROW_RETURN_NOT_OK(numbers.Reserve(rows->num_rows()));
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    numbers.UnsafeAppend(first_row + i);
  }
  ARROW_ASSIGN_OR_RAISE(const auto row, numbers.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto path,
                        arrow::MakeArrayFromScalar(arrow::StringScalar(file), rows->num_rows()));
  ARROW_ASSIGN_OR_RAISE(
      const auto with_file,
      rows->AddColumn(rows->num_columns(), std::string(ingest::kFileColumn), path));
  return with_file->AddColumn(with_file->num_columns(), std::string(ingest::kRowColumn), row);
}

// All pending rows in one commit.
class DeltaLanding {
 public:
  DeltaLanding(const Workspace& workspace, const spec::Source& source, std::string run_id,
               std::shared_ptr<const lake::Snapshot> before)
      : workspace_(workspace),
        source_(source),
        run_id_(std::move(run_id)),
        before_(std::move(before)),
        next_seq_(before_->last_seq() + 1),
        arrived_us_(std::max(workspace.clock->NowMicros(),
                             before_->Transaction(kArrivedTransaction).value_or(INT64_MIN))) {}

  arrow::Status Write(const Pending& pending, std::stop_token stop) {
    ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(*pending.newest));
    ARROW_ASSIGN_OR_RAISE(const auto merged, MergeColumns(before_->schema.get(), *columns));
    ARROW_ASSIGN_OR_RAISE(schema_, WithColumnIds(*before_, *merged, &changed_, &config_));
    ARROW_ASSIGN_OR_RAISE(
        writer_,
        lake::DataWriter::Open(*workspace_.store, TablePath(RawTableName(source_)), schema_,
                               *workspace_.clock, *workspace_.random, lake::WriterOptions{}));
    options_.columns = columns->field_names();
    lake::Snapshot part = *pending.newest;
    for (const lake::DataFile& file : pending.files) {
      part.files = {file};
      ARROW_RETURN_NOT_OK(WriteFile(*pending.located.store, part, stop));
    }
    ARROW_ASSIGN_OR_RAISE(adds_, writer_->Finish());
    return arrow::Status::OK();
  }

  arrow::Status Commit(lake::Table* table, const Pending& pending, StepReport* report) {
    lake::Commit commit;
    commit.adds = std::move(adds_);
    if (changed_) {
      if (!before_->exists()) {
        config_["delta.appendOnly"] = "true";
      }
      commit.metadata =
          lake::TableMetadata{schema_, config_, RawTableName(source_), source_.doc.description};
    }
    const int64_t landed = next_seq_ - 1 - before_->last_seq();
    DeltaPosition position = pending.position;
    position.table_id = pending.newest->table_id;
    position.version = pending.newest->version;
    if (pending.is_snapshot && landed > 0) {
      position.snapshots.push_back({before_->last_seq() + 1, landed});
    }
    commit.domains[std::string(lake::kPositionDomain)] = position.Serialize();
    commit.transactions[std::string(lake::kSeqTransaction)] = next_seq_ - 1;
    commit.transactions[kArrivedTransaction] = arrived_us_;
    commit.operation = "LAND";
    commit.info["run"] = "\"" + run_id_ + "\"";
    commit.counts = {{"read", landed},
                     {"written", landed},
                     {"files", static_cast<int64_t>(pending.files.size())}};
    ARROW_ASSIGN_OR_RAISE(const int64_t version, table->CommitTo(*before_, commit));
    report->writes.push_back(
        {RawTableName(source_), version, 1, before_->last_seq() + 1, next_seq_});
    report->counts.read += landed;
    report->counts.written += landed;
    report->did_work = true;
    if (pending.is_snapshot && landed == 0) {
      report->warnings.push_back("version " + std::to_string(position.version) + " of " +
                                 pending.located.folder +
                                 " has no rows: a snapshot of nothing is passed over");
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status WriteFile(lake::ObjectStore& store, const lake::Snapshot& part,
                          std::stop_token stop) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, lake::Scan(store, part, options_, workspace_.access));
    int64_t row = 1;
    while (true) {
      if (stop.stop_requested()) {
        return MakeError(ErrorCode::kUnavailable, "stopped");
      }
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
      if (batch == nullptr) {
        return arrow::Status::OK();
      }
      ARROW_ASSIGN_OR_RAISE(const auto with_origin,
                            WithOrigin(batch, part.files.front().path, row));
      ARROW_ASSIGN_OR_RAISE(const auto rows,
                            WithEnvelope(*with_origin, schema_, next_seq_, arrived_us_, run_id_));
      ARROW_RETURN_NOT_OK(writer_->Write(rows));
      row += batch->num_rows();
      next_seq_ += batch->num_rows();
    }
  }

  const Workspace& workspace_;
  const spec::Source& source_;
  const std::string run_id_;
  const std::shared_ptr<const lake::Snapshot> before_;
  int64_t next_seq_;
  const int64_t arrived_us_;
  lake::ScanOptions options_;
  std::shared_ptr<arrow::Schema> schema_;
  bool changed_ = false;
  std::map<std::string, std::string> config_;
  std::unique_ptr<lake::DataWriter> writer_;
  std::vector<lake::DataFile> adds_;
};

}  // namespace

arrow::Status LandDeltaOnce(const Workspace& workspace, const spec::Source& source,
                            const std::string& run_id, std::stop_token stop, StepReport* report,
                            bool* more) {
  *more = false;
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, RawTableName(source)));
  ARROW_ASSIGN_OR_RAISE(const auto before, table->LoadOrEmpty());
  const auto pending = LookAt(workspace, source, *before);
  if (!pending.ok()) {
    return base::WithContext(pending.status(), "source " + source.name);
  }
  if (pending->newest->version == pending->position.version) {
    return arrow::Status::OK();
  }
  DeltaLanding landing(workspace, source, run_id, before);
  ARROW_RETURN_NOT_OK(base::WithContext(landing.Write(*pending, stop), "source " + source.name));
  return landing.Commit(table.get(), *pending, report);
}

bool IsDeltaPosition(const std::string& position) {
  const json parsed = json::parse(position, nullptr, false);
  return parsed.is_object() && parsed.contains("delta");
}

arrow::Result<int64_t> EndOfNextDeltaSnapshot(const lake::Snapshot& raw, int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const DeltaPosition position,
                        DeltaPosition::Parse(raw.Domain(lake::kPositionDomain).value_or("")));
  if (position.snapshots.empty()) {
    return raw.last_seq();  // all of it landed as rows that add up
  }
  for (const SnapshotRows& snapshot : position.snapshots) {
    if (snapshot.first_seq > after) {
      return snapshot.first_seq + snapshot.rows - 1;
    }
  }
  return MakeError(ErrorCode::kCorrupt,
                   raw.table_path + ": no snapshot of its position has the rows behind _seq " +
                       std::to_string(after));
}

arrow::Result<RawColumns> PeekDeltaSource(const Workspace& workspace, const spec::Source& source) {
  RawColumns out;
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  if (raw->exists()) {
    out.schema = raw->schema;
    return out;
  }
  const auto merged = [&]() -> arrow::Result<std::shared_ptr<arrow::Schema>> {
    ARROW_ASSIGN_OR_RAISE(const Pending pending, LookAt(workspace, source, *raw));
    ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(*pending.newest));
    return MergeColumns(nullptr, *columns);
  }();
  if (merged.ok()) {
    out.schema = *merged;
  } else {
    out.problem = merged.status();
  }
  return out;
}

arrow::Result<std::string> PendingVersions(const Workspace& workspace, const spec::Source& source) {
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  const auto pending = LookAt(workspace, source, *raw);
  if (!pending.ok()) {
    return "will fail: " + pending.status().message();
  }
  const int64_t n = pending->newest->version - pending->position.version;
  if (n == 0) {
    return std::string();
  }
  return std::to_string(n) + (n == 1 ? " new version: " : " new versions, up to ") +
         std::to_string(pending->newest->version);
}

}  // namespace icecore::pipeline
