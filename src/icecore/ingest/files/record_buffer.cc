#include "icecore/ingest/files/record_buffer.h"

#include <arrow/io/interfaces.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_rows.h"

namespace icecore::ingest {
namespace {

constexpr size_t kFillBytes = size_t{1} << 20;

}  // namespace

RecordBuffer::RecordBuffer(std::shared_ptr<arrow::io::InputStream> stream, std::string name,
                           std::stop_token stop)
    : stream_(std::move(stream)), name_(std::move(name)), stop_(std::move(stop)) {}

arrow::Status RecordBuffer::Fill(int64_t line) {
  bytes_.erase(0, begin_);
  begin_ = 0;
  if (bytes_.size() > static_cast<size_t>(kMaxRecordBytes)) {
    return base::MakeError(base::ErrorCode::kLimit,
                           name_ + ":" + std::to_string(line) + ": a record of more than " +
                               std::to_string(kMaxRecordBytes >> 20) + " MiB");
  }
  size_t filled = bytes_.size();
  bytes_.resize(filled + std::max(kFillBytes, filled));
  while (filled < bytes_.size() && !at_end_) {
    if (stop_.stop_requested()) {
      return Stopped(name_);
    }
    const auto wanted = static_cast<int64_t>(std::min(bytes_.size() - filled, kFillBytes));
    arrow::Result<int64_t> got = stream_->Read(wanted, bytes_.data() + filled);
    if (!got.ok()) {
      return DecodeError(got.status(), name_);
    }
    at_end_ = *got == 0;
    filled += static_cast<size_t>(*got);
  }
  bytes_.resize(filled);
  return arrow::Status::OK();
}

}  // namespace icecore::ingest
