#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <limits>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/sql/result_internal.h"

namespace icecore::sql {
namespace {

using base::ErrorCode;
using base::MakeError;

struct ScopedType {
  explicit ScopedType(duckdb_logical_type owned) : type(owned) {}
  ~ScopedType() { duckdb_destroy_logical_type(&type); }
  ScopedType(const ScopedType&) = delete;
  ScopedType& operator=(const ScopedType&) = delete;
  duckdb_logical_type type;
};

arrow::Status CheckNoError(duckdb_error_data error) {
  arrow::Status status;
  if (error != nullptr && duckdb_error_data_has_error(error)) {
    status = MakeError(ErrorCode::kInternal,
                       std::string("DuckDB to Arrow: ") + duckdb_error_data_message(error));
  }
  duckdb_destroy_error_data(&error);
  return status;
}

// The name of a type that has no Arrow type here, with the cast that helps; "" for all others.
std::string UnsupportedName(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_INTERVAL:
      return "INTERVAL; take a number of it, e.g. epoch_us(…)";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT; cast it, e.g. to decimal(38, 0)";
    case DUCKDB_TYPE_TIME_TZ:
      return "TIME WITH TIME ZONE; cast it to time";
    case DUCKDB_TYPE_BIT:
      return "BIT; cast it to varchar";
    case DUCKDB_TYPE_UNION:
      return "UNION; cast it to varchar";
    default:
      return "an unknown one; cast it";
  }
}

std::shared_ptr<arrow::DataType> PlainType(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
      return arrow::boolean();
    case DUCKDB_TYPE_TINYINT:
      return arrow::int8();
    case DUCKDB_TYPE_SMALLINT:
      return arrow::int16();
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_SQLNULL:
      return arrow::int32();
    case DUCKDB_TYPE_BIGINT:
      return arrow::int64();
    case DUCKDB_TYPE_UTINYINT:
      return arrow::uint8();
    case DUCKDB_TYPE_USMALLINT:
      return arrow::uint16();
    case DUCKDB_TYPE_UINTEGER:
      return arrow::uint32();
    case DUCKDB_TYPE_UBIGINT:
      return arrow::uint64();
    case DUCKDB_TYPE_FLOAT:
      return arrow::float32();
    case DUCKDB_TYPE_DOUBLE:
      return arrow::float64();
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_UUID:
      return arrow::utf8();
    case DUCKDB_TYPE_BLOB:
      return arrow::binary();
    case DUCKDB_TYPE_DATE:
      return arrow::date32();
    case DUCKDB_TYPE_TIME:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case DUCKDB_TYPE_TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return arrow::timestamp(arrow::TimeUnit::SECOND);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return arrow::timestamp(arrow::TimeUnit::MILLI);
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    default:
      return nullptr;
  }
}

arrow::Result<std::shared_ptr<arrow::DataType>> ArrowTypeOf(duckdb_logical_type type, bool nested);

arrow::Result<std::shared_ptr<arrow::DataType>> StructOf(duckdb_logical_type type) {
  arrow::FieldVector fields;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    const ScopedType child(duckdb_struct_type_child_type(type, i));
    ARROW_ASSIGN_OR_RAISE(auto child_type, ArrowTypeOf(child.type, true));
    char* name = duckdb_struct_type_child_name(type, i);
    fields.push_back(arrow::field(name, child_type));
    duckdb_free(name);
  }
  return arrow::struct_(fields);
}

arrow::Result<std::shared_ptr<arrow::DataType>> ArrowTypeOf(duckdb_logical_type type, bool nested) {
  const duckdb_type id = duckdb_get_type_id(type);
  if (auto plain = PlainType(id)) return plain;
  switch (id) {
    case DUCKDB_TYPE_HUGEINT:
      return nested ? arrow::decimal128(38, 0) : arrow::int64();
    case DUCKDB_TYPE_DECIMAL:
      return arrow::decimal128(duckdb_decimal_width(type), duckdb_decimal_scale(type));
    case DUCKDB_TYPE_ENUM:
      if (!nested) return arrow::utf8();
      return MakeError(ErrorCode::kUnsupported, "ENUM inside a list or struct; cast it to varchar");
    case DUCKDB_TYPE_LIST: {
      const ScopedType child(duckdb_list_type_child_type(type));
      ARROW_ASSIGN_OR_RAISE(auto item, ArrowTypeOf(child.type, true));
      return arrow::list(item);
    }
    case DUCKDB_TYPE_ARRAY: {
      const ScopedType child(duckdb_array_type_child_type(type));
      ARROW_ASSIGN_OR_RAISE(auto item, ArrowTypeOf(child.type, true));
      return arrow::fixed_size_list(item, static_cast<int32_t>(duckdb_array_type_array_size(type)));
    }
    case DUCKDB_TYPE_MAP: {
      const ScopedType key(duckdb_map_type_key_type(type));
      const ScopedType value(duckdb_map_type_value_type(type));
      ARROW_ASSIGN_OR_RAISE(auto key_type, ArrowTypeOf(key.type, true));
      ARROW_ASSIGN_OR_RAISE(auto value_type, ArrowTypeOf(value.type, true));
      return arrow::map(key_type, value_type);
    }
    case DUCKDB_TYPE_STRUCT:
      return StructOf(type);
    default:
      return MakeError(ErrorCode::kUnsupported, UnsupportedName(id));
  }
}

