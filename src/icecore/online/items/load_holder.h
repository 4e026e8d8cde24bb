#pragma once
// Who holds a lease: a process, known again by other processes of the same machine.

#include <string>

namespace icecore::online {

// This process, as text.
const std::string& LoadHolder();

// True only when the holder was a process of this machine and PID namespace that no longer runs.
bool HolderIsGone(const std::string& holder);

}  // namespace icecore::online
