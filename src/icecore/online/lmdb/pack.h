#pragma once
// The store without free room: what is stored is copied to a new environment, page after page full,
// which counts from one commit on. Layout and order: docs/formats/online.md.

#include <arrow/result.h>

#include <functional>

#include "icecore/online/lmdb/store_folder.h"
#include "icecore/online/store.h"

namespace icecore::online::lmdb {

// What is done so far; a process may die behind each.
enum class PackStep {
  kCopied,   // the copy is whole and on the disk, and nobody knows it
  kMarked,   // what is stored has moved: all later transactions use the copy
  kLinked,   // `current` names it
  kRemoved,  // what was there before is gone
};

// Packs where the rule says so, and finishes what a packing that was cut off has left. Writers of
// all processes wait while the copy is made; readers never do. On failure the store is as it was,
// or packed with the old files still there, which the next call removes. kConflict: somebody else
// packs. kLimit: no room for the copy. `after` is told of every step.
arrow::Result<PackReport> Pack(StoreFolder* folder, const PackRule& rule,
                               const std::function<void(PackStep)>& after);

}  // namespace icecore::online::lmdb
