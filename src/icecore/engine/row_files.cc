#include "icecore/engine/row_files.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <functional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/feature/service.h"
#include "icecore/quality/text_conversion.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status BadExtension(const std::string& path) {
  return MakeError(ErrorCode::kInvalidArgument,
                   "'" + path + "': expected a file name that ends in .parquet, .csv or .arrow");
}

using FilePtr = std::shared_ptr<arrow::io::RandomAccessFile>;
using ReaderPtr = std::shared_ptr<arrow::RecordBatchReader>;

constexpr int64_t kWholeCsvBytes = int64_t{256} << 20;
constexpr int32_t kCsvBlockBytes = 64 << 20;

arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> ParquetFile(const FilePtr& file,
                                                                       bool pre_buffer) {
  parquet::ArrowReaderProperties properties;
  properties.set_use_threads(true);
  properties.set_pre_buffer(pre_buffer);
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(file));
  return builder.properties(properties)->Build();
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(const FilePtr& file) {
  try {
    ARROW_ASSIGN_OR_RAISE(auto reader, ParquetFile(file, /*pre_buffer=*/true));
    return reader->ReadTable();
  } catch (const std::exception& e) {
    return MakeError(ErrorCode::kBadInput, e.what());
  }
}

// Batches from a function, and what they come from.
class RowReader : public arrow::RecordBatchReader {
 public:
  using Next = std::function<arrow::Result<std::shared_ptr<arrow::RecordBatch>>()>;
  RowReader(std::string path, std::shared_ptr<arrow::Schema> schema, Next next)
      : path_(std::move(path)), schema_(std::move(schema)), next_(std::move(next)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    arrow::Status status;
    try {
      status = next_().Value(out);
    } catch (const std::exception& e) {
      status = MakeError(ErrorCode::kBadInput, e.what());
    }
    return status.ok() ? status : MakeError(ErrorCode::kBadInput, path_ + ": " + status.message());
  }

 private:
  const std::string path_;
  const std::shared_ptr<arrow::Schema> schema_;
  const Next next_;
};

arrow::Result<ReaderPtr> OpenParquet(const FilePtr& file, const std::string& path) {
  try {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<parquet::arrow::FileReader> parquet,
                          ParquetFile(file, /*pre_buffer=*/false));
    ARROW_ASSIGN_OR_RAISE(ReaderPtr batches, parquet->GetRecordBatchReader());
    auto schema = batches->schema();
    return std::make_shared<RowReader>(path, std::move(schema),
                                       [parquet, batches] { return batches->Next(); });
  } catch (const std::exception& e) {
    return MakeError(ErrorCode::kBadInput, e.what());
  }
}

// CSV has no types: event_timestamp is an instant, naive text UTC.
arrow::Result<std::shared_ptr<arrow::Table>> WithInstants(
    const std::shared_ptr<arrow::Table>& rows) {
  const int index = rows->schema()->GetFieldIndex(feature::kEventTimestamp);
  if (index < 0) {
    return rows;
  }
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto& column = rows->column(index);
  arrow::ArrayVector chunks;
  if (column->type()->id() == arrow::Type::STRING) {
    quality::ColumnTarget target;
    target.type = instant;
    for (const auto& chunk : column->chunks()) {
      ARROW_ASSIGN_OR_RAISE(auto converted,
                            quality::ConvertText(*chunk, target, {}, /*json=*/false));
      if (!converted.bad.empty()) {
        const auto& texts = static_cast<const arrow::StringArray&>(*chunk);
        return MakeError(ErrorCode::kBadInput,
                         "event_timestamp: '" +
                             std::string(texts.GetView(converted.bad.front().row)) +
                             "' is no RFC 3339 time such as 2013-12-01T12:00:00Z");
      }
      chunks.push_back(converted.values);
    }
  } else if (column->type()->id() == arrow::Type::TIMESTAMP) {
    for (const auto& chunk : column->chunks()) {
      ARROW_ASSIGN_OR_RAISE(auto cast, arrow::compute::Cast(*chunk, instant));
      chunks.push_back(cast);
    }
  } else {
    return rows;
  }
  return rows->SetColumn(index, arrow::field(feature::kEventTimestamp, instant),
                         std::make_shared<arrow::ChunkedArray>(chunks, instant));
}

