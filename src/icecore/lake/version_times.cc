#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/log_loader_internal.h"
#include "icecore/lake/version_times_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

std::optional<int64_t> NumberSetting(const Snapshot& snapshot, const char* name) {
  const auto found = snapshot.configuration.find(name);
  if (found == snapshot.configuration.end()) {
    return std::nullopt;
  }
  const std::string& text = found->second;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

bool HasInCommitTimestamps(const Snapshot& snapshot) {
  const auto found = snapshot.configuration.find("delta.enableInCommitTimestamps");
  return found != snapshot.configuration.end() && found->second == "true";
}

class VersionTimes {
 public:
  VersionTimes(ObjectStore& store, const Snapshot& newest) : store_(store), newest_(newest) {}

  arrow::Result<int64_t> At(int64_t at_us) {
    ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store_, newest_.table_path, 0));
    for (const int64_t version : listing.commits) {
      if (version <= newest_.version) {
        versions_.push_back(version);
      }
    }
    int64_t found = -1;
    if (HasInCommitTimestamps(newest_)) {
      const int64_t first =
          NumberSetting(newest_, "delta.inCommitTimestampEnablementVersion").value_or(0);
      const auto begin = std::lower_bound(versions_.begin(), versions_.end(), first);
      ARROW_ASSIGN_OR_RAISE(found, LastStated(begin - versions_.begin(), at_us));
      if (found < 0) {
        versions_.erase(begin, versions_.end());
      }
    }
    if (found < 0) {
      ARROW_ASSIGN_OR_RAISE(found, LastModified(at_us));
    }
    if (found < 0) {
      return MakeError(ErrorCode::kNotFound, "table " + newest_.table_path + " has no version of " +
                                                 base::FormatInstantShort(at_us) +
                                                 ", all that its log has are younger");
    }
    return found;
  }

 private:
  // By inCommitTimestamp, which grows from version to version.
  arrow::Result<int64_t> LastStated(ptrdiff_t begin, int64_t at_us) {
    ptrdiff_t end = static_cast<ptrdiff_t>(versions_.size());
    int64_t found = -1;
    while (begin < end) {
      const ptrdiff_t middle = begin + (end - begin) / 2;
      const int64_t version = versions_[static_cast<size_t>(middle)];
      ARROW_ASSIGN_OR_RAISE(const auto actions,
                            ReadLogActions(store_, newest_.table_path, version));
      if (!actions.info.has_value() || !actions.info->in_commit_timestamp_ms.has_value()) {
        return MakeError(ErrorCode::kCorrupt,
                         CommitPath(newest_.table_path, version) + ": no inCommitTimestamp");
      }
      if (TimestampOf(*actions.info) <= at_us) {
        found = version;
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return found;
  }

  arrow::Result<int64_t> LastModified(int64_t at_us) {
    ARROW_ASSIGN_OR_RAISE(const auto entries, store_.ListEntries(LogFolder(newest_.table_path)));
    std::unordered_map<std::string, int64_t> modified_us;
    for (const ObjectEntry& entry : entries) {
      modified_us.emplace(entry.path, entry.modified_us);
    }
    int64_t found = -1;
    int64_t previous_us = INT64_MIN;
    for (const int64_t version : versions_) {
      const auto entry = modified_us.find(CommitPath(newest_.table_path, version));
      if (entry == modified_us.end()) {
        continue;
      }
      const int64_t time_us =
          previous_us == INT64_MIN ? entry->second : std::max(entry->second, previous_us + 1000);
      if (time_us > at_us) {
        break;
      }
      found = version;
      previous_us = time_us;
    }
    return found;
  }

  ObjectStore& store_;
  const Snapshot& newest_;
  std::vector<int64_t> versions_;
};

}  // namespace

arrow::Result<int64_t> VersionAt(ObjectStore& store, const Snapshot& newest, int64_t at_us) {
  return VersionTimes(store, newest).At(at_us);
}

}  // namespace icecore::lake
