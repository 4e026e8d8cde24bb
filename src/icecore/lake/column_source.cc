#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/lake/column_source_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using parquet::arrow::SchemaField;
using ArrayDataPtr = std::shared_ptr<arrow::ArrayData>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr char kParquetFieldId[] = "PARQUET:field_id";

std::string Note(const arrow::Field& field, const std::string& key) {
  if (!field.HasMetadata()) {
    return "";
  }
  return field.metadata()->Get(key).ValueOr("");
}

bool SameButForCase(const std::string& a, const std::string& b) {
  return base::LowerText(a) == base::LowerText(b);
}

int FindByName(const std::string& name, const std::vector<SchemaField>& fields, bool any_case) {
  int found = -1;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].field->name() == name) {
      return static_cast<int>(i);
    }
    if (any_case && found < 0 && SameButForCase(fields[i].field->name(), name)) {
      found = static_cast<int>(i);
    }
  }
  return found;
}

int FindField(const arrow::Field& wanted, const std::vector<SchemaField>& fields,
              ColumnMapping mapping) {
  const std::string id =
      mapping == ColumnMapping::kId ? Note(wanted, std::string(kMappedId)) : std::string();
  if (id.empty()) {
    return FindByName(PhysicalName(wanted, mapping), fields, mapping == ColumnMapping::kNone);
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (Note(*fields[i].field, kParquetFieldId) == id) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool IsListLike(Type::type id) {
  return id == Type::LIST || id == Type::LARGE_LIST || id == Type::FIXED_SIZE_LIST ||
         id == Type::LIST_VIEW || id == Type::LARGE_LIST_VIEW;
}

arrow::Status Misfit(const arrow::DataType& from, const arrow::DataType& to) {
  return MakeError(ErrorCode::kCorrupt,
                   "stored as " + from.ToString() + " where " + to.ToString() + " is declared");
}

arrow::Result<ColumnSource> SourceOf(const arrow::Field& storage, const SchemaField& file_field,
                                     int index, ColumnMapping mapping);

arrow::Result<std::vector<ColumnSource>> ChildrenOf(const arrow::DataType& type,
                                                    const SchemaField& file_field,
                                                    ColumnMapping mapping) {
  std::vector<ColumnSource> children;
  const auto& from = *file_field.field->type();
  if (type.id() == Type::STRUCT) {
    if (from.id() != Type::STRUCT) {
      return Misfit(from, type);
    }
    for (const auto& child : type.fields()) {
      ARROW_ASSIGN_OR_RAISE(auto source, FindColumn(*child, file_field.children, mapping));
      children.push_back(std::move(source));
    }
    return children;
  }
  if (type.id() == Type::LIST) {
    if (!IsListLike(from.id()) || file_field.children.size() != 1) {
      return Misfit(from, type);
    }
    ARROW_ASSIGN_OR_RAISE(auto source,
                          SourceOf(*type.field(0), file_field.children[0], 0, mapping));
    children.push_back(std::move(source));
    return children;
  }
  // A map's entries: old writers annotate them as a list of pairs, or not at all.
  if ((from.id() != Type::MAP && from.id() != Type::LIST) || file_field.children.size() != 1 ||
      file_field.children[0].children.size() != 2) {
    return Misfit(from, type);
  }
  const auto& map = static_cast<const arrow::MapType&>(type);
  const SchemaField& entries = file_field.children[0];
  ColumnSource pair{.index = 0, .children = {}};
  ARROW_ASSIGN_OR_RAISE(auto key, SourceOf(*map.key_field(), entries.children[0], 0, mapping));
  ARROW_ASSIGN_OR_RAISE(auto value, SourceOf(*map.item_field(), entries.children[1], 1, mapping));
  pair.children = {std::move(key), std::move(value)};
  children.push_back(std::move(pair));
  return children;
}

arrow::Result<ColumnSource> SourceOf(const arrow::Field& storage, const SchemaField& file_field,
                                     int index, ColumnMapping mapping) {
  ColumnSource source{.index = index, .children = {}};
  if (arrow::is_nested(storage.type()->id())) {
    ARROW_ASSIGN_OR_RAISE(source.children, ChildrenOf(*storage.type(), file_field, mapping));
  }
  return source;
}

bool HasIds(const std::vector<SchemaField>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const SchemaField& field) {
    return !Note(*field.field, kParquetFieldId).empty() || HasIds(field.children);
  });
}

