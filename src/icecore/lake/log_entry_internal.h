#pragma once
// The log's entries as structs: names, parsing, formatting. Delta protocol, "Actions".

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

struct CommitInfo {
  std::optional<int64_t> in_commit_timestamp_ms;
  int64_t timestamp_ms = 0;
  std::string operation;
  std::string engine;
  std::string commit_id;
  std::map<std::string, int64_t> counts;
  std::map<std::string, std::string> info;
};

// metaData as it rests.
struct MetadataAction {
  std::string id;
  std::string name;
  std::string description;
  std::string schema_json;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  int64_t created_ms = 0;
};

struct DomainAction {
  std::string domain;
  std::string configuration;
  bool removed = false;
};

// A file of changed rows (change data feed).
struct ChangeFile {
  std::string path;
  int64_t size = 0;
  std::map<std::string, std::optional<std::string>> partition_values;
};

// One log entry, or one checkpoint.
struct LogActions {
  std::optional<CommitInfo> info;
  std::optional<Protocol> protocol;
  std::optional<MetadataAction> metadata;
  std::vector<DataFile> adds;
  std::vector<RemovedFile> removes;
  std::vector<ChangeFile> changes;
  std::vector<std::pair<std::string, int64_t>> transactions;
  std::vector<DomainAction> domains;
  std::vector<std::string> sidecars;  // as they rest; of V2 checkpoints only
  bool data_change = false;           // an add or remove says so
  int64_t count = 0;
};

// "_delta_log/00000000000000000012.json" and its like, below the table's path.
std::string LogFolder(const std::string& table_path);
std::string SidecarFolder(const std::string& table_path);
std::string CommitPath(const std::string& table_path, int64_t version);
std::string CheckpointPath(const std::string& table_path, int64_t version);
std::string LastCheckpointPath(const std::string& table_path);
// Less than every entry of the version, greater than every entry of the one before.
std::string LogPathBefore(const std::string& table_path, int64_t version);

// `file` names the entry in errors. A line that is no JSON object, an action without what it must
// have, fewer lines than commitInfo counts: kCorrupt. What we must not read (a deletion vector):
// kUnsupported. Unknown actions are passed over, as the protocol wants.
arrow::Result<LogActions> ParseLogEntry(std::string_view bytes, const std::string& file);

// The bytes of one log entry; commitInfo comes first and counts the lines.
arrow::Result<std::string> FormatLogEntry(const LogActions& actions, const Commit& commit,
                                          int64_t read_version);

// Our number from the statistics' JSON; nullopt without one.
std::optional<int64_t> NumRecordsOf(const std::string& stats_json);

// Paths in the log are URIs. A decoded path is relative to the table; or absolute ("/tmp/x", of
// file: URIs too); or of another store ("s3://bucket/x"). One that cannot be decoded is kCorrupt,
// one that leads up with ".." kUnsupported.
std::string EncodePath(std::string_view path);
arrow::Result<std::string> DecodePath(std::string_view encoded);
bool IsAbsolutePath(std::string_view decoded);
// The absolute path below one of `roots` as a path relative to it; others as they are.
std::string RelativeTo(const std::vector<std::string>& roots, std::string path);
// Where the table lies, in the spellings that absolute paths of its files may have.
std::vector<std::string> TableRoots(const ObjectStore& store, const std::string& table_path);

// kUnsupported with the features' names where a reader, or a writer, needs what we lack.
arrow::Status CheckReadable(const Protocol& protocol);
// From protocol and configuration: a mode that the protocol does not enable is none; an unknown one
// is kUnsupported.
arrow::Result<ColumnMapping> ColumnMappingOf(const Snapshot& snapshot);
// kCorrupt where a partition column is not in the schema or a mapped column lacks its physical
// name, kUnsupported where a column's type was changed in a way that the protocol does not know.
arrow::Status CheckSchema(const Snapshot& snapshot);
arrow::Status CheckWritable(const Snapshot& snapshot, const Commit& commit);

}  // namespace icecore::lake
