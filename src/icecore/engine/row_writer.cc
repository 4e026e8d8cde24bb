#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <unistd.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/base/time.h"
#include "icecore/engine/row_files.h"
#include "icecore/lake/encoding_choice.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using StreamPtr = std::shared_ptr<arrow::io::OutputStream>;

// A row group is in memory until it is full.
constexpr int64_t kRowGroupBytes = int64_t{128} << 20;
constexpr int64_t kRowGroupRows = int64_t{1} << 20;

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
arrow::Result<std::shared_ptr<arrow::Array>> InstantTexts(const arrow::Array& column) {
  const auto& type = static_cast<const arrow::TimestampType&>(*column.type());
  const auto& instants = static_cast<const arrow::TimestampArray&>(column);
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < instants.length(); ++row) {
    if (instants.IsNull(row)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text, InstantText(instants.Value(row), type));
    ARROW_RETURN_NOT_OK(builder.Append(text));
  }
  return builder.Finish();
}

// One of the three forms, into a stream that is open.
class Form {
 public:
  virtual ~Form() = default;
  virtual arrow::Status Write(const arrow::RecordBatch& batch) = 0;
  virtual arrow::Status Close() = 0;
};

class ParquetForm : public Form {
 public:
  arrow::Status Open(const std::shared_ptr<arrow::Schema>& schema, const StreamPtr& out) {
    schema_ = schema;
    out_ = out;
    return arrow::Status::OK();
  }
  arrow::Status Write(const arrow::RecordBatch& batch) override {
    if (writer_ == nullptr) ARROW_RETURN_NOT_OK(Start(batch));
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(batch));
    if (group_bytes_ + bytes > kRowGroupBytes && group_bytes_ > 0) {
      ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());
      group_bytes_ = 0;
    }
    group_bytes_ += bytes;
    return writer_->WriteRecordBatch(batch);
  }
  arrow::Status Close() override {
    if (writer_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(const auto none, arrow::RecordBatch::MakeEmpty(schema_));
      ARROW_RETURN_NOT_OK(Start(*none));
    }
    return writer_->Close();
  }

 private:
  // `first`: rows that tell how columns are best encoded, as in the lake's files.
  arrow::Status Start(const arrow::RecordBatch& first) {
    std::vector<lake::ColumnEncoding> encodings(static_cast<size_t>(first.num_columns()));
    ARROW_RETURN_NOT_OK(base::RunParallel(encodings.size(), [&](size_t i) {
      const arrow::Array& rows = *first.column(static_cast<int>(i));
      // Floats that were chosen twice are no reason to look for repeats: that costs more than
      // writing them.
      encodings[i] = lake::ChooseEncoding(rows, arrow::is_floating(rows.type_id()));
      return arrow::Status::OK();
    }));
    parquet::WriterProperties::Builder properties;
    properties.compression(arrow::Compression::ZSTD);
    properties.max_row_group_length(kRowGroupRows);
    for (size_t i = 0; i < encodings.size(); ++i) {
      const auto& field = schema_->field(static_cast<int>(i));
      // To Parquet's writer "a.b" is also the member b of a, whose type may be another.
      if (arrow::is_nested(field->type()->id()) || field->name().find('.') != std::string::npos)
        continue;
      lake::Apply(encodings[i], field->name(), &properties);
    }
    const auto arrow_properties =
        parquet::ArrowWriterProperties::Builder().store_schema()->set_use_threads(true)->build();
    return parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), out_,
                                            properties.build(), arrow_properties)
        .Value(&writer_);
  }

  std::shared_ptr<arrow::Schema> schema_;
  StreamPtr out_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t group_bytes_ = 0;
};

class ArrowForm : public Form {
 public:
  arrow::Status Open(const std::shared_ptr<arrow::Schema>& schema, const StreamPtr& out) {
    // A file holds one dictionary of a column, and batches may bring several.
    arrow::FieldVector fields;
    for (const auto& field : schema->fields()) {
      const bool coded = field->type()->id() == arrow::Type::DICTIONARY;
      fields.push_back(
          coded ? field->WithType(
                      static_cast<const arrow::DictionaryType&>(*field->type()).value_type())
                : field);
    }
    schema_ = arrow::schema(std::move(fields), schema->metadata());
    return arrow::ipc::MakeFileWriter(out, schema_).Value(&writer_);
  }
  arrow::Status Write(const arrow::RecordBatch& batch) override {
    arrow::ArrayVector columns = batch.columns();
    for (int i = 0; i < batch.num_columns(); ++i) {
      auto& column = columns[static_cast<size_t>(i)];
      if (column->type_id() != arrow::Type::DICTIONARY) continue;
      ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, schema_->field(i)->type()));
    }
    return writer_->WriteRecordBatch(
        *arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns)));
  }
  arrow::Status Close() override { return writer_->Close(); }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

