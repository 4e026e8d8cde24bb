#pragma once
// A DataWriter that parts rows by the values of partition columns, one file or more per value.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/writer.h"

namespace icecore::lake {

// `schema`: declared, with the partition columns, which options names. Rows of one value keep their
// order. At most kOpenPartitions files are open; the one used longest ago is closed for a new one.
inline constexpr int kOpenPartitions = 64;
arrow::Result<std::unique_ptr<DataWriter>> OpenPartitionedWriter(
    ObjectStore& store, std::string table_path, const std::shared_ptr<arrow::Schema>& schema,
    const base::Clock& clock, base::Random& random, const WriterOptions& options);

}  // namespace icecore::lake
