// Each commit of a step: laws 2 and 3 in its own counts.
#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "icecore/lake/envelope.h"
#include "icecore/pipeline/step_audit_internal.h"
#include "icecore/pipeline/step_state.h"

namespace icecore::pipeline {
namespace {

using lake::CommitRecord;
using lake::Finding;

constexpr char kRebuild[] = "`icecore run --full` of the table makes it anew";

class CommitAuditor {
 public:
  CommitAuditor(const std::string& table, const lake::TableAudit& audit,
                std::vector<Finding>* findings)
      : table_path_(TablePath(table)), audit_(audit), findings_(findings) {}

  void Run() {
    for (const CommitRecord& commit : audit_.commits) {
      const bool follows = commit.version == last_version_ + 1;
      AuditCounts(commit, follows);
      AuditRange(commit, follows);
      AuditMoves(commit);
      for (const lake::DataFile& file : commit.adds) {
        rows_of_[file.path] = file.num_records.value_or(-1);
      }
      const auto seq = commit.transactions.find(std::string(lake::kSeqTransaction));
      last_seq_ = seq == commit.transactions.end() ? last_seq_ : seq->second;
      last_version_ = commit.version;
    }
  }

 private:
  void Add(const CommitRecord& commit, const char* code, std::string found, std::string expected,
           std::string advice) {
    char name[32];
    std::snprintf(name, sizeof name, "%020lld.json", static_cast<long long>(commit.version));
    findings_->push_back({.is_note = false,
                          .code = code,
                          .table = table_path_,
                          .file = table_path_ + "/_delta_log/" + name,
                          .found = std::move(found),
                          .expected = std::move(expected),
                          .advice = std::move(advice)});
  }

  static int64_t Count(const CommitRecord& commit, const char* name) {
    const auto found = commit.counts.find(name);
    return found == commit.counts.end() ? 0 : found->second;
  }

  void AuditCounts(const CommitRecord& commit, bool follows) {
    const int64_t written = Count(commit, "written");
    if (commit.operation == "LAND") {
      const auto seq = commit.transactions.find(std::string(lake::kSeqTransaction));
      const bool raised =
          seq != commit.transactions.end() && (!follows || seq->second - last_seq_ == written);
      if (written != commit.rows_added() || Count(commit, "read") != written || !raised) {
        Add(commit, "unbalanced",
            "read " + std::to_string(Count(commit, "read")) + ", written " +
                std::to_string(written) + ", rows of files " + std::to_string(commit.rows_added()),
            "the same number thrice, and icecore.seq raised by it", kRebuild);
      }
      return;
    }
    if (commit.operation == "QUARANTINE") {
      if (Count(commit, "quarantined") > commit.rows_added()) {
        Add(commit, "unbalanced", std::to_string(commit.rows_added()) + " rows in files",
            "at least " + std::to_string(Count(commit, "quarantined")) + " (quarantined)",
            kRebuild);
      }
      return;
    }
    if (!commit.info.contains("step")) {
      return;
    }
    const int64_t in = Count(commit, "read") + Count(commit, "expanded");
    const int64_t out = written + Count(commit, "quarantined") + Count(commit, "dropped") +
                        Count(commit, "duplicates") + Count(commit, "superseded") +
                        Count(commit, "filtered");
    if (in != out) {
      Add(commit, "unbalanced", "in " + std::to_string(in) + ", out " + std::to_string(out),
          "read + expanded = written + quarantined + dropped + duplicates + superseded + filtered",
          kRebuild);
    }
    static const std::set<std::string> kWritesRows = {"CONTRACT", "APPEND", "REPLACE"};
    if (kWritesRows.contains(commit.operation) && written != commit.rows_added()) {
      Add(commit, "unbalanced", std::to_string(commit.rows_added()) + " rows in the files",
          std::to_string(written) + " (written)", kRebuild);
    }
  }

  // Each range begins where the one before ended.
  void AuditRange(const CommitRecord& commit, bool follows) {
    const auto step = commit.info.find("step");
    if (step == commit.info.end()) {
      return;
    }
    const auto state = StepStateFromJson(step->second);
    if (!state.ok()) {
      Add(commit, "step_state", state.status().message(), "the range of its step", kRebuild);
      return;
    }
    const bool same = state_.generation == state->generation && state->driver == state_.driver;
    int64_t expected = 0;
    if (same || state->driver.empty()) {
      expected = state_.seq_up_to;
    }
    const bool fits =
        state->driver.empty() ? state->seq_after >= expected : state->seq_after == expected;
    // Entries may be cleaned up before the first that is there.
    const bool known = follows && (state_.generation > 0 || commit.version == 0);
    if (known && (!fits || state->generation < state_.generation)) {
      Add(commit, "range_gap", "takes rows above " + std::to_string(state->seq_after),
          "above " + std::to_string(expected) + ", where the range before ended", kRebuild);
    }
    state_ = *state;
  }

  // dataChange false: as many rows go as come.
  void AuditMoves(const CommitRecord& commit) {
    if (commit.data_change || commit.removes.empty()) {
      return;
    }
    int64_t gone = 0;
    for (const lake::RemovedFile& file : commit.removes) {
      const auto rows = rows_of_.find(file.path);
      if (rows == rows_of_.end() || rows->second < 0) {
        return;  // added by an entry that is cleaned up
      }
      gone += rows->second;
    }
    if (gone != commit.rows_added()) {
      Add(commit, "unbalanced", std::to_string(commit.rows_added()) + " rows come",
          std::to_string(gone) + ", as many as go (dataChange is false)", kRebuild);
    }
  }

  const std::string table_path_;
  const lake::TableAudit& audit_;
  std::vector<Finding>* const findings_;
  StepState state_;
  int64_t last_seq_ = 0;
  int64_t last_version_ = -1;
  std::unordered_map<std::string, int64_t> rows_of_;
};

}  // namespace

void AuditCommits(const std::string& table, const lake::TableAudit& audit,
                  std::vector<Finding>* findings) {
  CommitAuditor(table, audit, findings).Run();
}

}  // namespace icecore::pipeline
