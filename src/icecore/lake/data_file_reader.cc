#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/column_source_internal.h"
#include "icecore/lake/data_file_reader_internal.h"
#include "icecore/lake/schema.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kBatchRows = 1 << 17;

// What goes wrong with a file that the log names is corruption, unless the store is not there.
arrow::Status Named(const arrow::Status& status, const std::string& file) {
  if (status.ok()) {
    return status;
  }
  const ErrorCode code = status.detail() != nullptr ? base::CodeOf(status) : ErrorCode::kCorrupt;
  return MakeError(code == ErrorCode::kNotFound ? ErrorCode::kCorrupt : code,
                   "data file " + file + ": " + status.message());
}

arrow::Result<std::shared_ptr<arrow::Array>> PartitionArray(const std::optional<std::string>& text,
                                                            const arrow::Field& field,
                                                            int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(const auto storage, StorageSchema(arrow::Schema({field.Copy()})));
  const auto& type = storage->field(0)->type();
  if (!text.has_value() || text->empty()) {
    return arrow::MakeArrayOfNull(type, rows);
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto value,
      arrow::compute::Cast(arrow::Datum(std::make_shared<arrow::StringScalar>(*text)), type));
  return arrow::MakeArrayFromScalar(*value.scalar(), rows);
}

// Gives the fields of a row group's batches their places and declared types.
class DeclaredReader : public arrow::RecordBatchReader {
 public:
  DeclaredReader(std::shared_ptr<arrow::RecordBatchReader> stored,
                 std::shared_ptr<arrow::Schema> fields, const DataFile& file, std::string name)
      : stored_(std::move(stored)),
        fields_(std::move(fields)),
        file_(file),
        name_(std::move(name)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return fields_; }

  arrow::Status ReadNext(BatchPtr* out) override { return Named(Next().Value(out), name_); }

 private:
  arrow::Result<BatchPtr> Next() {
    BatchPtr stored;
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    ARROW_RETURN_NOT_OK(stored_->ReadNext(&stored));
    END_PARQUET_CATCH_EXCEPTIONS
    if (stored == nullptr) {
      return nullptr;
    }
    arrow::ArrayVector columns;
    arrow::FieldVector fields;
    for (const auto& field : fields_->fields()) {
      std::shared_ptr<arrow::Array> column = stored->GetColumnByName(field->name());
      const auto value = file_.partition_values.find(field->name());
      if (value != file_.partition_values.end()) {
        ARROW_ASSIGN_OR_RAISE(column, PartitionArray(value->second, *field, stored->num_rows()));
      } else if (column == nullptr) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), stored->num_rows()));
      }
      fields.push_back(field->WithType(column->type()));
      columns.push_back(std::move(column));
    }
    return FromStorage(arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                stored->num_rows(), std::move(columns)),
                       fields_);
  }

  const std::shared_ptr<arrow::RecordBatchReader> stored_;
  const std::shared_ptr<arrow::Schema> fields_;
  const DataFile& file_;
  const std::string name_;
};

class ParquetDataFileReader : public DataFileReader {
 public:
  ParquetDataFileReader(const Snapshot& snapshot, const DataFile& file,
                        std::unique_ptr<parquet::arrow::FileReader> parquet)
      : snapshot_(snapshot),
        file_(file),
        name_(snapshot.table_path + "/" + file.path),
        parquet_(std::move(parquet)),
        metadata_(parquet_->parquet_reader()->metadata()) {}

  int row_groups() const override { return metadata_->num_row_groups(); }
  int64_t rows_of(int row_group) const override {
    return metadata_->RowGroup(row_group)->num_rows();
  }

  bool MayMatch(int row_group, const KeyIndex& keys) const override {
    const auto group = metadata_->RowGroup(row_group);
    for (size_t i = 0; i < keys.columns().size(); ++i) {
      const parquet::arrow::SchemaField* const field = LeafOf(keys.columns()[i]);
      const auto declared = snapshot_.schema->GetFieldByName(keys.columns()[i]);
      if (field == nullptr || !field->field->type()->Equals(declared->type())) {
        continue;
      }
      const auto statistics = group->ColumnChunk(field->column_index)->statistics();
      if (statistics == nullptr || !statistics->HasMinMax()) {
        continue;
      }
      const bool has_nulls = !statistics->HasNullCount() || statistics->null_count() > 0;
      if (statistics->physical_type() == parquet::Type::INT64) {
        const auto& range = static_cast<const parquet::Int64Statistics&>(*statistics);
        if (!keys.MayMatch(i, range.min(), range.max(), has_nulls)) {
          return false;
        }
      } else if (statistics->physical_type() == parquet::Type::INT32) {
        const auto& range = static_cast<const parquet::Int32Statistics&>(*statistics);
        if (!keys.MayMatch(i, range.min(), range.max(), has_nulls)) {
          return false;
        }
      }
    }
    return true;
  }

