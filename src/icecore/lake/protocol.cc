// Which tables we can read and write, by the names of the protocol's features.
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

bool IsOneOf(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Setting(const std::map<std::string, std::string>& configuration,
                    const std::string& name) {
  const auto found = configuration.find(name);
  return found == configuration.end() ? "" : found->second;
}

bool Lists(const std::vector<std::string>& features, const char* name) {
  return std::find(features.begin(), features.end(), name) != features.end();
}

// A type's text as Delta has it; "" for nested ones.
std::string TypeText(const json& change, const char* key) {
  const auto found = change.find(key);
  return found != change.end() && found->is_string() ? found->get<std::string>() : "";
}

struct DecimalFigures {
  int precision = 0;
  int scale = 0;
};

// What of a decimal an integer type fills, at least; nullopt for other types.
std::optional<DecimalFigures> AsDecimal(const std::string& type) {
  DecimalFigures decimal;
  if (IsOneOf(type, {"byte", "short", "integer"})) {
    return DecimalFigures{.precision = 10, .scale = 0};
  }
  if (type == "long") {
    return DecimalFigures{.precision = 20, .scale = 0};
  }
  if (std::sscanf(type.c_str(), "decimal(%d,%d)", &decimal.precision, &decimal.scale) == 2) {
    return decimal;
  }
  return std::nullopt;
}

// Delta protocol, "Type Widening".
bool IsKnownWidening(const std::string& from, const std::string& to) {
  static constexpr std::pair<const char*, const char*> kWider[] = {
      {"byte", "short"},     {"byte", "integer"}, {"byte", "long"},         {"byte", "double"},
      {"short", "integer"},  {"short", "long"},   {"short", "double"},      {"integer", "long"},
      {"integer", "double"}, {"float", "double"}, {"date", "timestamp_ntz"}};
  for (const auto& [narrow, wide] : kWider) {
    if (from == narrow && to == wide) {
      return true;
    }
  }
  const auto narrow = AsDecimal(from);
  const auto wide = to.starts_with("decimal") ? AsDecimal(to) : std::nullopt;
  return narrow.has_value() && wide.has_value() && wide->scale >= narrow->scale &&
         wide->precision - narrow->precision >= wide->scale - narrow->scale;
}

std::string MetadataOf(const arrow::Field& field, std::string_view key) {
  if (!field.HasMetadata()) {
    return "";
  }
  const auto value = field.metadata()->Get(std::string(key));
  return value.ok() ? *value : "";
}

arrow::Status CheckTypeChanges(const arrow::Field& field) {
  const std::string text = MetadataOf(field, "delta.typeChanges");
  const json changes = text.empty() ? json::array() : json::parse(text, nullptr, false);
  if (!changes.is_array()) {
    return MakeError(ErrorCode::kCorrupt, "column '" + field.name() + "': delta.typeChanges");
  }
  for (const json& change : changes) {
    const std::string from = TypeText(change, "fromType");
    const std::string to = TypeText(change, "toType");
    if (!IsKnownWidening(from, to)) {
      return MakeError(ErrorCode::kUnsupported, "column '" + field.name() + "' whose type became " +
                                                    to + " from " + from +
                                                    " (feature typeWidening)");
    }
  }
  for (const auto& child : field.type()->fields()) {
    ARROW_RETURN_NOT_OK(CheckTypeChanges(*child));
  }
  return arrow::Status::OK();
}

bool HasInvariant(const arrow::DataType& type) {
  return std::any_of(type.fields().begin(), type.fields().end(), [](const auto& field) {
    return (field->HasMetadata() && field->metadata()->Contains("delta.invariants")) ||
           HasInvariant(*field->type());
  });
}

}  // namespace

