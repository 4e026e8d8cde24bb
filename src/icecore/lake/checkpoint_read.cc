// Checkpoints as we and others write them: columns may be missing, null or in another order.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/checkpoint_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;

// The members of one struct column, by name. A member of an unexpected type reads as missing.
class StructColumn {
 public:
  StructColumn(const arrow::Array* array, bool exists)
      : array_(exists ? static_cast<const arrow::StructArray*>(array) : nullptr) {}
  static StructColumn Of(const arrow::RecordBatch& batch, const std::string& name) {
    const auto column = batch.GetColumnByName(name);
    return StructColumn(column.get(), column != nullptr && column->type_id() == Type::STRUCT);
  }

  bool Has(int64_t row) const { return array_ != nullptr && array_->IsValid(row); }
  bool HasMember(const char* name, int64_t row) const {
    return Has(row) && Member(name) != nullptr && Member(name)->IsValid(row);
  }

  // A struct inside the struct.
  StructColumn Struct(const char* name) const {
    const arrow::Array* member = array_ == nullptr ? nullptr : Member(name, Type::STRUCT);
    return StructColumn(member, member != nullptr);
  }

  std::string Text(const char* name, int64_t row) const {
    const auto* member = Member(name, Type::STRING);
    return member == nullptr || member->IsNull(row)
               ? ""
               : static_cast<const arrow::StringArray*>(member)->GetString(row);
  }
  int64_t Number(const char* name, int64_t row) const {
    const auto* member = Member(name);
    if (member == nullptr || member->IsNull(row)) {
      return 0;
    }
    if (member->type_id() == Type::INT64) {
      return static_cast<const arrow::Int64Array*>(member)->Value(row);
    }
    return member->type_id() == Type::INT32
               ? static_cast<const arrow::Int32Array*>(member)->Value(row)
               : 0;
  }
  bool Bool(const char* name, int64_t row) const {
    const auto* member = Member(name, Type::BOOL);
    return member != nullptr && member->IsValid(row) &&
           static_cast<const arrow::BooleanArray*>(member)->Value(row);
  }
  std::vector<std::string> Texts(const char* name, int64_t row) const {
    std::vector<std::string> texts;
    const auto* list = static_cast<const arrow::ListArray*>(Member(name, Type::LIST));
    if (list == nullptr || list->IsNull(row) || list->values()->type_id() != Type::STRING) {
      return texts;
    }
    const auto& values = static_cast<const arrow::StringArray&>(*list->values());
    for (int64_t i = list->value_offset(row); i < list->value_offset(row + 1); ++i) {
      texts.push_back(values.GetString(i));
    }
    return texts;
  }
  std::map<std::string, std::optional<std::string>> TextMap(const char* name, int64_t row) const {
    std::map<std::string, std::optional<std::string>> texts;
    const auto* map = static_cast<const arrow::MapArray*>(Member(name, Type::MAP));
    if (map == nullptr || map->IsNull(row) || map->keys()->type_id() != Type::STRING ||
        map->items()->type_id() != Type::STRING) {
      return texts;
    }
    const auto& keys = static_cast<const arrow::StringArray&>(*map->keys());
    const auto& items = static_cast<const arrow::StringArray&>(*map->items());
    for (int64_t i = map->value_offset(row); i < map->value_offset(row + 1); ++i) {
      texts[keys.GetString(i)] = items.IsNull(i) ? std::nullopt : std::optional(items.GetString(i));
    }
    return texts;
  }

 private:
  const arrow::Array* Member(const char* name) const {
    const int index = array_->struct_type()->GetFieldIndex(name);
    return index < 0 ? nullptr : array_->field(index).get();
  }
  const arrow::Array* Member(const char* name, Type::type type) const {
    const arrow::Array* member = Member(name);
    return member != nullptr && member->type_id() == type ? member : nullptr;
  }

  const arrow::StructArray* array_;
};

std::optional<DeletionVector> ReadDeletionVector(const StructColumn& file, int64_t row) {
  const StructColumn vector = file.Struct("deletionVector");
  if (!file.HasMember("deletionVector", row) || !vector.Has(row)) {
    return std::nullopt;
  }
  DeletionVector read{.storage_type = vector.Text("storageType", row),
                      .path_or_inline_dv = vector.Text("pathOrInlineDv", row),
                      .offset = std::nullopt,
                      .size_bytes = static_cast<int32_t>(vector.Number("sizeInBytes", row)),
                      .cardinality = vector.Number("cardinality", row)};
  if (vector.HasMember("offset", row)) {
    read.offset = static_cast<int32_t>(vector.Number("offset", row));
  }
  return read;
}

