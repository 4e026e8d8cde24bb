#pragma once
// Which build of Icecore this is.

#include <string>

namespace icecore::base {

// The linker's digest of the program or library that holds this function, in hex; "" where it was
// linked without one. Two builds of different code have different ones.
std::string BuildId();

}  // namespace icecore::base
