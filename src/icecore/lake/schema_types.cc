#include <arrow/type.h>

#include <charconv>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/schema_types_internal.h"

namespace icecore::lake {
namespace {

using arrow::DataType;
using arrow::Field;
using arrow::TimeUnit;
using arrow::Type;
using TypePtr = std::shared_ptr<DataType>;

arrow::Status Unsupported(const DataType& type) {
  return base::MakeError(base::ErrorCode::kUnsupported,
                         "type " + type.ToString() + " cannot be stored in a table");
}

arrow::Result<TypePtr> CanonicalDecimal(const DataType& type) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(type);
  if (decimal.precision() > 38 || decimal.scale() < 0 || decimal.scale() > decimal.precision()) {
    return Unsupported(type);
  }
  return arrow::decimal128(decimal.precision(), decimal.scale());
}

TypePtr CanonicalTimestamp(const arrow::TimestampType& type) {
  const auto unit = type.unit() == TimeUnit::NANO ? TimeUnit::NANO : TimeUnit::MICRO;
  return arrow::timestamp(unit, type.timezone().empty() ? "" : "UTC");
}

arrow::Result<TypePtr> CanonicalLeaf(const TypePtr& type) {
  switch (type->id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::STRING:
    case Type::BINARY:
    case Type::DATE32:
    case Type::TIME64:
      return type;
    case Type::HALF_FLOAT:
      return arrow::float32();
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case Type::DATE64:
      return arrow::date32();
    case Type::TIME32:
      return arrow::time64(TimeUnit::MICRO);
    case Type::TIMESTAMP:
      return CanonicalTimestamp(static_cast<const arrow::TimestampType&>(*type));
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return CanonicalDecimal(*type);
    default:
      return Unsupported(*type);
  }
}

TypePtr Nanoseconds(std::string_view zone) {
  return arrow::timestamp(TimeUnit::NANO, std::string(zone));
}

}  // namespace

arrow::Result<TypePtr> MapChildren(const TypePtr& type, const FieldVisitor& visit) {
  switch (type->id()) {
    case Type::LIST: {
      ARROW_ASSIGN_OR_RAISE(auto child, visit(type->field(0), "element"));
      return arrow::list(std::move(child));
    }
    case Type::FIXED_SIZE_LIST: {
      ARROW_ASSIGN_OR_RAISE(auto child, visit(type->field(0), "element"));
      return arrow::fixed_size_list(
          std::move(child), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      ARROW_ASSIGN_OR_RAISE(auto key, visit(map.key_field(), "key"));
      ARROW_ASSIGN_OR_RAISE(auto value, visit(map.item_field(), "value"));
      return std::make_shared<arrow::MapType>(std::move(key), std::move(value));
    }
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) {
        ARROW_ASSIGN_OR_RAISE(auto mapped, visit(field, ""));
        fields.push_back(std::move(mapped));
      }
      return arrow::struct_(fields);
    }
    default:
      return type;
  }
}

arrow::Result<TypePtr> CanonicalType(const TypePtr& type) {
  const FieldVisitor visit = [](const std::shared_ptr<Field>& field,
                                std::string_view role) -> arrow::Result<std::shared_ptr<Field>> {
    ARROW_ASSIGN_OR_RAISE(auto child, CanonicalType(field->type()));
    const auto typed = field->WithType(child);
    return role.empty() ? typed : typed->WithName(std::string(role));
  };
  switch (type->id()) {
    case Type::DICTIONARY:
      return CanonicalType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return MapChildren(arrow::list(type->field(0)), visit);
    case Type::STRUCT:
      if (type->num_fields() == 0) {
        return Unsupported(*type);
      }
      return MapChildren(type, visit);
    case Type::LIST:
    case Type::FIXED_SIZE_LIST:
    case Type::MAP:
      return MapChildren(type, visit);
    default:
      return CanonicalLeaf(type);
  }
}

arrow::Result<TypePtr> StorageType(const TypePtr& canonical) {
  switch (canonical->id()) {
    case Type::UINT8:
      return arrow::int16();
    case Type::UINT16:
      return arrow::int32();
    case Type::UINT32:
    case Type::TIME64:
      return arrow::int64();
    case Type::UINT64:
      return arrow::decimal128(20, 0);
    case Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(*canonical).unit() == TimeUnit::NANO) {
        return arrow::int64();
      }
      return canonical;
    default:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(auto mapped,
                        MapChildren(canonical,
                                    [](const std::shared_ptr<Field>& field,
                                       std::string_view) -> arrow::Result<std::shared_ptr<Field>> {
                                      ARROW_ASSIGN_OR_RAISE(auto child, StorageType(field->type()));
                                      return field->WithType(child);
                                    }));
  if (mapped->id() == Type::FIXED_SIZE_LIST) {
    return arrow::list(mapped->field(0));
  }
  return mapped;
}

std::string DeclaredTypeName(const DataType& canonical) {
  switch (canonical.id()) {
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
      return canonical.name();
    case Type::TIME64:
      return static_cast<const arrow::Time64Type&>(canonical).unit() == TimeUnit::NANO ? "time_ns"
                                                                                       : "time";
    case Type::TIMESTAMP: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(canonical);
      if (timestamp.unit() != TimeUnit::NANO) {
        return "";
      }
      return timestamp.timezone().empty() ? "local_timestamp_ns" : "timestamp_ns";
    }
    case Type::FIXED_SIZE_LIST:
      return "embedding(" +
             std::to_string(static_cast<const arrow::FixedSizeListType&>(canonical).list_size()) +
             ")";
    default:
      return "";
  }
}

arrow::Result<TypePtr> ApplyDeclaredTypeName(std::string_view name, const TypePtr& storage) {
  if (name.empty()) {
    return storage;
  }
  static const std::pair<std::string_view, TypePtr> kLeaves[] = {
      {"uint8", arrow::uint8()},
      {"uint16", arrow::uint16()},
      {"uint32", arrow::uint32()},
      {"uint64", arrow::uint64()},
      {"time", arrow::time64(TimeUnit::MICRO)},
      {"time_ns", arrow::time64(TimeUnit::NANO)},
      {"timestamp_ns", Nanoseconds("UTC")},
      {"local_timestamp_ns", Nanoseconds("")},
  };
  for (const auto& [leaf, type] : kLeaves) {
    if (leaf == name) {
      ARROW_ASSIGN_OR_RAISE(const auto rests_as, StorageType(type));
      if (rests_as->Equals(*storage)) {
        return type;
      }
    }
  }
  constexpr std::string_view kEmbedding = "embedding(";
  if (name.starts_with(kEmbedding) && name.ends_with(")") && storage->id() == Type::LIST) {
    const std::string_view digits =
        name.substr(kEmbedding.size(), name.size() - kEmbedding.size() - 1);
    int32_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (error == std::errc() && end == digits.data() + digits.size() && size > 0) {
      return arrow::fixed_size_list(storage->field(0), size);
    }
  }
  return base::MakeError(base::ErrorCode::kUnsupported, "declared type '" + std::string(name) +
                                                            "' stored as " + storage->ToString());
}

}  // namespace icecore::lake
