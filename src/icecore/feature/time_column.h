#pragma once
// Columns of times -> int64 UTC microseconds.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

namespace icecore::feature {

enum class Rounding { kUp, kDown };

// Whether a column of this type is a time that rows can be ordered by: a timestamp with a zone, or
// a date.
bool IsInstant(const arrow::DataType& type);

// Timestamps of any unit (naive ones are UTC), dates (their midnight in UTC) and, for spines, RFC
// 3339 text. A time out of range, or text that is no time, is kInvalidArgument naming the value;
// nulls stay.
arrow::Result<std::shared_ptr<arrow::Int64Array>> ToMicros(const arrow::Array& column,
                                                           Rounding rounding);

}  // namespace icecore::feature
