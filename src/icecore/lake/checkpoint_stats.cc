// Statistics that a checkpoint holds as columns, as the JSON that log entries have.
#include <arrow/array.h>
#include <arrow/type.h>

#include <string>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/lake/checkpoint_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;

template <typename ArrayType>
bool AppendInteger(const arrow::Array& array, int64_t row, std::string* out) {
  *out += std::to_string(static_cast<const ArrayType&>(array).Value(row));
  return true;
}

std::string QuotedTimestamp(const arrow::Array& array, int64_t row) {
  const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
  std::string text =
      base::FormatInstant(static_cast<const arrow::TimestampArray&>(array).Value(row));
  if (type.timezone().empty()) {
    text.pop_back();
  }
  return "\"" + text + "\"";
}

bool AppendValue(const arrow::Array& array, int64_t row, std::string* out);

bool AppendStruct(const arrow::StructArray& array, int64_t row, std::string* out) {
  *out += '{';
  bool is_first = true;
  for (int i = 0; i < array.num_fields(); ++i) {
    const auto& member = *array.field(i);
    std::string value;
    if (member.IsNull(row) || !AppendValue(member, row, &value)) {
      continue;
    }
    *out += is_first ? "" : ",";
    is_first = false;
    base::AppendJsonString(array.struct_type()->field(i)->name(), out);
    *out += ':' + value;
  }
  *out += '}';
  return true;
}

// false: a value that the JSON does not know; nothing is appended.
bool AppendValue(const arrow::Array& array, int64_t row, std::string* out) {
  switch (array.type_id()) {
    case Type::STRUCT:
      return AppendStruct(static_cast<const arrow::StructArray&>(array), row, out);
    case Type::BOOL:
      *out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
      return true;
    case Type::INT8:
      return AppendInteger<arrow::Int8Array>(array, row, out);
    case Type::INT16:
      return AppendInteger<arrow::Int16Array>(array, row, out);
    case Type::INT32:
      return AppendInteger<arrow::Int32Array>(array, row, out);
    case Type::INT64:
      return AppendInteger<arrow::Int64Array>(array, row, out);
    case Type::FLOAT:
      base::AppendJsonDouble(
          static_cast<double>(static_cast<const arrow::FloatArray&>(array).Value(row)), out);
      return true;
    case Type::DOUBLE:
      base::AppendJsonDouble(static_cast<const arrow::DoubleArray&>(array).Value(row), out);
      return true;
    case Type::DECIMAL128:
      *out += static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
      return true;
    case Type::STRING:
      base::AppendJsonString(static_cast<const arrow::StringArray&>(array).GetView(row), out);
      return true;
    case Type::DATE32:
      *out +=
          '"' + base::FormatDate(static_cast<const arrow::Date32Array&>(array).Value(row)) + '"';
      return true;
    case Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(*array.type()).unit() !=
          arrow::TimeUnit::MICRO) {
        return false;
      }
      *out += QuotedTimestamp(array, row);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string StatsJsonOf(const arrow::StructArray& stats, int64_t row) {
  std::string json;
  AppendStruct(stats, row, &json);
  return json;
}

}  // namespace icecore::lake