arrow::Result<ArrayDataPtr> CastData(const ArrayDataPtr& data, const TypePtr& type) {
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(*arrow::MakeArray(data), type,
                                                              arrow::compute::CastOptions::Safe()));
  return cast->data();
}

ArrayDataPtr WithType(const ArrayDataPtr& data, const TypePtr& type) {
  auto copy = data->Copy();
  copy->type = type;
  return copy;
}

// The microsecond in which each time lies.
arrow::Result<ArrayDataPtr> FloorToMicros(const ArrayDataPtr& data) {
  const arrow::TimestampArray nanos(data);
  arrow::Int64Builder micros;
  ARROW_RETURN_NOT_OK(micros.Reserve(nanos.length()));
  for (int64_t i = 0; i < nanos.length(); ++i) {
    if (nanos.IsNull(i)) {
      micros.UnsafeAppendNull();
      continue;
    }
    const int64_t value = nanos.Value(i);
    micros.UnsafeAppend(value / 1000 - (value % 1000 < 0 ? 1 : 0));
  }
  ARROW_ASSIGN_OR_RAISE(const auto array, micros.Finish());
  return array->data();
}

// `to` is timestamp[us], with or without zone.
arrow::Result<ArrayDataPtr> ToMicros(const ArrayDataPtr& data, const TypePtr& to) {
  const auto unit = static_cast<const arrow::TimestampType&>(*data->type).unit();
  if (unit == arrow::TimeUnit::MICRO) {
    return WithType(data, to);
  }
  if (unit == arrow::TimeUnit::NANO) {
    ARROW_ASSIGN_OR_RAISE(const auto micros, FloorToMicros(data));
    return WithType(micros, to);
  }
  ARROW_ASSIGN_OR_RAISE(const auto zoneless, CastData(WithType(data, arrow::timestamp(unit)),
                                                      arrow::timestamp(arrow::TimeUnit::MICRO)));
  return WithType(zoneless, to);
}

bool IsText(Type::type id) {
  return arrow::is_base_binary_like(id) || id == Type::STRING_VIEW || id == Type::BINARY_VIEW;
}

// Whether a leaf's values can be those of the type, one by one (a cast checks each).
bool CanBe(const arrow::DataType& from, const arrow::DataType& to) {
  switch (to.id()) {
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
      return arrow::is_integer(from.id());
    case Type::FLOAT:
      return from.id() == Type::HALF_FLOAT;
    case Type::DOUBLE:
      return from.id() == Type::HALF_FLOAT || from.id() == Type::FLOAT ||
             (arrow::is_integer(from.id()) && from.bit_width() <= 32);
    case Type::STRING:
      return IsText(from.id());
    case Type::BINARY:
      return IsText(from.id()) || from.id() == Type::FIXED_SIZE_BINARY;
    case Type::DATE32:
      return from.id() == Type::DATE64;
    case Type::TIMESTAMP:
      return from.id() == Type::DATE32 || from.id() == Type::DATE64;
    case Type::DECIMAL128:
      return arrow::is_decimal(from.id()) || arrow::is_integer(from.id());
    default:
      return false;
  }
}