  std::set<std::string> PlainColumns() const override {
    std::set<std::string> paths;
    for (int i = 0; i < metadata_->num_row_groups(); ++i) {
      const auto group = metadata_->RowGroup(i);
      for (int column = 0; column < group->num_columns(); ++column) {
        const auto chunk = group->ColumnChunk(column);
        const auto& pages = chunk->encoding_stats();
        const bool is_plain = std::any_of(pages.begin(), pages.end(), [](const auto& page) {
          return page.page_type != parquet::PageType::DICTIONARY_PAGE &&
                 (page.encoding == parquet::Encoding::PLAIN ||
                  page.encoding == parquet::Encoding::DELTA_BINARY_PACKED);
        });
        if (is_plain) {
          paths.insert(chunk->path_in_schema()->ToDotString());
        }
      }
    }
    return paths;
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Read(
      int row_group, const std::shared_ptr<arrow::Schema>& fields) override {
    std::vector<int> leaves;
    for (const auto& field : parquet_->manifest().schema_fields) {
      if (fields->GetFieldIndex(field.field->name()) >= 0) {
        CollectLeaves(field, &leaves);
      }
    }
    std::shared_ptr<arrow::RecordBatchReader> stored;
    const auto open = [&]() -> arrow::Status {
      BEGIN_PARQUET_CATCH_EXCEPTIONS
      return parquet_->GetRecordBatchReader({row_group}, leaves).Value(&stored);
      END_PARQUET_CATCH_EXCEPTIONS
    };
    ARROW_RETURN_NOT_OK(Named(open(), name_));
    return std::make_shared<DeclaredReader>(std::move(stored), fields, file_, name_);
  }

 private:
  const parquet::arrow::SchemaField* LeafOf(const std::string& name) const {
    for (const auto& field : parquet_->manifest().schema_fields) {
      if (field.field->name() == name && field.is_leaf()) {
        return &field;
      }
    }
    return nullptr;
  }

  const Snapshot& snapshot_;
  const DataFile& file_;
  const std::string name_;
  const std::unique_ptr<parquet::arrow::FileReader> parquet_;
  const std::shared_ptr<parquet::FileMetaData> metadata_;
};

arrow::Result<std::unique_ptr<DataFileReader>> OpenParquet(ObjectStore& store,
                                                           const Snapshot& snapshot,
                                                           const DataFile& file, bool use_threads) {
  ARROW_ASSIGN_OR_RAISE(const auto input, store.OpenInput(snapshot.table_path + "/" + file.path));
  BEGIN_PARQUET_CATCH_EXCEPTIONS
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(kBatchRows);
  properties.set_use_threads(use_threads);
  parquet::arrow::FileReaderBuilder builder;
  parquet::ReaderProperties checked;
  checked.set_page_checksum_verification(true);
  ARROW_RETURN_NOT_OK(builder.Open(input, checked));
  ARROW_ASSIGN_OR_RAISE(auto parquet, builder.properties(properties)->Build());
  const int64_t rows = parquet->parquet_reader()->metadata()->num_rows();
  if (file.num_records.has_value() && rows != *file.num_records) {
    return MakeError(ErrorCode::kCorrupt, std::to_string(rows) + " rows where the log says " +
                                              std::to_string(*file.num_records));
  }
  return std::make_unique<ParquetDataFileReader>(snapshot, file, std::move(parquet));
  END_PARQUET_CATCH_EXCEPTIONS
}

}  // namespace

arrow::Result<std::unique_ptr<DataFileReader>> DataFileReader::Open(ObjectStore& store,
                                                                    const Snapshot& snapshot,
                                                                    const DataFile& file,
                                                                    bool use_threads) {
  auto reader = OpenParquet(store, snapshot, file, use_threads);
  if (!reader.ok()) {
    return Named(reader.status(), snapshot.table_path + "/" + file.path);
  }
  return reader;
}

}  // namespace icecore::lake
