#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/member_rows.h"
#include "icecore/ingest/files/row_builder.h"

namespace icecore::ingest {
namespace {

using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr PlainType(const TypePtr& type);

std::shared_ptr<arrow::Field> PlainField(const std::shared_ptr<arrow::Field>& field) {
  return arrow::field(field->name(), PlainType(field->type()), field->nullable());
}

// The same values without dictionaries, 64-bit offsets, views and extensions.
TypePtr PlainType(const TypePtr& type) {
  switch (type->id()) {
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::DICTIONARY:
      return PlainType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case arrow::Type::RUN_END_ENCODED:
      return PlainType(static_cast<const arrow::RunEndEncodedType&>(*type).value_type());
    case arrow::Type::EXTENSION:
      return PlainType(static_cast<const arrow::ExtensionType&>(*type).storage_type());
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
      return arrow::list(PlainField(type->field(0)));
    case arrow::Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(
          PlainField(type->field(0)),
          static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) {
        fields.push_back(PlainField(field));
      }
      return arrow::struct_(fields);
    }
    default:
      return type;
  }
}

// Field metadata of the file (ids, Parquet's and other tools') stays with the file.
arrow::FieldVector PlainFields(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  return fields;
}

class ColumnarRows : public MemberRows {
 public:
  ColumnarRows(std::string name, std::shared_ptr<arrow::RecordBatchReader> reader)
      : name_(std::move(name)), reader_(std::move(reader)) {}

  arrow::Status Init() {
    user_ = PlainFields(*reader_->schema());
    std::vector<std::string> names;
    for (const auto& field : user_) {
      names.push_back(field->name());
    }
    if (const std::string wrong = CheckColumnNames(names); !wrong.empty()) {
      return BadInput(name_, 0, wrong);
    }
    schema_ = WithFileEnvelope(user_);
    return arrow::Status::OK();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  int64_t rows() const override { return rows_; }
  int64_t problem_rows() const override { return 0; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    while (held_ == nullptr || held_offset_ == held_->num_rows()) {
      arrow::Result<std::shared_ptr<arrow::RecordBatch>> next = ReadBatch();
      if (!next.ok()) {
        return DecodeError(next.status(), name_);
      }
      if (*next == nullptr) {
        return nullptr;
      }
      held_ = *std::move(next);
      held_offset_ = 0;
    }
    const auto slice = held_->Slice(held_offset_, kBatchRows);
    held_offset_ += slice->num_rows();
    rows_ += slice->num_rows();
    return AddFileEnvelope(*slice, schema_, name_, rows_ - slice->num_rows() + 1);
  }

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch() {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader_->ReadNext(&batch));
    if (batch == nullptr) {
      return batch;
    }
    // Offsets and UTF-8 of a file that anybody may have written.
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    arrow::ArrayVector columns = batch->columns();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!columns[i]->type()->Equals(*user_[i]->type())) {
        ARROW_ASSIGN_OR_RAISE(columns[i], Plain(columns[i], user_[i]->type()));
      }
    }
    return arrow::RecordBatch::Make(arrow::schema(user_), batch->num_rows(), std::move(columns));
  }

  static arrow::Result<std::shared_ptr<arrow::Array>> Plain(std::shared_ptr<arrow::Array> array,
                                                            const TypePtr& type) {
    if (array->type_id() == arrow::Type::EXTENSION) {
      array = static_cast<const arrow::ExtensionArray&>(*array).storage();
    }
    if (array->type()->Equals(*type)) {
      return array;
    }
    return arrow::compute::Cast(*array, type);
  }

  const std::string name_;
  const std::shared_ptr<arrow::RecordBatchReader> reader_;
  arrow::FieldVector user_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatch> held_;
  int64_t held_offset_ = 0;
  int64_t rows_ = 0;
};

arrow::Result<std::unique_ptr<MemberRows>> Make(
    const std::string& name, arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> reader) {
  if (!reader.ok()) {
    return DecodeError(reader.status(), name);
  }
  auto rows = std::make_unique<ColumnarRows>(name, *std::move(reader));
  ARROW_RETURN_NOT_OK(rows->Init());
  return std::unique_ptr<MemberRows>(std::move(rows));
}

// Holds the file's reader beside the batches that come from it.
class ParquetBatches : public arrow::RecordBatchReader {
 public:
  ParquetBatches(std::unique_ptr<parquet::arrow::FileReader> file,
                 std::shared_ptr<arrow::RecordBatchReader> batches)
      : file_(std::move(file)), batches_(std::move(batches)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return batches_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    try {
      return batches_->ReadNext(batch);
    } catch (const parquet::ParquetException& e) {
      return arrow::Status::IOError(e.what());
    }
  }

 private:
  const std::unique_ptr<parquet::arrow::FileReader> file_;
  const std::shared_ptr<arrow::RecordBatchReader> batches_;
};

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ParquetReader(
    std::shared_ptr<arrow::io::RandomAccessFile> file) {
  try {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(std::move(file)));
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_batch_size(kBatchRows);
    properties.set_pre_buffer(false);
    std::unique_ptr<parquet::arrow::FileReader> reader;
    ARROW_RETURN_NOT_OK(builder.properties(properties)->Build(&reader));
    ARROW_ASSIGN_OR_RAISE(auto batches, reader->GetRecordBatchReader());
    return std::make_shared<ParquetBatches>(
        std::move(reader), std::shared_ptr<arrow::RecordBatchReader>(std::move(batches)));
  } catch (const parquet::ParquetException& e) {
    return arrow::Status::IOError(e.what());
  }
}

// Record batches of an IPC file, one after another.
class IpcFileBatches : public arrow::RecordBatchReader {
 public:
  explicit IpcFileBatches(std::shared_ptr<arrow::ipc::RecordBatchFileReader> file)
      : file_(std::move(file)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return file_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (next_ == file_->num_record_batches()) {
      *batch = nullptr;
      return arrow::Status::OK();
    }
    return file_->ReadRecordBatch(next_++).Value(batch);
  }

 private:
  const std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
  int next_ = 0;
};

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ArrowReader(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  constexpr std::string_view kFileMagic = "ARROW1";
  char first[kFileMagic.size()] = {};
  ARROW_ASSIGN_OR_RAISE(const int64_t got, file->ReadAt(0, sizeof(first), first));
  if (std::string_view(first, static_cast<size_t>(got)) == kFileMagic) {
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file, options));
    return std::make_shared<IpcFileBatches>(std::move(reader));
  }
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        arrow::ipc::RecordBatchStreamReader::Open(
                            std::static_pointer_cast<arrow::io::InputStream>(file), options));
  return std::static_pointer_cast<arrow::RecordBatchReader>(std::move(reader));
}

}  // namespace

arrow::Result<std::unique_ptr<MemberRows>> OpenParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const std::string& name) {
  return Make(name, ParquetReader(file));
}

arrow::Result<std::unique_ptr<MemberRows>> OpenArrow(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const std::string& name) {
  return Make(name, ArrowReader(file));
}

}  // namespace icecore::ingest
