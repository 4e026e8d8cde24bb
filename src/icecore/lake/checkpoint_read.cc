// Checkpoints as we and others write them: columns may be missing, null, in another order or in
// other types of the same meaning.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/column_source_internal.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

// What is read of an action, in the types we want. nullptr: as it is.
struct Member {
  const char* name;
  TypePtr type;
};
using MemberList = std::vector<Member>;

TypePtr Texts() { return arrow::list(arrow::field("element", arrow::utf8())); }
TypePtr TextMap() { return arrow::map(arrow::utf8(), arrow::utf8()); }

// Members are asked for by their place in these lists.
const MemberList& AddMembers() {
  static const MemberList members = {{"path", arrow::utf8()},  {"partitionValues", TextMap()},
                                     {"size", arrow::int64()}, {"modificationTime", arrow::int64()},
                                     {"stats", arrow::utf8()}, {"deletionVector", nullptr},
                                     {"stats_parsed", nullptr}};
  return members;
}
const MemberList& RemoveMembers() {
  static const MemberList members = {{"path", arrow::utf8()},
                                     {"deletionTimestamp", arrow::int64()},
                                     {"size", arrow::int64()},
                                     {"deletionVector", nullptr},
                                     {"partitionValues", TextMap()}};
  return members;
}
const MemberList& VectorMembers() {
  static const MemberList members = {{"storageType", arrow::utf8()},
                                     {"pathOrInlineDv", arrow::utf8()},
                                     {"offset", arrow::int32()},
                                     {"sizeInBytes", arrow::int32()},
                                     {"cardinality", arrow::int64()}};
  return members;
}
const MemberList& MetadataMembers() {
  static const MemberList members = {
      {"id", arrow::utf8()},           {"name", arrow::utf8()},
      {"description", arrow::utf8()},  {"schemaString", arrow::utf8()},
      {"partitionColumns", Texts()},   {"configuration", TextMap()},
      {"createdTime", arrow::int64()}, {"format", nullptr}};
  return members;
}
const MemberList& ProtocolMembers() {
  static const MemberList members = {{"minReaderVersion", arrow::int32()},
                                     {"minWriterVersion", arrow::int32()},
                                     {"readerFeatures", Texts()},
                                     {"writerFeatures", Texts()}};
  return members;
}

// The members of one struct column, bound once for a batch.
class Action {
 public:
  static arrow::Result<Action> Bind(const ArrayPtr& column, const MemberList& members) {
    Action action;
    if (column == nullptr || column->type_id() == Type::NA) {
      return action;
    }
    if (column->type_id() != Type::STRUCT) {
      return MakeError(ErrorCode::kCorrupt, "a column of type " + column->type()->ToString() +
                                                " where a struct belongs");
    }
    action.array_ = std::static_pointer_cast<arrow::StructArray>(column);
    for (const Member& member : members) {
      if (action.array_->struct_type()->GetAllFieldIndices(member.name).size() > 1) {
        return MakeError(ErrorCode::kCorrupt, "two members '" + std::string(member.name) + "'");
      }
      const int index = action.array_->struct_type()->GetFieldIndex(member.name);
      ArrayPtr array = index < 0 ? nullptr : action.array_->field(index);
      if (array != nullptr && member.type != nullptr && !array->type()->Equals(member.type)) {
        const auto cast = arrow::compute::Cast(*array, member.type);
        if (!cast.ok()) {
          return MakeError(ErrorCode::kCorrupt,
                           std::string(member.name) + ": " + cast.status().message());
        }
        array = *cast;
      }
      action.members_.push_back(std::move(array));
    }
    return action;
  }

  bool Has(int64_t row) const { return array_ != nullptr && array_->IsValid(row); }
  bool Has(size_t member, int64_t row) const {
    return Has(row) && members_[member] != nullptr && members_[member]->IsValid(row);
  }
  ArrayPtr Column(size_t member) const { return array_ == nullptr ? nullptr : members_[member]; }

