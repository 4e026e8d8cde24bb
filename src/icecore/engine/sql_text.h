#pragma once
// Where a SQL text is code.

#include <cstddef>
#include <string_view>

namespace icecore::engine {

// Length of the string, quoted name or comment at the front; 0 where code is.
size_t SkippedLength(std::string_view text);

}  // namespace icecore::engine
