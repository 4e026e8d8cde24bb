#include "icecore/lake/vacuum.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/deletion_vector.h"
#include "icecore/lake/log_listing_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

// Folders of partitions ("_day=3/…") hold data, other names with these fronts do not.

// What the log says of files that are not live. Names are relative to the table.
class PastFiles {
 public:
  PastFiles(const ObjectStore& store, const std::string& table_path)
      : store_(store), table_path_(table_path) {}

  // The names of a file: its own and its deletion vector's.
  template <typename File>
  arrow::Result<std::vector<std::string>> NamesOf(const File& file) const {
    std::vector<std::string> names = {file.path};
    if (file.deletion_vector.has_value() && file.deletion_vector->storage_type != "i") {
      ARROW_ASSIGN_OR_RAISE(const std::string vector,
                            DeletionVectorPath(store_, table_path_, *file.deletion_vector));
      if (vector.starts_with(table_path_ + "/")) {
        names.push_back(vector.substr(table_path_.size() + 1));
      }
    }
    return names;
  }
  arrow::Status Add(const DataFile& file) {
    ARROW_ASSIGN_OR_RAISE(auto names, NamesOf(file));
    named_.insert(names.begin(), names.end());
    return arrow::Status::OK();
  }
  arrow::Status Remove(const RemovedFile& file, int64_t commit_us) {
    ARROW_ASSIGN_OR_RAISE(auto names, NamesOf(file));
    for (std::string& name : names) {
      named_.insert(name);
      int64_t& at = removed_us_.emplace(std::move(name), INT64_MIN).first->second;
      at = std::max({at, file.removed_us, commit_us});
    }
    return arrow::Status::OK();
  }
  bool IsNamed(const std::string& name) const { return named_.contains(name); }
  // When the file left the table last; nullopt: no entry says that it did.
  std::optional<int64_t> RemovedAt(const std::string& name) const {
    const auto found = removed_us_.find(name);
    return found == removed_us_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  const ObjectStore& store_;
  const std::string& table_path_;
  std::unordered_set<std::string> named_;  // by any entry that is there
  std::unordered_map<std::string, int64_t> removed_us_;
};

class Vacuuming {
 public:
  Vacuuming(Table& table, const base::Clock& clock, const VacuumOptions& options)
      : table_(table),
        options_(options),
        cut_us_(clock.NowMicros() - options.retention_us),
        past_(table.store(), table.path()) {}

  arrow::Result<VacuumReport> Run() {
    // Listed first: what the listing has and the log does not was never committed.
    ARROW_ASSIGN_OR_RAISE(const auto entries, table_.store().ListEntries(table_.path() + "/"));
    ARROW_ASSIGN_OR_RAISE(snapshot_, table_.Load());
    ARROW_RETURN_NOT_OK(ReadPast());
    ARROW_RETURN_NOT_OK(ReadKept());
    const size_t prefix = table_.path().size() + 1;
    for (const ObjectEntry& entry : entries) {
      Judge(entry, entry.path.substr(prefix));
    }
    if (!options_.dry_run && announces_) {
      ARROW_RETURN_NOT_OK(Announce());
    }
    ARROW_RETURN_NOT_OK(DeleteAll());
    for (const ObjectEntry& entry : report_.deleted) {
      report_.bytes += entry.size;
    }
    return std::move(report_);
  }

 private:
  int64_t machine_cut_us() const { return options_.machine_now_us - options_.retention_us; }

