#include "icecore/engine/row_files.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <arrow/type_traits.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/quality/text_conversion.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status BadExtension(const std::string& path) {
  return MakeError(ErrorCode::kInvalidArgument,
                   "'" + path + "': expected a file name that ends in .parquet, .csv or .arrow");
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  try {
    parquet::ArrowReaderProperties properties;
    properties.set_pre_buffer(true);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file));
    ARROW_ASSIGN_OR_RAISE(auto reader, builder.properties(properties)->Build());
    return reader->ReadTable();
  } catch (const std::exception& e) {
    return MakeError(ErrorCode::kBadInput, e.what());
  }
}

// CSV has no types: event_timestamp is an instant, naive text UTC.
arrow::Result<std::shared_ptr<arrow::Table>> WithInstants(
    const std::shared_ptr<arrow::Table>& rows) {
  const int index = rows->schema()->GetFieldIndex("event_timestamp");
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
  return rows->SetColumn(index, arrow::field("event_timestamp", instant),
                         std::make_shared<arrow::ChunkedArray>(chunks, instant));
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.strings_can_be_null = true;
  convert.quoted_strings_can_be_null = false;
  convert.null_values = {""};
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::csv::TableReader::Make(
                                         arrow::io::default_io_context(), file,
                                         arrow::csv::ReadOptions::Defaults(), parse, convert));
  ARROW_ASSIGN_OR_RAISE(auto rows, reader->Read());
  return WithInstants(rows);
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadArrow(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  if (auto reader = arrow::ipc::RecordBatchFileReader::Open(file); reader.ok()) {
    return (*reader)->ToTable();
  }
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(auto stream, arrow::ipc::RecordBatchStreamReader::Open(file));
  return stream->ToTable();
}

arrow::Status WriteArrow(const arrow::Table& rows, arrow::io::OutputStream* out) {
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeFileWriter(out, rows.schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(rows));
  return writer->Close();
}

// RFC 3339 with microseconds, and the nanoseconds below where there are any; a wall time has no Z.
arrow::Result<std::string> InstantText(int64_t value, const arrow::TimestampType& type) {
  int64_t micros = value;
  int64_t nanos_below = 0;
  bool too_great = false;
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      too_great = __builtin_mul_overflow(value, int64_t{1'000'000}, &micros);
      break;
    case arrow::TimeUnit::MILLI:
      too_great = __builtin_mul_overflow(value, int64_t{1'000}, &micros);
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      nanos_below = (value % 1'000 + 1'000) % 1'000;
      micros = (value - nanos_below) / 1'000;
      break;
  }
  if (too_great) {
    return MakeError(ErrorCode::kUnsupported,
                     std::to_string(value) + " is beyond the times that can be written");
  }
  std::string text = base::FormatInstant(micros);
  text.pop_back();
  if (nanos_below > 0) {
    text += std::to_string(1'000 + nanos_below).substr(1);
  }
  return type.timezone().empty() ? text : text + "Z";
}

// Instants as text: what Arrow would write lacks the T of RFC 3339.
arrow::Result<std::shared_ptr<arrow::Table>> WithInstantTexts(const arrow::Table& rows) {
  std::vector<std::shared_ptr<arrow::Field>> fields = rows.schema()->fields();
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns = rows.columns();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i]->type()->id() != arrow::Type::TIMESTAMP) {
      continue;
    }
    const auto& type = static_cast<const arrow::TimestampType&>(*fields[i]->type());
    arrow::StringBuilder builder;
    for (const auto& chunk : columns[i]->chunks()) {
      const auto& instants = static_cast<const arrow::TimestampArray&>(*chunk);
      for (int64_t row = 0; row < instants.length(); ++row) {
        if (instants.IsNull(row)) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
          continue;
        }
        ARROW_ASSIGN_OR_RAISE(const std::string text, InstantText(instants.Value(row), type));
        ARROW_RETURN_NOT_OK(builder.Append(text));
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto texts, builder.Finish());
    fields[i] = fields[i]->WithType(arrow::utf8());
    columns[i] = std::make_shared<arrow::ChunkedArray>(std::move(texts));
  }
  return arrow::Table::Make(arrow::schema(fields), columns, rows.num_rows());
}

arrow::Status WriteTo(const arrow::Table& rows, const std::string& path,
                      const std::shared_ptr<arrow::io::OutputStream>& out) {
  if (path.ends_with(".parquet")) {
    const auto properties =
        parquet::WriterProperties::Builder().compression(arrow::Compression::ZSTD)->build();
    const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    try {
      return parquet::arrow::WriteTable(rows, arrow::default_memory_pool(), out, 1 << 20,
                                        properties, arrow_properties);
    } catch (const std::exception& e) {
      return MakeError(ErrorCode::kUnavailable, e.what());
    }
  }
  if (path.ends_with(".arrow")) {
    return WriteArrow(rows, out.get());
  }
  for (const auto& field : rows.schema()->fields()) {
    if (arrow::is_nested(field->type()->id())) {
      return MakeError(ErrorCode::kUnsupported,
                       "column '" + field->name() +
                           "' holds nested values, which CSV cannot; write .parquet or .arrow");
    }
  }
  auto options = arrow::csv::WriteOptions::Defaults();
  options.quoting_style = arrow::csv::QuotingStyle::Needed;
  ARROW_ASSIGN_OR_RAISE(const auto texts, WithInstantTexts(rows));
  return arrow::csv::WriteCSV(*texts, options, out.get());
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(const std::string& path) {
  if (!path.ends_with(".parquet") && !path.ends_with(".csv") && !path.ends_with(".arrow")) {
    return BadExtension(path);
  }
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) {
    return MakeError(ErrorCode::kNotFound, path + ": " + file.status().message());
  }
  auto rows = path.ends_with(".parquet") ? ReadParquet(*file)
              : path.ends_with(".csv")   ? ReadCsv(*file)
                                         : ReadArrow(*file);
  if (!rows.ok()) {
    return MakeError(ErrorCode::kBadInput, path + ": " + rows.status().message());
  }
  return rows;
}

arrow::Status WriteRows(const arrow::Table& rows, const std::string& path) {
  if (!path.ends_with(".parquet") && !path.ends_with(".csv") && !path.ends_with(".arrow")) {
    return BadExtension(path);
  }
  const std::string beside = path + ".writing." + std::to_string(::getpid());
  arrow::Status status = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto out, arrow::io::FileOutputStream::Open(beside));
    ARROW_RETURN_NOT_OK(WriteTo(rows, path, out));
    return out->Close();
  }();
  if (status.ok() && std::rename(beside.c_str(), path.c_str()) != 0) {
    status = MakeError(ErrorCode::kUnavailable, "cannot rename " + beside);
  }
  if (!status.ok()) {
    std::remove(beside.c_str());
    return base::WithContext(status, path);
  }
  return status;
}

}  // namespace icecore::engine
