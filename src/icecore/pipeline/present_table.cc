#include "icecore/pipeline/present_table.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/rewrite.h"
#include "icecore/lake/writer.h"
#include "icecore/pipeline/row_batches.h"
#include "icecore/pipeline/step_state.h"

namespace icecore::pipeline {
namespace {

constexpr int kMaxAttempts = 20;
constexpr char kStepTransaction[] = "icecore.step";

// Each name once, in order.
std::vector<std::string> Joined(std::vector<std::string> names,
                                const std::vector<std::string>& more) {
  for (const std::string& name : more) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> ChoiceColumns(const VersionedTable& table) {
  return Joined(Joined(table.key, table.order_by), {std::string(lake::kSeq)});
}

// The log of another table of this name is another log.
std::string HistoryTransactionOf(const lake::Snapshot& history) {
  return std::string(kHistoryTransaction) + "/" + history.table_id;
}

// Whether the file may hold deletes, by its least `_op`; texts of statistics are whole up to 32
// characters.
bool MayHoldDeletes(const lake::DataFile& file) {
  const auto stats = nlohmann::json::parse(file.stats_json, nullptr, /*allow_exceptions=*/false);
  const auto pointer = nlohmann::json::json_pointer("/minValues/" + std::string(lake::kOp));
  if (!stats.is_object() || !stats.contains(pointer) || !stats.at(pointer).is_string()) {
    return true;
  }
  return stats.at(pointer).get<std::string>() <= kDeleteOp;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> OnlyDeletes(
    const std::shared_ptr<arrow::RecordBatch>& rows) {
  const auto& ops =
      static_cast<const arrow::StringArray&>(*rows->GetColumnByName(std::string(lake::kOp)));
  std::vector<int64_t> deletes;
  for (int64_t i = 0; i < ops.length(); ++i) {
    if (ops.IsValid(i) && ops.GetView(i) == kDeleteOp) {
      deletes.push_back(i);
    }
  }
  return TakeRows(rows, deletes);
}

// Takes the rows of the change's keys out and puts its rows in; files that hold such keys are
// written anew. Returns how many rows went.
arrow::Result<int64_t> RewriteRows(const Workspace& workspace, const VersionedTable& table,
                                   const lake::Snapshot& present,
                                   std::shared_ptr<arrow::Schema> schema,
                                   const PresentChange& change, lake::Commit* commit) {
  auto evolved = std::make_shared<lake::Snapshot>(present);
  evolved->schema = std::move(schema);
  ARROW_ASSIGN_OR_RAISE(
      auto rewrite,
      lake::TableRewrite::Open(*workspace.store, std::move(evolved), *workspace.clock,
                               *workspace.random, lake::WriterOptions{}, workspace.access));
  ARROW_ASSIGN_OR_RAISE(auto keys, arrow::Table::FromRecordBatches({change.keys}));
  ARROW_ASSIGN_OR_RAISE(const int64_t removed, rewrite->RemoveKeys(keys, table.key));
  if (change.rows->num_rows() > 0) {
    ARROW_RETURN_NOT_OK(rewrite->Append(change.rows));
  }
  ARROW_RETURN_NOT_OK(rewrite->Finish(commit).status());
  return removed;
}

// Versions above the mark, the columns that choose among them only.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadVersions(
    const Workspace& workspace, const lake::Snapshot& history, int64_t mark,
    const std::vector<std::string>& columns) {
  lake::ScanOptions options;
  options.columns = columns;
  options.seq = lake::SeqRange{mark, history.last_seq()};
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, history, options, workspace.access));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ToTable());
  return table->CombineChunksToBatch();
}

// Those at `places`, counted in the order of the scan, in the present's columns.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadRowsAt(
    const Workspace& workspace, const lake::Snapshot& history, int64_t mark,
    const std::vector<int64_t>& places, const std::vector<std::string>& columns) {
  lake::ScanOptions options;
  options.columns = columns;
  options.seq = lake::SeqRange{mark, history.last_seq()};
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, history, options, workspace.access));
  arrow::RecordBatchVector taken;
  int64_t passed = 0;
  for (auto next = places.begin(); next != places.end();) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      return base::MakeError(base::ErrorCode::kCorrupt,
                             history.table_path + ": it gave fewer rows when read again");
    }
    std::vector<int64_t> inside;
    for (; next != places.end() && *next < passed + batch->num_rows(); ++next) {
      inside.push_back(*next - passed);
    }
    passed += batch->num_rows();
    ARROW_ASSIGN_OR_RAISE(auto part, TakeRows(batch, inside));
    taken.push_back(std::move(part));
  }
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(reader->schema(), taken));
  return table->CombineChunksToBatch();
}

