#pragma once
// Rows as they rest in landing.X_raw: the source's columns, then the envelope.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

namespace icecore::pipeline {

// Greatest _arrived_at given so far: arrivals never go back.
inline constexpr char kArrivedTransaction[] = "icecore.arrived_at";

// `before` (null: none) with the columns of `file` that it lacks, and wider where the file's types
// are, envelope last. Other types that differ must cast without loss, else kBadInput.
arrow::Result<std::shared_ptr<arrow::Schema>> MergeColumns(const arrow::Schema* before,
                                                           const arrow::Schema& file);

// The batch's columns as `schema` has them, with _seq from first_seq on.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithEnvelope(
    const arrow::RecordBatch& rows, const std::shared_ptr<arrow::Schema>& schema, int64_t first_seq,
    int64_t arrived_us, const std::string& run_id);

}  // namespace icecore::pipeline
