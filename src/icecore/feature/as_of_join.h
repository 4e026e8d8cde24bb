#pragma once
// As-of rows of many labels: of each label the greatest row by (e, a, s) among those of its key
// that it can see. A row is noted at the first label that sees it, where the greatest remains; what
// a later label sees is the greatest of what was noted up to it. So rows may come in any order, and
// are neither sorted nor held.

#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "icecore/base/huge_pages.h"
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

  // Of rows given to Add at once: they, and what is looked up for them, fit into a core's cache.
  static constexpr size_t kRowsAtOnce = 2048;

  // `labels` must outlive it.
  explicit AsOfJoin(const LabelSet& labels);

  // Takes rows; gives them back empty, with their room.
  void Add(std::vector<AsOfRow>* rows);

  // A row that the label at `place` can see. Several threads at once, if not for one place, and
  // none in Add.
  void Offer(size_t place, const AsOfRow& row);

  // By place: the row chosen, or kNone or kExpired. Runs on all cores.
  std::vector<int64_t> Chosen(const std::optional<int64_t>& ttl_us) const;

 private:
  struct Best {
    int64_t event_time = std::numeric_limits<int64_t>::min();
    int64_t known_at = 0;
    int64_t seq = 0;
    int64_t row = kNone;
  };
  static void TakeGreater(const Best& later, Best* best);
  // Of what was noted at places [begin, end).
  Best BestOf(size_t begin, size_t end) const;
  std::vector<Best> BestBefore(const std::vector<size_t>& bounds) const;
  // `best`: of what was noted for the first place's key before it.
  void ChooseOfPlaces(size_t begin, size_t end, Best best, const std::optional<int64_t>& ttl_us,
                      std::vector<int64_t>* chosen) const;

  const LabelSet& labels_;
  base::HugeVector<Best> best_;  // by place: of the rows noted there; guarded by mutex_
  std::mutex mutex_;
};

}  // namespace icecore::feature
