#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/table_builder.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/table_settings.h"

namespace icecore::lake {
namespace {

using arrow::StructBuilder;

std::shared_ptr<arrow::DataType> TextMapType() { return arrow::map(arrow::utf8(), arrow::utf8()); }

// The columns of a checkpoint, one per kind of action, in the order of Kind.
enum Kind { kTxn, kAdd, kRemove, kMetaData, kProtocol, kDomainMetadata, kKinds };

const std::shared_ptr<arrow::Schema>& CheckpointSchema() {
  using arrow::field;
  static const auto texts = arrow::list(field("element", arrow::utf8()));
  static const std::shared_ptr<arrow::Schema> schema = arrow::schema({
      field("txn", arrow::struct_({field("appId", arrow::utf8()), field("version", arrow::int64()),
                                   field("lastUpdated", arrow::int64())})),
      field("add", arrow::struct_(
                       {field("path", arrow::utf8()), field("partitionValues", TextMapType()),
                        field("size", arrow::int64()), field("modificationTime", arrow::int64()),
                        field("dataChange", arrow::boolean()), field("stats", arrow::utf8())})),
      field("remove", arrow::struct_(
                          {field("path", arrow::utf8()), field("deletionTimestamp", arrow::int64()),
                           field("dataChange", arrow::boolean()), field("size", arrow::int64())})),
      field("metaData",
            arrow::struct_({field("id", arrow::utf8()), field("name", arrow::utf8()),
                            field("description", arrow::utf8()),
                            field("format", arrow::struct_({field("provider", arrow::utf8()),
                                                            field("options", TextMapType())})),
                            field("schemaString", arrow::utf8()), field("partitionColumns", texts),
                            field("configuration", TextMapType()),
                            field("createdTime", arrow::int64())})),
      field("protocol",
            arrow::struct_({field("minReaderVersion", arrow::int32()),
                            field("minWriterVersion", arrow::int32()),
                            field("readerFeatures", texts), field("writerFeatures", texts)})),
      field("domainMetadata",
            arrow::struct_({field("domain", arrow::utf8()), field("configuration", arrow::utf8()),
                            field("removed", arrow::boolean())})),
  });
  return schema;
}

// Appends the members of one struct from left to right.
class Members {
 public:
  explicit Members(arrow::ArrayBuilder* builder)
      : builder_(static_cast<StructBuilder*>(builder)), status_(builder_->Append()) {}

  Members& Text(const std::string& value) {
    return Keep(static_cast<arrow::StringBuilder*>(Next())->Append(value));
  }
  Members& TextOrNull(const std::string& value) {
    return value.empty() ? Keep(Next()->AppendNull()) : Text(value);
  }
  Members& Int64(int64_t value) {
    return Keep(static_cast<arrow::Int64Builder*>(Next())->Append(value));
  }
  Members& Int32(int32_t value) {
    return Keep(static_cast<arrow::Int32Builder*>(Next())->Append(value));
  }
  Members& Bool(bool value) {
    return Keep(static_cast<arrow::BooleanBuilder*>(Next())->Append(value));
  }
  Members& Null() { return Keep(Next()->AppendNull()); }
  Members& Texts(const std::vector<std::string>& values) {
    auto* list = static_cast<arrow::ListBuilder*>(Next());
    Keep(list->Append());
    for (const std::string& value : values) {
      Keep(static_cast<arrow::StringBuilder*>(list->value_builder())->Append(value));
    }
    return *this;
  }
  template <typename Map>
  Members& TextMap(const Map& values) {
    auto* map = static_cast<arrow::MapBuilder*>(Next());
    Keep(map->Append());
    for (const auto& [key, value] : values) {
      Keep(static_cast<arrow::StringBuilder*>(map->key_builder())->Append(key));
      AppendValue(static_cast<arrow::StringBuilder*>(map->item_builder()), value);
    }
    return *this;
  }
  arrow::ArrayBuilder* Next() { return builder_->field_builder(next_++); }
  arrow::Status status() const { return status_; }

 private:
  Members& Keep(const arrow::Status& status) {
    status_ &= status;
    return *this;
  }
  void AppendValue(arrow::StringBuilder* to, const std::string& value) { Keep(to->Append(value)); }
  void AppendValue(arrow::StringBuilder* to, const std::optional<std::string>& value) {
    Keep(value.has_value() ? to->Append(*value) : to->AppendNull());
  }

  StructBuilder* const builder_;
  int next_ = 0;
  arrow::Status status_;
};

// One row of the checkpoint: one column has the action, the others are null.
class CheckpointRows {
 public:
  static arrow::Result<std::unique_ptr<CheckpointRows>> Make() {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::RecordBatchBuilder::Make(
                                            CheckpointSchema(), arrow::default_memory_pool()));
    return std::unique_ptr<CheckpointRows>(new CheckpointRows(std::move(builder)));
  }

  template <typename Fill>
  arrow::Status Add(Kind kind, Fill fill) {
    for (int i = 0; i < kKinds; ++i) {
      if (i != kind) {
        ARROW_RETURN_NOT_OK(builder_->GetField(i)->AppendNull());
      }
    }
    ++rows_;
    Members members(builder_->GetField(kind));
    fill(members);
    return members.status();
  }