arrow::Result<std::shared_ptr<arrow::Array>> NarrowToInt64(const arrow::Array& array,
                                                           const std::string& name) {
  const auto& wide = static_cast<const arrow::Decimal128Array&>(array);
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(wide.length()));
  for (int64_t i = 0; i < wide.length(); ++i) {
    if (wide.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const arrow::Decimal128 value(wide.GetValue(i));
    const auto low = static_cast<int64_t>(value.low_bits());
    if (value.high_bits() != (low < 0 ? -1 : 0)) {
      return MakeError(ErrorCode::kBadInput, "column '" + name + "' has the integer " +
                                                 value.ToIntegerString() +
                                                 ", beyond int64; cast it to decimal(38, 0)");
    }
    builder.UnsafeAppend(low);
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> DecodeEnum(const arrow::Array& array) {
  const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
  const auto& words = static_cast<const arrow::StringArray&>(*coded.dictionary());
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < coded.length(); ++i) {
    if (coded.IsNull(i)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
    } else {
      ARROW_RETURN_NOT_OK(builder.Append(words.GetView(coded.GetValueIndex(i))));
    }
  }
  return builder.Finish();
}

// The same buffers under another spelling of the same type (child names, nullability).
std::shared_ptr<arrow::ArrayData> Respell(const arrow::ArrayData& data,
                                          const std::shared_ptr<arrow::DataType>& type) {
  auto copy = data.Copy();
  copy->type = type;
  for (size_t i = 0; i < copy->child_data.size(); ++i) {
    const auto& child_type = type->field(static_cast<int>(i))->type();
    copy->child_data[i] = Respell(*copy->child_data[i], child_type);
  }
  return copy;
}

arrow::Result<std::shared_ptr<arrow::Array>> ConvertColumn(const std::shared_ptr<arrow::Array>& in,
                                                           const arrow::Field& field) {
  std::shared_ptr<arrow::Array> array = in;
  if (array->type_id() == arrow::Type::EXTENSION) {
    array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  }
  const auto& type = field.type();
  if (type->id() == arrow::Type::INT64 && array->type_id() == arrow::Type::DECIMAL128) {
    return NarrowToInt64(*array, field.name());
  }
  if (type->id() == arrow::Type::STRING && array->type_id() == arrow::Type::DICTIONARY) {
    return DecodeEnum(*array);
  }
  if (array->type_id() == arrow::Type::NA) return arrow::MakeArrayOfNull(type, array->length());
  if (!array->type()->Equals(*type)) {
    return MakeError(ErrorCode::kInternal, "column '" + field.name() + "' came as " +
                                               array->type()->ToString() + ", not as " +
                                               type->ToString());
  }
  return arrow::MakeArray(Respell(*array->data(), type));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> OutputSchema(duckdb_prepared_statement statement) {
  arrow::FieldVector fields;
  for (idx_t i = 0; i < duckdb_prepared_statement_column_count(statement); ++i) {
    const ScopedType type(duckdb_prepared_statement_column_logical_type(statement, i));
    const char* name = duckdb_prepared_statement_column_name(statement, i);
    const std::string owned_name = name ? name : "";
    duckdb_free(const_cast<char*>(name));
    auto arrow_type = ArrowTypeOf(type.type, false);
    if (!arrow_type.ok()) {
      return base::WithContext(arrow_type.status(),
                               "column '" + owned_name + "' has an unsupported type");
    }
    fields.push_back(arrow::field(owned_name, *arrow_type));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::unique_ptr<ChunkConverter>> ChunkConverter::Make(
    duckdb_connection connection, duckdb_prepared_statement statement,
    std::shared_ptr<arrow::Schema> schema) {
  std::unique_ptr<ChunkConverter> self(new ChunkConverter);
  self->schema_ = std::move(schema);
  duckdb_connection_get_arrow_options(connection, &self->options_);
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (int i = 0; i < self->schema_->num_fields(); ++i) {
    types.push_back(
        duckdb_prepared_statement_column_logical_type(statement, static_cast<idx_t>(i)));
    names.push_back(self->schema_->field(i)->name().c_str());
  }
  ArrowSchema stored{};
  const arrow::Status status = CheckNoError(
      duckdb_to_arrow_schema(self->options_, types.data(), names.data(), types.size(), &stored));
  for (auto& type : types) duckdb_destroy_logical_type(&type);
  ARROW_RETURN_NOT_OK(status);
  ARROW_ASSIGN_OR_RAISE(self->stored_schema_, arrow::ImportSchema(&stored));
  return self;
}

ChunkConverter::~ChunkConverter() {
  if (options_ != nullptr) duckdb_destroy_arrow_options(&options_);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ChunkConverter::Convert(
    duckdb_data_chunk chunk) {
  ArrowArray stored{};
  ARROW_RETURN_NOT_OK(CheckNoError(duckdb_data_chunk_to_arrow(options_, chunk, &stored)));
  ARROW_ASSIGN_OR_RAISE(auto batch, arrow::ImportRecordBatch(&stored, stored_schema_));
  arrow::ArrayVector columns;
  for (int i = 0; i < batch->num_columns(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, ConvertColumn(batch->column(i), *schema_->field(i)));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
}

}  // namespace icecore::sql
