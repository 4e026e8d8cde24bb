// Delta's "Schema Serialization Format".
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/json_depth_internal.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/schema_types_internal.h"

namespace icecore::lake {
namespace {

using arrow::Field;
using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using nlohmann::json;
using FieldPtr = std::shared_ptr<Field>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr char kDeclaredType[] = "icecore.type";
constexpr char kNested[] = "icecore.nested";
constexpr int kMaxTypeDepth = 100;

// What lists and maps below a struct field have to say, by path ("element", "value.element" …).
using NestedNotes = json;

arrow::Result<json> TypeToJson(const TypePtr& canonical, const std::string& path,
                               NestedNotes* notes);

// A scalar of Delta, or "" where it has none.
std::string ScalarName(const arrow::DataType& storage) {
  switch (storage.id()) {
    case Type::BOOL:
      return "boolean";
    case Type::INT8:
      return "byte";
    case Type::INT16:
      return "short";
    case Type::INT32:
      return "integer";
    case Type::INT64:
      return "long";
    case Type::FLOAT:
      return "float";
    case Type::DOUBLE:
      return "double";
    case Type::STRING:
      return "string";
    case Type::BINARY:
      return "binary";
    case Type::DATE32:
      return "date";
    case Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(storage).timezone().empty() ? "timestamp_ntz"
                                                                                  : "timestamp";
    case Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(storage);
      return "decimal(" + std::to_string(decimal.precision()) + "," +
             std::to_string(decimal.scale()) + ")";
    }
    default:
      return "";
  }
}

// Values of other writers' metadata that are not strings keep their kind across a rewrite.
json MetadataValue(const std::string& key, const std::string& value) {
  if (key == kFieldId || key.starts_with("delta.") || key.starts_with("parquet.")) {
    json parsed = json::parse(value, nullptr, false);
    if (!parsed.is_discarded()) {
      return parsed;
    }
  }
  return value;
}

arrow::Result<json> FieldToJson(const FieldPtr& field) {
  json metadata = json::object();
  if (field->HasMetadata()) {
    for (int64_t i = 0; i < field->metadata()->size(); ++i) {
      const std::string& key = field->metadata()->key(i);
      metadata[key] = MetadataValue(key, field->metadata()->value(i));
    }
  }
  NestedNotes notes = json::object();
  ARROW_ASSIGN_OR_RAISE(json type, TypeToJson(field->type(), "", &notes));
  if (const std::string declared = DeclaredTypeName(*field->type()); !declared.empty()) {
    metadata[kDeclaredType] = declared;
  }
  if (!notes.empty()) {
    metadata[kNested] = notes.dump();
  }
  return json{{"name", field->name()},
              {"type", std::move(type)},
              {"nullable", field->nullable()},
              {"metadata", std::move(metadata)}};
}

arrow::Result<json> ChildToJson(const Field& child, const std::string& path, NestedNotes* notes) {
  json note = json::object();
  if (child.HasMetadata()) {
    if (const auto id = child.metadata()->Get(std::string(kFieldId)); id.ok()) {
      note["id"] = MetadataValue(std::string(kFieldId), *id);
    }
  }
  if (const std::string declared = DeclaredTypeName(*child.type()); !declared.empty()) {
    note["type"] = declared;
  }
  if (!note.empty()) {
    (*notes)[path] = std::move(note);
  }
  return TypeToJson(child.type(), path + ".", notes);
}

arrow::Result<json> TypeToJson(const TypePtr& canonical, const std::string& path,
                               NestedNotes* notes) {
  switch (canonical->id()) {
    case Type::STRUCT: {
      json fields = json::array();
      for (const auto& field : canonical->fields()) {
        ARROW_ASSIGN_OR_RAISE(json one, FieldToJson(field));
        fields.push_back(std::move(one));
      }
      return json{{"type", "struct"}, {"fields", std::move(fields)}};
    }
    case Type::LIST:
    case Type::FIXED_SIZE_LIST: {
      const auto& child = canonical->field(0);
      ARROW_ASSIGN_OR_RAISE(json element, ChildToJson(*child, path + "element", notes));
      return json{{"type", "array"},
                  {"elementType", std::move(element)},
                  {"containsNull", child->nullable()}};
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*canonical);
      ARROW_ASSIGN_OR_RAISE(json key, ChildToJson(*map.key_field(), path + "key", notes));
      ARROW_ASSIGN_OR_RAISE(json value, ChildToJson(*map.item_field(), path + "value", notes));
      return json{{"type", "map"},
                  {"keyType", std::move(key)},
                  {"valueType", std::move(value)},
                  {"valueContainsNull", map.item_field()->nullable()}};
    }
    default: {
      ARROW_ASSIGN_OR_RAISE(const TypePtr storage, StorageType(canonical));
      const std::string name = ScalarName(*storage);
      if (name.empty()) {
        return MakeError(ErrorCode::kUnsupported, "type " + canonical->ToString());
      }
      return json(name);
    }
  }
}

