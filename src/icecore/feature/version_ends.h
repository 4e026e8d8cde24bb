#pragma once
// Until when each row of a table with versions counts: found from all versions of its table key, in
// memory or, where they do not fit, for some table keys after the others from scratch files.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/reached_rows.h"
#include "icecore/feature/row_scratch.h"

namespace icecore::feature {

// The chunks hold all versions of their table keys. What is left of the versions is the last of the
// columns: the time until which the row counts.
arrow::Status FindEndsOf(std::vector<RowChunk>* chunks);

// Rows and versions by a hash of their table key. Write is thread safe.
class VersionScratch {
 public:
  static arrow::Result<std::unique_ptr<VersionScratch>> Open(const std::string& folder,
                                                             const RowNeeds& needs);
  arrow::Status Write(const RowChunk& chunk);

  // Once, after the last row: the rows with their ends, those of some table keys at a time, which
  // take about `most_bytes` at most. kLimit where those of one table key take more.
  arrow::Status ForEachPart(int64_t most_bytes,
                            const std::function<arrow::Status(RowChunk)>& visit) const;

 private:
  static arrow::Result<std::unique_ptr<VersionScratch>> Open(const std::string& folder,
                                                             const RowNeeds& needs, int depth);
  std::vector<uint32_t> PartsOf(const arrow::Array& table_keys) const;
  arrow::Status ReadPart(size_t part, const std::function<arrow::Status(RowChunk)>& visit) const;

  std::string folder_;
  const RowNeeds* needs_ = nullptr;
  int depth_ = 0;                       // which bits of the hash are looked at
  std::unique_ptr<RowScratch> rows_;    // that some label can reach, then table key and order
  std::unique_ptr<RowScratch> hidden_;  // of the others what may end a row
};

}  // namespace icecore::feature
