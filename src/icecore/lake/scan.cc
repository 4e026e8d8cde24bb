#include "icecore/lake/scan.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

bool Covers(const SeqRange& range, const DataFile::Range& values) {
  return values.min > range.after && values.max <= range.up_to;
}
bool Meets(const SeqRange& range, const DataFile::Range& values) {
  return values.max > range.after && values.min <= range.up_to;
}

void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.is_leaf()) {
    leaves->push_back(field.column_index);
  }
  for (const auto& child : field.children) {
    CollectLeaves(child, leaves);
  }
}

// The _seq values of a row group by Parquet's own statistics.
std::optional<DataFile::Range> SeqRangeOf(const parquet::RowGroupMetaData& group, int leaf) {
  const auto statistics = group.ColumnChunk(leaf)->statistics();
  if (statistics == nullptr || !statistics->HasMinMax() ||
      statistics->physical_type() != parquet::Type::INT64) {
    return std::nullopt;
  }
  const auto& range = static_cast<const parquet::Int64Statistics&>(*statistics);
  return DataFile::Range{.min = range.min(), .max = range.max()};
}

// Rows of the batch whose _seq lies in the range.
arrow::Result<BatchPtr> FilterBySeq(const BatchPtr& batch, const SeqRange& range) {
  const auto column = batch->GetColumnByName(std::string(kSeq));
  if (column == nullptr || column->type_id() != arrow::Type::INT64) {
    return MakeError(ErrorCode::kCorrupt, "a file without column _seq");
  }
  const auto& seq = static_cast<const arrow::Int64Array&>(*column);
  int64_t first = -1;
  int64_t last = -1;
  int64_t count = 0;
  arrow::BooleanBuilder mask;
  ARROW_RETURN_NOT_OK(mask.Reserve(seq.length()));
  for (int64_t i = 0; i < seq.length(); ++i) {
    const bool keep = seq.IsValid(i) && seq.Value(i) > range.after && seq.Value(i) <= range.up_to;
    mask.UnsafeAppend(keep);
    if (keep) {
      first = first < 0 ? i : first;
      last = i;
      ++count;
    }
  }
  if (count == 0) {
    return batch->Slice(0, 0);
  }
  if (count == last - first + 1) {
    return batch->Slice(first, count);
  }
  ARROW_ASSIGN_OR_RAISE(const auto kept, mask.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto filtered,
                        arrow::compute::Filter(arrow::Datum(batch), arrow::Datum(kept),
                                               arrow::compute::FilterOptions::Defaults()));
  return filtered.record_batch();
}

class ScanReader : public arrow::RecordBatchReader {
 public:
  ScanReader(ObjectStore& store, std::string table_path, std::vector<DataFile> files,
             std::shared_ptr<arrow::Schema> schema, const ScanOptions& options)
      : store_(store),
        table_path_(std::move(table_path)),
        files_(std::move(files)),
        schema_(std::move(schema)),
        seq_(options.seq),
        batch_rows_(options.batch_rows) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    *out = nullptr;
    while (batches_ != nullptr || next_file_ < files_.size()) {
      if (batches_ == nullptr) {
        ARROW_RETURN_NOT_OK(Named(OpenNext()));
        continue;
      }
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(Named(batches_->ReadNext(&batch)));
      if (batch == nullptr) {
        batches_.reset();
        parquet_.reset();
        continue;
      }
      ARROW_RETURN_NOT_OK(Named(Convert(std::move(batch)).Value(out)));
      if ((*out)->num_rows() > 0) {
        return arrow::Status::OK();
      }
      *out = nullptr;
    }
    return arrow::Status::OK();
  }

 private:
  // What goes wrong with a file that the log names is corruption, unless the store is not there.
  arrow::Status Named(const arrow::Status& status) const {
    if (status.ok()) {
      return status;
    }
    const std::string file = table_path_ + "/" + files_[next_file_ - 1].path;
    const bool is_ours = status.detail() != nullptr;
    const ErrorCode code = is_ours ? base::CodeOf(status) : ErrorCode::kCorrupt;
    return MakeError(code == ErrorCode::kNotFound ? ErrorCode::kCorrupt : code,
                     "data file " + file + ": " + status.message());
  }

  arrow::Status OpenNext() {
    const DataFile& file = files_[next_file_++];
    ARROW_ASSIGN_OR_RAISE(const auto input, store_.OpenInput(table_path_ + "/" + file.path));
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(batch_rows_);
    properties.set_use_threads(true);
    properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(input));
    ARROW_ASSIGN_OR_RAISE(parquet_, builder.properties(properties)->Build());
    return Select(file);
    END_PARQUET_CATCH_EXCEPTIONS
  }

  // Chooses columns and row groups of the file that was opened.
  arrow::Status Select(const DataFile& file) {
    const auto metadata = parquet_->parquet_reader()->metadata();
    if (file.num_records.has_value() && metadata->num_rows() != *file.num_records) {
      return MakeError(ErrorCode::kCorrupt, std::to_string(metadata->num_rows()) +
                                                " rows where the log says " +
                                                std::to_string(*file.num_records));
    }
    const auto range = seq_.has_value() ? file.IntRange(kSeq) : std::nullopt;
    filters_ = seq_.has_value() && !(range.has_value() && Covers(*seq_, *range));
    std::vector<int> leaves;
    int seq_leaf = -1;
    for (const auto& field : parquet_->manifest().schema_fields) {
      const std::string& name = field.field->name();
      if (name == kSeq && field.is_leaf()) {
        seq_leaf = field.column_index;
      }
      if (schema_->GetFieldIndex(name) >= 0 || (filters_ && name == kSeq)) {
        CollectLeaves(field, &leaves);
      }
    }
    std::vector<int> groups;
    for (int i = 0; i < metadata->num_row_groups(); ++i) {
      const auto values =
          filters_ && seq_leaf >= 0 ? SeqRangeOf(*metadata->RowGroup(i), seq_leaf) : std::nullopt;
      if (!values.has_value() || Meets(*seq_, *values)) {
        groups.push_back(i);
      }
    }
    ARROW_ASSIGN_OR_RAISE(batches_, parquet_->GetRecordBatchReader(groups, leaves));
    return arrow::Status::OK();
  }

  arrow::Result<BatchPtr> Convert(BatchPtr batch) const {
    if (filters_) {
      ARROW_ASSIGN_OR_RAISE(batch, FilterBySeq(batch, *seq_));
    }
    arrow::ArrayVector columns;
    for (const auto& field : schema_->fields()) {
      auto column = batch->GetColumnByName(field->name());
      if (column == nullptr) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), batch->num_rows()));
      }
      columns.push_back(std::move(column));
    }
    arrow::FieldVector fields;
    for (size_t i = 0; i < columns.size(); ++i) {
      fields.push_back(schema_->field(static_cast<int>(i))->WithType(columns[i]->type()));
    }
    return FromStorage(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(),
                                                std::move(columns)),
                       schema_);
  }

  ObjectStore& store_;
  const std::string table_path_;
  const std::vector<DataFile> files_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::optional<SeqRange> seq_;
  const int64_t batch_rows_;
  size_t next_file_ = 0;
  bool filters_ = false;  // whether the open file's rows must be looked at one by one
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
};