  std::string_view View(size_t member, int64_t row) const {
    return Has(member, row) ? static_cast<const arrow::StringArray&>(*members_[member]).GetView(row)
                            : std::string_view();
  }
  std::string Text(size_t member, int64_t row) const { return std::string(View(member, row)); }
  int64_t Number(size_t member, int64_t row) const {
    return Has(member, row) ? static_cast<const arrow::Int64Array&>(*members_[member]).Value(row)
                            : 0;
  }
  int32_t Number32(size_t member, int64_t row) const {
    return Has(member, row) ? static_cast<const arrow::Int32Array&>(*members_[member]).Value(row)
                            : 0;
  }
  bool Bool(size_t member, int64_t row, bool otherwise) const {
    return Has(member, row) ? static_cast<const arrow::BooleanArray&>(*members_[member]).Value(row)
                            : otherwise;
  }
  std::vector<std::string> Texts(size_t member, int64_t row) const {
    std::vector<std::string> texts;
    if (Has(member, row)) {
      const auto& list = static_cast<const arrow::ListArray&>(*members_[member]);
      const auto& values = static_cast<const arrow::StringArray&>(*list.values());
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        texts.push_back(values.GetString(i));
      }
    }
    return texts;
  }
  std::map<std::string, std::optional<std::string>> TextMap(size_t member, int64_t row) const {
    std::map<std::string, std::optional<std::string>> texts;
    if (Has(member, row)) {
      const auto& map = static_cast<const arrow::MapArray&>(*members_[member]);
      const auto& keys = static_cast<const arrow::StringArray&>(*map.keys());
      const auto& items = static_cast<const arrow::StringArray&>(*map.items());
      for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
        texts[keys.GetString(i)] =
            items.IsNull(i) ? std::nullopt : std::optional(items.GetString(i));
      }
    }
    return texts;
  }

 private:
  std::shared_ptr<arrow::StructArray> array_;
  std::vector<ArrayPtr> members_;
};

std::optional<DeletionVector> ReadDeletionVector(const Action& vector, int64_t row) {
  enum { kStorageType, kPathOrInlineDv, kOffset, kSizeInBytes, kCardinality };
  if (!vector.Has(row) || !vector.Has(kStorageType, row)) {
    return std::nullopt;
  }
  DeletionVector read{.storage_type = vector.Text(kStorageType, row),
                      .path_or_inline_dv = vector.Text(kPathOrInlineDv, row),
                      .offset = std::nullopt,
                      .size_bytes = vector.Number32(kSizeInBytes, row),
                      .cardinality = vector.Number(kCardinality, row)};
  if (vector.Has(kOffset, row)) {
    read.offset = vector.Number32(kOffset, row);
  }
  return read;
}

