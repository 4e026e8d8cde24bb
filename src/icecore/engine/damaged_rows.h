#pragma once
// Entities of a request for which the online store holds bytes that are not what was written. Their
// features are null, with the status "error"; whoever asks is told so, never given a wrong value.

#include <cstdint>
#include <string>
#include <vector>

namespace icecore::engine {

// Those of one view, read by one set of key columns.
struct DamagedRows {
  std::string view;
  std::vector<std::string> features;  // of the answer, that come from it
  std::vector<int64_t> rows;          // positions in the request, ascending
  std::string why;                    // of the first
};

// Whether an entity has all its features.
bool IsAnyRowWhole(const std::vector<DamagedRows>& damages, int64_t num_rows);

// What is damaged, where in the request, and what heals it; no key. "" for none.
std::string DamageText(const std::vector<DamagedRows>& damages);

}  // namespace icecore::engine
