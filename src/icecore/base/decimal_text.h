#pragma once
// Decimals as text.

#include <arrow/util/decimal.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace icecore::base {

// The number as a decimal of that precision (digits, at most 38) and scale (digits behind the
// point); nullopt where the text is no number or the type does not hold it exactly. More than 38
// digits are none, whatever they are worth.
std::optional<arrow::Decimal128> ParseDecimal(std::string_view text, int32_t precision,
                                              int32_t scale);

}  // namespace icecore::base