arrow::Result<TypePtr> ScalarFromName(const std::string& name) {
  static const std::pair<const char*, TypePtr> kScalars[] = {
      {"boolean", arrow::boolean()},
      {"byte", arrow::int8()},
      {"short", arrow::int16()},
      {"integer", arrow::int32()},
      {"long", arrow::int64()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"string", arrow::utf8()},
      {"binary", arrow::binary()},
      {"date", arrow::date32()},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {"timestamp_ntz", arrow::timestamp(arrow::TimeUnit::MICRO)},
  };
  for (const auto& [scalar, type] : kScalars) {
    if (name == scalar) {
      return type;
    }
  }
  if (name == "decimal") {  // without figures, as Spark reads it
    return arrow::decimal128(10, 0);
  }
  int precision = 0;
  int scale = 0;
  char rest = 0;
  if (std::sscanf(name.c_str(), "decimal(%d,%d%c", &precision, &scale, &rest) == 3 && rest == ')' &&
      precision > 0 && precision <= 38 && scale >= 0 && scale <= precision) {
    return arrow::decimal128(precision, scale);
  }
  return MakeError(ErrorCode::kUnsupported, "Delta type '" + name + "'");
}

arrow::Result<TypePtr> TypeFromJson(const json& type, const std::string& path, const json& notes,
                                    int depth);

arrow::Result<FieldPtr> ChildFromJson(const json& type, const std::string& role, bool nullable,
                                      const std::string& path, const json& notes, int depth) {
  ARROW_ASSIGN_OR_RAISE(TypePtr child, TypeFromJson(type, path + role + ".", notes, depth));
  std::shared_ptr<arrow::KeyValueMetadata> metadata;
  if (const auto note = notes.find(path + role); note != notes.end()) {
    ARROW_ASSIGN_OR_RAISE(child, ApplyDeclaredTypeName(note->value("type", ""), child));
    if (note->contains("id")) {
      metadata = arrow::key_value_metadata({std::string(kFieldId)}, {note->at("id").dump()});
    }
  }
  return arrow::field(role, std::move(child), nullable, std::move(metadata));
}

arrow::Result<FieldPtr> FieldFromJson(const json& field, int depth) {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  std::string declared;
  json notes = json::object();
  const json metadata = field.value("metadata", json::object());
  for (const auto& [key, value] : metadata.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (key == kDeclaredType) {
      declared = text;
    } else if (key == kNested) {
      notes = json::parse(text);
    } else {
      keys.push_back(key);
      values.push_back(text);
    }
  }
  const auto name = field.at("name").get<std::string>();
  auto type = TypeFromJson(field.at("type"), "", notes, depth);
  if (type.ok()) {
    type = ApplyDeclaredTypeName(declared, *type);
  }
  if (!type.ok()) {
    return base::WithContext(type.status(), "column '" + name + "'");
  }
  return arrow::field(name, *std::move(type), field.value("nullable", true),
                      keys.empty() ? nullptr : arrow::key_value_metadata(keys, values));
}

arrow::Result<arrow::FieldVector> FieldsFromJson(const json& type, int depth) {
  arrow::FieldVector fields;
  for (const json& field : type.at("fields")) {
    ARROW_ASSIGN_OR_RAISE(auto one, FieldFromJson(field, depth));
    fields.push_back(std::move(one));
  }
  return fields;
}

arrow::Result<TypePtr> TypeFromJson(const json& type, const std::string& path, const json& notes,
                                    int depth) {
  if (depth > kMaxTypeDepth) {
    return MakeError(ErrorCode::kLimit,
                     "schema nested deeper than " + std::to_string(kMaxTypeDepth));
  }
  if (type.is_string()) {
    return ScalarFromName(type.get<std::string>());
  }
  const auto kind = type.at("type").get<std::string>();
  if (kind == "struct") {
    ARROW_ASSIGN_OR_RAISE(auto fields, FieldsFromJson(type, depth + 1));
    return arrow::struct_(fields);
  }
  if (kind == "array") {
    ARROW_ASSIGN_OR_RAISE(auto element,
                          ChildFromJson(type.at("elementType"), "element",
                                        type.value("containsNull", true), path, notes, depth + 1));
    return arrow::list(std::move(element));
  }
  if (kind == "map") {
    ARROW_ASSIGN_OR_RAISE(auto key,
                          ChildFromJson(type.at("keyType"), "key", false, path, notes, depth + 1));
    ARROW_ASSIGN_OR_RAISE(
        auto value, ChildFromJson(type.at("valueType"), "value",
                                  type.value("valueContainsNull", true), path, notes, depth + 1));
    return std::make_shared<arrow::MapType>(std::move(key), std::move(value));
  }
  return MakeError(ErrorCode::kUnsupported, "Delta type '" + kind + "'");
}

}  // namespace

arrow::Result<std::string> SchemaToDelta(const arrow::Schema& declared) {
  ARROW_ASSIGN_OR_RAISE(const auto canonical, CanonicalSchema(declared));
  NestedNotes none = json::object();
  ARROW_ASSIGN_OR_RAISE(const json root,
                        TypeToJson(arrow::struct_(canonical->fields()), "", &none));
  return root.dump(-1, ' ', false, json::error_handler_t::replace);
}

arrow::Result<std::shared_ptr<arrow::Schema>> SchemaFromDelta(std::string_view text) {
  if (IsTooDeep(text)) {
    return MakeError(ErrorCode::kLimit, "schema JSON nested too deep");
  }
  try {
    ARROW_ASSIGN_OR_RAISE(auto fields, FieldsFromJson(json::parse(text), 0));
    return arrow::schema(std::move(fields));
  } catch (const json::parse_error& error) {  // its text quotes bytes as they are
    return MakeError(ErrorCode::kCorrupt,
                     "schema JSON: no JSON from byte " + std::to_string(error.byte));
  } catch (const json::exception& error) {
    return MakeError(ErrorCode::kCorrupt, std::string("schema JSON: ") + error.what());
  }
}

}  // namespace icecore::lake
