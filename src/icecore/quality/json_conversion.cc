#include "icecore/quality/json_conversion_internal.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <string>
#include <vector>

#include "icecore/quality/scalar_text_internal.h"

namespace icecore::quality {
namespace {

using arrow::ArrayBuilder;

constexpr int kMaxDepth = 64;

template <typename Builder, typename T>
bool AppendInteger(std::string_view text, ArrayBuilder* builder) {
  T value = 0;
  return ParseInteger(text, &value) && static_cast<Builder*>(builder)->Append(value).ok();
}

bool AppendTime(std::string_view text, ArrayBuilder* builder) {
  const arrow::DataType& type = *builder->type();
  if (type.id() == arrow::Type::DATE32) {
    int32_t days = 0;
    return ParseDate(text, &days) && static_cast<arrow::Date32Builder*>(builder)->Append(days).ok();
  }
  int64_t micros = 0;
  if (type.id() == arrow::Type::TIME64) {
    return ParseTimeOfDay(text, &micros) &&
           static_cast<arrow::Time64Builder*>(builder)->Append(micros).ok();
  }
  bool has_zone = false;
  bool local = static_cast<const arrow::TimestampType&>(type).timezone().empty();
  return ParseTimestamp(text, &micros, &has_zone) && !(local && has_zone) &&
         static_cast<arrow::TimestampBuilder*>(builder)->Append(micros).ok();
}

bool AppendDecimal(std::string_view text, ArrayBuilder* builder) {
  const auto& type = static_cast<const arrow::Decimal128Type&>(*builder->type());
  uint8_t bytes[16];
  return ParseDecimal(text, type.precision(), type.scale(), bytes) &&
         static_cast<arrow::Decimal128Builder*>(builder)->Append(arrow::Decimal128(bytes)).ok();
}

bool AppendNumber(std::string_view text, ArrayBuilder* builder) {
  switch (builder->type()->id()) {
    case arrow::Type::INT8:
      return AppendInteger<arrow::Int8Builder, int8_t>(text, builder);
    case arrow::Type::INT16:
      return AppendInteger<arrow::Int16Builder, int16_t>(text, builder);
    case arrow::Type::INT32:
      return AppendInteger<arrow::Int32Builder, int32_t>(text, builder);
    case arrow::Type::INT64:
      return AppendInteger<arrow::Int64Builder, int64_t>(text, builder);
    case arrow::Type::UINT8:
      return AppendInteger<arrow::UInt8Builder, uint8_t>(text, builder);
    case arrow::Type::UINT16:
      return AppendInteger<arrow::UInt16Builder, uint16_t>(text, builder);
    case arrow::Type::UINT32:
      return AppendInteger<arrow::UInt32Builder, uint32_t>(text, builder);
    case arrow::Type::UINT64:
      return AppendInteger<arrow::UInt64Builder, uint64_t>(text, builder);
    case arrow::Type::FLOAT: {
      float value = 0;
      return ParseFloat32(text, &value) &&
             static_cast<arrow::FloatBuilder*>(builder)->Append(value).ok();
    }
    case arrow::Type::DOUBLE: {
      double value = 0;
      return ParseFloat64(text, &value) &&
             static_cast<arrow::DoubleBuilder*>(builder)->Append(value).ok();
    }
    case arrow::Type::DECIMAL128:
      return AppendDecimal(text, builder);
    default:
      return false;
  }
}

bool AppendString(std::string_view text, ArrayBuilder* builder) {
  switch (builder->type()->id()) {
    case arrow::Type::STRING:
      return static_cast<arrow::StringBuilder*>(builder)->Append(text).ok();
    case arrow::Type::BINARY: {
      std::string bytes;
      return ParseBase64(text, &bytes) &&
             static_cast<arrow::BinaryBuilder*>(builder)->Append(bytes).ok();
    }
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return AppendTime(text, builder);
    case arrow::Type::DECIMAL128:
      return AppendDecimal(text, builder);
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:  // "NaN", "Infinity": JSON has no numbers for them
      return (text == "NaN" || text == "Infinity" || text == "-Infinity") &&
             AppendNumber(text, builder);
    default:
      return false;
  }
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
    return;
  }
  int more = code_point < 0x800 ? 1 : (code_point < 0x10000 ? 2 : 3);
  static constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLead[more] | code_point >> (6 * more)));
  while (more-- > 0) {
    out->push_back(static_cast<char>(0x80 | (code_point >> (6 * more) & 0x3F)));
  }
}

