// Runs and their steps. Rows are inserted when a run or step starts and completed once when it
// ends; a killed process leaves them running.

#include <utility>

#include "icecore/catalog/sqlite_catalog_internal.h"

namespace icecore::catalog {
namespace {

constexpr char kStepColumns[] =
    "SELECT s.id, s.uuid, r.uuid, coalesce(t.uuid, ''), s.name, s.kind, s.status, s.error, "
    "s.detail, s.started_at_us, s.finished_at_us, s.duration_us FROM step s "
    "JOIN run r ON r.id = s.run LEFT JOIN thing t ON t.id = s.thing ";

constexpr char kRunColumns[] =
    "SELECT uuid, command, definition_version, now_us, started_at_us, finished_at_us, status, "
    "error FROM run ";

Run RunOf(const Statement& row) {
  Run run;
  run.id = row.Text(0);
  run.command = row.Text(1);
  run.definition_version = row.Int(2);
  run.now_us = row.Int(3);
  run.started_at_us = row.Int(4);
  run.finished_at_us = row.Int(5);
  run.status = static_cast<RunStatus>(row.Int(6));
  run.error = row.Text(7);
  return run;
}

arrow::Status CheckFinal(RunStatus status) {
  if (status == RunStatus::kRunning) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "what is finished cannot have the status running");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<int64_t> SqliteCatalog::RunningRow(const char* table, const std::string& id) {
  const std::string sql = std::string("SELECT id, status FROM ") + table + " WHERE uuid = ?";
  ARROW_ASSIGN_OR_RAISE(Statement statement, Statement::Prepare(db_.get(), sql.c_str()));
  ARROW_ASSIGN_OR_RAISE(const bool is_known, statement.Bind(id).Step());
  if (!is_known) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           std::string("no ") + table + " '" + id + "'");
  }
  if (statement.Int(1) != static_cast<int64_t>(RunStatus::kRunning)) {
    return base::MakeError(base::ErrorCode::kConflict,
                           std::string(table) + " '" + id + "' is already finished");
  }
  return statement.Int(0);
}

arrow::Result<std::string> SqliteCatalog::StartRun(const std::string& command,
                                                   int64_t definition_version, int64_t now_us,
                                                   int64_t started_at_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string id = base::NewUuid(*random_);
  ARROW_ASSIGN_OR_RAISE(
      Statement insert,
      Statement::Prepare(db_.get(),
                         "INSERT INTO run (uuid, command, definition_version, now_us, "
                         "started_at_us) VALUES (?, ?, ?, ?, ?)"));
  insert.Bind(id).Bind(command).Bind(definition_version).Bind(now_us).Bind(started_at_us);
  ARROW_RETURN_NOT_OK(insert.Run());
  return id;
}

arrow::Status SqliteCatalog::FinishRun(const std::string& run_id, RunStatus status,
                                       const std::string& error, int64_t finished_at_us) {
  ARROW_RETURN_NOT_OK(CheckFinal(status));
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t row, RunningRow("run", run_id));
  ARROW_ASSIGN_OR_RAISE(
      Statement update,
      Statement::Prepare(db_.get(),
                         "UPDATE run SET status = ?, error = ?, finished_at_us = ? WHERE id = ?"));
  update.Bind(static_cast<int64_t>(status)).Bind(error).Bind(finished_at_us).Bind(row);
  ARROW_RETURN_NOT_OK(update.Run());
  return transaction.Commit();
}

arrow::Result<std::string> SqliteCatalog::StartStep(const std::string& run_id,
                                                    const std::string& thing,
                                                    const std::string& kind,
                                                    int64_t started_at_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t run, RunningRow("run", run_id));
  std::string id = base::NewUuid(*random_);
  ARROW_ASSIGN_OR_RAISE(
      Statement insert,
      Statement::Prepare(db_.get(),
                         "INSERT INTO step (uuid, run, thing, name, kind, started_at_us) VALUES "
                         "(?1, ?2, (SELECT id FROM thing WHERE name = ?3), ?3, ?4, ?5)"));
  insert.Bind(id).Bind(run).Bind(thing).Bind(kind).Bind(started_at_us);
  ARROW_RETURN_NOT_OK(insert.Run());
  ARROW_RETURN_NOT_OK(transaction.Commit());
  return id;
}

