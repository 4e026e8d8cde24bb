#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "icecore/base/id.h"
#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/base/time.h"
#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;
using arrow::Status;

constexpr double kEarthRadiusKm = 6371.0088;  // mean radius, IUGG
constexpr double kRadians = 3.14159265358979323846 / 180.0;

// Float functions of float arguments; null where an argument is null.
class FloatFunction final : public Operator {
 public:
  using Function = double (*)(const double* arguments);

  FloatFunction(Place place, std::vector<OperatorPtr> arguments, Function function)
      : Operator(MakeType(Kind::kFloat), place),
        arguments_(std::move(arguments)),
        function_(function) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    std::vector<ValuesPtr> inputs;
    bool constant = true;
    for (const OperatorPtr& argument : arguments_) {
      ARROW_ASSIGN_OR_RAISE(ValuesPtr input, argument->Run(frame, rows));
      constant = constant && input->constant;
      inputs.push_back(std::move(input));
    }
    std::shared_ptr<Values> out = MakeValues(Kind::kFloat, constant ? 1 : RowsOf(frame, rows));
    out->constant = constant;
    std::array<double, 4> values{};
    for (int64_t i = 0; i < out->size; ++i) {
      bool valid = true;
      for (size_t k = 0; k < inputs.size(); ++k) {
        valid = valid && inputs[k]->IsValid(i);
        values[k] = inputs[k]->floats[inputs[k]->At(i)];
      }
      if (valid) {
        out->floats[static_cast<size_t>(i)] = function_(values.data());
      } else {
        SetNull(out.get(), i);
      }
    }
    return out;
  }

 private:
  std::vector<OperatorPtr> arguments_;
  Function function_;
};

double Haversine(const double* a) {
  double lat = (a[2] - a[0]) * kRadians;
  double lon = (a[3] - a[1]) * kRadians;
  double s = std::sin(lat / 2);
  double t = std::sin(lon / 2);
  double h = s * s + std::cos(a[0] * kRadians) * std::cos(a[2] * kRadians) * t * t;
  return 2 * kEarthRadiusKm * std::asin(std::sqrt(std::min(h, 1.0)));
}

// Half away from zero, at 10^-digits.
double RoundTo(const double* a) {
  double scale = std::pow(10.0, std::fabs(a[1]));
  double scaled = a[1] < 0 ? a[0] / scale : a[0] * scale;
  if (!std::isfinite(scaled)) {
    return a[0];  // nothing stands behind that digit
  }
  double rounded = std::round(scaled);
  return a[1] < 0 ? rounded * scale : rounded / scale;
}

FloatFunction::Function FloatFunctionOf(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, FloatFunction::Function>, 9>
      kFloatFunctions = {{
          {"abs", [](const double* a) { return std::fabs(a[0]); }},
          {"floor", [](const double* a) { return std::floor(a[0]); }},
          {"ceil", [](const double* a) { return std::ceil(a[0]); }},
          {"ln", [](const double* a) { return std::log(a[0]); }},
          {"exp", [](const double* a) { return std::exp(a[0]); }},
          {"sqrt", [](const double* a) { return std::sqrt(a[0]); }},
          {"power", [](const double* a) { return std::pow(a[0], a[1]); }},
          {"haversine", Haversine},
          {"round", RoundTo},
      }};
  for (const auto& [own, function] : kFloatFunctions) {
    if (own == name) {
      return function;
    }
  }
  return nullptr;
}

// abs, floor, ceil and round of int64 and decimals. Decimals keep their type.
class ExactFunction final : public Operator {
 public:
  enum class Rounding { kAbs, kFloor, kCeil, kRound };