  int64_t rows() const { return rows_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return builder_->Flush(); }

 private:
  explicit CheckpointRows(std::unique_ptr<arrow::RecordBatchBuilder> builder)
      : builder_(std::move(builder)) {}
  std::unique_ptr<arrow::RecordBatchBuilder> builder_;
  int64_t rows_ = 0;
};

arrow::Status AddTableRows(const Snapshot& snapshot, CheckpointRows* rows) {
  const Protocol& protocol = snapshot.protocol;
  ARROW_RETURN_NOT_OK(rows->Add(kProtocol, [&](Members& members) {
    members.Int32(protocol.min_reader).Int32(protocol.min_writer);
    protocol.min_reader >= 3 ? members.Texts(protocol.reader_features) : members.Null();
    protocol.min_writer >= 7 ? members.Texts(protocol.writer_features) : members.Null();
  }));
  ARROW_ASSIGN_OR_RAISE(const std::string schema_json, SchemaToDelta(*snapshot.schema));
  arrow::Status format_status;
  ARROW_RETURN_NOT_OK(rows->Add(kMetaData, [&](Members& members) {
    members.Text(snapshot.table_id).TextOrNull(snapshot.name).TextOrNull(snapshot.description);
    Members format(members.Next());
    format.Text("parquet").TextMap(std::map<std::string, std::string>());
    format_status = format.status();
    members.Text(schema_json)
        .Texts(snapshot.partition_columns)
        .TextMap(snapshot.configuration)
        .Int64(snapshot.created_us / 1000);
  }));
  return format_status;
}

arrow::Status AddFileRows(const Snapshot& snapshot, int64_t now_us, CheckpointRows* rows) {
  ARROW_ASSIGN_OR_RAISE(const int64_t retention_us, DeletedFileRetention(snapshot.configuration));
  for (const RemovedFile& file : snapshot.removed) {
    if (file.removed_us < now_us - retention_us) {
      continue;
    }
    ARROW_RETURN_NOT_OK(rows->Add(kRemove, [&](Members& members) {
      members.Text(EncodePath(file.path))
          .Int64(file.removed_us / 1000)
          .Bool(false)
          .Int64(file.size);
    }));
  }
  for (const DataFile& file : snapshot.files) {
    ARROW_RETURN_NOT_OK(rows->Add(kAdd, [&](Members& members) {
      members.Text(EncodePath(file.path))
          .TextMap(file.partition_values)
          .Int64(file.size)
          .Int64(file.modified_us / 1000)
          .Bool(false)
          .TextOrNull(file.stats_json);
    }));
  }
  return arrow::Status::OK();
}

arrow::Result<std::string> ToParquet(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::BufferOutputStream::Create());
  parquet::WriterProperties::Builder properties;
  properties.compression(parquet::Compression::ZSTD);
  ARROW_ASSIGN_OR_RAISE(const auto writer, parquet::arrow::FileWriter::Open(
                                               *batch.schema(), arrow::default_memory_pool(), sink,
                                               properties.build()));
  ARROW_RETURN_NOT_OK(writer->NewBufferedRowGroup());
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(batch));
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto buffer, sink->Finish());
  return buffer->ToString();
}

}  // namespace

arrow::Result<CheckpointBytes> FormatCheckpoint(const Snapshot& snapshot, int64_t now_us) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, CheckpointRows::Make());
  ARROW_RETURN_NOT_OK(AddTableRows(snapshot, rows.get()));
  for (const auto& [app_id, version] : snapshot.transactions) {
    ARROW_RETURN_NOT_OK(
        rows->Add(kTxn, [&](Members& members) { members.Text(app_id).Int64(version).Null(); }));
  }
  for (const auto& [domain, configuration] : snapshot.domains) {
    ARROW_RETURN_NOT_OK(rows->Add(kDomainMetadata, [&](Members& members) {
      members.Text(domain).Text(configuration).Bool(false);
    }));
  }
  ARROW_RETURN_NOT_OK(AddFileRows(snapshot, now_us, rows.get()));
  CheckpointBytes checkpoint{.bytes = "", .actions = rows->rows()};
  ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Finish());
  ARROW_ASSIGN_OR_RAISE(checkpoint.bytes, ToParquet(*batch));
  return checkpoint;
}

bool IsCheckpointDue(const Snapshot& read, int64_t version, int64_t new_actions) {
  const int64_t interval = CheckpointInterval(read.configuration);
  if (interval > 0) {
    return version - read.checkpoint_version >= interval;
  }
  constexpr int64_t kLeastCommits = 10;
  constexpr int64_t kMostCommits = 100;
  const int64_t commits = version - read.checkpoint_version;
  const int64_t actions = read.actions_since_checkpoint + new_actions;
  return commits >= kMostCommits ||
         (commits >= kLeastCommits && 4 * actions >= static_cast<int64_t>(read.files.size()));
}

}  // namespace icecore::lake
