#pragma once
// Which entries of a journal were closed together, and when: what their rows have for
// `_arrived_at`, whoever takes them first (docs/formats/journal.md). The file `closed` of the
// journal's folder.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::ingest {

// The entries behind the batch before it, up to `number`.
struct ClosedBatch {
  int64_t number = 0;
  int64_t arrived_us = 0;  // UTC; never before that of the batch before it
};

// What the file holds.
struct ClosedBatches {
  ClosedBatch from;                  // batches that end by it are not told any more
  std::vector<ClosedBatch> batches;  // ascending
  size_t bytes = 0;                  // whole lines end here; behind them is what a kill left

  const ClosedBatch& last() const { return batches.empty() ? from : batches.back(); }
};

std::string EncodeClosedFrom(const ClosedBatch& from);
std::string EncodeClosedBatch(const ClosedBatch& batch);
// kCorrupt for what these did not give, a last line apart that was not written whole.
arrow::Result<ClosedBatches> ParseClosedBatches(std::string_view text);

// Under the folder's lock. ReadClosedBatches: nullopt where nothing was closed yet.
arrow::Result<std::optional<ClosedBatches>> ReadClosedBatches(const std::string& folder);
// Durable when it returns. `known`: of ReadClosedBatches.
arrow::Status AddClosedBatch(const std::string& folder, const ClosedBatches& known,
                             const ClosedBatch& batch);
// The file anew, with these batches alone.
arrow::Status WriteClosedBatches(const std::string& folder, const ClosedBatches& batches);

}  // namespace icecore::ingest
