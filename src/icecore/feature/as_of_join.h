#pragma once
// As-of rows of many labels: of each label the greatest row by (e, a, s) among those of its key
// that it can see. Rows come in pieces of any size and order, since the greatest of all is the
// greatest of the pieces' greatest; so no more than a piece is ever held.

#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "icecore/feature/label_set.h"

namespace icecore::feature {

struct AsOfRow {
  int64_t event_time = 0;
  int64_t known_at = 0;
  int64_t seq = 0;
  int64_t row = -1;        // the caller's name for it; >= 0
  int64_t activation = 0;  // first t that sees it
  int32_t key = 0;         // >= 0
};

// Thread safe but for Chosen.
class AsOfJoin {
 public:
  static constexpr int64_t kNone = -1;     // no row is visible
  static constexpr int64_t kExpired = -2;  // the row is older than ttl_us

  // `labels` must outlive it.
  explicit AsOfJoin(const LabelSet& labels);

  // Takes a piece of rows; gives them back empty, with their room.
  void Add(std::vector<AsOfRow>* rows);

  // A row that the label at `place` can see. Several threads at once, if not for one place, and
  // none in Add.
  void Offer(size_t place, const AsOfRow& row);

  // By place: the row chosen, or kNone or kExpired.
  std::vector<int64_t> Chosen(const std::optional<int64_t>& ttl_us) const;

 private:
  struct Best {
    int64_t event_time = std::numeric_limits<int64_t>::min();
    int64_t known_at = 0;
    int64_t seq = 0;
    int64_t row = kNone;
  };
  // Of one key: the row that wins from an activation on, until the next.
  struct Step {
    int64_t activation = 0;
    uint32_t row = 0;
  };
  void Merge(const std::vector<AsOfRow>& rows, const std::vector<uint32_t>& order, size_t begin,
             size_t end, std::vector<Step>* steps);

  const LabelSet& labels_;
  std::vector<Best> best_;  // by place; guarded by mutex_
  std::mutex mutex_;
};

}  // namespace icecore::feature
