#pragma once
// Rows of a snapshot in the order of their _seq, whatever compaction, clustering and merges did to
// the order in which they rest.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

struct OrderOptions {
  int64_t memory_bytes = int64_t{256} << 20;
  std::string scratch_dir;  // for spills; "": everything in memory
};

// As Scan, with `_seq` ascending (rows of one _seq in the order they rest). Files whose ranges of
// _seq lie apart are read one after another as they are; what overlaps or is clustered is sorted.
// The table must have `_seq`; it need not be among the columns asked for. `random` names spills.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ScanInOrder(
    ObjectStore& store, const Snapshot& snapshot, const ScanOptions& options,
    const ReadAccess& access, const OrderOptions& order, base::Random& random);

}  // namespace icecore::lake
