#pragma once
// "Did you mean": the nearest of the valid names.

#include <string>
#include <string_view>
#include <vector>

namespace icecore::base {

// The candidate with the least edit distance to `wrong`, or "" when none is near (more than a third
// of the longer name, and more than two edits, apart). Case is ignored in the comparison.
std::string NearestName(std::string_view wrong, const std::vector<std::string>& candidates);

// "; did you mean 'NEAREST'?", or "" when none is near.
std::string DidYouMean(std::string_view wrong, const std::vector<std::string>& candidates);

}  // namespace icecore::base
