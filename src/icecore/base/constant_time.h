#pragma once
// Comparing what an attacker may guess at.

#include <string_view>

namespace icecore::base {

// Whether the two are equal; takes the same time wherever they differ. The length is no secret.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace icecore::base