// By _seq; order[i]: where row i rested.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> SortVersions(
    const std::shared_ptr<arrow::RecordBatch>& versions, std::vector<int64_t>* order) {
  ARROW_ASSIGN_OR_RAISE(const auto seqs, Int64Column(*versions, std::string(lake::kSeq)));
  order->resize(seqs.size());
  std::iota(order->begin(), order->end(), 0);
  std::stable_sort(order->begin(), order->end(), [&](int64_t a, int64_t b) {
    return seqs[static_cast<size_t>(a)] < seqs[static_cast<size_t>(b)];
  });
  return TakeRows(versions, *order);
}

std::vector<std::string> PresentColumns(const lake::Snapshot& history) {
  std::vector<std::string> columns = history.schema->field_names();
  std::erase(columns, std::string(lake::kKnownAt));
  return columns;
}

arrow::Status BringUpOnce(const Workspace& workspace, const VersionedTable& table,
                          const std::string& description, bool* done, StepReport* report) {
  *done = true;
  ARROW_ASSIGN_OR_RAISE(auto present, LoadTable(workspace, table.present));
  ARROW_ASSIGN_OR_RAISE(auto history, LoadTable(workspace, table.history));
  if (!history->exists()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const bool is_present, IsPresentOf(*present, *history));
  const int64_t mark =
      is_present ? present->Transaction(HistoryTransactionOf(*history)).value_or(0) : 0;
  if (is_present && mark >= history->last_seq()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto versions,
                        ReadVersions(workspace, *history, mark,
                                     Joined(ChoiceColumns(table), {std::string(lake::kOp)})));
  if (is_present && versions->num_rows() == 0) {
    return arrow::Status::OK();
  }
  // A log may have been clustered: its rows rest in any order.
  std::vector<int64_t> order;
  ARROW_ASSIGN_OR_RAISE(versions, SortVersions(versions, &order));
  ARROW_ASSIGN_OR_RAISE(auto choice, VersionChoice::Make(table, *versions));
  if (is_present) {
    ARROW_RETURN_NOT_OK(AddOlderVersions(workspace, table, *present, *history, mark, &choice));
  }
  ARROW_ASSIGN_OR_RAISE(const ChosenVersions chosen, choice.Choose());
  PresentChange change;
  ARROW_ASSIGN_OR_RAISE(change.keys, TakeRows(versions, chosen.winners));
  std::vector<int64_t> places;
  places.reserve(chosen.rows.size());
  for (const int64_t row : chosen.rows) {
    places.push_back(order[static_cast<size_t>(row)]);
  }
  std::sort(places.begin(), places.end());
  ARROW_ASSIGN_OR_RAISE(change.rows,
                        ReadRowsAt(workspace, *history, mark, places, PresentColumns(*history)));
  arrow::Status status =
      CommitPresent(workspace, table, *present, *history, change, description, report);
  if (!status.ok() && base::CodeOf(status) == base::ErrorCode::kConflict) {
    *done = false;
    return arrow::Status::OK();
  }
  return status;
}

}  // namespace

arrow::Result<bool> IsPresentOf(const lake::Snapshot& present, const lake::Snapshot& history) {
  if (!present.exists() || !present.Transaction(HistoryTransactionOf(history))) {
    return false;
  }
  ARROW_ASSIGN_OR_RAISE(const StepState mine, StepStateOf(present));
  ARROW_ASSIGN_OR_RAISE(const StepState log, StepStateOf(history));
  return mine.generation == log.generation;
}

arrow::Status AddOlderVersions(const Workspace& workspace, const VersionedTable& table,
                               const lake::Snapshot& present, const lake::Snapshot& history,
                               int64_t mark, VersionChoice* choice) {
  lake::ScanOptions options;
  options.columns = ChoiceColumns(table);
  ARROW_ASSIGN_OR_RAISE(auto rows,
                        lake::Scan(*workspace.store, present, options, workspace.access));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, rows->Next());
    if (!batch) {
      break;
    }
    ARROW_RETURN_NOT_OK(choice->AddOlder(*batch, /*are_deletes=*/false));
  }
  if (table.order_by.empty()) {
    return arrow::Status::OK();  // by _seq alone, whatever comes now is the greatest
  }
  lake::Snapshot with_deletes = history;
  std::erase_if(with_deletes.files,
                [](const lake::DataFile& file) { return !MayHoldDeletes(file); });
  options.columns->push_back(std::string(lake::kOp));
  options.seq = lake::SeqRange{0, mark};
  ARROW_ASSIGN_OR_RAISE(auto log,
                        lake::Scan(*workspace.store, with_deletes, options, workspace.access));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, log->Next());
    if (!batch) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(batch, OnlyDeletes(batch));
    ARROW_RETURN_NOT_OK(choice->AddOlder(*batch, /*are_deletes=*/true));
  }
}

