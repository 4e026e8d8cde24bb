#include "icecore/base/time.h"

#include <charconv>
#include <chrono>
#include <cstdio>

#include "icecore/base/error.h"
#include "icecore/base/instant_text.h"

namespace icecore::base {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly `digits` decimal digits.
  bool Number(size_t digits, int* out) {
    if (rest_.size() < digits) {
      return false;
    }
    int value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') {
        return false;
      }
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    *out = value;
    return true;
  }
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // 1 to 9 digits as nanoseconds.
  bool Fraction(int64_t* nanos) {
    size_t digits = 0;
    int64_t value = 0;
    while (digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9') {
      if (digits == 9) {
        return false;
      }
      value = value * 10 + (rest_[digits++] - '0');
    }
    if (digits == 0) {
      return false;
    }
    rest_.remove_prefix(digits);
    for (; digits < 9; ++digits) {
      value *= 10;
    }
    *nanos = value;
    return true;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool ScanDate(Scanner* in, int64_t* days) {
  int y = 0;
  int m = 0;
  int d = 0;
  if (!in->Number(4, &y) || !in->Take('-') || !in->Number(2, &m) || !in->Take('-') ||
      !in->Number(2, &d)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(y),
                                         std::chrono::month(static_cast<unsigned>(m)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok()) {
    return false;
  }
  *days = std::chrono::sys_days(date).time_since_epoch().count();
  return true;
}

// hh:mm[:ss[.fraction]]
bool ScanClock(Scanner* in, int64_t* seconds, int64_t* nanos) {
  int h = 0;
  int m = 0;
  int s = 0;
  if (!in->Number(2, &h) || !in->Take(':') || !in->Number(2, &m)) {
    return false;
  }
  if (in->Take(':') && (!in->Number(2, &s) || (in->Take('.') && !in->Fraction(nanos)))) {
    return false;
  }
  if (h > 23 || m > 59 || s > 59) {
    return false;
  }
  *seconds = h * 3600 + m * 60 + s;
  return true;
}

// Z, z or ±hh[[:]mm]; nothing is a naive time.
bool ScanZone(Scanner* in, bool* has_zone, int64_t* offset_seconds) {
  *has_zone = true;
  if (in->Take('Z') || in->Take('z')) {
    return true;
  }
  const bool minus = in->Take('-');
  if (!minus && !in->Take('+')) {
    *has_zone = false;
    return true;
  }
  int h = 0;
  int m = 0;
  if (!in->Number(2, &h)) {
    return false;
  }
  if (!in->done()) {
    in->Take(':');
    if (!in->Number(2, &m)) {
      return false;
    }
  }
  if (h > 23 || m > 59) {
    return false;
  }
  const int64_t offset = int64_t{h} * 3600 + int64_t{m} * 60;
  *offset_seconds = minus ? -offset : offset;
  return true;
}

char* WriteTwo(int64_t value, char* out) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
  return out + 2;
}

char* WriteDate(int64_t days_since_epoch, char* out) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(days_since_epoch))};
  const int year = static_cast<int>(date.year());
  if (year < 0 || year > 9999) {
    return out + std::snprintf(out, kMaxInstantBytes / 2, "%04d-%02u-%02u", year,
                               static_cast<unsigned>(date.month()),
                               static_cast<unsigned>(date.day()));
  }
  out = WriteTwo(year % 100, WriteTwo(year / 100, out));
  *out++ = '-';
  out = WriteTwo(static_cast<unsigned>(date.month()), out);
  *out++ = '-';
  return WriteTwo(static_cast<unsigned>(date.day()), out);
}

}  // namespace

arrow::Result<ParsedTime> ParseTime(std::string_view text) {
  Scanner in(text);
  int64_t days = 0;
  int64_t seconds = 0;
  int64_t nanos = 0;
  int64_t offset_seconds = 0;
  ParsedTime out;
  bool ok = ScanDate(&in, &days);
  if (ok && !in.done()) {
    ok = (in.Take('T') || in.Take('t') || in.Take(' ')) && ScanClock(&in, &seconds, &nanos);
    in.Take(' ');
    ok = ok && ScanZone(&in, &out.has_zone, &offset_seconds) && in.done();
  }
  if (!ok) {
    return MakeError(
        ErrorCode::kInvalidArgument,
        "'" + std::string(text) + "' is no RFC 3339 time such as 2013-12-01T12:00:00Z");
  }
  out.micros = days * kMicrosPerDay + (seconds - offset_seconds) * kMicrosPerSecond + nanos / 1000;
  out.nanos_below = static_cast<int32_t>(nanos % 1000);
  return out;
}

arrow::Result<int64_t> ParseInstant(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(ParsedTime parsed, ParseTime(text));
  return parsed.micros;
}

char* WriteInstant(int64_t micros, char* out) {
  const int64_t in_day = FloorMod(micros, kMicrosPerDay);
  const int64_t second = in_day / kMicrosPerSecond;
  const int64_t below = in_day % kMicrosPerSecond;
  out = WriteDate(FloorDiv(micros, kMicrosPerDay), out);
  *out++ = 'T';
  out = WriteTwo(second / 3600, out);
  *out++ = ':';
  out = WriteTwo(second / 60 % 60, out);
  *out++ = ':';
  out = WriteTwo(second % 60, out);
  *out++ = '.';
  out = WriteTwo(below / 10'000, out);
  out = WriteTwo(below / 100 % 100, out);
  out = WriteTwo(below % 100, out);
  *out++ = 'Z';
  return out;
}

void AppendInstant(int64_t micros, std::string* out) {
  char buffer[kMaxInstantBytes];
  out->append(buffer, WriteInstant(micros, buffer));
}

std::string FormatInstant(int64_t micros) {
  char buffer[kMaxInstantBytes];
  return std::string(buffer, WriteInstant(micros, buffer));
}

std::string FormatInstantShort(int64_t micros) {
  std::string text = FormatInstant(micros);
  text.pop_back();
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') {
    text.pop_back();
  }
  return text + "Z";
}

std::string FormatDate(int64_t days_since_epoch) {
  char buffer[kMaxInstantBytes];
  return std::string(buffer, WriteDate(days_since_epoch, buffer));
}

arrow::Result<int64_t> ParseDuration(std::string_view text) {
  int64_t count = 0;
  const auto [unit_begin, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<size_t>(unit_begin - text.data()));
  const int64_t scale = unit == "us"   ? 1
                        : unit == "ms" ? 1000
                        : unit == "s"  ? kMicrosPerSecond
                        : unit == "m"  ? kMicrosPerMinute
                        : unit == "h"  ? kMicrosPerHour
                        : unit == "d"  ? kMicrosPerDay
                                       : 0;
  int64_t micros = 0;
  if (error != std::errc() || scale == 0 || count < 0 || text.front() == '+' ||
      __builtin_mul_overflow(count, scale, &micros)) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + std::string(text) + "' is no duration such as 90s, 15m, 26h or 7d");
  }
  return micros;
}

std::string FormatDuration(int64_t micros) {
  struct Unit {
    int64_t scale;
    const char* name;
  };
  constexpr Unit kUnits[] = {
      {kMicrosPerDay, "d"},    {kMicrosPerHour, "h"}, {kMicrosPerMinute, "m"},
      {kMicrosPerSecond, "s"}, {1000, "ms"},          {1, "us"}};
  if (micros == 0) {
    return "0s";
  }
  for (const Unit& unit : kUnits) {
    if (micros % unit.scale == 0) {
      return std::to_string(micros / unit.scale) + unit.name;
    }
  }
  return std::to_string(micros) + "us";
}

}  // namespace icecore::base
