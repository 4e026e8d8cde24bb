#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/lake/stats_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;

constexpr size_t kMostCodePoints = 32;
// 0001-01-01 to 9999-12-31: what every reader's calendar has.
constexpr int64_t kFirstDay = -719'162;
constexpr int64_t kLastDay = 2'932'896;

class CountingStats : public ColumnStats {
 public:
  void Update(const arrow::Array& array) override { nulls_ += array.null_count(); }
  bool AppendMin(std::string*) const override { return false; }
  bool AppendMax(std::string*) const override { return false; }
  void AppendNullCount(std::string* out) const override { base::AppendJsonInt(nulls_, out); }

 protected:
  int64_t nulls_ = 0;
};

// Minimum and maximum of values with <.
template <typename ArrayType, typename Value>
class RangeStats : public CountingStats {
 public:
  void Update(const arrow::Array& array) override {
    CountingStats::Update(array);
    const auto& values = static_cast<const ArrayType&>(array);
    const bool has_nulls = array.null_count() > 0;
    for (int64_t i = 0; i < values.length(); ++i) {
      if (!has_nulls || values.IsValid(i)) {
        Add(Value(values.GetView(i)));
      }
    }
  }

 protected:
  void Add(const Value& value) {
    if constexpr (std::is_floating_point_v<Value>) {
      if (std::isnan(value)) {
        has_nan_ = true;
        return;
      }
    }
    if (!has_range_) {
      min_ = max_ = value;
      has_range_ = true;
    } else if (value < min_) {
      min_ = value;
    } else if (max_ < value) {
      max_ = value;
    }
  }
  bool has_range() const { return has_range_ && !has_nan_; }

  Value min_{};
  Value max_{};

 private:
  bool has_range_ = false;
  bool has_nan_ = false;
};

template <typename ArrayType>
class IntStats : public RangeStats<ArrayType, int64_t> {
 public:
  bool AppendMin(std::string* out) const override { return Append(this->min_, out); }
  bool AppendMax(std::string* out) const override { return Append(this->max_, out); }

 private:
  bool Append(int64_t value, std::string* out) const {
    if (this->has_range()) {
      base::AppendJsonInt(value, out);
    }
    return this->has_range();
  }
};

// Zeros of either sign are equal: the minimum counts as -0.0, the maximum as +0.0.
template <typename ArrayType, typename Value>
class FloatStats : public RangeStats<ArrayType, Value> {
 public:
  bool AppendMin(std::string* out) const override {
    return Append(this->min_ == 0 ? Value{-0.0F} : this->min_, out);
  }
  bool AppendMax(std::string* out) const override {
    return Append(this->max_ == 0 ? Value{0.0F} : this->max_, out);
  }

 private:
  bool Append(Value value, std::string* out) const {
    if (!this->has_range() || std::isinf(value)) {
      return false;
    }
    // A float32 as the double that it is: once the column is float64, its shortest text would be
    // another number, and the value outside of its own bounds.
    base::AppendJsonDouble(static_cast<double>(value), out);
    return true;
  }
};

class DateStats : public RangeStats<arrow::Date32Array, int64_t> {
 public:
  bool AppendMin(std::string* out) const override { return Append(min_, out); }
  bool AppendMax(std::string* out) const override { return Append(max_, out); }

 private:
  bool Append(int64_t day, std::string* out) const {
    if (!has_range() || day < kFirstDay || day > kLastDay) {
      return false;
    }
    base::AppendJsonString(base::FormatDate(day), out);
    return true;
  }
};

class TimestampStats : public RangeStats<arrow::TimestampArray, int64_t> {
 public:
  explicit TimestampStats(bool has_zone) : has_zone_(has_zone) {}
  bool AppendMin(std::string* out) const override { return Append(base::FloorTo(min_, 1000), out); }
  bool AppendMax(std::string* out) const override {
    return Append(base::FloorTo(base::SaturatingAdd(max_, 999), 1000), out);
  }

