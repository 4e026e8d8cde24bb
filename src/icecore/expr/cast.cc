#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;
using arrow::Status;

constexpr int64_t kDayMicros = base::kMicrosPerDay;

struct IntegerRange {
  Int128 least;
  Int128 greatest;
};

IntegerRange RangeOf(arrow::Type::type id) {
  switch (id) {
    case arrow::Type::INT8:
      return {INT8_MIN, INT8_MAX};
    case arrow::Type::INT16:
      return {INT16_MIN, INT16_MAX};
    case arrow::Type::INT32:
      return {INT32_MIN, INT32_MAX};
    case arrow::Type::UINT8:
      return {0, UINT8_MAX};
    case arrow::Type::UINT16:
      return {0, UINT16_MAX};
    case arrow::Type::UINT32:
      return {0, UINT32_MAX};
    case arrow::Type::UINT64:
      return {0, UINT64_MAX};
    default:
      return {INT64_MIN, INT64_MAX};
  }
}

Int128 Power10(int32_t exponent) {
  Int128 value = 1;
  for (; exponent > 0; --exponent) {
    value *= 10;
  }
  return value;
}

// Half away from zero.
Int128 DivideRounded(Int128 value, Int128 divisor) {
  Int128 quotient = value / divisor;
  Int128 rest = value % divisor;
  Int128 magnitude = rest < 0 ? -rest : rest;
  if (magnitude >= divisor - magnitude) {
    quotient += value < 0 ? -1 : 1;
  }
  return quotient;
}

bool Rescale(Int128 value, int32_t from, const Type& to, Int128* out) {
  Int128 limit = Power10(to.precision);
  for (; value != 0 && from < to.scale; ++from) {
    if (__builtin_mul_overflow(value, 10, &value)) {
      return false;
    }
  }
  if (from > to.scale) {
    value = from - to.scale > 38 ? 0 : DivideRounded(value, Power10(from - to.scale));
  }
  *out = value;
  return value < limit && value > -limit;
}

bool DecimalFromText(std::string_view text, const Type& to, Int128* out) {
  arrow::Decimal128 decimal;
  int32_t precision = 0;
  int32_t scale = 0;
  if (!arrow::Decimal128::FromString(text, &decimal, &precision, &scale).ok() ||
      precision > 38) {  // beyond which it wraps around
    return false;
  }
  Int128 value = (static_cast<Int128>(decimal.high_bits()) << 64) |
                 static_cast<Int128>(static_cast<unsigned __int128>(decimal.low_bits()));
  return Rescale(value, scale, to, out);
}

bool DecimalFromFloat(double value, const Type& to, Int128* out) {
  if (!std::isfinite(value) || std::fabs(value) > 1e39) {
    return false;
  }
  std::array<char, 128> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::fixed, to.scale);
  return error == std::errc() &&
         DecimalFromText({buffer.data(), static_cast<size_t>(end - buffer.data())}, to, out);
}

