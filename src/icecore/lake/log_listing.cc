#include "icecore/lake/log_listing_internal.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

constexpr size_t kVersionDigits = 20;

// The version at the front of a log file's name; -1 for other files.
int64_t VersionOf(std::string_view name) {
  int64_t version = -1;
  if (name.size() <= kVersionDigits) {
    return -1;
  }
  const std::string_view digits = name.substr(0, kVersionDigits);
  const char* const digits_end = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  return error == std::errc() && end == digits_end && version >= 0 ? version : -1;
}

}  // namespace

int64_t LogListing::newest() const {
  return std::max(commits.empty() ? -1 : *commits.rbegin(),
                  checkpoints.empty() ? -1 : *checkpoints.rbegin());
}

int64_t LogListing::FirstMissing(int64_t from, int64_t to) const {
  for (int64_t version = from; version <= to; ++version) {
    if (!commits.contains(version)) {
      return version;
    }
  }
  return -1;
}

arrow::Result<LogListing> ListLog(ObjectStore& store, const std::string& table_path, int64_t from) {
  const std::string folder = LogFolder(table_path);
  ARROW_ASSIGN_OR_RAISE(const auto paths,
                        store.List(folder, from > 0 ? LogPathBefore(table_path, from) : ""));
  LogListing listing;
  for (const std::string& path : paths) {
    const std::string_view name = std::string_view(path).substr(folder.size());
    const int64_t version = VersionOf(name);
    if (version < 0) {
      continue;
    }
    const std::string_view kind = name.substr(kVersionDigits);
    if (kind == ".json") {
      listing.commits.insert(version);
    } else if (kind == ".checkpoint.parquet") {
      listing.checkpoints.insert(version);
    } else if (kind.starts_with(".checkpoint.")) {
      listing.other_checkpoints.emplace(version, path);
    }
  }
  return listing;
}

}  // namespace icecore::lake