arrow::Status CheckReadable(const Protocol& protocol) {
  if (protocol.min_reader > 3 || protocol.min_reader < 1) {
    return MakeError(ErrorCode::kUnsupported,
                     "reader version " + std::to_string(protocol.min_reader));
  }
  std::vector<std::string> lacking;
  for (const std::string& feature : protocol.reader_features) {
    if (!IsOneOf(feature, {"timestampNtz", "columnMapping", "deletionVectors", "v2Checkpoint",
                           "vacuumProtocolCheck", "typeWidening", "typeWidening-preview"})) {
      lacking.push_back(feature);
    }
  }
  if (!lacking.empty()) {
    return MakeError(ErrorCode::kUnsupported, "table feature " + base::CommaList(lacking));
  }
  return arrow::Status::OK();
}

arrow::Result<ColumnMapping> ColumnMappingOf(const Snapshot& snapshot) {
  const Protocol& protocol = snapshot.protocol;
  const bool enabled =
      protocol.min_reader == 2 ||
      (protocol.min_reader >= 3 && Lists(protocol.reader_features, "columnMapping"));
  const std::string mode = Setting(snapshot.configuration, "delta.columnMapping.mode");
  if (!enabled || mode.empty() || mode == "none") {
    return ColumnMapping::kNone;
  }
  if (mode == "name") {
    return ColumnMapping::kName;
  }
  if (mode == "id") {
    return ColumnMapping::kId;
  }
  return MakeError(ErrorCode::kUnsupported,
                   "table " + snapshot.table_path + ": delta.columnMapping.mode '" + mode + "'");
}

arrow::Status CheckSchema(const Snapshot& snapshot) {
  const std::string table = "table " + snapshot.table_path + ": ";
  for (const std::string& name : snapshot.partition_columns) {
    if (snapshot.schema->GetFieldByName(name) == nullptr) {
      return MakeError(ErrorCode::kCorrupt,
                       table + "partition column '" + name + "' is not in the schema, or twice");
    }
  }
  for (const auto& field : snapshot.schema->fields()) {
    if (snapshot.column_mapping != ColumnMapping::kNone &&
        MetadataOf(*field, kPhysicalName).empty()) {
      return MakeError(ErrorCode::kCorrupt,
                       table + "column '" + field->name() + "' has no physical name");
    }
    const arrow::Status changes = CheckTypeChanges(*field);
    if (!changes.ok()) {
      return base::WithContext(changes, "table " + snapshot.table_path);
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckWritable(const Snapshot& snapshot, const Commit& commit) {
  const Protocol& protocol = snapshot.protocol;
  if (protocol.min_writer > 2 && protocol.min_writer != 7) {
    return MakeError(ErrorCode::kUnsupported,
                     "writer version " + std::to_string(protocol.min_writer));
  }
  std::vector<std::string> lacking;
  for (const std::string& feature : protocol.writer_features) {
    if (!IsOneOf(feature, {"appendOnly", "invariants", "domainMetadata", "inCommitTimestamp",
                           "timestampNtz"})) {
      lacking.push_back(feature);
    }
  }
  if (!lacking.empty()) {
    return MakeError(ErrorCode::kUnsupported,
                     "writing with table feature " + base::CommaList(lacking));
  }
  if (snapshot.column_mapping != ColumnMapping::kNone) {
    return MakeError(ErrorCode::kUnsupported, "writing with table feature columnMapping");
  }
  if (!commit.domains.empty() && !Lists(protocol.writer_features, "domainMetadata")) {
    return MakeError(ErrorCode::kUnsupported, "the table lacks feature domainMetadata");
  }
  if (snapshot.schema != nullptr && HasInvariant(*arrow::struct_(snapshot.schema->fields()))) {
    return MakeError(ErrorCode::kUnsupported, "writing tables with delta.invariants");
  }
  const bool removes = !commit.removes.empty() || (commit.remove_all && !snapshot.files.empty());
  if (removes && commit.data_change &&
      Setting(snapshot.configuration, "delta.appendOnly") == "true") {
    return MakeError(ErrorCode::kDenied, "the table is append-only (delta.appendOnly)");
  }
  return arrow::Status::OK();
}

}  // namespace icecore::lake
