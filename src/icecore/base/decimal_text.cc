#include "icecore/base/decimal_text.h"

#include <cstdlib>

namespace icecore::base {

std::optional<arrow::Decimal128> ParseDecimal(std::string_view text, int32_t precision,
                                              int32_t scale) {
  arrow::Decimal128 value;
  int32_t digits = 0;
  int32_t own_scale = 0;
  if (!arrow::Decimal128::FromString(text, &value, &digits, &own_scale).ok() ||
      digits > arrow::Decimal128::kMaxPrecision) {  // beyond which Arrow wraps around
    return std::nullopt;
  }
  // Arrow looks its powers of ten up without looking at the exponent: no digit of 38 is left then.
  if (std::abs(int64_t{scale} - own_scale) > arrow::Decimal128::kMaxScale) {
    return value == 0 ? std::optional(value) : std::nullopt;
  }
  const auto rescaled = value.Rescale(own_scale, scale);
  return rescaled.ok() && rescaled->FitsInPrecision(precision) ? std::optional(*rescaled)
                                                               : std::nullopt;
}

}  // namespace icecore::base
