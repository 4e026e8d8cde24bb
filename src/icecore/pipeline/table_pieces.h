#pragma once
// A table in pieces that can be read on threads of their own.

#include <vector>

#include "icecore/lake/snapshot.h"

namespace icecore::pipeline {

// The snapshot's files, in order, in runs of about equal size; one at least, and few small ones.
std::vector<lake::Snapshot> PiecesOf(const lake::Snapshot& snapshot);

}  // namespace icecore::pipeline
