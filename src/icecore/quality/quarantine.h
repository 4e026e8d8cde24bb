#pragma once
// Rows of a quarantine table. One schema for every source and table, so that a source and a table
// of one name share theirs.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/quality/reason.h"

namespace icecore::quality {

struct QuarantineContext {
  std::string origin;  // the step: "landing.flights", "processing.flights"
  std::string run;
  int64_t first_seen_us = 0;
};

// _seq int64, _arrived_at timestamp, _origin string, _file string, _row int64, _position string,
// _run string, first_seen timestamp, status string, rule string, reasons list<struct<rule, version,
// column, observed, expected: string>>, row string, raw binary.
const std::shared_ptr<arrow::Schema>& QuarantineSchema();

// _seq, _arrived_at, _file, _row and _position come from the columns of that name, null where there
// is none. rule is the RuleKey of the first reason; row is the user columns as one JSON object; raw
// is
// `_raw`. status is "open".
arrow::Result<std::shared_ptr<arrow::RecordBatch>> BuildQuarantine(
    const RejectedRows& rejected, const QuarantineContext& context);

}  // namespace icecore::quality