// Every kind of action in one batch.
class Batch {
 public:
  static arrow::Result<Batch> Bind(const arrow::RecordBatch& batch) {
    Batch bound;
    const auto bind = [&](const char* name, const MemberList& members,
                          Action* to) -> arrow::Status {
      if (batch.schema()->GetAllFieldIndices(name).size() > 1) {
        return MakeError(ErrorCode::kCorrupt, "two columns '" + std::string(name) + "'");
      }
      auto action = Action::Bind(batch.GetColumnByName(name), members);
      if (!action.ok()) {
        return base::WithContext(action.status(), name);
      }
      *to = *std::move(action);
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(bind("add", AddMembers(), &bound.add_));
    ARROW_RETURN_NOT_OK(bind("remove", RemoveMembers(), &bound.remove_));
    ARROW_RETURN_NOT_OK(bind("metaData", MetadataMembers(), &bound.metadata_));
    ARROW_RETURN_NOT_OK(bind("protocol", ProtocolMembers(), &bound.protocol_));
    ARROW_RETURN_NOT_OK(
        bind("txn", {{"appId", arrow::utf8()}, {"version", arrow::int64()}}, &bound.txn_));
    ARROW_RETURN_NOT_OK(bind("domainMetadata",
                             {{"domain", arrow::utf8()},
                              {"configuration", arrow::utf8()},
                              {"removed", arrow::boolean()}},
                             &bound.domain_));
    ARROW_RETURN_NOT_OK(bind("sidecar", {{"path", arrow::utf8()}}, &bound.sidecar_));
    ARROW_ASSIGN_OR_RAISE(bound.add_vector_,
                          Action::Bind(bound.add_.Column(kAddVector), VectorMembers()));
    ARROW_ASSIGN_OR_RAISE(bound.remove_vector_,
                          Action::Bind(bound.remove_.Column(kRemoveVector), VectorMembers()));
    ARROW_ASSIGN_OR_RAISE(bound.format_, Action::Bind(bound.metadata_.Column(kFormat),
                                                      {{"provider", arrow::utf8()}}));
    return bound;
  }

  // All rows; those that add files, which are most, on all cores.
  arrow::Status Read(int64_t rows, LogActions* actions) const {
    std::vector<int64_t> adds;
    adds.reserve(static_cast<size_t>(rows));
    for (int64_t row = 0; row < rows; ++row) {
      if (add_.Has(row)) {
        adds.push_back(row);
      } else {
        ARROW_RETURN_NOT_OK(ReadRow(row, actions));
      }
    }
    constexpr size_t kLeastRows = 4096;  // that are worth a thread
    const size_t pieces = std::clamp<size_t>(adds.size() / kLeastRows, 1, base::ParallelPieces());
    const size_t first = actions->adds.size();
    actions->adds.resize(first + adds.size());
    return base::RunParallel(pieces, [&](size_t piece) {
      for (size_t i = adds.size() * piece / pieces; i < adds.size() * (piece + 1) / pieces; ++i) {
        ARROW_RETURN_NOT_OK(ReadAdd(adds[i], &actions->adds[first + i]));
      }
      return arrow::Status::OK();
    });
  }

 private:
  arrow::Status ReadRow(int64_t row, LogActions* actions) const {
    if (remove_.Has(row)) {
      ARROW_ASSIGN_OR_RAISE(auto file, ReadRemove(row));
      actions->removes.push_back(std::move(file));
    } else if (txn_.Has(row)) {
      actions->transactions.emplace_back(txn_.Text(0, row), txn_.Number(1, row));
    } else if (metadata_.Has(row)) {
      ARROW_ASSIGN_OR_RAISE(actions->metadata, ReadMetadata(row));
    } else if (protocol_.Has(row)) {
      ARROW_ASSIGN_OR_RAISE(actions->protocol, ReadProtocol(row));
    } else if (domain_.Has(row)) {
      actions->domains.push_back({.domain = domain_.Text(0, row),
                                  .configuration = domain_.Text(1, row),
                                  .removed = domain_.Bool(2, row, false)});
    } else if (sidecar_.Has(row)) {
      actions->sidecars.push_back(sidecar_.Text(0, row));
    }
    return arrow::Status::OK();
  }

  enum AddMember { kAddPath, kAddValues, kAddSize, kAddTime, kStats, kAddVector, kStatsParsed };
  enum RemoveMember { kRemovePath, kRemoveTime, kRemoveSize, kRemoveVector, kRemoveValues };
  enum MetadataMember {
    kId,
    kName,
    kDescription,
    kSchema,
    kPartitions,
    kSettings,
    kCreated,
    kFormat
  };

  arrow::Status ReadAdd(int64_t row, DataFile* file) const {
    ARROW_ASSIGN_OR_RAISE(file->path, DecodePath(add_.View(kAddPath, row)));
    file->size = add_.Number(kAddSize, row);
    file->modified_us = add_.Number(kAddTime, row) * 1000;
    file->partition_values = add_.TextMap(kAddValues, row);
    file->stats_json = add_.View(kStats, row);
    if (file->stats_json.empty() && add_.Has(kStatsParsed, row) &&
        add_.Column(kStatsParsed)->type_id() == Type::STRUCT) {
      file->stats_json =
          StatsJsonOf(static_cast<const arrow::StructArray&>(*add_.Column(kStatsParsed)), row);
    }
    file->num_records = NumRecordsOf(file->stats_json);
    file->deletion_vector = ReadDeletionVector(add_vector_, row);
    return arrow::Status::OK();
  }

  arrow::Result<RemovedFile> ReadRemove(int64_t row) const {
    RemovedFile file;
    ARROW_ASSIGN_OR_RAISE(file.path, DecodePath(remove_.Text(kRemovePath, row)));
    file.removed_us = remove_.Number(kRemoveTime, row) * 1000;
    file.size = remove_.Number(kRemoveSize, row);
    file.deletion_vector = ReadDeletionVector(remove_vector_, row);
    file.partition_values = remove_.TextMap(kRemoveValues, row);
    return file;
  }

  arrow::Result<MetadataAction> ReadMetadata(int64_t row) const {
    MetadataAction metadata{.id = metadata_.Text(kId, row),
                            .name = metadata_.Text(kName, row),
                            .description = metadata_.Text(kDescription, row),
                            .schema_json = metadata_.Text(kSchema, row),
                            .partition_columns = metadata_.Texts(kPartitions, row),
                            .configuration = {},
                            .created_ms = metadata_.Number(kCreated, row)};
    for (auto& [key, value] : metadata_.TextMap(kSettings, row)) {
      metadata.configuration[key] = value.value_or("");
    }
    if (format_.Has(0, row) && format_.Text(0, row) != "parquet") {
      return MakeError(ErrorCode::kUnsupported,
                       "data files of format '" + format_.Text(0, row) + "'");
    }
    return metadata;
  }

  arrow::Result<Protocol> ReadProtocol(int64_t row) const {
    enum { kMinReader, kMinWriter, kReaderFeatures, kWriterFeatures };
    if (protocol_.Number32(kMinReader, row) == 3 && !protocol_.Has(kReaderFeatures, row)) {
      return MakeError(ErrorCode::kCorrupt, "protocol of reader version 3 without readerFeatures");
    }
    return Protocol{.min_reader = protocol_.Number32(kMinReader, row),
                    .min_writer = protocol_.Number32(kMinWriter, row),
                    .reader_features = protocol_.Texts(kReaderFeatures, row),
                    .writer_features = protocol_.Texts(kWriterFeatures, row)};
  }

  Action add_;
  Action remove_;
  Action metadata_;
  Action protocol_;
  Action txn_;
  Action domain_;
  Action sidecar_;
  Action add_vector_;
  Action remove_vector_;
  Action format_;
};

bool IsMember(const MemberList& members, const std::string& name) {
  return std::any_of(members.begin(), members.end(),
                     [&](const Member& member) { return name == member.name; });
}

// Whether the field has a value in some row, as far as the file's own statistics can tell. Most
// columns of a checkpoint have none: reading their nulls would cost more than reading the rest.
bool HasValues(const parquet::FileMetaData& metadata, const parquet::arrow::SchemaField& field) {
  if (!field.is_leaf()) {
    return std::any_of(field.children.begin(), field.children.end(),
                       [&](const auto& child) { return HasValues(metadata, child); });
  }
  for (int i = 0; i < metadata.num_row_groups(); ++i) {
    const auto chunk = metadata.RowGroup(i)->ColumnChunk(field.column_index);
    const auto statistics = chunk->statistics();
    if (statistics == nullptr || !statistics->HasNullCount() ||
        statistics->null_count() < chunk->num_values()) {
      return true;
    }
  }
  return false;
}

// The leaves that we read. Statistics as columns are many: only where there are none as text.
std::vector<int> WantedLeaves(const parquet::arrow::SchemaManifest& manifest,
                              const parquet::FileMetaData& metadata) {
  std::vector<int> leaves;
  for (const auto& action : manifest.schema_fields) {
    const std::string& name = action.field->name();
    if (!HasValues(metadata, action)) {
      continue;
    }
    if (name != "add" && name != "remove") {
      CollectLeaves(action, &leaves);
      continue;
    }
    const MemberList& members = name == "add" ? AddMembers() : RemoveMembers();
    const bool has_stats =
        std::any_of(action.children.begin(), action.children.end(), [&](const auto& child) {
          return child.field->name() == "stats" && child.is_leaf() && HasValues(metadata, child);
        });
    for (const auto& child : action.children) {
      const std::string& member = child.field->name();
      if (IsMember(members, member) && HasValues(metadata, child) &&
          !(member == "stats_parsed" && has_stats)) {
        CollectLeaves(child, &leaves);
      }
    }
  }
  return leaves;
}

arrow::Result<LogActions> ReadParquet(std::shared_ptr<arrow::io::RandomAccessFile> input) {
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        parquet::arrow::OpenFile(std::move(input), arrow::default_memory_pool()));
  const auto metadata = reader->parquet_reader()->metadata();
  std::vector<int> groups(static_cast<size_t>(metadata->num_row_groups()));
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<int>(i);
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto batches,
      reader->GetRecordBatchReader(groups, WantedLeaves(reader->manifest(), *metadata)));
  LogActions actions;
  // A file can say that it has more rows than it has.
  constexpr int64_t kMostReserved = 1 << 17;
  actions.adds.reserve(
      static_cast<size_t>(std::clamp<int64_t>(metadata->num_rows(), 0, kMostReserved)));
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
    if (batch == nullptr) {
      return actions;
    }
    ARROW_ASSIGN_OR_RAISE(const Batch bound, Batch::Bind(*batch));
    ARROW_RETURN_NOT_OK(bound.Read(batch->num_rows(), &actions));
    actions.count += batch->num_rows();
  }
}