  arrow::Status ReadPast() {
    for (const RemovedFile& file : snapshot_->removed) {
      ARROW_RETURN_NOT_OK(past_.Remove(file, file.removed_us));
    }
    ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(table_.store(), table_.path(), 0));
    for (const int64_t version : listing.commits) {
      ARROW_ASSIGN_OR_RAISE(const CommitRecord commit,
                            ReadCommit(table_.store(), table_.path(), version));
      for (const DataFile& file : commit.adds) {
        ARROW_RETURN_NOT_OK(past_.Add(file));
      }
      for (const RemovedFile& file : commit.removes) {
        ARROW_RETURN_NOT_OK(past_.Remove(file, commit.timestamp_us));
      }
      if (version == *listing.commits.begin() && version > 0) {
        known_since_us_ = commit.timestamp_us;
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status ReadKept() {
    const auto keep = [&](const Snapshot& snapshot) -> arrow::Status {
      for (const DataFile& file : snapshot.files) {
        ARROW_ASSIGN_OR_RAISE(const auto names, past_.NamesOf(file));
        kept_.insert(names.begin(), names.end());
      }
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(keep(*snapshot_));
    for (const int64_t version : options_.keep_versions) {
      ARROW_ASSIGN_OR_RAISE(const auto pinned, table_.Load(version));
      ARROW_RETURN_NOT_OK(keep(*pinned));
    }
    return arrow::Status::OK();
  }

  // Decides about one file of the table's folder.
  void Judge(const ObjectEntry& entry, const std::string& name) {
    if (!IsDataName(name) || kept_.contains(name)) {
      return;
    }
    if (const auto removed_us = past_.RemovedAt(name)) {
      if (*removed_us < cut_us_) {
        announces_ = true;
        report_.deleted.push_back(entry);
      } else {
        ++report_.kept_for_retention;
      }
      return;
    }
    // Of no version, or of versions whose entries are cleaned up: by then it left the table before
    // the oldest entry that is there.
    const bool may_be_past = !past_.IsNamed(name) && known_since_us_ >= cut_us_;
    if (entry.modified_us < machine_cut_us() && !may_be_past) {
      report_.deleted.push_back(entry);
    }
  }

  // Says what will go before anything goes, so that nobody brings it back meanwhile.
  arrow::Status Announce() {
    const auto& features = snapshot_->protocol.writer_features;
    if (std::find(features.begin(), features.end(), "domainMetadata") == features.end()) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t before_us, RemovedFilesKeptSince(*snapshot_));
    const int64_t cut_ms = std::max(before_us, cut_us_) / 1000 + 1;
    Commit commit;
    commit.operation = "VACUUM START";
    commit.data_change = false;
    commit.domains[std::string(kVacuumDomain)] =
        json{{"format", 1}, {"removed_before_ms", cut_ms}}.dump();
    commit.parameters["retention"] = base::FormatDuration(options_.retention_us);
    commit.counts["files_to_delete"] = static_cast<int64_t>(report_.deleted.size());
    ARROW_ASSIGN_OR_RAISE(report_.version, table_.CommitTo(*snapshot_, commit));
    return arrow::Status::OK();
  }

  arrow::Status DeleteAll() {
    if (!options_.dry_run) {
      for (const ObjectEntry& entry : report_.deleted) {
        ARROW_RETURN_NOT_OK(table_.store().Delete(entry.path));
      }
    }
    ARROW_ASSIGN_OR_RAISE(
        const auto unfinished,
        table_.store().Unfinished(table_.path() + "/", machine_cut_us(), !options_.dry_run));
    report_.deleted.insert(report_.deleted.end(), unfinished.begin(), unfinished.end());
    return arrow::Status::OK();
  }

  Table& table_;
  const VacuumOptions& options_;
  const int64_t cut_us_;
  std::shared_ptr<const Snapshot> snapshot_;
  PastFiles past_;
  int64_t known_since_us_ = INT64_MIN;  // removals since then are all known
  std::unordered_set<std::string> kept_;
  bool announces_ = false;
  VacuumReport report_;
};

}  // namespace

arrow::Result<int64_t> RemovedFilesKeptSince(const Snapshot& snapshot) {
  const auto domain = snapshot.Domain(kVacuumDomain);
  if (!domain.has_value()) {
    return INT64_MIN;
  }
  const json parsed = json::parse(*domain, nullptr, false);
  if (!parsed.is_object()) {
    return MakeError(ErrorCode::kCorrupt, snapshot.table_path + ": domain " +
                                              std::string(kVacuumDomain) + " is '" + *domain + "'");
  }
  const auto before = parsed.find("removed_before_ms");
  return before != parsed.end() && before->is_number_integer() ? before->get<int64_t>() * 1000
                                                               : INT64_MIN;
}

arrow::Result<VacuumReport> Vacuum(Table& table, const base::Clock& clock,
                                   const VacuumOptions& options) {
  if (options.retention_us < kSafeRetentionUs && !options.force) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "a retention of " + base::FormatDuration(options.retention_us) +
                         " may take files from running readers and writers: at least " +
                         base::FormatDuration(kSafeRetentionUs) +
                         ", or --force where nobody else works on the lake");
  }
  return Vacuuming(table, clock, options).Run();
}

}  // namespace icecore::lake