arrow::Status SqliteCatalog::AddStepParts(int64_t row, const StepResult& result) {
  for (const auto& [name, value] : result.counts) {
    ARROW_ASSIGN_OR_RAISE(
        Statement insert,
        Statement::Prepare(db_.get(),
                           "INSERT INTO step_count (step, name, value) VALUES (?, ?, ?)"));
    ARROW_RETURN_NOT_OK(insert.Bind(row).Bind(name).Bind(value).Run());
  }
  for (const bool is_write : {false, true}) {
    int64_t position = 0;
    for (const TableVersion& table : is_write ? result.writes : result.reads) {
      ARROW_ASSIGN_OR_RAISE(
          Statement insert,
          Statement::Prepare(
              db_.get(),
              "INSERT INTO step_table (step, is_write, position, table_name, version, "
              "generation, seq_begin, seq_end) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
      insert.Bind(row).Bind(int64_t{is_write}).Bind(position++).Bind(table.table);
      insert.Bind(table.version).Bind(table.generation);
      ARROW_RETURN_NOT_OK(insert.Bind(table.seq_begin).Bind(table.seq_end).Run());
    }
  }
  return arrow::Status::OK();
}

arrow::Status SqliteCatalog::FinishStep(const std::string& step_id, const StepResult& result) {
  ARROW_RETURN_NOT_OK(CheckFinal(result.status));
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t row, RunningRow("step", step_id));
  ARROW_ASSIGN_OR_RAISE(Statement update,
                        Statement::Prepare(db_.get(),
                                           "UPDATE step SET status = ?, error = ?, detail = ?, "
                                           "finished_at_us = ?, duration_us = ? WHERE id = ?"));
  update.Bind(static_cast<int64_t>(result.status)).Bind(result.error).Bind(result.detail_json);
  update.Bind(result.finished_at_us).Bind(result.duration_us).Bind(row);
  ARROW_RETURN_NOT_OK(update.Run());
  ARROW_RETURN_NOT_OK(AddStepParts(row, result));
  return transaction.Commit();
}

arrow::Status SqliteCatalog::ReadStepParts(int64_t row, Step* step) {
  ARROW_ASSIGN_OR_RAISE(
      Statement counts,
      Statement::Prepare(db_.get(), "SELECT name, value FROM step_count WHERE step = ?"));
  counts.Bind(row);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, counts.Step());
    if (!has_row) {
      break;
    }
    step->counts[counts.Text(0)] = counts.Int(1);
  }
  ARROW_ASSIGN_OR_RAISE(
      Statement tables,
      Statement::Prepare(db_.get(),
                         "SELECT is_write, table_name, version, generation, seq_begin, seq_end "
                         "FROM step_table WHERE step = ? ORDER BY is_write, position"));
  tables.Bind(row);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, tables.Step());
    if (!has_row) {
      return arrow::Status::OK();
    }
    std::vector<TableVersion>& list = tables.Int(0) != 0 ? step->writes : step->reads;
    list.push_back({tables.Text(1), tables.Int(2), tables.Int(3), tables.Int(4), tables.Int(5)});
  }
}

arrow::Result<std::vector<Step>> SqliteCatalog::ReadSteps(Statement statement) {
  std::vector<Step> steps;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return steps;
    }
    Step step;
    step.id = statement.Text(1);
    step.run_id = statement.Text(2);
    step.thing_id = statement.Text(3);
    step.thing = statement.Text(4);
    step.kind = statement.Text(5);
    step.status = static_cast<RunStatus>(statement.Int(6));
    step.error = statement.Text(7);
    step.detail_json = statement.Text(8);
    step.started_at_us = statement.Int(9);
    step.finished_at_us = statement.Int(10);
    step.duration_us = statement.Int(11);
    ARROW_RETURN_NOT_OK(ReadStepParts(statement.Int(0), &step));
    steps.push_back(std::move(step));
  }
}

arrow::Result<std::vector<Run>> SqliteCatalog::ListRuns(int64_t limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string sql = std::string(kRunColumns) + "ORDER BY id DESC LIMIT ?";
  ARROW_ASSIGN_OR_RAISE(Statement statement, Statement::Prepare(db_.get(), sql.c_str()));
  statement.Bind(limit);
  std::vector<Run> runs;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return runs;
    }
    runs.push_back(RunOf(statement));
  }
}

arrow::Result<Run> SqliteCatalog::GetRun(const std::string& run_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_RETURN_NOT_OK(Execute(db_.get(), "BEGIN"));  // one snapshot for the run and its steps
  const auto read = [&]() -> arrow::Result<Run> {
    const std::string sql = std::string(kRunColumns) + "WHERE uuid = ?";
    ARROW_ASSIGN_OR_RAISE(Statement statement, Statement::Prepare(db_.get(), sql.c_str()));
    ARROW_ASSIGN_OR_RAISE(const bool is_known, statement.Bind(run_id).Step());
    if (!is_known) {
      return base::MakeError(base::ErrorCode::kNotFound, "no run '" + run_id + "'");
    }
    Run run = RunOf(statement);
    const std::string steps_sql = std::string(kStepColumns) + "WHERE r.uuid = ? ORDER BY s.id";
    ARROW_ASSIGN_OR_RAISE(Statement steps, Statement::Prepare(db_.get(), steps_sql.c_str()));
    steps.Bind(run_id);
    ARROW_ASSIGN_OR_RAISE(run.steps, ReadSteps(std::move(steps)));
    return run;
  };
  arrow::Result<Run> run = read();
  const arrow::Status end = Execute(db_.get(), "COMMIT");
  ARROW_RETURN_NOT_OK(run.status());
  ARROW_RETURN_NOT_OK(end);
  return run;
}

arrow::Result<std::vector<Step>> SqliteCatalog::StepsOf(const std::string& thing, int64_t limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string sql = std::string(kStepColumns) + "WHERE s.name = ? ORDER BY s.id DESC LIMIT ?";
  ARROW_ASSIGN_OR_RAISE(Statement statement, Statement::Prepare(db_.get(), sql.c_str()));
  statement.Bind(thing).Bind(limit);
  return ReadSteps(std::move(statement));
}

arrow::Result<std::optional<Step>> SqliteCatalog::LatestStepOf(const std::string& thing) {
  ARROW_ASSIGN_OR_RAISE(std::vector<Step> steps, StepsOf(thing, 1));
  return steps.empty() ? std::nullopt : std::optional<Step>(std::move(steps[0]));
}

}  // namespace icecore::catalog