arrow::Result<LogActions> ReadNamed(std::shared_ptr<arrow::io::RandomAccessFile> input,
                                    const std::string& name) {
  auto actions = [&]() -> arrow::Result<LogActions> {
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    return ReadParquet(std::move(input));
    END_PARQUET_CATCH_EXCEPTIONS
  }();
  if (actions.ok()) {
    return actions;
  }
  // What Arrow says of bad bytes has no code of ours; what a store says has.
  const bool is_ours = actions.status().detail() != nullptr;
  if (is_ours && base::CodeOf(actions.status()) != ErrorCode::kCorrupt) {
    return base::WithContext(actions.status(), name);
  }
  return MakeError(ErrorCode::kCorrupt, name + ": " + actions.status().message());
}

void MoveInto(LogActions* from, LogActions* to) {
  const auto append = [](auto* source, auto* target) {
    if (target->empty()) {
      *target = std::move(*source);
      return;
    }
    target->insert(target->end(), std::make_move_iterator(source->begin()),
                   std::make_move_iterator(source->end()));
  };
  if (from->protocol.has_value()) {
    to->protocol = std::move(from->protocol);
  }
  if (from->metadata.has_value()) {
    to->metadata = std::move(from->metadata);
  }
  append(&from->adds, &to->adds);
  append(&from->removes, &to->removes);
  append(&from->transactions, &to->transactions);
  append(&from->domains, &to->domains);
  append(&from->sidecars, &to->sidecars);
  to->count += from->count;
}