  ExactFunction(Place place, OperatorPtr value, Rounding function, int64_t digits)
      : Operator(value->type(), place),
        value_(std::move(value)),
        function_(function),
        digits_(digits) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr in, value_->Run(frame, rows));
    auto out = std::make_shared<Values>(*in);
    for (size_t i = 0; i < out->ints.size(); ++i) {
      Int128 value = Apply(out->ints[i], 0);
      out->ints[i] = static_cast<int64_t>(value);
      if (static_cast<Int128>(out->ints[i]) != value) {
        return place().Error("int64 overflow at " + std::to_string(in->ints[i]));
      }
    }
    for (Int128& value : out->decimals) {
      value = Apply(value, type().scale);
    }
    return out;
  }

 private:
  Int128 Apply(Int128 value, int32_t scale) const {
    if (function_ == Rounding::kAbs) {
      return value < 0 ? -value : value;
    }
    int64_t cut = scale - digits_;  // digits that become zero
    if (cut <= 0) {
      return value;
    }
    if (cut > 38) {
      return 0;
    }
    Int128 unit = 1;
    for (int64_t k = 0; k < cut; ++k) {
      unit *= 10;
    }
    Int128 rest = value % unit;
    Int128 whole = value - rest;
    switch (function_) {
      case Rounding::kFloor:
        return rest < 0 ? whole - unit : whole;
      case Rounding::kCeil:
        return rest > 0 ? whole + unit : whole;
      default: {
        Int128 magnitude = rest < 0 ? -rest : rest;
        return magnitude >= unit - magnitude ? whole + (value < 0 ? -unit : unit) : whole;
      }
    }
  }

  OperatorPtr value_;
  Rounding function_;
  int64_t digits_;
};

// dot and cosine of two lists, summed from the first element on. Null where a list or an element is
// null; cosine is null where a length is zero.
class ListProduct final : public Operator {
 public:
  ListProduct(Place place, bool cosine, OperatorPtr left, OperatorPtr right)
      : Operator(MakeType(Kind::kFloat), place),
        cosine_(cosine),
        left_(std::move(left)),
        right_(std::move(right)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr left, left_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr right, right_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kFloat, RowsOf(frame, rows));
    IntersectValidity(*left, *right, out.get());
    for (int64_t i = 0; i < out->size; ++i) {
      if (out->IsValid(i)) {
        ARROW_RETURN_NOT_OK(
            Product(left->lists, left->At(i), right->lists, right->At(i), i, out.get()));
      }
    }
    return out;
  }

 private:
  static bool HasNull(const ListValues& lists, size_t row) {
    if (lists.item_valid == nullptr) {
      return false;
    }
    auto begin = lists.item_valid->begin() + lists.begins[row];
    return std::find(begin, begin + lists.lengths[row], 0) != begin + lists.lengths[row];
  }

  Status Product(const ListValues& a, size_t a_row, const ListValues& b, size_t b_row, int64_t i,
                 Values* out) const {
    if (a.lengths[a_row] != b.lengths[b_row]) {
      return place().Error("lists of " + std::to_string(a.lengths[a_row]) + " and " +
                           std::to_string(b.lengths[b_row]) + " elements");
    }
    if (HasNull(a, a_row) || HasNull(b, b_row)) {
      SetNull(out, i);
      return Status::OK();
    }
    const double* x = a.items->data() + a.begins[a_row];
    const double* y = b.items->data() + b.begins[b_row];
    double dot = 0;
    double xx = 0;
    double yy = 0;
    for (int64_t k = 0; k < a.lengths[a_row]; ++k) {
      dot += x[k] * y[k];
      xx += x[k] * x[k];
      yy += y[k] * y[k];
    }
    if (!cosine_) {
      out->floats[static_cast<size_t>(i)] = dot;
    } else if (xx == 0 || yy == 0) {
      SetNull(out, i);
    } else {
      out->floats[static_cast<size_t>(i)] = dot / (std::sqrt(xx) * std::sqrt(yy));
    }
    return Status::OK();
  }

  bool cosine_;
  OperatorPtr left_;
  OperatorPtr right_;
};

// XXH64 of the canonical bytes, without its lowest bit so that it is never negative. Of several
// arguments: the hash of their hashes (8 bytes little endian each). Null where an argument is null.
class HashOf final : public Operator {
 public:
  HashOf(Place place, std::vector<OperatorPtr> arguments)
      : Operator(MakeType(Kind::kInt), place), arguments_(std::move(arguments)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    std::vector<ValuesPtr> inputs;
    for (const OperatorPtr& argument : arguments_) {
      ARROW_ASSIGN_OR_RAISE(ValuesPtr input, argument->Run(frame, rows));
      inputs.push_back(std::move(input));
    }
    std::shared_ptr<Values> out = MakeValues(Kind::kInt, RowsOf(frame, rows));
    std::string parts;
    for (int64_t i = 0; i < out->size; ++i) {
      parts.clear();
      uint64_t hash = 0;
      bool valid = true;
      for (size_t k = 0; k < inputs.size() && valid; ++k) {
        valid = inputs[k]->IsValid(i);
        hash = valid ? Element(arguments_[k]->type(), *inputs[k], i) : 0;
        AppendWord(hash, &parts);
      }
      if (!valid) {
        SetNull(out.get(), i);
        continue;
      }
      hash = inputs.size() == 1 ? hash : base::Hash64(parts);
      out->ints[static_cast<size_t>(i)] = static_cast<int64_t>(hash >> 1);
    }
    return out;
  }