arrow::Result<std::shared_ptr<arrow::Schema>> Project(
    const Snapshot& snapshot, const std::optional<std::vector<std::string>>& columns) {
  if (!columns.has_value()) {
    return snapshot.schema;
  }
  arrow::FieldVector fields;
  for (const std::string& name : *columns) {
    auto field = snapshot.schema->GetFieldByName(name);
    if (field == nullptr) {
      return MakeError(ErrorCode::kNotFound,
                       "table " + snapshot.table_path + " has no column '" + name + "'" +
                           base::DidYouMean(name, snapshot.schema->field_names()));
    }
    fields.push_back(std::move(field));
  }
  return arrow::schema(std::move(fields));
}

bool HasDeletionVectors(const Snapshot& snapshot) {
  return std::any_of(snapshot.files.begin(), snapshot.files.end(),
                     [](const DataFile& file) { return file.deletion_vector.has_value(); });
}

arrow::Status CheckAccess(const Snapshot& snapshot, const arrow::Schema& schema,
                          const ReadAccess& access) {
  const std::vector<std::string> columns = schema.field_names();
  const ReadRequest request{
      .table = snapshot.table_path, .version = snapshot.version, .columns = columns};
  const arrow::Status decision = access.policy->Check(access.context, request);
  access.audit->OnRead(access.context, request, decision);
  return decision;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(ObjectStore& store,
                                                              const Snapshot& snapshot,
                                                              const ScanOptions& options,
                                                              const ReadAccess& access) {
  if (!snapshot.exists()) {
    return MakeError(ErrorCode::kNotFound, "no table at " + snapshot.table_path);
  }
  if (!snapshot.partition_columns.empty()) {
    return MakeError(ErrorCode::kUnsupported,
                     "table " + snapshot.table_path + ": partition columns");
  }
  if (snapshot.column_mapping != ColumnMapping::kNone) {
    return MakeError(ErrorCode::kUnsupported,
                     "table " + snapshot.table_path + ": table feature columnMapping");
  }
  if (HasDeletionVectors(snapshot)) {
    return MakeError(ErrorCode::kUnsupported,
                     "table " + snapshot.table_path + ": table feature deletionVectors");
  }
  ARROW_ASSIGN_OR_RAISE(auto schema, Project(snapshot, options.columns));
  ARROW_RETURN_NOT_OK(CheckAccess(snapshot, *schema, access));
  return std::make_shared<ScanReader>(
      store, snapshot.table_path, FilesInRange(snapshot, options.seq), std::move(schema), options);
}

std::vector<DataFile> FilesInRange(const Snapshot& snapshot, const std::optional<SeqRange>& seq) {
  if (!seq.has_value()) {
    return snapshot.files;
  }
  std::vector<DataFile> files;
  for (const DataFile& file : snapshot.files) {
    const auto range = file.IntRange(kSeq);
    if (!range.has_value() || Meets(*seq, *range)) {
      files.push_back(file);
    }
  }
  return files;
}

std::optional<std::vector<std::string>> LocalFiles(const ObjectStore& store,
                                                   const Snapshot& snapshot) {
  if (!snapshot.exists() || !snapshot.partition_columns.empty() || HasDeletionVectors(snapshot) ||
      snapshot.column_mapping != ColumnMapping::kNone) {
    return std::nullopt;
  }
  const auto storage = StorageSchema(*snapshot.schema);
  if (!storage.ok() || !(*storage)->Equals(*snapshot.schema, /*check_metadata=*/false)) {
    return std::nullopt;
  }
  std::vector<std::string> paths;
  for (const DataFile& file : snapshot.files) {
    auto path = store.LocalPath(snapshot.table_path + "/" + file.path);
    if (!path.has_value()) {
      return std::nullopt;
    }
    paths.push_back(*std::move(path));
  }
  return paths;
}

}  // namespace icecore::lake
