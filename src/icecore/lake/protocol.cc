// Which tables we can read and write, by the names of the protocol's features.
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

bool IsOneOf(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::string Setting(const std::map<std::string, std::string>& configuration,
                    const std::string& name) {
  const auto found = configuration.find(name);
  return found == configuration.end() ? "" : found->second;
}

bool Lists(const std::vector<std::string>& features, const char* name) {
  return std::find(features.begin(), features.end(), name) != features.end();
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
    if (!IsOneOf(feature,
                 {"timestampNtz", "columnMapping", "deletionVectors", "vacuumProtocolCheck"})) {
      lacking.push_back(feature);
    }
  }
  if (!lacking.empty()) {
    return MakeError(ErrorCode::kUnsupported, "table feature " + Joined(lacking));
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
    return MakeError(ErrorCode::kUnsupported, "writing with table feature " + Joined(lacking));
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
