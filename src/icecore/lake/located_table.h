#pragma once
// Any Delta table by its place, outside a project's lake: only to read it.

#include <arrow/result.h>

#include <memory>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

struct LocatedTable {
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<base::Clock> clock;
  std::unique_ptr<Table> table;  // uses store and clock
  std::string folder;            // absolute, or its s3:// URL
};

// place: a folder of this machine, relative to `directory`, or its file: URL; or s3://BUCKET/TABLE,
// where endpoint, region and keys come from the environment and ~/.aws (docs/object-stores.md). A
// folder that is not there is kNotFound, nothing is made; another scheme is kUnsupported. Does not
// look for a table.
arrow::Result<LocatedTable> LocateTable(const std::string& place, const std::string& directory);

}  // namespace icecore::lake
