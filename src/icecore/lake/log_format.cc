// Log entries as we write them; docs/formats/delta.md.
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using Json = nlohmann::ordered_json;

// One line of the entry; text that is no UTF-8 is replaced, which only names and messages can be.
void AppendLine(const char* kind, Json body, std::string* out) {
  Json line = Json::object();
  line[kind] = std::move(body);
  *out += line.dump(-1, ' ', false, Json::error_handler_t::replace);
  *out += '\n';
}

Json TextMap(const std::map<std::string, std::string>& map) {
  Json object = Json::object();
  for (const auto& [key, value] : map) {
    object[key] = value;
  }
  return object;
}

arrow::Result<Json> CommitInfoJson(const LogActions& actions, const Commit& commit,
                                   int64_t read_version) {
  const CommitInfo& info = *actions.info;
  Json body = Json::object();
  if (info.in_commit_timestamp_ms.has_value()) {
    body["inCommitTimestamp"] = *info.in_commit_timestamp_ms;
  }
  body["timestamp"] = info.timestamp_ms;
  body["operation"] = info.operation;
  body["operationParameters"] = TextMap(commit.parameters);
  Json metrics = Json::object();
  for (const auto& [name, count] : commit.counts) {
    metrics[name] = std::to_string(count);
  }
  body["operationMetrics"] = std::move(metrics);
  if (read_version >= 0) {
    body["readVersion"] = read_version;
  }
  body["isBlindAppend"] =
      actions.removes.empty() && !commit.reads_all && commit.reads.empty() && !commit.reads_rows_of;
  body["engineInfo"] = info.engine;
  body["txnId"] = info.commit_id;
  Json ours = Json::object();
  for (const auto& [name, text] : commit.info) {
    Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) {
      return base::MakeError(base::ErrorCode::kInternal, "commit info '" + name + "' is no JSON");
    }
    ours[name] = std::move(value);
  }
  ours["actions"] = actions.count;
  body["icecore"] = std::move(ours);
  return body;
}

Json ProtocolJson(const Protocol& protocol) {
  Json body = {{"minReaderVersion", protocol.min_reader},
               {"minWriterVersion", protocol.min_writer}};
  if (protocol.min_reader >= 3) {
    body["readerFeatures"] = protocol.reader_features;
  }
  if (protocol.min_writer >= 7) {
    body["writerFeatures"] = protocol.writer_features;
  }
  return body;
}

Json MetadataJson(const MetadataAction& metadata) {
  Json body = {{"id", metadata.id}};
  if (!metadata.name.empty()) {
    body["name"] = metadata.name;
  }
  if (!metadata.description.empty()) {
    body["description"] = metadata.description;
  }
  body["format"] = {{"provider", "parquet"}, {"options", Json::object()}};
  body["schemaString"] = metadata.schema_json;
  body["partitionColumns"] = metadata.partition_columns;
  body["configuration"] = TextMap(metadata.configuration);
  body["createdTime"] = metadata.created_ms;
  return body;
}

Json PartitionValuesJson(const std::map<std::string, std::optional<std::string>>& values) {
  Json object = Json::object();
  for (const auto& [column, value] : values) {
    object[column] = value.has_value() ? Json(*value) : Json(nullptr);
  }
  return object;
}

void AppendDeletionVector(const std::optional<DeletionVector>& vector, Json* body) {
  if (!vector.has_value()) {
    return;
  }
  Json object = {{"storageType", vector->storage_type},
                 {"pathOrInlineDv", vector->path_or_inline_dv}};
  if (vector->offset.has_value()) {
    object["offset"] = *vector->offset;
  }
  object["sizeInBytes"] = vector->size_bytes;
  object["cardinality"] = vector->cardinality;
  (*body)["deletionVector"] = std::move(object);
}

Json AddJson(const DataFile& file, bool data_change) {
  Json body = {{"path", EncodePath(file.path)},
               {"partitionValues", PartitionValuesJson(file.partition_values)},
               {"size", file.size},
               {"modificationTime", file.modified_us / 1000},
               {"dataChange", data_change}};
  if (!file.stats_json.empty()) {
    body["stats"] = file.stats_json;
  }
  AppendDeletionVector(file.deletion_vector, &body);
  return body;
}

Json RemoveJson(const RemovedFile& file, bool data_change) {
  Json body = {{"path", EncodePath(file.path)},
               {"deletionTimestamp", file.removed_us / 1000},
               {"dataChange", data_change},
               {"size", file.size}};
  if (!file.partition_values.empty()) {
    body["extendedFileMetadata"] = true;
    body["partitionValues"] = PartitionValuesJson(file.partition_values);
  }
  AppendDeletionVector(file.deletion_vector, &body);
  return body;
}

}  // namespace

arrow::Result<std::string> FormatLogEntry(const LogActions& actions, const Commit& commit,
                                          int64_t read_version) {
  std::string out;
  ARROW_ASSIGN_OR_RAISE(Json info, CommitInfoJson(actions, commit, read_version));
  AppendLine("commitInfo", std::move(info), &out);
  if (actions.protocol.has_value()) {
    AppendLine("protocol", ProtocolJson(*actions.protocol), &out);
  }
  if (actions.metadata.has_value()) {
    AppendLine("metaData", MetadataJson(*actions.metadata), &out);
  }
  for (const auto& [app_id, version] : actions.transactions) {
    AppendLine(
        "txn",
        {{"appId", app_id}, {"version", version}, {"lastUpdated", actions.info->timestamp_ms}},
        &out);
  }
  for (const DomainAction& domain : actions.domains) {
    AppendLine("domainMetadata",
               {{"domain", domain.domain},
                {"configuration", domain.configuration},
                {"removed", domain.removed}},
               &out);
  }
  for (const RemovedFile& file : actions.removes) {
    AppendLine("remove", RemoveJson(file, actions.data_change), &out);
  }
  for (const DataFile& file : actions.adds) {
    AppendLine("add", AddJson(file, actions.data_change), &out);
  }
  return out;
}

}  // namespace icecore::lake
