#pragma once
// How runs of a clustered log come to be: from rows of any order, and from other runs.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/clustered_run.h"
#include "icecore/state/view_state.h"

namespace icecore::feature {

// Rows in memory until they are written as one run. Not thread safe; works on all cores.
class RunBuilder {
 public:
  static arrow::Result<std::unique_ptr<RunBuilder>> Make(
      const state::ViewLayout& layout, const std::vector<std::shared_ptr<arrow::DataType>>& keys);
  virtual ~RunBuilder() = default;

  const virtual RunSchema& schema() const = 0;
  // Rows without event or known time are left out: nobody ever sees them.
  virtual arrow::Status Add(const state::PreparedRows& rows) = 0;
  virtual int64_t row_count() const = 0;
  virtual int64_t byte_count() const = 0;  // that writing takes, about
  // PREFIX.rows and PREFIX.keys, synced to the disk; the builder is empty afterwards.
  virtual arrow::Result<RunFacts> Write(const std::string& prefix) = 0;
};

// All rows of the runs as one, in bounded memory.
arrow::Result<RunFacts> MergeRuns(const std::vector<std::shared_ptr<const ClusteredRun>>& runs,
                                  const RunSchema& schema, const std::string& prefix);

}  // namespace icecore::feature