 private:
  static void AppendWord(uint64_t word, std::string* out) {
    for (int shift = 0; shift < 64; shift += 8) {
      out->push_back(static_cast<char>((word >> shift) & 0xFF));
    }
  }

  static uint64_t Element(const Type& type, const Values& values, int64_t i) {
    size_t at = values.At(i);
    std::string bytes;
    switch (type.kind) {
      case Kind::kString:
      case Kind::kBinary:
        return base::Hash64(values.strings[at]);
      case Kind::kFloat: {
        double value = values.floats[at];
        if (value == 0) {
          value = 0.0;
        } else if (std::isnan(value)) {
          value = std::numeric_limits<double>::quiet_NaN();
        }
        AppendWord(std::bit_cast<uint64_t>(value), &bytes);
        break;
      }
      case Kind::kDecimal:
        bytes = DecimalText(values.decimals[at], type.scale);
        break;
      default:
        AppendWord(static_cast<uint64_t>(values.ints[at]), &bytes);
        break;
    }
    return base::Hash64(bytes);
  }

  std::vector<OperatorPtr> arguments_;
};

// ---- times --------------------------------------------------------------------------------------

struct CivilDate {
  int64_t year;
  int64_t month;  // 1..12
  int64_t day;    // 1..31
};

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
CivilDate CivilOf(int64_t days) {
  days += 719468;
  int64_t era = base::FloorDiv(days, 146097);
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted = (5 * day_of_year + 2) / 153;
  int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted + 2) / 5 + 1};
}

int64_t DaysOf(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  int64_t era = base::FloorDiv(year, 400);
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

// 1 Monday … 7 Sunday.
int64_t IsoWeekday(int64_t days) { return (days + 3) - base::FloorDiv(days + 3, 7) * 7 + 1; }

int64_t IsoWeek(int64_t days) {
  int64_t thursday = days - IsoWeekday(days) + 4;
  return (thursday - DaysOf(CivilOf(thursday).year, 1, 1)) / 7 + 1;
}

int64_t TimeOfDay(int64_t micros) { return base::FloorMod(micros, base::kMicrosPerDay); }

struct DatePart {
  std::string_view name;
  bool of_date;                    // else of the time of day
  int64_t (*take)(int64_t value);  // days, or microseconds of the day
};

constexpr std::array<DatePart, 14> kDateParts = {{
    {"year", true, [](int64_t days) { return CivilOf(days).year; }},
    {"quarter", true, [](int64_t days) { return (CivilOf(days).month + 2) / 3; }},
    {"month", true, [](int64_t days) { return CivilOf(days).month; }},
    {"week", true, IsoWeek},
    {"day", true, [](int64_t days) { return CivilOf(days).day; }},
    {"dow", true, [](int64_t days) { return IsoWeekday(days) % 7; }},
    {"isodow", true, IsoWeekday},
    {"doy", true, [](int64_t days) { return days - DaysOf(CivilOf(days).year, 1, 1) + 1; }},
    {"hour", false, [](int64_t micros) { return micros / base::kMicrosPerHour; }},
    {"minute", false, [](int64_t micros) { return micros / base::kMicrosPerMinute % 60; }},
    {"second", false, [](int64_t micros) { return micros / base::kMicrosPerSecond % 60; }},
    {"millisecond", false, [](int64_t micros) { return micros / 1'000 % 60'000; }},
    {"microsecond", false, [](int64_t micros) { return micros % 60'000'000; }},
    {"epoch_day", true, [](int64_t days) { return days; }},
}};

class TakeDatePart final : public Operator {
 public:
  TakeDatePart(Place place, const DatePart& part, OperatorPtr value)
      : Operator(MakeType(Kind::kInt), place), part_(part), value_(std::move(value)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr in, value_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kInt, in->size);
    out->constant = in->constant;
    out->valid = in->valid;
    bool date = value_->type().kind == Kind::kDate;
    for (size_t i = 0; i < out->ints.size(); ++i) {
      int64_t value = in->ints[i];
      if (part_.of_date) {
        out->ints[i] = part_.take(date ? value : base::FloorDiv(value, base::kMicrosPerDay));
      } else {
        out->ints[i] = date ? 0 : part_.take(TimeOfDay(value));
      }
    }
    return out;
  }

 private:
  DatePart part_;
  OperatorPtr value_;
};

