#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <system_error>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/partition_values_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;

// 0001-01-01 to 9999-12-31.
constexpr int64_t kFirstDay = -719'162;
constexpr int64_t kLastDay = 2'932'896;

template <typename ArrayType>
std::string IntText(const arrow::Array& array, int64_t row) {
  return std::to_string(static_cast<int64_t>(static_cast<const ArrayType&>(array).Value(row)));
}

// The shortest text that reads back; names as Java's.
template <typename Value>
std::string FloatText(Value value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "Infinity" : "-Infinity";
  }
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return error == std::errc() ? std::string(text, end) : std::string();
}

arrow::Result<std::string> DayText(int64_t day) {
  if (day < kFirstDay || day > kLastDay) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "partition value: day " + std::to_string(day) + " since 1970");
  }
  return base::FormatDate(day);
}

// "2013-12-01T12:00:00.123456Z" where the instant has a zone, so that no reader takes it for local
// time; "2013-12-01 12:00:00.123456" without.
arrow::Result<std::string> InstantText(const arrow::TimestampArray& array, int64_t row) {
  const int64_t micros = array.Value(row);
  if (micros < kFirstDay * base::kMicrosPerDay || micros >= (kLastDay + 1) * base::kMicrosPerDay) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "partition value: instant " + std::to_string(micros) + " us since 1970");
  }
  std::string text = base::FormatInstant(micros);
  if (static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty()) {
    text.pop_back();
    text[text.find('T')] = ' ';
  }
  return text;
}

arrow::Result<std::string> BytesText(std::string_view bytes) {
  if (bytes.empty()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "partition value: an empty text cannot be told from null in the Delta format");
  }
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(bytes.data()),
                                 static_cast<int64_t>(bytes.size()))) {
    return MakeError(ErrorCode::kInvalidArgument, "partition value: bytes that are no UTF-8");
  }
  return std::string(bytes);
}

}  // namespace

arrow::Status CheckPartitionColumns(const arrow::Schema& schema,
                                    const std::vector<std::string>& partition_columns) {
  std::set<std::string> seen;
  for (const std::string& name : partition_columns) {
    const auto field = schema.GetFieldByName(name);
    if (field == nullptr) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "partition column '" + name + "' is not in the schema");
    }
    if (!seen.insert(name).second) {
      return MakeError(ErrorCode::kInvalidArgument, "partition column '" + name + "' twice");
    }
    if (field->type()->num_fields() > 0) {
      return MakeError(ErrorCode::kInvalidArgument, "partition column '" + name + "' of type " +
                                                        field->type()->ToString() +
                                                        ": only types without children");
    }
  }
  if (!seen.empty() && static_cast<int>(seen.size()) >= schema.num_fields()) {
    return MakeError(ErrorCode::kInvalidArgument, "every column is a partition column");
  }
  return arrow::Status::OK();
}

arrow::Result<std::optional<std::string>> FormatPartitionValue(const arrow::Array& storage,
                                                               int64_t row) {
  if (storage.IsNull(row)) {
    return std::nullopt;
  }
  switch (storage.type_id()) {
    case Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(storage).Value(row) ? "true" : "false";
    case Type::INT8:
      return IntText<arrow::Int8Array>(storage, row);
    case Type::INT16:
      return IntText<arrow::Int16Array>(storage, row);
    case Type::INT32:
      return IntText<arrow::Int32Array>(storage, row);
    case Type::INT64:
      return IntText<arrow::Int64Array>(storage, row);
    case Type::FLOAT:
      return FloatText(static_cast<const arrow::FloatArray&>(storage).Value(row));
    case Type::DOUBLE:
      return FloatText(static_cast<const arrow::DoubleArray&>(storage).Value(row));
    case Type::DATE32:
      return DayText(static_cast<const arrow::Date32Array&>(storage).Value(row));
    case Type::TIMESTAMP:
      return InstantText(static_cast<const arrow::TimestampArray&>(storage), row);
    case Type::DECIMAL128: {
      const auto& values = static_cast<const arrow::Decimal128Array&>(storage);
      const auto& type = static_cast<const arrow::Decimal128Type&>(*storage.type());
      return arrow::Decimal128(values.GetValue(row)).ToString(type.scale());
    }
    case Type::STRING:
      return BytesText(static_cast<const arrow::StringArray&>(storage).GetView(row));
    case Type::BINARY:
      return BytesText(static_cast<const arrow::BinaryArray&>(storage).GetView(row));
    default:
      return MakeError(ErrorCode::kInvalidArgument,
                       "partition value of type " + storage.type()->ToString());
  }
}

}  // namespace icecore::lake
