#pragma once
// What is defined, what ran, what it read and wrote, who used what. History is append-only and
// refers to ids, never to names alone: a thing keeps its id through every change of its definition.
//
// The catalog holds nothing the lake needs: deleting it loses history, not data. Names are full
// names
// ("processing.flights", "view.delays"). All times are UTC microseconds given by the caller.
// Each call is one transaction; every implementation passes the suite in catalog_contract.h.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::catalog {

// One definition as its author wrote it (references to secrets unresolved).
struct DefinitionRecord {
  std::string kind;         // its first key: "source", "table", "entity", "feature_view" …
  std::string name;         // full name
  std::string text;         // YAML or JSON text
  std::string fingerprint;  // of what decides its bytes; documentation is left out
  std::string location;     // "definitions/tables.yaml:12"
};

// An identity, given when the name first appears. A name that comes back gets its old id.
struct Thing {
  std::string id;  // UUID
  std::string kind;
  std::string name;
  int64_t first_version = 0;
};

// A set of definitions that was applied. Versions count from 1.
struct DefinitionVersion {
  int64_t version = 0;
  int64_t applied_at_us = 0;
};

enum class ChangeKind {
  kAdded,
  kChanged,        // another fingerprint
  kDocumentation,  // the same fingerprint, another text
  kRemoved,
};

struct DefinitionChange {
  ChangeKind change = ChangeKind::kAdded;
  std::string kind;
  std::string name;
  std::string location;         // in the new set; of a removed one in the old
  std::string old_fingerprint;  // "" if added
  std::string new_fingerprint;  // "" if removed
};

// One version of one thing.
struct DefinitionHistoryEntry {
  DefinitionVersion version;  // where this text first applied
  bool removed = false;       // the version no longer has the thing; text is empty
  std::string text;
  std::string fingerprint;
  std::string location;
};

enum class RunStatus { kRunning, kDone, kFailed };

// A table at one version, as a step read or wrote it.
struct TableVersion {
  std::string table;  // full name
  int64_t version = 0;
  int64_t generation = 0;
  // Rows with seq_begin <= _seq < seq_end; both 0 when the step looked at no rows.
  int64_t seq_begin = 0;
  int64_t seq_end = 0;
};

struct Step {
  std::string id;
  std::string run_id;
  std::string thing_id;  // "" when the thing was never applied
  std::string thing;     // full name
  std::string kind;      // "ingest", "table", "feature_log", "online" …
  RunStatus status = RunStatus::kRunning;
  std::string error;
  std::map<std::string, int64_t> counts;  // {"rows_read": 10, "quarantined": 1}
  std::string detail_json;                // "" or one JSON document
  int64_t started_at_us = 0;
  int64_t finished_at_us = 0;  // 0 while running
  int64_t duration_us = 0;     // monotonic, not the difference of the two times above
  std::vector<TableVersion> reads;
  std::vector<TableVersion> writes;
};

struct Run {
  std::string id;
  std::string command;             // "run", "ingest flights"
  int64_t definition_version = 0;  // 0: nothing was applied
  int64_t now_us = 0;              // the project's clock
  int64_t started_at_us = 0;       // the machine's clock
  int64_t finished_at_us = 0;      // 0 while running, or killed
  RunStatus status = RunStatus::kRunning;
  std::string error;
  std::vector<Step> steps;  // in the order started; filled by GetRun only
};

struct StepResult {
  RunStatus status = RunStatus::kDone;
  std::string error;
  std::map<std::string, int64_t> counts;
  std::string detail_json;
  int64_t finished_at_us = 0;
  int64_t duration_us = 0;
  std::vector<TableVersion> reads;
  std::vector<TableVersion> writes;
};

// What one caller used under one name, over one day or several.
struct Usage {
  std::string name;    // full name of what was used: "service.s", "view.v", "view.v.feature"
  std::string caller;  // who used it; never a secret
  int64_t requests = 0;
  int64_t rows = 0;
  int64_t last_used_us = 0;
};

// Who used what, by day. Thread safe, as Catalog, which is one.
class UsageBook {
 public:
  virtual ~UsageBook() = default;