double EpochOf(int64_t micros) {
  return static_cast<double>(micros) / static_cast<double>(base::kMicrosPerSecond);
}

// Seconds since 1970 with their fraction.
class Epoch final : public Operator {
 public:
  Epoch(Place place, OperatorPtr value)
      : Operator(MakeType(Kind::kFloat), place), value_(std::move(value)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr in, value_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kFloat, in->size);
    out->constant = in->constant;
    out->valid = in->valid;
    bool date = value_->type().kind == Kind::kDate;
    for (size_t i = 0; i < out->floats.size(); ++i) {
      out->floats[i] = date ? static_cast<double>(in->ints[i]) * 86400.0 : EpochOf(in->ints[i]);
    }
    return out;
  }

 private:
  OperatorPtr value_;
};

}  // namespace

Result<OperatorPtr> MakeNumberFunction(const std::string& name, Place place,
                                       std::vector<OperatorPtr> arguments) {
  if (name == "hash") {
    return std::make_unique<HashOf>(place, std::move(arguments));
  }
  if (name == "dot" || name == "cosine") {
    return std::make_unique<ListProduct>(place, name == "cosine", std::move(arguments[0]),
                                         std::move(arguments[1]));
  }
  Kind kind = arguments[0]->type().kind;
  bool rounding = name == "abs" || name == "floor" || name == "ceil" || name == "round";
  if (rounding && kind != Kind::kFloat) {
    int64_t digits = 0;
    if (arguments.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(ValuesPtr constant, arguments[1]->Run(Frame{}, nullptr));
      digits = std::clamp<int64_t>(static_cast<int64_t>(constant->floats[0]), -400, 400);
    }
    auto function = name == "abs"     ? ExactFunction::Rounding::kAbs
                    : name == "floor" ? ExactFunction::Rounding::kFloor
                    : name == "ceil"  ? ExactFunction::Rounding::kCeil
                                      : ExactFunction::Rounding::kRound;
    return std::make_unique<ExactFunction>(place, std::move(arguments[0]), function, digits);
  }
  if (name == "round" && arguments.size() == 1) {
    std::shared_ptr<Values> zero = MakeValues(Kind::kFloat, 1);
    zero->constant = true;
    arguments.push_back(MakeConstant(MakeType(Kind::kFloat), place, zero));
  }
  return std::make_unique<FloatFunction>(place, std::move(arguments), FloatFunctionOf(name));
}

Result<OperatorPtr> MakeTimeFunction(const std::string& name, Place place,
                                     std::vector<OperatorPtr> arguments) {
  if (name == "epoch") {
    return std::make_unique<Epoch>(place, std::move(arguments[0]));
  }
  ARROW_ASSIGN_OR_RAISE(ValuesPtr part, arguments[0]->Run(Frame{}, nullptr));
  std::string wanted(part->strings[0]);
  std::vector<std::string> names;
  Kind kind = arguments[1]->type().kind;
  for (const DatePart& known : kDateParts) {
    if (known.name == wanted) {
      if (known.of_date && kind == Kind::kTime) {
        return place.source->Error(place.begin, "a time of day has no '" + wanted + "'");
      }
      return std::make_unique<TakeDatePart>(place, known, std::move(arguments[1]));
    }
    names.emplace_back(known.name);
  }
  return place.source->Error(place.begin, "unknown part '" + wanted + "'" +
                                              base::DidYouMean(wanted, names) + " (" +
                                              base::CommaList(names) + ")");
}

}  // namespace icecore::expr
