#pragma once
// When the rows of a table were committed, by their _seq.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::pipeline {

class CommitTimes {
 public:
  // So many entries of the log are read at most, the newest.
  static constexpr int64_t kMostCommits = 64;

  CommitTimes() = default;
  // Of the rows of `snapshot` above `after_seq`. Reads the log's newest entries, as many as brought
  // them; what cannot be read, and what lies further back, stays unknown.
  static CommitTimes Read(lake::ObjectStore& store, const lake::Snapshot& snapshot,
                          int64_t after_seq);
  // Newest first: the greatest _seq up to a commit, and its time (UTC us). `first_seq`: the least
  // _seq that is told about.
  CommitTimes(std::vector<std::pair<int64_t, int64_t>> commits, int64_t first_seq);

  // nullopt: unknown.
  std::optional<int64_t> Of(int64_t seq) const;

 private:
  std::vector<std::pair<int64_t, int64_t>> commits_;  // by _seq, ascending
  int64_t first_seq_ = INT64_MAX;
};

}  // namespace icecore::pipeline
