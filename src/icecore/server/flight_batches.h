#pragma once
// Record batches of Flight: answers as batches, and pushed batches as rows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/server/feature_service_api.h"
#include "icecore/server/request_json.h"

namespace icecore::server {

// Features in declared order; then, where they are wanted, FEATURE.status (a dictionary of texts)
// and FEATURE.event_time (UTC microseconds) for each.
std::shared_ptr<arrow::Schema> AnswerSchema(const ServiceDescription& service,
                                            const TicketOptions& options);
// Key columns, then request columns.
std::shared_ptr<arrow::Schema> RequestSchema(const ServiceDescription& service);

// The answer in that form. Values are not copied.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> AnswerBatch(const FeatureResponse& response,
                                                               const TicketOptions& options);

// The batch as JSON objects, one a line. kLimit when they are longer than max_bytes; a FieldError
// names a column that is there twice, or has values that JSON has no form for. Nanoseconds round
// up, as those of files do.
arrow::Result<std::string> LinesOfBatch(const arrow::RecordBatch& batch, int64_t max_bytes);

// A batch from outside: one that points outside its buffers is kInvalidArgument, one of more rows
// or bytes kLimit, be they written out or meant by a dictionary.
arrow::Status CheckBatch(const arrow::RecordBatch& batch, int64_t max_rows, int64_t max_bytes);

}  // namespace icecore::server