arrow::Status CommitPresent(const Workspace& workspace, const VersionedTable& table,
                            const lake::Snapshot& present, const lake::Snapshot& history,
                            const PresentChange& change, const std::string& description,
                            StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(history));
  ARROW_ASSIGN_OR_RAISE(const bool is_present, IsPresentOf(present, history));
  if (is_present && change.keys->num_rows() == 0) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto opened, OpenTable(workspace, table.present));
  lake::Commit commit;
  std::map<std::string, std::string> config;
  bool changed = false;
  ARROW_ASSIGN_OR_RAISE(auto schema,
                        WithColumnIds(present, *change.rows->schema(), &changed, &config));
  if (changed) {
    commit.metadata = lake::TableMetadata{schema, config, table.present, description};
  }
  int64_t removed = 0;
  if (is_present) {
    ARROW_ASSIGN_OR_RAISE(
        removed, RewriteRows(workspace, table, present, std::move(schema), change, &commit));
  } else {
    ARROW_ASSIGN_OR_RAISE(
        auto writer,
        lake::DataWriter::Open(*workspace.store, opened->path(), schema, *workspace.clock,
                               *workspace.random, lake::WriterOptions{}));
    if (change.rows->num_rows() > 0) {
      ARROW_RETURN_NOT_OK(writer->Write(change.rows));
    }
    ARROW_ASSIGN_OR_RAISE(commit.adds, writer->Finish());
    commit.remove_all = present.exists() && !present.files.empty();
  }
  commit.domains[std::string(kStepDomain)] = ToJson(state);
  commit.transactions[std::string(lake::kSeqTransaction)] =
      std::max(present.last_seq(), history.last_seq());
  commit.transactions[kStepTransaction] = state.seq_up_to;
  commit.transactions[HistoryTransactionOf(history)] = history.last_seq();
  commit.operation = "MERGE";
  commit.counts = {{"put", change.rows->num_rows()}, {"removed", removed}};
  ARROW_ASSIGN_OR_RAISE(int64_t version, opened->CommitTo(present, commit));
  report->did_work = true;
  report->writes.push_back(
      {table.present, version, state.generation, state.seq_after + 1, state.seq_up_to + 1});
  return arrow::Status::OK();
}

arrow::Status CommitPresentOf(const Workspace& workspace, const VersionedTable& table,
                              const lake::Snapshot& present, int64_t version, bool complete,
                              const PresentChange& change, const std::string& description,
                              StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto opened, OpenTable(workspace, table.history));
  ARROW_ASSIGN_OR_RAISE(const auto history, opened->Load(version));
  ARROW_ASSIGN_OR_RAISE(const bool is_present, IsPresentOf(present, *history));
  if (is_present || complete) {
    const arrow::Status status =
        CommitPresent(workspace, table, present, *history, change, description, report);
    if (status.ok() || base::CodeOf(status) != base::ErrorCode::kConflict) {
      return status;
    }
  }
  return BringPresentUp(workspace, table, description, report);
}

arrow::Status BringPresentUp(const Workspace& workspace, const VersionedTable& table,
                             const std::string& description, StepReport* report) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    bool done = false;
    ARROW_RETURN_NOT_OK(BringUpOnce(workspace, table, description, &done, report));
    if (done) {
      return arrow::Status::OK();
    }
  }
  return base::MakeError(base::ErrorCode::kConflict,
                         table.present + ": others kept changing it; try again");
}

arrow::Result<std::shared_ptr<const lake::Snapshot>> PresentAt(const Workspace& workspace,
                                                               const VersionedTable& table,
                                                               const lake::Snapshot& history,
                                                               const std::string& description,
                                                               StepReport* report) {
  ARROW_RETURN_NOT_OK(BringPresentUp(workspace, table, description, report));
  ARROW_ASSIGN_OR_RAISE(auto present, LoadTable(workspace, table.present));
  ARROW_ASSIGN_OR_RAISE(const auto log, LoadTable(workspace, table.history));
  if (log->version != history.version) {
    return base::MakeError(base::ErrorCode::kConflict, table.history + ": another run was first");
  }
  return present;
}

}  // namespace icecore::pipeline
