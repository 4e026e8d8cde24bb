#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/add_line_internal.h"
#include "icecore/lake/json_depth_internal.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

std::string TextOr(const json& object, const char* key, const std::string& otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

int64_t NumberOr(const json& object, const char* key, int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}

std::vector<std::string> TextsOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? found->get<std::vector<std::string>>()
                                                    : std::vector<std::string>();
}

CommitInfo ParseCommitInfo(const json& body) {
  CommitInfo info;
  if (const auto ict = body.find("inCommitTimestamp");
      ict != body.end() && ict->is_number_integer()) {
    info.in_commit_timestamp_ms = ict->get<int64_t>();
  }
  info.timestamp_ms = NumberOr(body, "timestamp", 0);
  info.operation = TextOr(body, "operation", "");
  info.engine = TextOr(body, "engineInfo", "");
  info.commit_id = TextOr(body, "txnId", "");
  if (const auto metrics = body.find("operationMetrics");
      metrics != body.end() && metrics->is_object()) {
    for (const auto& [name, value] : metrics->items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc() && end == text.data() + text.size()) {
        info.counts[name] = number;
      }
    }
  }
  if (const auto ours = body.find("icecore"); ours != body.end() && ours->is_object()) {
    for (const auto& [name, value] : ours->items()) {
      info.info[name] = value.dump();
    }
  }
  return info;
}

Protocol ParseProtocol(const json& body) {
  Protocol protocol{.min_reader = body.at("minReaderVersion").get<int32_t>(),
                    .min_writer = body.at("minWriterVersion").get<int32_t>(),
                    .reader_features = {},
                    .writer_features = {}};
  // A version that is of features must name them: not to know them is not to have none.
  if (protocol.min_reader == 3) {
    protocol.reader_features = body.at("readerFeatures").get<std::vector<std::string>>();
  } else {
    protocol.reader_features = TextsOf(body, "readerFeatures");
  }
  protocol.writer_features = TextsOf(body, "writerFeatures");
  return protocol;
}

// "" where there is none: a later metaData may have one.
std::string SchemaTextOf(const json& metadata) {
  const auto found = metadata.find("schemaString");
  return found == metadata.end() || found->is_null() ? "" : found->get<std::string>();
}

arrow::Result<MetadataAction> ParseMetadata(const json& body) {
  MetadataAction metadata{.id = body.at("id").get<std::string>(),
                          .name = TextOr(body, "name", ""),
                          .description = TextOr(body, "description", ""),
                          .schema_json = SchemaTextOf(body),
                          .partition_columns = TextsOf(body, "partitionColumns"),
                          .configuration = {},
                          .created_ms = NumberOr(body, "createdTime", 0)};
  const auto found = body.find("format");
  const json format = found == body.end() || !found->is_object() ? json::object() : *found;
  if (const std::string provider = TextOr(format, "provider", "parquet"); provider != "parquet") {
    return MakeError(ErrorCode::kUnsupported, "data files of format '" + provider + "'");
  }
  if (const auto configuration = body.find("configuration"); configuration != body.end()) {
    for (const auto& [key, value] : configuration->items()) {
      metadata.configuration[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  return metadata;
}

std::map<std::string, std::optional<std::string>> ParsePartitionValues(const json& body) {
  std::map<std::string, std::optional<std::string>> values;
  const auto found = body.find("partitionValues");
  if (found != body.end() && !found->is_null()) {
    for (const auto& [column, value] : found->items()) {
      values[column] = value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
    }
  }
  return values;
}

std::optional<DeletionVector> ParseDeletionVector(const json& body) {
  const auto found = body.find("deletionVector");
  if (found == body.end() || found->is_null()) {
    return std::nullopt;
  }
  DeletionVector vector{.storage_type = found->at("storageType").get<std::string>(),
                        .path_or_inline_dv = found->at("pathOrInlineDv").get<std::string>(),
                        .offset = std::nullopt,
                        .size_bytes = found->at("sizeInBytes").get<int32_t>(),
                        .cardinality = found->at("cardinality").get<int64_t>()};
  if (const auto offset = found->find("offset"); offset != found->end() && !offset->is_null()) {
    vector.offset = offset->get<int32_t>();
  }
  return vector;
}

bool DataChangeOf(const json& body) {
  const auto found = body.find("dataChange");
  return found == body.end() || !found->is_boolean() || found->get<bool>();
}

arrow::Result<DataFile> ParseAdd(const json& body) {
  DataFile file;
  ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(body.at("path").get_ref<const std::string&>()));
  file.size = NumberOr(body, "size", -1);
  if (file.size < 0) {
    return MakeError(ErrorCode::kCorrupt, "file " + file.path + " without a size");
  }
  file.modified_us = NumberOr(body, "modificationTime", 0) * 1000;
  file.partition_values = ParsePartitionValues(body);
  file.stats_json = TextOr(body, "stats", "");
  file.num_records = NumRecordsOf(file.stats_json);
  file.deletion_vector = ParseDeletionVector(body);
  file.data_change = DataChangeOf(body);
  return file;
}

arrow::Result<RemovedFile> ParseRemove(const json& body) {
  RemovedFile file;
  ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(body.at("path").get_ref<const std::string&>()));
  file.removed_us = NumberOr(body, "deletionTimestamp", 0) * 1000;
  file.size = NumberOr(body, "size", 0);
  file.deletion_vector = ParseDeletionVector(body);
  file.partition_values = ParsePartitionValues(body);
  file.data_change = DataChangeOf(body);
  return file;
}

arrow::Result<ChangeFile> ParseChange(const json& body) {
  ChangeFile file;
  ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(body.at("path").get_ref<const std::string&>()));
  file.size = NumberOr(body, "size", 0);
  file.partition_values = ParsePartitionValues(body);
  return file;
}

