#pragma once
// The catalog in one SQLite file. Bytes: docs/formats/catalog.md.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "icecore/catalog/catalog.h"
#include "icecore/catalog/sqlite_statement_internal.h"

namespace icecore::catalog {

class SqliteCatalog : public Catalog {
 public:
  static arrow::Result<std::unique_ptr<SqliteCatalog>> Open(const std::string& path,
                                                            base::Random* random);

  arrow::Result<int64_t> ApplyDefinitions(const std::vector<DefinitionRecord>& definitions,
                                          int64_t applied_at_us) override;
  arrow::Result<std::optional<DefinitionVersion>> LatestVersion() override;
  arrow::Result<std::vector<DefinitionVersion>> ListVersions(int64_t limit) override;
  arrow::Result<std::vector<DefinitionRecord>> GetDefinitions(int64_t version) override;
  arrow::Result<std::vector<DefinitionChange>> DiffDefinitions(
      const std::vector<DefinitionRecord>& definitions) override;
  arrow::Result<std::vector<DefinitionHistoryEntry>> DefinitionHistory(
      const std::string& name) override;
  arrow::Result<std::vector<Thing>> ListThings() override;
  arrow::Result<Thing> GetThing(const std::string& name) override;

  arrow::Result<std::string> StartRun(const std::string& command, int64_t definition_version,
                                      int64_t now_us, int64_t started_at_us) override;
  arrow::Status FinishRun(const std::string& run_id, RunStatus status, const std::string& error,
                          int64_t finished_at_us) override;
  arrow::Result<std::string> StartStep(const std::string& run_id, const std::string& thing,
                                       const std::string& kind, int64_t started_at_us) override;
  arrow::Status FinishStep(const std::string& step_id, const StepResult& result) override;
  arrow::Result<std::vector<Run>> ListRuns(int64_t limit) override;
  arrow::Result<Run> GetRun(const std::string& run_id) override;
  arrow::Result<std::optional<Step>> LatestStepOf(const std::string& thing) override;
  arrow::Result<std::vector<Step>> StepsOf(const std::string& thing, int64_t limit) override;

  arrow::Status AddUsage(int64_t day, const std::vector<Usage>& usage) override;
  arrow::Result<std::vector<Usage>> UsageSince(const std::string& name, int64_t first_day) override;
  arrow::Result<int64_t> ForgetUsageBefore(int64_t first_day) override;

 private:
  using Connection = std::unique_ptr<sqlite3, SqliteCloser>;
  SqliteCatalog(Connection db, base::Random* random) : db_(std::move(db)), random_(random) {}

  // Callers hold mutex_.
  arrow::Result<std::vector<DefinitionVersion>> ReadVersions(int64_t limit);
  arrow::Result<std::vector<DefinitionRecord>> ReadDefinitions(int64_t version);
  arrow::Result<std::vector<DefinitionChange>> Diff(
      const std::vector<DefinitionRecord>& definitions, int64_t latest_version);
  arrow::Result<int64_t> ThingRow(const std::string& kind, const std::string& name,
                                  int64_t version);
  arrow::Status AddDefinition(int64_t version, bool removed, const DefinitionRecord& record);
  arrow::Result<std::vector<Thing>> ReadThings(const std::string& name);
  arrow::Status ReadStepParts(int64_t row, Step* step);
  arrow::Result<std::vector<Step>> ReadSteps(Statement statement);
  arrow::Status AddStepParts(int64_t row, const StepResult& result);
  arrow::Result<int64_t> RunningRow(const char* table, const std::string& id);

  std::mutex mutex_;
  Connection db_;
  base::Random* random_;  // guarded by mutex_
};

}  // namespace icecore::catalog