arrow::Result<LogActions> ReadSidecar(ObjectStore& store, const std::string& table_path,
                                      const std::string& encoded) {
  ARROW_ASSIGN_OR_RAISE(std::string path, DecodePath(encoded));
  const bool has_folder = IsAbsolutePath(path);
  path = RelativeTo(TableRoots(store, table_path), std::move(path));
  if (IsAbsolutePath(path)) {
    return MakeError(ErrorCode::kUnsupported, "sidecar '" + path + "' outside the table");
  }
  path = has_folder ? table_path + "/" + path : SidecarFolder(table_path) + path;
  auto actions = ReadCheckpoint(store, path);
  if (!actions.ok() && base::CodeOf(actions.status()) == ErrorCode::kNotFound) {
    return MakeError(ErrorCode::kCorrupt, "sidecar " + path + " is missing");
  }
  return actions;
}

}  // namespace

arrow::Result<LogActions> ParseCheckpoint(std::string_view bytes, const std::string& name) {
  return ReadNamed(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(bytes))),
      name);
}

arrow::Result<LogActions> ReadCheckpoint(ObjectStore& store, const std::string& path) {
  if (path.ends_with(".json")) {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, store.Get(path));
    return ParseLogEntry(bytes, path);
  }
  ARROW_ASSIGN_OR_RAISE(auto input, store.OpenInput(path));
  return ReadNamed(std::move(input), path);
}

arrow::Result<LogActions> ReadCheckpoint(ObjectStore& store, const std::string& table_path,
                                         const CheckpointFiles& files) {
  LogActions all;
  for (const std::string& path : files.paths) {
    ARROW_ASSIGN_OR_RAISE(LogActions part, ReadCheckpoint(store, path));
    MoveInto(&part, &all);
  }
  const std::vector<std::string> sidecars = std::move(all.sidecars);
  all.sidecars.clear();
  for (const std::string& sidecar : sidecars) {
    ARROW_ASSIGN_OR_RAISE(LogActions part, ReadSidecar(store, table_path, sidecar));
    MoveInto(&part, &all);
  }
  return all;
}

}  // namespace icecore::lake