arrow::Status ParseAction(const std::string& kind, const json& body, LogActions* actions) {
  if (kind == "add") {
    ARROW_ASSIGN_OR_RAISE(auto file, ParseAdd(body));
    actions->data_change |= file.data_change;
    actions->adds.push_back(std::move(file));
  } else if (kind == "remove") {
    ARROW_ASSIGN_OR_RAISE(auto file, ParseRemove(body));
    actions->data_change |= file.data_change;
    actions->removes.push_back(std::move(file));
  } else if (kind == "cdc") {
    ARROW_ASSIGN_OR_RAISE(auto file, ParseChange(body));
    actions->changes.push_back(std::move(file));
  } else if (kind == "commitInfo") {
    actions->info = ParseCommitInfo(body);
  } else if (kind == "protocol") {
    actions->protocol = ParseProtocol(body);
  } else if (kind == "metaData") {
    ARROW_ASSIGN_OR_RAISE(actions->metadata, ParseMetadata(body));
  } else if (kind == "txn") {
    actions->transactions.emplace_back(body.at("appId").get<std::string>(),
                                       body.at("version").get<int64_t>());
  } else if (kind == "sidecar") {
    actions->sidecars.push_back(body.at("path").get<std::string>());
  } else if (kind == "domainMetadata") {
    actions->domains.push_back({.domain = body.at("domain").get<std::string>(),
                                .configuration = TextOr(body, "configuration", ""),
                                .removed = body.value("removed", false)});
  }
  return arrow::Status::OK();
}

arrow::Status ParseLine(std::string_view line, LogActions* actions) {
  if (DataFile file; ParseAddLine(line, &file)) {
    ++actions->count;
    actions->data_change |= file.data_change;
    actions->adds.push_back(std::move(file));
    return arrow::Status::OK();
  }
  if (IsTooDeep(line)) {
    return MakeError(ErrorCode::kLimit, "JSON nested too deep");
  }
  try {
    const json action = json::parse(line);
    if (!action.is_object() || action.empty()) {
      return MakeError(ErrorCode::kCorrupt, "no action");
    }
    ++actions->count;
    // Some writers name every kind of action and leave all but one null.
    for (const auto& [kind, body] : action.items()) {
      if (!body.is_null()) {
        ARROW_RETURN_NOT_OK(ParseAction(kind, body, actions));
      }
    }
    return arrow::Status::OK();
  } catch (const json::parse_error& error) {  // its text quotes bytes as they are
    return MakeError(ErrorCode::kCorrupt, "no JSON from byte " + std::to_string(error.byte));
  } catch (const json::exception& error) {
    return MakeError(ErrorCode::kCorrupt, error.what());
  }
}

}  // namespace

arrow::Result<LogActions> ParseLogEntry(std::string_view bytes, const std::string& file) {
  LogActions actions;
  int64_t line_number = 0;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line = bytes.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    const arrow::Status parsed = ParseLine(line, &actions);
    if (!parsed.ok()) {
      return base::WithContext(parsed, file + ":" + std::to_string(line_number));
    }
  }
  if (actions.count == 0) {
    return MakeError(ErrorCode::kCorrupt, file + ": no actions in this log entry");
  }
  if (actions.info.has_value()) {
    const auto counted = actions.info->info.find("actions");
    if (counted != actions.info->info.end() && counted->second != std::to_string(actions.count)) {
      return MakeError(ErrorCode::kCorrupt, file + ": " + std::to_string(actions.count) +
                                                " actions where " + counted->second +
                                                " were written: cut off");
    }
  }
  return actions;
}

std::optional<int64_t> NumRecordsOf(const std::string& stats_json) {
  // Nearly every writer has it first: the rest need not be parsed.
  std::string_view rest = stats_json;
  const auto take = [&](std::string_view token) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    const bool is_there = rest.starts_with(token);
    rest.remove_prefix(is_there ? token.size() : 0);
    return is_there;
  };
  if (take("{") && take("\"numRecords\"") && take(":")) {
    take("");  // blanks
    int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (error == std::errc() && (take(",") || take("}"))) {
      return number;
    }
  }
  const json stats = json::parse(stats_json, nullptr, false);
  if (!stats.is_object() || !stats.contains("numRecords") ||
      !stats.at("numRecords").is_number_integer()) {
    return std::nullopt;
  }
  return stats.at("numRecords").get<int64_t>();
}

}  // namespace icecore::lake
