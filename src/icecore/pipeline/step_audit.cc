// A step's table against its driver and its quarantine: law 3 over tables, marks within marks.
#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/step_audit_internal.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/step_state.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using lake::CommitRecord;
using lake::Finding;

constexpr char kRebuild[] = "`icecore run --full` of the table makes it anew";
constexpr int64_t kCatalogSteps = 20;

// Steps whose rows are those of their commits' files: nothing merges into older rows.
bool OnlyAppends(const lake::TableAudit& audit) {
  static const std::set<std::string> kKnown = {"CREATE TABLE", "LAND",        "CONTRACT",
                                               "APPEND",       "REPLACE",     "OPTIMIZE",
                                               "RESTORE",      "VACUUM START"};
  return std::all_of(audit.commits.begin(), audit.commits.end(),
                     [](const CommitRecord& commit) { return kKnown.contains(commit.operation); });
}

// Counts of all commits of one generation; of a table computed whole the last one's.
struct GenerationCounts {
  bool known = false;  // every commit of the generation is there
  int64_t read = 0;
  int64_t written = 0;
  int64_t quarantined = 0;
};

GenerationCounts CountsOf(const lake::TableAudit& audit, const StepState& now) {
  GenerationCounts total;
  total.known = audit.has_all_commits;
  for (const CommitRecord& commit : audit.commits) {
    const auto step = commit.info.find("step");
    const auto state = step == commit.info.end() ? StepState{} : StepStateFromJson(step->second);
    if (!state.ok() || state->generation != now.generation ||
        commit.version > audit.snapshot->version) {
      continue;
    }
    if (now.driver.empty() || state->seq_after == 0) {
      total = {.known = true};  // begins anew
    }
    const auto count = [&](const char* name) {
      const auto found = commit.counts.find(name);
      return found == commit.counts.end() ? int64_t{0} : found->second;
    };
    total.read += count("read");
    total.written += count("written");
    total.quarantined += count("quarantined");
  }
  return total;
}

// Rows with _seq up to `up_to`, and, where `origin` is given, of that _origin.
arrow::Result<int64_t> CountRows(const Workspace& workspace, const lake::Snapshot& snapshot,
                                 int64_t up_to, const std::string& origin) {
  if (!snapshot.exists()) {
    return 0;
  }
  lake::Snapshot open = snapshot;  // files that must be looked into
  open.files.clear();
  int64_t rows = 0;
  for (const lake::DataFile& file : snapshot.files) {
    const auto range = file.IntRange(lake::kSeq);
    if (origin.empty() && range && range->max <= up_to && file.num_records) {
      rows += *file.num_records;
    } else {
      open.files.push_back(file);
    }
  }
  lake::ScanOptions options;
  options.columns = {std::string(lake::kSeq)};
  if (!origin.empty()) {
    options.columns->push_back("_origin");
  }
  options.seq = lake::SeqRange{.after = INT64_MIN, .up_to = up_to};
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        lake::Scan(*workspace.store, open, options, workspace.access));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (!batch) {
      return rows;
    }
    if (origin.empty()) {
      rows += batch->num_rows();
      continue;
    }
    const auto& origins = static_cast<const arrow::StringArray&>(*batch->column(1));
    for (int64_t i = 0; i < origins.length(); ++i) {
      rows += origins.IsValid(i) && origins.GetView(i) == origin ? 1 : 0;
    }
  }
}

class StepAuditor {
 public:
  StepAuditor(const Workspace& workspace, const std::string& table, const lake::TableAudit& audit,
              std::vector<Finding>* findings)
      : workspace_(workspace), table_(table), origin_(table), audit_(audit), findings_(findings) {}

