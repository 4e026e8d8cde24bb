#include "icecore/engine/damaged_rows.h"

#include <algorithm>
#include <set>

namespace icecore::engine {
namespace {

constexpr size_t kMaxPositions = 10;  // in a text

std::string Positions(const std::vector<int64_t>& rows) {
  std::string text = rows.size() == 1 ? "row " : "rows ";
  for (size_t i = 0; i < std::min(rows.size(), kMaxPositions); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(rows[i]);
  }
  if (rows.size() > kMaxPositions) {
    text += " and " + std::to_string(rows.size() - kMaxPositions) + " more";
  }
  return text;
}

}  // namespace

bool IsAnyRowWhole(const std::vector<DamagedRows>& damages, int64_t num_rows) {
  std::set<int64_t> damaged;
  for (const DamagedRows& one : damages) damaged.insert(one.rows.begin(), one.rows.end());
  return static_cast<int64_t>(damaged.size()) < num_rows || damaged.empty();
}

std::string DamageText(const std::vector<DamagedRows>& damages) {
  std::string text;
  for (const DamagedRows& one : damages) {
    text += (text.empty() ? "" : "; ") + std::string("view ") + one.view +
            ": what the online store holds for " + Positions(one.rows) +
            " of the request cannot be read: " + one.why + "; `icecore materialize --full " +
            one.view + "` writes it anew";
  }
  return text;
}

}  // namespace icecore::engine
