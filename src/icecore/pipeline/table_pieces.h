#pragma once
// A table in pieces that can be read on threads of their own.

#include <vector>

#include "icecore/lake/scan.h"
#include "icecore/lake/snapshot.h"

namespace icecore::pipeline {

// A snapshot with some of the files, and which of their row groups.
struct TablePiece {
  lake::Snapshot files;
  lake::RowGroupShare share;
};

// The snapshot's files, in order, in runs of about equal size; one at least, and few small ones. A
// file much longer than that is several pieces by its row groups.
std::vector<TablePiece> PiecesOf(const lake::Snapshot& snapshot);

}  // namespace icecore::pipeline