  arrow::Status Run() {
    auto state = StepStateOf(*audit_.snapshot);
    if (!state.ok()) {
      Add("step_state", state.status().message(), "a state that can be read", kRebuild);
      return arrow::Status::OK();
    }
    state_ = *std::move(state);
    if (state_.generation == 0 || IsPresent()) {
      return arrow::Status::OK();  // no step fills it; a present only follows its log
    }
    if (const auto versioned = FindVersionedTable(*workspace_.project, table_)) {
      origin_ = versioned->present;
    }
    const GenerationCounts counts = CountsOf(audit_, state_);
    const bool appends = OnlyAppends(audit_);
    const auto rows = audit_.snapshot->row_count();
    if (appends && counts.known && rows && *rows != counts.written) {
      Add("table_rows", std::to_string(*rows) + " rows",
          std::to_string(counts.written) + " that the commits of this generation wrote", kRebuild);
    }
    ARROW_RETURN_NOT_OK(AuditQuarantine(counts));
    return AuditInputs(counts);
  }

 private:
  bool IsPresent() const {
    const auto& transactions = audit_.snapshot->transactions;
    return std::any_of(transactions.begin(), transactions.end(), [](const auto& transaction) {
      return transaction.first.starts_with(kHistoryTransaction);
    });
  }

  void Add(const char* code, std::string found, std::string expected, std::string advice,
           bool is_note = false) {
    findings_->push_back({.is_note = is_note,
                          .code = code,
                          .table = TablePath(table_),
                          .file = "",
                          .found = std::move(found),
                          .expected = std::move(expected),
                          .advice = std::move(advice)});
  }

  arrow::Status AuditQuarantine(const GenerationCounts& counts) {
    const std::string name = QuarantineOf(origin_);
    auto loaded = LoadTable(workspace_, name);
    if (!loaded.ok() || origin_.starts_with("history.")) {
      return arrow::Status::OK();  // its own audit says so; or nobody knows whose log this is
    }
    const auto ahead = QuarantineStateOf(**loaded, origin_);
    if (ahead.ok() && *ahead && IsAhead(**ahead, state_)) {
      const StepState& range = **ahead;
      Add("half_done",
          name + " has rows of _seq " + std::to_string(range.seq_after + 1) + " to " +
              std::to_string(range.seq_up_to) + ", generation " + std::to_string(range.generation),
          "the table as far as its quarantine", "the next `icecore run` finishes it",
          /*is_note=*/true);
      if (range.generation > state_.generation || state_.driver.empty()) {
        return arrow::Status::OK();  // the quarantine's rows are the next generation's
      }
    }
    if (!counts.known) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t rows,
                          CountRows(workspace_, **loaded,
                                    state_.driver.empty() ? INT64_MAX : state_.seq_up_to, origin_));
    if (rows != counts.quarantined) {
      Add("quarantine_rows", std::to_string(rows) + " rows of origin " + origin_ + " in " + name,
          std::to_string(counts.quarantined) + " that its commits quarantined", kRebuild);
    }
    return arrow::Status::OK();
  }

  arrow::Status AuditInputs(const GenerationCounts& counts) {
    for (const auto& [name, mark] : state_.inputs) {
      auto loaded = LoadTable(workspace_, name);
      if (!loaded.ok()) {
        continue;  // its own audit says so
      }
      const lake::Snapshot& input = **loaded;
      const bool same = input.exists() && input.table_id == mark.table_id;
      if (!input.exists() && mark.version >= 0) {
        Add("input_missing", name + " is not there",
            name + " at version " + std::to_string(mark.version) + " or later",
            "bring the table back from a copy of the lake");
      } else if (same && input.version < mark.version) {
        Add("input_lost", name + " is at version " + std::to_string(input.version),
            "at least " + std::to_string(mark.version) + ", which this table has read",
            "log entries of " + name + " are missing: bring them back from a copy of the lake");
      }
      if (same && name == state_.driver) {
        ARROW_RETURN_NOT_OK(AuditDriver(input, mark, counts));
      }
    }
    return arrow::Status::OK();
  }

  // Every row of the driver up to the mark was read once.
  arrow::Status AuditDriver(const lake::Snapshot& driver, const InputMark& mark,
                            const GenerationCounts& counts) {
    const auto driver_state = StepStateOf(driver);
    if (!driver_state.ok() || std::max<int64_t>(driver_state->generation, 1) != mark.generation) {
      Add("rebuilt_input", state_.driver + " has another generation than the one that was read",
          "the same", "the next `icecore run` makes the table anew", /*is_note=*/true);
      return arrow::Status::OK();
    }
    if (state_.seq_up_to > TakenUpTo(driver, *driver_state)) {
      Add("mark_beyond", "rows up to _seq " + std::to_string(state_.seq_up_to) + " are taken",
          "at most " + std::to_string(TakenUpTo(driver, *driver_state)) + ", which " +
              state_.driver + " has given",
          "log entries of " + state_.driver + " are missing: bring them back from a copy");
      return arrow::Status::OK();
    }
    // A driver computed whole or merged has other rows than those that were read.
    const bool is_landing = driver_state->generation == 0;
    ARROW_ASSIGN_OR_RAISE(const bool appended, DriverOnlyAppends(driver));
    if (!counts.known || (!is_landing && driver_state->driver.empty()) || !appended) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t rows, CountRows(workspace_, driver, state_.seq_up_to, ""));
    if (rows != counts.read) {
      Add("driver_rows", std::to_string(counts.read) + " rows read",
          std::to_string(rows) + " rows of " + state_.driver + " up to _seq " +
              std::to_string(state_.seq_up_to),
          kRebuild);
    }
    return arrow::Status::OK();
  }

  arrow::Result<bool> DriverOnlyAppends(const lake::Snapshot& driver) {
    for (int64_t version = 0; version <= driver.version; ++version) {
      const auto commit = lake::ReadCommit(*workspace_.store, driver.table_path, version);
      if (!commit.ok()) {
        return false;
      }
      static const std::set<std::string> kMerges = {"MERGE", "DELETE", "UPDATE", "SNAPSHOT"};
      if (kMerges.contains(commit->operation)) {
        return false;
      }
    }
    return true;
  }

  const Workspace& workspace_;
  const std::string& table_;
  std::string origin_;  // as its quarantine names it
  const lake::TableAudit& audit_;
  std::vector<Finding>* const findings_;
  StepState state_;
};

}  // namespace

