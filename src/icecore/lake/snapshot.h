#pragma once
// One version of a table, as its log tells it.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::lake {

// Rows of a data file that are gone, as the log describes them. Delta protocol, "Deletion Vectors".
struct DeletionVector {
  std::string storage_type;       // "u" named by UUID, "i" inline, "p" absolute path
  std::string path_or_inline_dv;  // as the log has it
  std::optional<int32_t> offset;  // into the file; nullopt inline
  int32_t size_bytes = 0;
  int64_t cardinality = 0;  // rows gone

  // Part of a file's identity in the log: the same path with another vector is another file.
  std::string UniqueId() const;
  bool operator==(const DeletionVector&) const = default;
};

// A live Parquet file of a table.
struct DataFile {
  std::string path;  // relative to the table, decoded
  int64_t size = 0;
  int64_t modified_us = 0;
  // Column name (physical, where columns are mapped) -> value as Delta writes it; nullopt = null.
  std::map<std::string, std::optional<std::string>> partition_values;
  // Rows in the file, those that a deletion vector takes away too; our own files always have it.
  std::optional<int64_t> num_records;
  std::string stats_json;  // Delta statistics, "" = none
  std::optional<DeletionVector> deletion_vector;
  bool data_change = true;  // false: its rows only moved; known in the commit that adds it

  // Path and deletion vector: what the log means by one file.
  std::string Key() const;

  // The least and greatest value of a top-level int64 column; nullopt where the statistics do not
  // say.
  struct Range {
    int64_t min = 0;
    int64_t max = 0;
  };
  std::optional<Range> IntRange(std::string_view column) const;
};

// A file that is no longer part of the table, kept until readers of old versions are gone.
struct RemovedFile {
  std::string path;
  int64_t removed_us = 0;
  int64_t size = 0;
  std::optional<DeletionVector> deletion_vector;
  // Empty where the log does not say.
  std::map<std::string, std::optional<std::string>> partition_values;
  bool data_change = true;

  std::string Key() const;
};

// How columns of the schema are found in the files. Delta protocol, "Column Mapping".
enum class ColumnMapping { kNone, kName, kId };

// Field metadata keys of a mapped column.
inline constexpr std::string_view kPhysicalName = "delta.columnMapping.physicalName";
inline constexpr std::string_view kMappedId = "delta.columnMapping.id";

struct Protocol {
  int32_t min_reader = 1;
  int32_t min_writer = 7;
  std::vector<std::string> reader_features;
  std::vector<std::string> writer_features;
};

// Immutable once loaded.
struct Snapshot {
  std::string table_path;  // relative to the store's root
  int64_t version = -1;    // -1: no table yet
  std::string table_id;
  std::string name;
  std::string description;
  std::shared_ptr<arrow::Schema> schema;  // declared types, with column ids
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  ColumnMapping column_mapping = ColumnMapping::kNone;
  int64_t created_us = 0;
  Protocol protocol;
  std::vector<DataFile> files;                  // by their first _seq, else as commits added them
  std::vector<RemovedFile> removed;             // unexpired only
  std::map<std::string, int64_t> transactions;  // appId -> version
  std::map<std::string, std::string> domains;   // live domainMetadata: domain -> configuration
  int64_t timestamp_us = 0;                     // of this version (inCommitTimestamp)
  int64_t checkpoint_version = -1;              // newest checkpoint known at or below this version
  int64_t actions_since_checkpoint = 0;

  bool exists() const { return version >= 0; }
  // Rows that are not deleted, by the files' exact counts; nullopt where a file of another writer
  // has none.
  std::optional<int64_t> row_count() const;
  int64_t byte_count() const;
  std::optional<int64_t> Transaction(std::string_view app_id) const;
  std::optional<std::string> Domain(std::string_view domain) const;
  // The greatest _seq given so far; 0 in a new table.
  int64_t last_seq() const;
};

}  // namespace icecore::lake
