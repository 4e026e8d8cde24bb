#include "icecore/lake/schema.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include <charconv>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/lake/schema_types_internal.h"
#include "icecore/lake/type_widening.h"

namespace icecore::lake {
namespace {

using arrow::Field;
using base::ErrorCode;
using base::MakeError;
using FieldPtr = std::shared_ptr<Field>;

constexpr char kParquetFieldId[] = "PARQUET:field_id";

// The field's id, or 0.
int64_t IdOf(const Field& field) {
  if (!field.HasMetadata()) {
    return 0;
  }
  const auto text = field.metadata()->Get(std::string(kFieldId));
  int64_t id = 0;
  if (text.ok()) {
    std::from_chars(text->data(), text->data() + text->size(), id);
  }
  return id;
}

FieldPtr WithId(const FieldPtr& field, int64_t id) {
  const auto metadata =
      field->HasMetadata() ? field->metadata()->Copy() : arrow::key_value_metadata({}, {});
  static_cast<void>(metadata->Set(std::string(kFieldId), std::to_string(id)));
  return field->WithMetadata(metadata);
}

int64_t GreatestId(const Field& field) {
  int64_t greatest = IdOf(field);
  for (const auto& child : field.type()->fields()) {
    greatest = std::max(greatest, GreatestId(*child));
  }
  return greatest;
}

arrow::Result<FieldPtr> AssignFieldIds(const FieldPtr& field, int64_t* last_id) {
  FieldPtr with_id = IdOf(*field) > 0 ? field : WithId(field, ++*last_id);
  ARROW_ASSIGN_OR_RAISE(auto type,
                        MapChildren(field->type(), [&](const FieldPtr& child, std::string_view) {
                          return AssignFieldIds(child, last_id);
                        }));
  return with_id->WithType(type);
}

// Whether every value of `from` is one of `to`, so that the column stays the same one.
bool IsSameOrWider(const arrow::DataType& from, const arrow::DataType& to) {
  using arrow::Type;
  if (from.Equals(to)) {
    return true;
  }
  if (arrow::is_signed_integer(from.id()) && arrow::is_signed_integer(to.id())) {
    return from.bit_width() < to.bit_width();
  }
  return (from.id() == Type::FLOAT && to.id() == Type::DOUBLE) ||
         (from.id() == Type::DATE32 && to.id() == Type::TIMESTAMP);
}

FieldPtr ChildOf(const arrow::DataType& type, const Field& like, std::string_view role) {
  if (type.id() == arrow::Type::STRUCT) {
    return static_cast<const arrow::StructType&>(type).GetFieldByName(like.name());
  }
  if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    return role == "key" ? map.key_field() : map.item_field();
  }
  return type.field(0);
}

// `after` with the ids of `before` wherever it is the same column.
arrow::Result<FieldPtr> KeepIds(const FieldPtr& before, const FieldPtr& after) {
  const auto& old_type = *before->type();
  const bool is_nested = after->type()->num_fields() > 0;
  const bool stays =
      is_nested ? old_type.id() == after->type()->id() : IsSameOrWider(old_type, *after->type());
  if (!stays || IdOf(*after) > 0 || IdOf(*before) == 0) {
    return after;
  }
  ARROW_ASSIGN_OR_RAISE(
      auto type,
      MapChildren(after->type(),
                  [&](const FieldPtr& child, std::string_view role) -> arrow::Result<FieldPtr> {
                    const FieldPtr old = ChildOf(old_type, *child, role);
                    return old == nullptr ? child : KeepIds(old, child);
                  }));
  return WithId(after->WithType(type), IdOf(*before));
}

arrow::Result<FieldPtr> StorageField(const FieldPtr& field) {
  ARROW_ASSIGN_OR_RAISE(const auto canonical, CanonicalType(field->type()));
  ARROW_ASSIGN_OR_RAISE(auto type, StorageType(canonical));
  const FieldVisitor strip = [&strip](const FieldPtr& child,
                                      std::string_view) -> arrow::Result<FieldPtr> {
    ARROW_ASSIGN_OR_RAISE(auto child_type, MapChildren(child->type(), strip));
    const int64_t id = IdOf(*child);
    return arrow::field(
        child->name(), std::move(child_type), child->nullable(),
        id > 0 ? arrow::key_value_metadata({kParquetFieldId}, {std::to_string(id)}) : nullptr);
  };
  return strip(field->WithType(type), "");
}

// Fields in the form that AssignIds and reads have.
arrow::Result<std::shared_ptr<arrow::Schema>> MapFields(
    const arrow::Schema& schema,
    const std::function<arrow::Result<FieldPtr>(const FieldPtr&)>& map) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    auto mapped = map(field);
    if (!mapped.ok()) {
      return base::WithContext(mapped.status(), "column '" + field->name() + "'");
    }
    fields.push_back(*std::move(mapped));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ConvertBatch(
    const arrow::RecordBatch& batch, const std::shared_ptr<arrow::Schema>& target,
    ErrorCode misfit) {
  if (batch.num_columns() != target->num_fields()) {
    return MakeError(ErrorCode::kInternal, "batch of " + std::to_string(batch.num_columns()) +
                                               " columns for a schema of " +
                                               std::to_string(target->num_fields()));
  }
  arrow::ArrayVector columns;
  columns.reserve(static_cast<size_t>(batch.num_columns()));
  for (int i = 0; i < batch.num_columns(); ++i) {
    const auto& column = batch.column(i);
    const auto& type = target->field(i)->type();
    if (column->type()->Equals(*type)) {
      columns.push_back(column);
      continue;
    }
    auto converted = arrow::compute::Cast(*column, type, arrow::compute::CastOptions::Safe());
    if (!converted.ok()) {
      return MakeError(misfit, "column '" + target->field(i)->name() + "' of type " +
                                   column->type()->ToString() + " as " + type->ToString() + ": " +
                                   converted.status().message());
    }
    columns.push_back(*std::move(converted));
  }
  return arrow::RecordBatch::Make(target, batch.num_rows(), std::move(columns));
}

bool HoldsWallTime(const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
    return timestamp.timezone().empty() && timestamp.unit() != arrow::TimeUnit::NANO;
  }
  for (const auto& child : type.fields()) {
    if (HoldsWallTime(*child->type())) {
      return true;
    }
  }
  return false;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> CanonicalSchema(const arrow::Schema& declared) {
  return MapFields(declared, [](const FieldPtr& field) -> arrow::Result<FieldPtr> {
    ARROW_ASSIGN_OR_RAISE(auto type, CanonicalType(field->type()));
    return field->WithType(type);
  });
}

arrow::Result<std::shared_ptr<arrow::Schema>> StorageSchema(const arrow::Schema& declared) {
  return MapFields(declared, StorageField);
}

arrow::Result<std::shared_ptr<arrow::Schema>> AssignIds(const arrow::Schema& schema,
                                                        int64_t* last_id) {
  for (const auto& field : schema.fields()) {
    *last_id = std::max(*last_id, GreatestId(*field));
  }
  ARROW_ASSIGN_OR_RAISE(const auto canonical, CanonicalSchema(schema));
  return MapFields(*canonical,
                   [&](const FieldPtr& field) { return AssignFieldIds(field, last_id); });
}

arrow::Result<std::shared_ptr<arrow::Schema>> EvolveIds(const arrow::Schema& before,
                                                        const arrow::Schema& after,
                                                        int64_t* last_id) {
  ARROW_ASSIGN_OR_RAISE(const auto canonical, CanonicalSchema(after));
  ARROW_ASSIGN_OR_RAISE(
      const auto kept, MapFields(*canonical, [&](const FieldPtr& field) -> arrow::Result<FieldPtr> {
        const auto old = before.GetFieldByName(field->name());
        return old == nullptr ? field : KeepIds(old, field);
      }));
  return AssignIds(*kept, last_id);
}

bool NeedsTimestampNtz(const arrow::Schema& declared) {
  for (const auto& field : declared.fields()) {
    if (HoldsWallTime(*field->type())) {
      return true;
    }
  }
  return false;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ToStorage(
    const std::shared_ptr<arrow::RecordBatch>& batch,
    const std::shared_ptr<arrow::Schema>& storage) {
  return ConvertBatch(*batch, storage, ErrorCode::kInvalidArgument);
}

std::shared_ptr<arrow::DataType> WiderType(const std::shared_ptr<arrow::DataType>& a,
                                           const std::shared_ptr<arrow::DataType>& b) {
  if (IsSameOrWider(*a, *b)) {
    return b;
  }
  return IsSameOrWider(*b, *a) ? a : nullptr;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> FromStorage(
    const std::shared_ptr<arrow::RecordBatch>& batch,
    const std::shared_ptr<arrow::Schema>& declared) {
  return ConvertBatch(*batch, declared, ErrorCode::kCorrupt);
}

}  // namespace icecore::lake