std::string QuarantineOf(const std::string& table) {
  return "quarantine." + table.substr(table.find('.') + 1);
}

arrow::Status AuditStep(const Workspace& workspace, const std::string& table,
                        const lake::TableAudit& audit, std::vector<Finding>* findings) {
  return StepAuditor(workspace, table, audit, findings).Run();
}

arrow::Status AuditCatalog(const Workspace& workspace, const std::string& table,
                           const lake::TableAudit& audit, std::vector<Finding>* findings) {
  const auto add = [&](const char* code, std::string found, std::string expected,
                       std::string advice, bool is_note) {
    findings->push_back({.is_note = is_note,
                         .code = code,
                         .table = TablePath(table),
                         .file = "",
                         .found = std::move(found),
                         .expected = std::move(expected),
                         .advice = std::move(advice)});
  };
  const bool raw = table.ends_with("_raw") && table.rfind("landing.", 0) == 0;
  const auto versioned = FindVersionedTable(*workspace.project, table);
  const std::string thing = raw         ? "source." + table.substr(8, table.size() - 12)
                            : versioned ? versioned->present
                                        : table;
  ARROW_ASSIGN_OR_RAISE(const auto steps, workspace.catalog->StepsOf(thing, kCatalogSteps));
  int64_t newest = -1;
  for (const catalog::Step& step : steps) {
    for (const catalog::TableVersion& write : step.writes) {
      newest = write.table == table ? std::max(newest, write.version) : newest;
    }
  }
  if (newest > audit.snapshot->version) {
    add("catalog_ahead", "version " + std::to_string(audit.snapshot->version),
        "at least version " + std::to_string(newest) + ", which the catalog has seen written",
        "the lake is right; if it was not set back on purpose, log entries are missing", false);
  }
  for (const CommitRecord& commit : audit.commits) {
    const auto run = commit.info.find("run");
    if (commit.version <= newest || run == commit.info.end() || run->second.size() < 2 ||
        !commit.info.contains("step")) {
      continue;
    }
    add("catalog_behind",
        "version " + std::to_string(commit.version) + " of run " +
            run->second.substr(1, run->second.size() - 2) + " is not in the catalog",
        "every step in the catalog", "the lake is right: a run goes on, or was killed", true);
    break;
  }
  return arrow::Status::OK();
}

}  // namespace icecore::pipeline