// RFC 8259, driven by the type of the builder.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Run(ArrayBuilder* builder) {
    if (!Value(builder, 0)) {
      return false;
    }
    SkipSpace();
    return rest_.empty();
  }

 private:
  void SkipSpace() {
    size_t n = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
  }
  bool Take(char c) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!rest_.starts_with(word)) {
      return false;
    }
    rest_.remove_prefix(word.size());
    return true;
  }

  // builder may be null: the value is read and dropped.
  bool Value(ArrayBuilder* builder, int depth) {
    SkipSpace();
    if (rest_.empty() || depth > kMaxDepth) {
      return false;
    }
    switch (rest_.front()) {
      case 'n':
        return TakeWord("null") && (builder == nullptr || builder->AppendNull().ok());
      case 't':
      case 'f': {
        bool value = rest_.front() == 't';
        if (!TakeWord(value ? "true" : "false")) {
          return false;
        }
        return builder == nullptr ||
               (builder->type()->id() == arrow::Type::BOOL &&
                static_cast<arrow::BooleanBuilder*>(builder)->Append(value).ok());
      }
      case '"': {
        std::string text;
        return String(&text) && (builder == nullptr || AppendString(text, builder));
      }
      case '[':
        return List(builder, depth);
      case '{':
        return Object(builder, depth);
      default: {
        std::string_view number;
        return Number(&number) && (builder == nullptr || AppendNumber(number, builder));
      }
    }
  }

  bool Digits() {
    size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') {
      ++n;
    }
    rest_.remove_prefix(n);
    return n > 0;
  }

  bool Number(std::string_view* out) {
    std::string_view begin = rest_;
    TakeWord("-");
    bool zero = rest_.starts_with('0');
    if (zero ? !TakeWord("0") : !Digits()) {
      return false;
    }
    if (TakeWord(".") && !Digits()) {
      return false;
    }
    if (TakeWord("e") || TakeWord("E")) {
      if (!TakeWord("+")) {
        TakeWord("-");
      }
      if (!Digits()) {
        return false;
      }
    }
    *out = begin.substr(0, begin.size() - rest_.size());
    return true;
  }

  bool Hex4(uint32_t* out) {
    if (rest_.size() < 4) {
      return false;
    }
    const std::string_view digits = rest_.substr(0, 4);
    const char* const end = digits.data() + digits.size();
    auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *out, 16);
    bool whole = error == std::errc() && stop == end;
    rest_.remove_prefix(4);
    return whole;
  }

  bool Escape(std::string* out) {
    if (rest_.empty()) {
      return false;
    }
    char c = rest_.front();
    rest_.remove_prefix(1);
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kBytes = "\"\\/\b\f\n\r\t";
    size_t known = kNames.find(c);
    if (known != std::string_view::npos) {
      out->push_back(kBytes[known]);
      return true;
    }
    uint32_t unit = 0;
    if (c != 'u' || !Hex4(&unit)) {
      return false;
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
      uint32_t low = 0;
      if (!TakeWord("\\u") || !Hex4(&low) || low < 0xDC00 || low > 0xDFFF) {
        return false;
      }
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else if (unit >= 0xDC00 && unit <= 0xDFFF) {
      return false;
    }
    AppendUtf8(unit, out);
    return true;
  }

  bool String(std::string* out) {
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') {
        return arrow::util::ValidateUTF8(*out);
      }
      if (c == '\\') {
        if (!Escape(out)) {
          return false;
        }
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      } else {
        out->push_back(c);
      }
    }
    return false;
  }

  bool List(ArrayBuilder* builder, int depth) {
    Take('[');
    ArrayBuilder* items = nullptr;
    bool pairs = false;
    if (builder != nullptr) {
      switch (builder->type()->id()) {
        case arrow::Type::LIST: {
          auto* list = static_cast<arrow::ListBuilder*>(builder);
          items = list->value_builder();
          if (!list->Append().ok()) {
            return false;
          }
          break;
        }
        case arrow::Type::MAP:
          pairs = true;
          if (!static_cast<arrow::MapBuilder*>(builder)->Append().ok()) {
            return false;
          }
          break;
        default:
          return false;
      }
    }
    if (Take(']')) {
      return true;
    }
    do {
      if (pairs ? !Pair(static_cast<arrow::MapBuilder*>(builder), depth)
                : !Value(items, depth + 1)) {
        return false;
      }
    } while (Take(','));
    return Take(']');
  }

  bool Pair(arrow::MapBuilder* map, int depth) {
    SkipSpace();
    if (!Take('[')) {
      return false;
    }
    SkipSpace();
    bool null_key = rest_.starts_with('n');
    return !null_key && Value(map->key_builder(), depth + 2) && Take(',') &&
           Value(map->item_builder(), depth + 2) && Take(']');
  }

  bool Object(ArrayBuilder* builder, int depth) {
    Take('{');
    arrow::StructBuilder* record = nullptr;
    arrow::MapBuilder* map = nullptr;
    std::vector<bool> seen;
    if (builder != nullptr && builder->type()->id() == arrow::Type::STRUCT) {
      record = static_cast<arrow::StructBuilder*>(builder);
      seen.resize(static_cast<size_t>(record->num_fields()));
    } else if (builder != nullptr && builder->type()->id() == arrow::Type::MAP) {
      map = static_cast<arrow::MapBuilder*>(builder);
    } else if (builder != nullptr) {
      return false;
    }
    if ((record != nullptr && !record->Append().ok()) || (map != nullptr && !map->Append().ok())) {
      return false;
    }
    if (!Take('}')) {
      do {
        if (!Member(record, map, &seen, depth)) {
          return false;
        }
      } while (Take(','));
      if (!Take('}')) {
        return false;
      }
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      if (!seen[i] && !record->field_builder(static_cast<int>(i))->AppendNull().ok()) {
        return false;
      }
    }
    return true;
  }

  bool Member(arrow::StructBuilder* record, arrow::MapBuilder* map, std::vector<bool>* seen,
              int depth) {
    SkipSpace();
    std::string name;
    if (rest_.empty() || rest_.front() != '"' || !String(&name) || !Take(':')) {
      return false;
    }
    ArrayBuilder* target = nullptr;
    if (record != nullptr) {
      int field = static_cast<const arrow::StructType&>(*record->type()).GetFieldIndex(name);
      if (field >= 0) {
        if ((*seen)[static_cast<size_t>(field)]) {
          return false;  // the same member twice
        }
        (*seen)[static_cast<size_t>(field)] = true;
        target = record->field_builder(field);
      }
    } else if (map != nullptr) {
      if (!AppendString(name, map->key_builder())) {
        return false;
      }
      target = map->item_builder();
    }
    return Value(target, depth + 1);
  }

  std::string_view rest_;
};

}  // namespace

bool AppendJson(std::string_view text, ArrayBuilder* builder) { return Reader(text).Run(builder); }

}  // namespace icecore::quality
