#pragma once
// Values of partition columns, which rest as text in the log and not in the files.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>

namespace icecore::lake {

// The value of a partition column as a scalar of `type` (a type that Delta can partition by; others
// are kUnsupported). nullopt and "" are null, whatever the type. Delta protocol, "Partition Value
// Serialization":
//   timestamps with and without fraction, with ' ' or 'T', with and without zone; one without zone
//   is UTC. Dates also as timestamps at midnight. Decimals of any spelling that their scale holds.
//   Floats with NaN and Infinity. Bytes as they are.
// Text that is no value of the type is kCorrupt.
arrow::Result<std::shared_ptr<arrow::Scalar>> ParsePartitionValue(
    const std::optional<std::string>& text, const std::shared_ptr<arrow::DataType>& type);

}  // namespace icecore::lake
