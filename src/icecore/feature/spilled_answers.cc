#include "icecore/feature/spilled_answers.h"

#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdio>

#include "icecore/base/id.h"

namespace icecore::feature {
namespace {

static_assert(sizeof(state::ValueStatus) == 1);

// Values of a feature, then its statuses as bytes.
arrow::Result<std::shared_ptr<arrow::Schema>> SchemaOf(const ViewAnswers& answers) {
  arrow::FieldVector fields;
  for (const ViewAnswers::Feature& feature : answers.features) {
    fields.push_back(arrow::field("v", feature.values->type()));
    fields.push_back(arrow::field("s", arrow::uint8()));
  }
  return arrow::schema(std::move(fields));
}

arrow::Status WriteBlocks(const ViewAnswers& answers,
                          const std::vector<std::pair<int64_t, int64_t>>& blocks,
                          arrow::io::OutputStream* out) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, SchemaOf(answers));
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeFileWriter(out, schema));
  for (const auto& [from, rows] : blocks) {
    ARROW_ASSIGN_OR_RAISE(const UseValues values, answers.Block(from, rows));
    arrow::ArrayVector columns;
    for (const auto& column : values) {
      columns.push_back(column.values);
      columns.push_back(std::make_shared<arrow::UInt8Array>(
          rows, std::make_shared<arrow::Buffer>(
                    reinterpret_cast<const uint8_t*>(column.statuses.data()), rows)));
    }
    ARROW_RETURN_NOT_OK(
        writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, rows, std::move(columns))));
  }
  return writer->Close();
}

}  // namespace

SpilledAnswers::~SpilledAnswers() = default;

arrow::Result<std::unique_ptr<SpilledAnswers>> SpilledAnswers::Write(
    const ViewAnswers& answers, const std::vector<std::pair<int64_t, int64_t>>& blocks,
    const std::string& folder) {
  const std::string path = folder + "/answers-" + base::NewUuid(base::SystemRandom()) + ".arrow";
  auto spilled = std::make_unique<SpilledAnswers>();
  const arrow::Status status = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto out, arrow::io::FileOutputStream::Open(path));
    ARROW_RETURN_NOT_OK(WriteBlocks(answers, blocks, out.get()));
    ARROW_RETURN_NOT_OK(out->Close());
    ARROW_ASSIGN_OR_RAISE(const auto in, arrow::io::ReadableFile::Open(path));
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;  // blocks are read on Arrow's threads
    return arrow::ipc::RecordBatchFileReader::Open(in, options).Value(&spilled->reader_);
  }();
  std::remove(path.c_str());
  ARROW_RETURN_NOT_OK(status);
  return spilled;
}

arrow::Result<UseValues> SpilledAnswers::Block(int block) const {
  std::shared_ptr<arrow::RecordBatch> batch;
  {
    const std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(batch, reader_->ReadRecordBatch(block));
  }
  UseValues values;
  for (int i = 0; i + 1 < batch->num_columns(); i += 2) {
    state::VectorSink::Column column;
    column.values = batch->column(i);
    const auto& bytes = static_cast<const arrow::UInt8Array&>(*batch->column(i + 1));
    const auto* statuses = reinterpret_cast<const state::ValueStatus*>(bytes.raw_values());
    column.statuses.assign(statuses, statuses + bytes.length());
    values.push_back(std::move(column));
  }
  return values;
}

}  // namespace icecore::feature
