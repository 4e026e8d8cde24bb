#include "icecore/lake/log_listing_internal.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

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

// ".checkpoint.0000000001.0000000003.parquet" -> 1 of 3; false for other names.
bool IsPart(std::string_view kind, int64_t* part, int64_t* parts) {
  constexpr std::string_view kFront = ".checkpoint.";
  constexpr std::string_view kBack = ".parquet";
  constexpr size_t kDigits = 10;
  if (kind.size() != kFront.size() + 2 * kDigits + 1 + kBack.size() || !kind.starts_with(kFront) ||
      !kind.ends_with(kBack) || kind[kFront.size() + kDigits] != '.') {
    return false;
  }
  const auto number = [&](size_t begin, int64_t* out) {
    const char* const first = kind.data() + begin;
    const auto [end, error] = std::from_chars(first, first + kDigits, *out);
    return error == std::errc() && end == first + kDigits;
  };
  return number(kFront.size(), part) && number(kFront.size() + kDigits + 1, parts) && *part >= 1 &&
         *part <= *parts;
}

bool IsUuidNamed(std::string_view kind) {
  constexpr std::string_view kFront = ".checkpoint.";
  if (!kind.starts_with(kFront)) {
    return false;
  }
  const std::string_view rest = kind.substr(kFront.size());
  const size_t dot = rest.find('.');
  return dot != std::string_view::npos && dot > 0 &&
         (rest.substr(dot) == ".parquet" || rest.substr(dot) == ".json");
}

// The parts of one checkpoint, as far as they are there.
using Parts = std::map<int64_t, std::string>;

// Whole sets of parts, behind the checkpoints in one file; the others are named.
void AddPartSets(const std::map<std::pair<int64_t, int64_t>, Parts>& sets, LogListing* listing) {
  for (const auto& [version_and_count, parts] : sets) {
    const auto& [version, count] = version_and_count;
    if (static_cast<int64_t>(parts.size()) < count) {
      listing->other_checkpoints.emplace(version, parts.begin()->second);
      continue;
    }
    CheckpointFiles files;
    for (const auto& [part, path] : parts) {
      files.paths.push_back(path);
    }
    listing->checkpoint_files[version].push_back(std::move(files));
  }
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
  std::map<std::pair<int64_t, int64_t>, Parts> part_sets;
  for (const std::string& path : paths) {
    const std::string_view name = std::string_view(path).substr(folder.size());
    const int64_t version = VersionOf(name);
    if (version < 0) {
      continue;
    }
    const std::string_view kind = name.substr(kVersionDigits);
    int64_t part = 0;
    int64_t parts = 0;
    if (kind == ".json") {
      listing.commits.insert(version);
    } else if (kind == ".checkpoint.parquet") {
      auto& files = listing.checkpoint_files[version];
      files.insert(files.begin(), CheckpointFiles{{path}});
    } else if (IsPart(kind, &part, &parts)) {
      part_sets[{version, parts}][part] = path;
    } else if (IsUuidNamed(kind)) {
      listing.checkpoint_files[version].push_back(CheckpointFiles{{path}});
    }
  }
  AddPartSets(part_sets, &listing);
  for (const auto& [version, files] : listing.checkpoint_files) {
    listing.checkpoints.insert(version);
  }
  return listing;
}

bool IsDataName(std::string_view name) {
  const std::string_view front = name.substr(0, name.find('/'));
  return (front.front() != '_' && front.front() != '.') ||
         (front.size() < name.size() && front.find('=') != std::string_view::npos);
}

}  // namespace icecore::lake
