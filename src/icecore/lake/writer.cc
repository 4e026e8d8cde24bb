#include "icecore/lake/writer.h"

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/encoding_choice.h"
#include "icecore/lake/partitioned_writer_internal.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/stats_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

// A Parquet file being written.
struct OpenFile {
  explicit OpenFile(const arrow::Schema& storage) : stats(storage) {}
  std::string name;
  std::shared_ptr<arrow::io::OutputStream> sink;
  std::unique_ptr<parquet::arrow::FileWriter> parquet;
  FileStats stats;
  int64_t group_rows = 0;
  int64_t group_bytes = 0;
};

class ParquetDataWriter : public DataWriter {
 public:
  ParquetDataWriter(ObjectStore& store, std::string table_path,
                    std::shared_ptr<arrow::Schema> storage, const base::Clock& clock,
                    base::Random& random, const WriterOptions& options)
      : store_(store),
        table_path_(std::move(table_path)),
        storage_(std::move(storage)),
        clock_(clock),
        random_(random),
        options_(options) {}

  ~ParquetDataWriter() override {
    if (file_ != nullptr) {
      static_cast<void>(file_->sink->Abort());
    }
    if (!is_finished_) {
      for (const DataFile& file : files_) {
        static_cast<void>(store_.Delete(table_path_ + "/" + file.path));
      }
    }
  }

  arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    if (batch->num_rows() == 0) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto stored, ToStorage(batch, storage_));
    ARROW_RETURN_NOT_OK(CheckNulls(*stored));
    // Slices keep a row group within its bounds also where one batch is huge.
    const int64_t bytes =
        std::max<int64_t>(arrow::util::ReferencedBufferSize(*stored).ValueOr(0), 1);
    const int64_t row_bytes = std::max<int64_t>(bytes / stored->num_rows(), 1);
    const int64_t most_rows =
        std::clamp<int64_t>(options_.row_group_bytes / row_bytes, 1, options_.row_group_rows);
    for (int64_t begin = 0; begin < stored->num_rows(); begin += most_rows) {
      const auto slice = stored->Slice(begin, most_rows);
      ARROW_RETURN_NOT_OK(WriteSlice(*slice, slice->num_rows() * row_bytes));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<DataFile>> Finish() override {
    ARROW_RETURN_NOT_OK(CloseFile());
    is_finished_ = true;
    return files_;
  }

  int64_t rows() const override { return rows_; }

 private:
  arrow::Status CheckNulls(const arrow::RecordBatch& batch) const {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (!storage_->field(i)->nullable() && batch.column(i)->null_count() > 0) {
        return MakeError(
            ErrorCode::kInvalidArgument,
            "column '" + storage_->field(i)->name() + "' of " + table_path_ + " must not be null");
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status WriteSlice(const arrow::RecordBatch& slice, int64_t bytes) {
    if (file_ == nullptr) {
      ARROW_RETURN_NOT_OK(StartFile(slice));
    }
    OpenFile& file = *file_;
    const bool is_full = file.group_rows + slice.num_rows() > options_.row_group_rows ||
                         file.group_bytes + bytes > options_.row_group_bytes;
    if (file.group_rows > 0 && is_full) {
      ARROW_RETURN_NOT_OK(file.parquet->NewBufferedRowGroup());
      file.group_rows = 0;
      file.group_bytes = 0;
    }
    ARROW_RETURN_NOT_OK(file.parquet->WriteRecordBatch(slice));
    file.stats.Update(slice);
    file.group_rows += slice.num_rows();
    file.group_bytes += bytes;
    rows_ += slice.num_rows();
    ARROW_ASSIGN_OR_RAISE(const int64_t written, file.sink->Tell());
    return written >= options_.file_bytes ? CloseFile() : arrow::Status::OK();
  }

  // `first`: the file's first rows, which tell how its columns are best encoded.
  arrow::Status StartFile(const arrow::RecordBatch& first) {
    auto file = std::make_unique<OpenFile>(*storage_);
    file->name = base::NewUuid(random_) + ".parquet";
    ARROW_ASSIGN_OR_RAISE(file->sink, store_.OpenOutput(table_path_ + "/" + file->name));
    parquet::WriterProperties::Builder properties;
    properties.version(parquet::ParquetVersion::PARQUET_2_6)
        ->compression(parquet::Compression::ZSTD)
        ->compression_level(options_.zstd_level)
        ->max_row_group_length(options_.row_group_rows)
        ->enable_page_checksum();
    for (const std::string& column : options_.plain_columns) {
      properties.disable_dictionary(column);
    }
    for (int i = 0; i < first.num_columns(); ++i) {
      EncodeColumn(storage_->field(i)->name(), *first.column(i), &properties);
    }
    const auto arrow_properties =
        parquet::ArrowWriterProperties::Builder()
            .set_use_threads(options_.use_threads && storage_->num_fields() > 1)
            ->build();
    ARROW_ASSIGN_OR_RAISE(file->parquet, parquet::arrow::FileWriter::Open(
                                             *storage_, arrow::default_memory_pool(), file->sink,
                                             properties.build(), arrow_properties));
    ARROW_RETURN_NOT_OK(file->parquet->NewBufferedRowGroup());
    file_ = std::move(file);
    return arrow::Status::OK();
  }

  void EncodeColumn(const std::string& name, const arrow::Array& first,
                    parquet::WriterProperties::Builder* properties) const {
    // To Parquet's writer "a.b" is also the member b of a, whose type may be another.
    if (arrow::is_nested(first.type_id()) || name.find('.') != std::string::npos) {
      return;
    }
    Apply(ChooseEncoding(first, options_.plain_columns.contains(name)), name, properties);
  }

  arrow::Status CloseFile() {
    if (file_ == nullptr) {
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(file_->parquet->Close());
    DataFile done;
    done.path = file_->name;
    ARROW_ASSIGN_OR_RAISE(done.size, file_->sink->Tell());
    done.modified_us = clock_.NowMicros();
    done.num_records = file_->stats.rows();
    done.stats_json = file_->stats.ToJson();
    ARROW_RETURN_NOT_OK(file_->sink->Close());
    files_.push_back(std::move(done));
    file_.reset();
    return arrow::Status::OK();
  }

  ObjectStore& store_;
  const std::string table_path_;
  const std::shared_ptr<arrow::Schema> storage_;
  const base::Clock& clock_;
  base::Random& random_;
  const WriterOptions options_;
  std::unique_ptr<OpenFile> file_;
  std::vector<DataFile> files_;
  int64_t rows_ = 0;
  bool is_finished_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<DataWriter>> DataWriter::Open(
    ObjectStore& store, std::string table_path, const std::shared_ptr<arrow::Schema>& schema,
    const base::Clock& clock, base::Random& random, const WriterOptions& options) {
  ARROW_RETURN_NOT_OK(CheckObjectPath(table_path));
  if (!options.partition_columns.empty()) {
    return OpenPartitionedWriter(store, std::move(table_path), schema, clock, random, options);
  }
  ARROW_ASSIGN_OR_RAISE(auto storage, StorageSchema(*schema));
  return std::make_unique<ParquetDataWriter>(store, std::move(table_path), std::move(storage),
                                             clock, random, options);
}

}  // namespace icecore::lake
