#pragma once
// Steps that conversions of text and of typed columns share.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <vector>

#include "icecore/quality/text_conversion.h"

namespace icecore::quality {

// The same values, null at the rows of `bad` too.
arrow::Result<std::shared_ptr<arrow::Array>> NullAt(
    const std::shared_ptr<arrow::Array>& values, const std::vector<ConvertedColumn::BadRow>& bad);

// Lists whose length is not the embedding's become bad rows. `bad` stays ascending.
arrow::Status CheckLengths(const ColumnTarget& target, ConvertedColumn* column);

// Merges two ascending lists without a row in common.
std::vector<ConvertedColumn::BadRow> MergeBad(const std::vector<ConvertedColumn::BadRow>& a,
                                              const std::vector<ConvertedColumn::BadRow>& b);

// A fixed-width column from its values; valid[i] = 0 is null.
template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> FixedWidthArray(
    const std::shared_ptr<arrow::DataType>& type, const std::vector<T>& values,
    const std::vector<uint8_t>& valid);

}  // namespace icecore::quality