arrow::Result<ArrayDataPtr> ConvertLeaf(const ArrayDataPtr& data, const TypePtr& type) {
  const auto& from = *data->type;
  if (from.Equals(*type)) {
    return data;
  }
  if (from.id() == Type::NA) {
    ARROW_ASSIGN_OR_RAISE(const auto nulls,
                          arrow::MakeArrayOfNull(type, data->length + data->offset));
    return nulls->data();
  }
  if (from.id() == Type::TIMESTAMP && type->id() == Type::TIMESTAMP) {
    return ToMicros(data, type);
  }
  if (!CanBe(from, *type)) {
    return Misfit(from, *type);
  }
  auto cast = CastData(data, type);
  if (!cast.ok()) {
    return MakeError(ErrorCode::kCorrupt,
                     from.ToString() + " as " + type->ToString() + ": " + cast.status().message());
  }
  return cast;
}

arrow::Result<ArrayDataPtr> ConvertData(const ArrayDataPtr& data, const TypePtr& type,
                                        const ColumnSource& source);

// All of the children, also those outside of the slice that `data` may be.
arrow::Result<ArrayDataPtr> ConvertNested(const ArrayDataPtr& data, const TypePtr& type,
                                          const ColumnSource& source) {
  auto out = WithType(data, type);
  out->child_data.clear();
  for (size_t i = 0; i < source.children.size(); ++i) {
    const auto& child_type = type->field(static_cast<int>(i))->type();
    const ColumnSource& child = source.children[i];
    if (child.index < 0) {
      ARROW_ASSIGN_OR_RAISE(const auto nulls,
                            arrow::MakeArrayOfNull(child_type, data->length + data->offset));
      out->child_data.push_back(nulls->data());
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(
        auto converted,
        ConvertData(data->child_data[static_cast<size_t>(child.index)], child_type, child));
    out->child_data.push_back(std::move(converted));
  }
  return out;
}

arrow::Result<ArrayDataPtr> ConvertData(const ArrayDataPtr& data, const TypePtr& type,
                                        const ColumnSource& source) {
  if (data->type->id() == Type::EXTENSION) {
    return ConvertData(
        WithType(data, static_cast<const arrow::ExtensionType&>(*data->type).storage_type()), type,
        source);
  }
  if (data->type->id() == Type::DICTIONARY) {
    ARROW_ASSIGN_OR_RAISE(
        const auto plain,
        CastData(data, static_cast<const arrow::DictionaryType&>(*data->type).value_type()));
    return ConvertData(plain, type, source);
  }
  if (!arrow::is_nested(type->id())) {
    return ConvertLeaf(data, type);
  }
  if (type->id() != Type::STRUCT && IsListLike(data->type->id()) &&
      data->type->id() != Type::LIST) {
    ARROW_ASSIGN_OR_RAISE(const auto list, CastData(data, arrow::list(data->type->field(0))));
    return ConvertNested(list, type, source);
  }
  return ConvertNested(data, type, source);
}

}  // namespace

std::string PhysicalName(const arrow::Field& field, ColumnMapping mapping) {
  const std::string name =
      mapping == ColumnMapping::kNone ? std::string() : Note(field, std::string(kPhysicalName));
  return name.empty() ? field.name() : name;
}

arrow::Result<ColumnSource> FindColumn(const arrow::Field& storage,
                                       const std::vector<SchemaField>& fields,
                                       ColumnMapping mapping) {
  const int index = FindField(storage, fields, mapping);
  return index < 0 ? ColumnSource()
                   : SourceOf(storage, fields[static_cast<size_t>(index)], index, mapping);
}

void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.is_leaf()) {
    leaves->push_back(field.column_index);
  }
  for (const auto& child : field.children) {
    CollectLeaves(child, leaves);
  }
}

arrow::Status CheckHasIds(const std::vector<SchemaField>& fields) {
  return fields.empty() || HasIds(fields)
             ? arrow::Status::OK()
             : MakeError(ErrorCode::kCorrupt,
                         "no field ids, by which this table's columns are found");
}

arrow::Result<std::shared_ptr<arrow::Array>> ToStorageType(
    const std::shared_ptr<arrow::Array>& array, const TypePtr& type, const ColumnSource& source) {
  ARROW_ASSIGN_OR_RAISE(auto data, ConvertData(array->data(), type, source));
  return arrow::MakeArray(data);
}

}  // namespace icecore::lake