 private:
  bool Append(int64_t micros, std::string* out) const {
    if (!has_range() || micros < kFirstDay * base::kMicrosPerDay ||
        micros >= (kLastDay + 1) * base::kMicrosPerDay) {
      return false;
    }
    // "2013-12-01T12:00:00.123456Z" without the last three digits.
    std::string text = base::FormatInstant(micros);
    text.resize(text.size() - 4);
    base::AppendJsonString(has_zone_ ? text + "Z" : text, out);
    return true;
  }
  const bool has_zone_;
};

class DecimalStats : public CountingStats {
 public:
  explicit DecimalStats(int32_t scale) : scale_(scale) {}
  void Update(const arrow::Array& array) override {
    CountingStats::Update(array);
    const auto& values = static_cast<const arrow::Decimal128Array&>(array);
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsValid(i)) {
        const arrow::Decimal128 value(values.GetValue(i));
        min_ = !min_.has_value() || value < *min_ ? value : *min_;
        max_ = !max_.has_value() || *max_ < value ? value : *max_;
      }
    }
  }
  bool AppendMin(std::string* out) const override { return Append(min_, out); }
  bool AppendMax(std::string* out) const override { return Append(max_, out); }

 private:
  bool Append(const std::optional<arrow::Decimal128>& value, std::string* out) const {
    if (value.has_value()) {
      *out += value->ToString(scale_);
    }
    return value.has_value();
  }
  const int32_t scale_;
  std::optional<arrow::Decimal128> min_;
  std::optional<arrow::Decimal128> max_;
};

class StringStats : public CountingStats {
 public:
  void Update(const arrow::Array& array) override {
    CountingStats::Update(array);
    const auto& values = static_cast<const arrow::StringArray&>(array);
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsValid(i)) {
        Add(values.GetView(i));
      }
    }
  }
  bool AppendMin(std::string* out) const override {
    if (has_range_) {
      base::AppendJsonString(TruncatedMin(min_), out);
    }
    return has_range_;
  }
  bool AppendMax(std::string* out) const override {
    std::string text;
    if (!has_range_ || !TruncatedMax(max_, &text)) {
      return false;
    }
    base::AppendJsonString(text, out);
    return true;
  }

 private:
  void Add(std::string_view value) {
    if (!has_range_) {
      min_ = max_ = value;
      has_range_ = true;
    } else if (value < min_) {
      min_ = value;
    } else if (value > max_) {
      max_ = value;
    }
  }
  std::string min_;
  std::string max_;
  bool has_range_ = false;
};

class StructStats : public ColumnStats {
 public:
  explicit StructStats(const arrow::DataType& type) {
    for (const auto& field : type.fields()) {
      names_.push_back(field->name());
      members_.push_back(MakeColumnStats(*field->type()));
    }
  }
  // A null struct counts as null in each of its members.
  void Update(const arrow::Array& array) override {
    const auto& values = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < members_.size(); ++i) {
      const auto member = values.GetFlattenedField(static_cast<int>(i));
      if (member.ok()) {
        members_[i]->Update(**member);
      }
    }
  }
  bool AppendMin(std::string* out) const override {
    return AppendMembers(
        out, [](const ColumnStats& member, std::string* to) { return member.AppendMin(to); });
  }
  bool AppendMax(std::string* out) const override {
    return AppendMembers(
        out, [](const ColumnStats& member, std::string* to) { return member.AppendMax(to); });
  }
  void AppendNullCount(std::string* out) const override {
    AppendMembers(out, [](const ColumnStats& member, std::string* to) {
      member.AppendNullCount(to);
      return true;
    });
  }

 private:
  template <typename Append>
  bool AppendMembers(std::string* out, Append append) const {
    std::string object;
    for (size_t i = 0; i < members_.size(); ++i) {
      std::string value;
      if (append(*members_[i], &value)) {
        object += object.empty() ? "{" : ",";
        base::AppendJsonString(names_[i], &object);
        object += ":" + value;
      }
    }
    if (object.empty()) {
      return false;
    }
    *out += object + "}";
    return true;
  }
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<ColumnStats>> members_;
};

// Bytes of the first `most` code points; text must be UTF-8.
size_t PrefixBytes(std::string_view text, size_t most) {
  size_t seen = 0;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (begins && ++seen > most) {
      break;
    }
  }
  return i;
}

