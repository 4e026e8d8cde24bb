#include "icecore/pipeline/commit_times.h"

#include <algorithm>

#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"

namespace icecore::pipeline {
namespace {

// The least _seq of the rows that the commit added; nullopt where their files do not say.
std::optional<int64_t> FirstSeqOf(const lake::CommitRecord& commit) {
  int64_t first = INT64_MAX;
  for (const lake::DataFile& file : commit.adds) {
    const auto range = file.IntRange(lake::kSeq);
    if (!range.has_value()) {
      return std::nullopt;
    }
    first = std::min(first, range->min);
  }
  return commit.adds.empty() ? std::nullopt : std::optional(first);
}

}  // namespace

CommitTimes CommitTimes::Read(lake::ObjectStore& store, const lake::Snapshot& snapshot,
                              int64_t after_seq) {
  std::vector<std::pair<int64_t, int64_t>> commits;
  int64_t first_seq = INT64_MAX;
  const int64_t oldest = std::max<int64_t>(snapshot.version - kMostCommits + 1, 0);
  for (int64_t version = snapshot.version; version >= oldest; --version) {
    const auto commit = lake::ReadCommit(store, snapshot.table_path, version);
    if (!commit.ok()) {
      break;
    }
    const auto given = commit->transactions.find(std::string(lake::kSeqTransaction));
    if (given == commit->transactions.end()) {
      continue;  // it gave no row its number
    }
    if (given->second <= after_seq) {
      first_seq = after_seq + 1;
      break;
    }
    commits.emplace_back(given->second, commit->timestamp_us);
    // A commit that has moved rows of others too tells of older ones; the next entry knows.
    const auto first = commit->removes.empty() ? FirstSeqOf(*commit) : std::nullopt;
    if (first.has_value()) {
      first_seq = std::min(first_seq, *first);
      if (*first <= after_seq + 1) {
        break;
      }
    }
  }
  return CommitTimes(std::move(commits), std::max(first_seq, after_seq + 1));
}

CommitTimes::CommitTimes(std::vector<std::pair<int64_t, int64_t>> commits, int64_t first_seq)
    : commits_(std::move(commits)), first_seq_(first_seq) {
  std::reverse(commits_.begin(), commits_.end());
}

std::optional<int64_t> CommitTimes::Of(int64_t seq) const {
  if (seq < first_seq_) {
    return std::nullopt;
  }
  const auto commit = std::lower_bound(commits_.begin(), commits_.end(), seq,
                                       [](const std::pair<int64_t, int64_t>& known,
                                          int64_t wanted) { return known.first < wanted; });
  return commit == commits_.end() ? std::nullopt : std::optional(commit->second);
}

}  // namespace icecore::pipeline