  // Adds to what is known of each name and caller on that day (days since 1970-01-01, UTC): several
  // processes add up. All of it or nothing.
  virtual arrow::Status AddUsage(int64_t day, const std::vector<Usage>& usage) = 0;
  // Of `name` and what is in it ("view.v": "view.v.feature", too), the days from first_day on added
  // up; by name, then caller. Things of the name that are gone count.
  virtual arrow::Result<std::vector<Usage>> UsageSince(const std::string& name,
                                                       int64_t first_day) = 0;
  // Days before first_day are forgotten; the number of records that went.
  virtual arrow::Result<int64_t> ForgetUsageBefore(int64_t first_day) = 0;
};

// Thread safe: calls are serialised. Several processes may hold the same catalog open.
class Catalog : public UsageBook {
 public:
  // Makes `definitions` the present set and returns its version: a new one if any text, fingerprint
  // or member differs from the latest, else the latest (an empty first set is version 1). A
  // location that moved alone is no change. Two definitions of one name are kInvalidArgument.
  virtual arrow::Result<int64_t> ApplyDefinitions(const std::vector<DefinitionRecord>& definitions,
                                                  int64_t applied_at_us) = 0;

  // nullopt: nothing was ever applied.
  virtual arrow::Result<std::optional<DefinitionVersion>> LatestVersion() = 0;
  // Newest first, at most `limit`.
  virtual arrow::Result<std::vector<DefinitionVersion>> ListVersions(int64_t limit) = 0;

  // The set of that version, by name. version 0: the latest (empty when nothing was applied). A
  // version that does not exist is kNotFound.
  virtual arrow::Result<std::vector<DefinitionRecord>> GetDefinitions(int64_t version) = 0;

  // What applying `definitions` would change, by name; empty when nothing would.
  virtual arrow::Result<std::vector<DefinitionChange>> DiffDefinitions(
      const std::vector<DefinitionRecord>& definitions) = 0;

  // Every change of one thing, oldest first; kNotFound for a name that was never applied.
  virtual arrow::Result<std::vector<DefinitionHistoryEntry>> DefinitionHistory(
      const std::string& name) = 0;

  // Every thing ever applied, by name.
  virtual arrow::Result<std::vector<Thing>> ListThings() = 0;
  virtual arrow::Result<Thing> GetThing(const std::string& name) = 0;

  // Returns the new run's id.
  virtual arrow::Result<std::string> StartRun(const std::string& command,
                                              int64_t definition_version, int64_t now_us,
                                              int64_t started_at_us) = 0;
  // Once per run, with kDone or kFailed; again is kConflict, an unknown id kNotFound.
  virtual arrow::Status FinishRun(const std::string& run_id, RunStatus status,
                                  const std::string& error, int64_t finished_at_us) = 0;

  // Returns the new step's id. `thing` is a full name; it need not have been applied.
  virtual arrow::Result<std::string> StartStep(const std::string& run_id, const std::string& thing,
                                               const std::string& kind, int64_t started_at_us) = 0;
  // As FinishRun.
  virtual arrow::Status FinishStep(const std::string& step_id, const StepResult& result) = 0;

  // Newest first, at most `limit`, without steps.
  virtual arrow::Result<std::vector<Run>> ListRuns(int64_t limit) = 0;
  // With its steps.
  virtual arrow::Result<Run> GetRun(const std::string& run_id) = 0;

  // The step of `thing` that started last, whatever its status; nullopt if it never had one.
  virtual arrow::Result<std::optional<Step>> LatestStepOf(const std::string& thing) = 0;
  // Steps of `thing`, newest first, at most `limit`.
  virtual arrow::Result<std::vector<Step>> StepsOf(const std::string& thing, int64_t limit) = 0;
};

// Opens or creates the SQLite database at `path` (its folder is made), in WAL mode, waiting up to
// ten seconds for other processes. kCorrupt: not a catalog, or damaged; kUnsupported: written by a
// newer version; kDenied or kUnavailable: cannot be opened. `random` gives ids; borrowed, it must
// outlive the catalog. File format: docs/formats/catalog.md.
arrow::Result<std::unique_ptr<Catalog>> OpenSqlite(const std::string& path, base::Random* random);

}  // namespace icecore::catalog