class CsvForm : public Form {
 public:
  arrow::Status Open(const std::shared_ptr<arrow::Schema>& schema, const StreamPtr& out) {
    arrow::FieldVector fields;
    for (const auto& field : schema->fields()) {
      if (arrow::is_nested(field->type()->id())) {
        return MakeError(ErrorCode::kUnsupported,
                         "column '" + field->name() +
                             "' holds nested values, which CSV cannot; write .parquet or .arrow");
      }
      fields.push_back(
          field->type()->id() == arrow::Type::TIMESTAMP ? field->WithType(arrow::utf8()) : field);
    }
    schema_ = arrow::schema(std::move(fields));
    auto options = arrow::csv::WriteOptions::Defaults();
    options.quoting_style = arrow::csv::QuotingStyle::Needed;
    return arrow::csv::MakeCSVWriter(out, schema_, options).Value(&writer_);
  }
  arrow::Status Write(const arrow::RecordBatch& batch) override {
    arrow::ArrayVector columns = batch.columns();
    for (auto& column : columns) {
      if (column->type_id() != arrow::Type::TIMESTAMP) continue;
      ARROW_ASSIGN_OR_RAISE(column, InstantTexts(*column));
    }
    return writer_->WriteRecordBatch(
        *arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns)));
  }
  arrow::Status Close() override { return writer_->Close(); }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

class FileRowWriter : public RowWriter {
 public:
  explicit FileRowWriter(std::string path)
      : path_(std::move(path)), beside_(path_ + ".writing." + std::to_string(::getpid())) {}
  ~FileRowWriter() override {
    if (!done_) std::remove(beside_.c_str());
  }

  arrow::Status Open(const std::shared_ptr<arrow::Schema>& schema) {
    return Named([&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(out_, arrow::io::FileOutputStream::Open(beside_));
      if (path_.ends_with(".parquet")) return Use<ParquetForm>(schema);
      if (path_.ends_with(".arrow")) return Use<ArrowForm>(schema);
      return Use<CsvForm>(schema);
    });
  }
  arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    return Named([&] { return form_->Write(*batch); });
  }
  arrow::Status Close() override {
    return Named([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(form_->Close());
      ARROW_RETURN_NOT_OK(out_->Close());
      if (std::rename(beside_.c_str(), path_.c_str()) != 0) {
        return MakeError(ErrorCode::kUnavailable, "cannot rename " + beside_);
      }
      done_ = true;
      return arrow::Status::OK();
    });
  }

 private:
  template <typename F>
  arrow::Status Use(const std::shared_ptr<arrow::Schema>& schema) {
    auto form = std::make_unique<F>();
    ARROW_RETURN_NOT_OK(form->Open(schema, out_));
    form_ = std::move(form);
    return arrow::Status::OK();
  }
  template <typename Work>
  arrow::Status Named(const Work& work) const {
    arrow::Status status;
    try {
      status = work();
    } catch (const std::exception& e) {
      status = MakeError(ErrorCode::kUnavailable, e.what());
    }
    return status.ok() ? status : base::WithContext(status, path_);
  }

  const std::string path_;
  const std::string beside_;
  StreamPtr out_;
  std::unique_ptr<Form> form_;
  bool done_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<RowWriter>> RowWriter::Open(
    const std::shared_ptr<arrow::Schema>& schema, const std::string& path) {
  if (!path.ends_with(".parquet") && !path.ends_with(".csv") && !path.ends_with(".arrow")) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + path + "': expected a file name that ends in .parquet, .csv or .arrow");
  }
  auto writer = std::make_unique<FileRowWriter>(path);
  ARROW_RETURN_NOT_OK(writer->Open(schema));
  return writer;
}

arrow::Status WriteRows(const arrow::Table& rows, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto writer, RowWriter::Open(rows.schema(), path));
  arrow::TableBatchReader batches(rows);
  batches.set_chunksize(int64_t{1} << 16);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, batches.Next());
    if (batch == nullptr) return writer->Close();
    ARROW_RETURN_NOT_OK(writer->Write(batch));
  }
}

}  // namespace icecore::engine