arrow::Result<DataFile> ReadAdd(const StructColumn& add, int64_t row) {
  DataFile file;
  ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(add.Text("path", row)));
  file.size = add.Number("size", row);
  file.modified_us = add.Number("modificationTime", row) * 1000;
  file.partition_values = add.TextMap("partitionValues", row);
  file.stats_json = add.Text("stats", row);
  file.num_records = NumRecordsOf(file.stats_json);
  file.deletion_vector = ReadDeletionVector(add, row);
  return file;
}

MetadataAction ReadMetadata(const StructColumn& column, int64_t row) {
  MetadataAction metadata{.id = column.Text("id", row),
                          .name = column.Text("name", row),
                          .description = column.Text("description", row),
                          .schema_json = column.Text("schemaString", row),
                          .partition_columns = column.Texts("partitionColumns", row),
                          .configuration = {},
                          .created_ms = column.Number("createdTime", row)};
  for (auto& [key, value] : column.TextMap("configuration", row)) {
    metadata.configuration[key] = value.value_or("");
  }
  return metadata;
}

arrow::Status ReadRow(const std::vector<StructColumn>& columns, int64_t row, LogActions* actions) {
  enum { kTxn, kAdd, kRemove, kMetaData, kProtocol, kDomain };
  if (columns[kAdd].Has(row)) {
    ARROW_ASSIGN_OR_RAISE(auto file, ReadAdd(columns[kAdd], row));
    actions->adds.push_back(std::move(file));
  } else if (columns[kRemove].Has(row)) {
    const StructColumn& remove = columns[kRemove];
    RemovedFile file;
    ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(remove.Text("path", row)));
    file.removed_us = remove.Number("deletionTimestamp", row) * 1000;
    file.size = remove.Number("size", row);
    file.deletion_vector = ReadDeletionVector(remove, row);
    actions->removes.push_back(std::move(file));
  } else if (columns[kTxn].Has(row)) {
    actions->transactions.emplace_back(columns[kTxn].Text("appId", row),
                                       columns[kTxn].Number("version", row));
  } else if (columns[kMetaData].Has(row)) {
    actions->metadata = ReadMetadata(columns[kMetaData], row);
  } else if (columns[kProtocol].Has(row)) {
    const StructColumn& protocol = columns[kProtocol];
    actions->protocol =
        Protocol{.min_reader = static_cast<int32_t>(protocol.Number("minReaderVersion", row)),
                 .min_writer = static_cast<int32_t>(protocol.Number("minWriterVersion", row)),
                 .reader_features = protocol.Texts("readerFeatures", row),
                 .writer_features = protocol.Texts("writerFeatures", row)};
  } else if (columns[kDomain].Has(row)) {
    actions->domains.push_back({.domain = columns[kDomain].Text("domain", row),
                                .configuration = columns[kDomain].Text("configuration", row),
                                .removed = columns[kDomain].Bool("removed", row)});
  }
  return arrow::Status::OK();
}

arrow::Result<LogActions> ParseCheckpoint(const std::string& bytes) {
  const auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes));
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        parquet::arrow::OpenFile(input, arrow::default_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(const auto batches, reader->GetRecordBatchReader());
  LogActions actions;
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
    if (batch == nullptr) {
      break;
    }
    std::vector<StructColumn> columns;
    for (const char* name : {"txn", "add", "remove", "metaData", "protocol", "domainMetadata"}) {
      columns.push_back(StructColumn::Of(*batch, name));
    }
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      ARROW_RETURN_NOT_OK(ReadRow(columns, row, &actions));
    }
    actions.count += batch->num_rows();
  }
  if (!actions.metadata.has_value() || !actions.protocol.has_value()) {
    return MakeError(ErrorCode::kCorrupt, "no metaData or no protocol");
  }
  return actions;
}

}  // namespace

arrow::Result<LogActions> ReadCheckpoint(ObjectStore& store, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, store.Get(path));
  auto actions = [&]() -> arrow::Result<LogActions> {
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    return ParseCheckpoint(bytes);
    END_PARQUET_CATCH_EXCEPTIONS
  }();
  if (!actions.ok()) {
    if (base::CodeOf(actions.status()) == ErrorCode::kUnsupported) {
      return base::WithContext(actions.status(), path);
    }
    return MakeError(ErrorCode::kCorrupt, path + ": " + actions.status().message());
  }
  return actions;
}

}  // namespace icecore::lake
