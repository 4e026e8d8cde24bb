#include "icecore/base/suggest.h"

#include <algorithm>

#include "icecore/base/text.h"

namespace icecore::base {
namespace {

constexpr size_t kMaxNameLength = 200;  // bounds the quadratic distance

// Edits (insert, delete, replace, swap of neighbours) between two names.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    cost[i][0] = i;
  }
  for (size_t j = 0; j <= b.size(); ++j) {
    cost[0][j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = LowerLetter(a[i - 1]) == LowerLetter(b[j - 1]) ? 0 : 1;
      size_t best =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + replace});
      if (i > 1 && j > 1 && LowerLetter(a[i - 1]) == LowerLetter(b[j - 2]) &&
          LowerLetter(a[i - 2]) == LowerLetter(b[j - 1])) {
        best = std::min(best, cost[i - 2][j - 2] + 1);
      }
      cost[i][j] = best;
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string NearestName(std::string_view wrong, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t least = SIZE_MAX;
  wrong = wrong.substr(0, kMaxNameLength);
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxNameLength) {
      continue;
    }
    const size_t distance = EditDistance(wrong, candidate);
    const size_t bound = std::max<size_t>(2, std::max(wrong.size(), candidate.size()) / 3);
    if (distance < least && distance <= bound && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view wrong, const std::vector<std::string>& candidates) {
  const std::string nearest = NearestName(wrong, candidates);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

}  // namespace icecore::base
