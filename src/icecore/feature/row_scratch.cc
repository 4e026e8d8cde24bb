#include "icecore/feature/row_scratch.h"

#include <arrow/array/array_base.h>
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdio>
#include <numeric>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/feature/gather.h"

namespace icecore::feature {

RowScratch::~RowScratch() = default;

arrow::Result<std::unique_ptr<RowScratch>> RowScratch::Open(const std::string& folder,
                                                            std::shared_ptr<arrow::Schema> schema,
                                                            size_t parts) {
  const std::string path = folder + "/rows-" + base::NewUuid(base::SystemRandom()) + ".arrow";
  auto scratch = std::make_unique<RowScratch>();
  scratch->folder_ = folder;
  scratch->schema_ = std::move(schema);
  scratch->parts_.resize(parts);
  const arrow::Status status = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(scratch->out_, arrow::io::FileOutputStream::Open(path));
    ARROW_ASSIGN_OR_RAISE(scratch->in_, arrow::io::ReadableFile::Open(path));
    return arrow::Status::OK();
  }();
  std::remove(path.c_str());
  ARROW_RETURN_NOT_OK(status);
  return scratch;
}

arrow::Status RowScratch::Write(const arrow::ArrayVector& columns,
                                const std::vector<uint32_t>& part_of_row) {
  std::vector<size_t> starts(parts_.size() + 1, 0);
  for (const uint32_t part : part_of_row) ++starts[part + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<int32_t> places(part_of_row.size());
  std::vector<size_t> next(starts.begin(), starts.end() - 1);
  for (size_t row = 0; row < part_of_row.size(); ++row) {
    places[next[part_of_row[row]]++] = static_cast<int32_t>(row);
  }
  arrow::ArrayVector sorted;
  const auto count = static_cast<int64_t>(places.size());
  for (const auto& column : columns) {
    ARROW_ASSIGN_OR_RAISE(sorted.emplace_back(), Gather(*column, places.data(), count));
  }
  const auto rows = arrow::RecordBatch::Make(schema_, count, std::move(sorted));
  for (size_t part = 0; part < parts_.size(); ++part) {
    if (starts[part] == starts[part + 1]) continue;
    const auto slice = rows->Slice(static_cast<int64_t>(starts[part]),
                                   static_cast<int64_t>(starts[part + 1] - starts[part]));
    ARROW_RETURN_NOT_OK(Append(part, *slice));
  }
  return arrow::Status::OK();
}

arrow::Status RowScratch::Append(size_t part, const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::ipc::SerializeRecordBatch(
                                              rows, arrow::ipc::IpcWriteOptions::Defaults()));
  const std::lock_guard lock(mutex_);
  const arrow::Status written = out_->Write(bytes);
  if (!written.ok()) return base::WithContext(written, "a scratch file in " + folder_);
  parts_[part].push_back({size_, bytes->size(), rows.num_rows()});
  size_ += bytes->size();
  return arrow::Status::OK();
}

int64_t RowScratch::bytes_of(size_t part) const {
  const std::lock_guard lock(mutex_);
  int64_t bytes = 0;
  for (const Piece& piece : parts_[part]) bytes += piece.size;
  return bytes;
}

int64_t RowScratch::rows_of(size_t part) const {
  const std::lock_guard lock(mutex_);
  int64_t rows = 0;
  for (const Piece& piece : parts_[part]) rows += piece.rows;
  return rows;
}

size_t RowScratch::pieces_of(size_t part) const {
  const std::lock_guard lock(mutex_);
  return parts_[part].size();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RowScratch::Read(size_t part,
                                                                    size_t piece) const {
  Piece at;
  {
    const std::lock_guard lock(mutex_);
    at = parts_[part][piece];
  }
  ARROW_ASSIGN_OR_RAISE(const auto bytes, in_->ReadAt(at.offset, at.size));
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;  // read on Arrow's threads
  arrow::io::BufferReader reader(bytes);
  return arrow::ipc::ReadRecordBatch(schema_, nullptr, options, &reader);
}

}  // namespace icecore::feature
