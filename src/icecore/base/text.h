#pragma once
// Small things done to text.

#include <string>
#include <string_view>
#include <vector>

namespace icecore::base {

// Without the spaces, tabs, returns and newlines at both ends.
std::string_view Trim(std::string_view text);

// The letters A to Z in lower case, whatever the locale.
char LowerLetter(char letter);
std::string LowerText(std::string_view text);

// "a, b, c".
std::string CommaList(const std::vector<std::string>& names);

bool Contains(const std::vector<std::string>& names, std::string_view name);

}  // namespace icecore::base