// One code point of valid UTF-8.
uint32_t DecodeCodePoint(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() == 1) {
    return lead;
  }
  uint32_t code = lead & (0x7fU >> bytes.size());
  for (const char c : bytes.substr(1)) {
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  }
  return code;
}

void AppendCodePoint(uint32_t code, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80U | (code >> shift & 0x3fU)));
  };
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0U | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0U | code >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0U | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool IsUtf8(std::string_view text) {
  arrow::util::InitializeUTF8();
  return arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(text.data()),
                                   static_cast<int64_t>(text.size()));
}

}  // namespace

std::string TruncatedMin(std::string_view text) {
  return IsUtf8(text) ? std::string(text.substr(0, PrefixBytes(text, kMostCodePoints)))
                      : std::string();
}

bool TruncatedMax(std::string_view text, std::string* out) {
  if (!IsUtf8(text)) {
    return false;
  }
  std::string_view prefix = text.substr(0, PrefixBytes(text, kMostCodePoints));
  if (prefix.size() == text.size()) {
    *out = text;
    return true;
  }
  constexpr uint32_t kLastCodePoint = 0x10ffff;
  while (!prefix.empty()) {
    size_t begin = prefix.size() - 1;
    while ((static_cast<unsigned char>(prefix[begin]) & 0xc0) == 0x80) {
      --begin;
    }
    const uint32_t code = DecodeCodePoint(prefix.substr(begin));
    prefix = prefix.substr(0, begin);
    if (code < kLastCodePoint) {
      *out = prefix;
      AppendCodePoint(code == 0xd7ff ? 0xe000 : code + 1, out);
      return true;
    }
  }
  return false;
}

std::unique_ptr<ColumnStats> MakeColumnStats(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::INT8:
      return std::make_unique<IntStats<arrow::Int8Array>>();
    case Type::INT16:
      return std::make_unique<IntStats<arrow::Int16Array>>();
    case Type::INT32:
      return std::make_unique<IntStats<arrow::Int32Array>>();
    case Type::INT64:
      return std::make_unique<IntStats<arrow::Int64Array>>();
    case Type::FLOAT:
      return std::make_unique<FloatStats<arrow::FloatArray, float>>();
    case Type::DOUBLE:
      return std::make_unique<FloatStats<arrow::DoubleArray, double>>();
    case Type::DATE32:
      return std::make_unique<DateStats>();
    case Type::TIMESTAMP:
      return std::make_unique<TimestampStats>(
          !static_cast<const arrow::TimestampType&>(type).timezone().empty());
    case Type::DECIMAL128:
      return std::make_unique<DecimalStats>(
          static_cast<const arrow::Decimal128Type&>(type).scale());
    case Type::STRING:
      return std::make_unique<StringStats>();
    case Type::STRUCT:
      return std::make_unique<StructStats>(type);
    default:
      return std::make_unique<CountingStats>();
  }
}

FileStats::FileStats(const arrow::Schema& storage) {
  for (const auto& field : storage.fields()) {
    names_.push_back(field->name());
    columns_.push_back(MakeColumnStats(*field->type()));
  }
}

void FileStats::Update(const arrow::RecordBatch& batch) {
  rows_ += batch.num_rows();
  for (size_t i = 0; i < columns_.size(); ++i) {
    columns_[i]->Update(*batch.column(static_cast<int>(i)));
  }
}

std::string FileStats::ToJson() const {
  std::string json = "{\"numRecords\":" + std::to_string(rows_);
  const auto append = [&](const char* key, auto value_of) {
    json += ",\"" + std::string(key) + "\":{";
    bool is_first = true;
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::string value;
      if (value_of(*columns_[i], &value)) {
        json += is_first ? "" : ",";
        is_first = false;
        base::AppendJsonString(names_[i], &json);
        json += ":" + value;
      }
    }
    json += "}";
  };
  append("minValues", [](const ColumnStats& c, std::string* to) { return c.AppendMin(to); });
  append("maxValues", [](const ColumnStats& c, std::string* to) { return c.AppendMax(to); });
  append("nullCount", [](const ColumnStats& c, std::string* to) {
    c.AppendNullCount(to);
    return true;
  });
  return json + "}";
}

}  // namespace icecore::lake