arrow::csv::ConvertOptions CsvConversion() {
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.strings_can_be_null = true;
  convert.quoted_strings_can_be_null = false;
  convert.null_values = {""};
  return convert;
}

arrow::csv::ParseOptions CsvParsing() {
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  return parse;
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(const FilePtr& file) {
  ARROW_ASSIGN_OR_RAISE(
      auto reader, arrow::csv::TableReader::Make(arrow::io::default_io_context(), file,
                                                 arrow::csv::ReadOptions::Defaults(), CsvParsing(),
                                                 CsvConversion()));
  ARROW_ASSIGN_OR_RAISE(auto rows, reader->Read());
  return WithInstants(rows);
}

arrow::Result<ReaderPtr> OpenCsv(const FilePtr& file, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, file->GetSize());
  if (bytes <= kWholeCsvBytes) {
    ARROW_ASSIGN_OR_RAISE(auto rows, ReadCsv(file));
    return std::make_shared<arrow::TableBatchReader>(std::move(rows));
  }
  auto options = arrow::csv::ReadOptions::Defaults();
  options.block_size = kCsvBlockBytes;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::csv::StreamingReader> reader,
                        arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), file,
                                                          options, CsvParsing(), CsvConversion()));
  ARROW_ASSIGN_OR_RAISE(const auto empty, arrow::Table::MakeEmpty(reader->schema()));
  ARROW_ASSIGN_OR_RAISE(const auto converted, WithInstants(empty));
  return std::make_shared<RowReader>(
      path, converted->schema(), [reader]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
        ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
        if (batch == nullptr) return batch;
        ARROW_ASSIGN_OR_RAISE(auto rows, arrow::Table::FromRecordBatches({batch}));
        ARROW_ASSIGN_OR_RAISE(rows, WithInstants(rows));
        return rows->CombineChunksToBatch();
      });
}

arrow::Result<ReaderPtr> OpenArrow(const FilePtr& file, const std::string& path) {
  if (auto opened = arrow::ipc::RecordBatchFileReader::Open(file); opened.ok()) {
    return std::make_shared<RowReader>(
        path, (*opened)->schema(),
        [reader = *opened,
         next = 0]() mutable -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
          if (next == reader->num_record_batches()) return nullptr;
          return reader->ReadRecordBatch(next++);
        });
  }
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(ReaderPtr stream, arrow::ipc::RecordBatchStreamReader::Open(file));
  auto schema = stream->schema();
  return std::make_shared<RowReader>(path, std::move(schema), [stream] { return stream->Next(); });
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadArrow(const FilePtr& file) {
  if (auto reader = arrow::ipc::RecordBatchFileReader::Open(file); reader.ok()) {
    return (*reader)->ToTable();
  }
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(auto stream, arrow::ipc::RecordBatchStreamReader::Open(file));
  return stream->ToTable();
}

arrow::Result<FilePtr> OpenFile(const std::string& path) {
  if (!path.ends_with(".parquet") && !path.ends_with(".csv") && !path.ends_with(".arrow")) {
    return BadExtension(path);
  }
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) {
    return MakeError(ErrorCode::kNotFound, path + ": " + file.status().message());
  }
  return *std::move(file);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const FilePtr file, OpenFile(path));
  auto rows = path.ends_with(".parquet") ? ReadParquet(file)
              : path.ends_with(".csv")   ? ReadCsv(file)
                                         : ReadArrow(file);
  if (!rows.ok()) {
    return MakeError(ErrorCode::kBadInput, path + ": " + rows.status().message());
  }
  return rows;
}

arrow::Result<ReaderPtr> OpenRows(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const FilePtr file, OpenFile(path));
  auto rows = path.ends_with(".parquet") ? OpenParquet(file, path)
              : path.ends_with(".csv")   ? OpenCsv(file, path)
                                         : OpenArrow(file, path);
  if (!rows.ok()) {
    return MakeError(ErrorCode::kBadInput, path + ": " + rows.status().message());
  }
  return rows;
}

}  // namespace icecore::engine