bool FloatFromText(std::string_view text, double* out) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
    *out = text == "NaN" ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity() * (text[0] == '-' ? -1 : 1);
    return true;
  }
  if (text.empty() || !(text[0] == '-' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9')) ||
      (text.size() > 1 && text[0] == '-' && text[1] != '.' && (text[1] < '0' || text[1] > '9'))) {
    return false;
  }
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

std::string TimeText(int64_t micros) {
  // "1970-01-01THH:MM:SS[.ffffff]Z" without date and zone.
  std::string text = base::FormatInstantShort(micros);
  return text.substr(11, text.size() - 12);
}

std::string TextOf(const Type& type, const Values& values, int64_t i) {
  size_t at = values.At(i);
  std::string text;
  switch (type.kind) {
    case Kind::kBool:
      return values.ints[at] != 0 ? "true" : "false";
    case Kind::kUint:
      return std::to_string(static_cast<uint64_t>(values.ints[at]));
    case Kind::kFloat: {
      double value = values.floats[at];
      if (!std::isfinite(value)) {
        return std::isnan(value) ? "NaN" : (value < 0 ? "-Infinity" : "Infinity");
      }
      if (type.arrow->id() == arrow::Type::FLOAT) {
        base::AppendJsonFloat(static_cast<float>(value), &text);
      } else {
        base::AppendJsonDouble(value, &text);
      }
      return text;
    }
    case Kind::kDecimal:
      return DecimalText(values.decimals[at], type.scale);
    case Kind::kDate:
      return base::FormatDate(values.ints[at]);
    case Kind::kTime:
      return TimeText(values.ints[at]);
    case Kind::kTimestamp:
      return base::FormatInstantShort(values.ints[at]);
    case Kind::kLocalTimestamp:
      text = base::FormatInstantShort(values.ints[at]);
      text.pop_back();
      return text;
    default:
      return std::to_string(values.ints[at]);
  }
}

class Cast final : public Operator {
 public:
  Cast(Type type, Place place, OperatorPtr child)
      : Operator(std::move(type), place), child_(std::move(child)) {}

  bool IsConstant() const override { return child_->IsConstant(); }

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr in, child_->Run(frame, rows));
    if (child_->type().kind == type().kind && SameForm()) {
      return in;
    }
    std::shared_ptr<Values> out = MakeValues(type().kind, in->size);
    out->constant = in->constant;
    out->valid = in->valid;
    out->owners = in->owners;
    auto texts = std::make_shared<std::deque<std::string>>();
    for (int64_t i = 0; i < in->size; ++i) {
      if (in->IsValid(i) && !Convert(*in, i, out.get(), texts.get())) {
        return place().Error("the value " + Shown(*in, i) + " is not of type " + TypeName(type()));
      }
    }
    if (!texts->empty()) {
      out->owners.push_back(texts);
    }
    return out;
  }

 private:
  // No value changes: wider integers, wider floats.
  bool SameForm() const {
    switch (type().kind) {
      case Kind::kInt: {
        IntegerRange from = RangeOf(child_->type().arrow->id());
        IntegerRange to = RangeOf(type().arrow->id());
        return from.least >= to.least && from.greatest <= to.greatest;
      }
      case Kind::kFloat:
        return type().arrow->id() == arrow::Type::DOUBLE ||
               child_->type().arrow->id() == arrow::Type::FLOAT;
      case Kind::kDecimal:
        return type().scale == child_->type().scale && type().precision >= child_->type().precision;
      default:
        return true;
    }
  }

  std::string Shown(const Values& in, int64_t i) const {
    if (child_->type().kind == Kind::kString) {
      return "'" + std::string(in.strings[in.At(i)].substr(0, 40)) + "'";
    }
    return TextOf(child_->type(), in, i);
  }

  bool Convert(const Values& in, int64_t i, Values* out, std::deque<std::string>* texts) const {
    switch (type().kind) {
      case Kind::kBool:
        return ToBool(in, i, out);
      case Kind::kInt:
      case Kind::kUint:
        return ToInteger(in, i, out);
      case Kind::kFloat:
        return ToFloat(in, i, out);
      case Kind::kDecimal:
        return ToDecimal(in, i, out);
      case Kind::kString:
      case Kind::kBinary:
        if (child_->type().kind == Kind::kString || child_->type().kind == Kind::kBinary) {
          out->strings[out->At(i)] = in.strings[in.At(i)];
        } else {
          texts->push_back(TextOf(child_->type(), in, i));
          out->strings[out->At(i)] = texts->back();
        }
        return true;
      default:
        return ToTime(in, i, out);
    }
  }

  bool ToBool(const Values& in, int64_t i, Values* out) const {
    int64_t& value = out->ints[out->At(i)];
    if (child_->type().kind != Kind::kString) {
      value = in.ints[in.At(i)] != 0 ? 1 : 0;
      return true;
    }
    std::string_view text = in.strings[in.At(i)];
    value = text == "true" ? 1 : 0;
    return text == "true" || text == "false";
  }

  bool ToInteger(const Values& in, int64_t i, Values* out) const {
    Int128 value = 0;
    size_t at = in.At(i);
    switch (child_->type().kind) {
      case Kind::kUint:
        value = static_cast<Int128>(static_cast<uint64_t>(in.ints[at]));
        break;
      case Kind::kFloat: {
        double rounded = std::nearbyint(in.floats[at]);
        if (!(rounded >= -9223372036854775808.0 && rounded < 18446744073709551616.0)) {
          return false;
        }
        value = static_cast<Int128>(rounded);
        break;
      }
      case Kind::kDecimal:
        value = DivideRounded(in.decimals[at], Power10(child_->type().scale));
        break;
      case Kind::kString:
        if (!IntegerFromText(in.strings[at], &value)) {
          return false;
        }
        break;
      default:
        value = in.ints[at];
        break;
    }
    IntegerRange range = RangeOf(type().arrow->id());
    out->ints[out->At(i)] = static_cast<int64_t>(value);
    return value >= range.least && value <= range.greatest;
  }

  static bool IntegerFromText(std::string_view text, Int128* out) {
    const char* const end = text.data() + text.size();
    if (!text.empty() && text[0] == '-') {
      int64_t value = 0;
      auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      *out = value;
      return error == std::errc() && stop == end;
    }
    uint64_t value = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    *out = static_cast<Int128>(value);
    return error == std::errc() && stop == end && !text.empty();
  }

  bool ToFloat(const Values& in, int64_t i, Values* out) const {
    double value = 0;
    size_t at = in.At(i);
    switch (child_->type().kind) {
      case Kind::kFloat:
        value = in.floats[at];
        break;
      case Kind::kUint:
        value = static_cast<double>(static_cast<uint64_t>(in.ints[at]));
        break;
      case Kind::kDecimal:
        value = DecimalToDouble(in.decimals[at], child_->type().scale);
        break;
      case Kind::kString:
        if (!FloatFromText(in.strings[at], &value)) {
          return false;
        }
        break;
      default:
        value = static_cast<double>(in.ints[at]);
        break;
    }
    if (type().arrow->id() == arrow::Type::FLOAT) {
      auto narrow = static_cast<float>(value);
      if (std::isinf(narrow) && !std::isinf(value)) {
        return false;
      }
      value = narrow;
    }
    out->floats[out->At(i)] = value;
    return true;
  }

  bool ToDecimal(const Values& in, int64_t i, Values* out) const {
    size_t at = in.At(i);
    Int128* value = &out->decimals[out->At(i)];
    switch (child_->type().kind) {
      case Kind::kDecimal:
        return Rescale(in.decimals[at], child_->type().scale, type(), value);
      case Kind::kFloat:
        return DecimalFromFloat(in.floats[at], type(), value);
      case Kind::kString:
        return DecimalFromText(in.strings[at], type(), value);
      case Kind::kUint:
        return Rescale(static_cast<Int128>(static_cast<uint64_t>(in.ints[at])), 0, type(), value);
      default:
        return Rescale(in.ints[at], 0, type(), value);
    }
  }

  bool ToTime(const Values& in, int64_t i, Values* out) const {
    int64_t* value = &out->ints[out->At(i)];
    if (child_->type().kind == Kind::kString) {
      return TimeFromText(in.strings[in.At(i)], value);
    }
    int64_t from = in.ints[in.At(i)];
    switch (type().kind) {
      case Kind::kDate:
        *value = base::FloorDiv(from, kDayMicros);
        return true;
      case Kind::kTime:
        *value = base::FloorMod(from, kDayMicros);
        return true;
      default:
        *value = from;
        return child_->type().kind != Kind::kDate ||
               !__builtin_mul_overflow(from, kDayMicros, value);
    }
  }

  bool TimeFromText(std::string_view text, int64_t* value) const {
    std::string with_date;
    if (type().kind == Kind::kTime) {
      with_date = "1970-01-01T" + std::string(text);
      text = with_date;
    }
    Result<base::ParsedTime> parsed = base::ParseTime(text);
    if (!parsed.ok() || (parsed->has_zone && type().kind != Kind::kTimestamp)) {
      return false;
    }
    *value = parsed->micros;
    if (type().kind == Kind::kTime) {
      return *value >= 0 && *value < kDayMicros && text.size() > 11;
    }
    if (type().kind == Kind::kDate) {
      bool midnight = base::FloorMod(*value, kDayMicros) == 0;
      *value = base::FloorDiv(*value, kDayMicros);
      return midnight && parsed->nanos_below == 0;
    }
    return true;
  }

  OperatorPtr child_;
};

bool CastExists(Kind from, Kind to) {
  if (from == to) {
    return from != Kind::kList && from != Kind::kOther;
  }
  switch (to) {
    case Kind::kBool:
      return from == Kind::kInt || from == Kind::kUint || from == Kind::kString;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kFloat:
    case Kind::kDecimal:
      return IsNumeric(from) || from == Kind::kString || from == Kind::kBool;
    case Kind::kString:
      return IsNumeric(from) || IsTemporal(from) || from == Kind::kBool;
    case Kind::kBinary:
      return from == Kind::kString;
    case Kind::kDate:
    case Kind::kTime:
      return from == Kind::kTimestamp || from == Kind::kLocalTimestamp || from == Kind::kString;
    case Kind::kTimestamp:
    case Kind::kLocalTimestamp:
      return from == Kind::kTimestamp || from == Kind::kLocalTimestamp || from == Kind::kDate ||
             from == Kind::kString;
    default:
      return false;
  }
}

const std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>>& PlainTypes() {
  static const auto* types =
      new std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>>{
          {"bool", arrow::boolean()},
          {"int8", arrow::int8()},
          {"int16", arrow::int16()},
          {"int32", arrow::int32()},
          {"int64", arrow::int64()},
          {"uint8", arrow::uint8()},
          {"uint16", arrow::uint16()},
          {"uint32", arrow::uint32()},
          {"uint64", arrow::uint64()},
          {"float32", arrow::float32()},
          {"float64", arrow::float64()},
          {"string", arrow::utf8()},
          {"binary", arrow::binary()},
          {"date", arrow::date32()},
          {"time", arrow::time64(arrow::TimeUnit::MICRO)},
          {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
          {"local_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO)},
      };
  return *types;
}

// What SQL calls the types, for those who know it.
std::string SqlAlias(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kAliases = {{
      {"boolean", "bool"},
      {"tinyint", "int8"},
      {"smallint", "int16"},
      {"int", "int64"},
      {"integer", "int64"},
      {"bigint", "int64"},
      {"hugeint", "decimal(38,0)"},
      {"real", "float32"},
      {"float", "float64"},
      {"double", "float64"},
      {"numeric", "decimal(p,s)"},
      {"varchar", "string"},
      {"text", "string"},
      {"char", "string"},
      {"blob", "binary"},
      {"timestamptz", "timestamp"},
  }};
  for (const auto& [alias, own] : kAliases) {
    if (alias == name) {
      return std::string(own);
    }
  }
  return "";
}

}  // namespace

Result<OperatorPtr> MakeCast(Type type, Place place, OperatorPtr child) {
  if (child->type().kind == Kind::kNull) {
    Kind kind = type.kind;
    return MakeConstant(std::move(type), place, NullValues(kind));
  }
  if (!CastExists(child->type().kind, type.kind)) {
    return place.source->Error(
        place.begin, "there is no cast from " + TypeName(child->type()) + " to " + TypeName(type));
  }
  return std::make_unique<Cast>(std::move(type), place, std::move(child));
}

Result<Type> ParseCastType(const std::string& name) {
  std::vector<std::string> names = {"decimal"};
  for (const auto& [plain, type] : PlainTypes()) {
    if (plain == name) {
      return TypeOf(*type);
    }
    names.push_back(plain);
  }
  size_t open = name.find('(');
  std::string head = name.substr(0, open);
  if (head == "decimal" && open != std::string::npos) {
    int precision = 0;
    int scale = 0;
    const char* end = name.data() + name.size();
    auto first = std::from_chars(name.data() + open + 1, end, precision);
    auto rest = first;
    if (first.ec == std::errc() && first.ptr != end && *first.ptr == ',') {
      rest = std::from_chars(first.ptr + 1, end, scale);
    }
    if (rest.ec == std::errc() && rest.ptr + 1 == end && precision >= 1 && precision <= 38 &&
        scale >= 0 && scale <= precision) {
      return DecimalOf(precision, scale);
    }
    return base::MakeError(base::ErrorCode::kInvalidDefinition,
                           "write decimal(p,s) with 1 <= p <= 38 and 0 <= s <= p");
  }
  std::string own = SqlAlias(head);
  return base::MakeError(
      base::ErrorCode::kInvalidDefinition,
      "unknown type '" + name + "'" +
          (own.empty() ? base::DidYouMean(head, names) : "; it is written '" + own + "'"));
}

}  // namespace icecore::expr
