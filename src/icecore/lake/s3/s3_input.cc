#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <mutex>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/s3/s3_streams_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kTailBytes = int64_t{256} << 10;
constexpr int64_t kReadAheadBytes = int64_t{8} << 20;

S3Call RangeCall(const std::string& path, const std::string& range) {
  S3Call call;
  call.kind = S3Request::kGet;
  call.method = "GET";
  call.path = path;
  call.headers["range"] = range;
  call.max_response_bytes = int64_t{4} << 30;
  return call;
}

// The number behind the '/' of "bytes 0-9/443"; -1 where there is none.
int64_t WholeSize(const std::string& content_range) {
  const size_t slash = content_range.rfind('/');
  int64_t size = -1;
  if (slash != std::string::npos) {
    std::from_chars(content_range.data() + slash + 1, content_range.data() + content_range.size(),
                    size);
  }
  return size;
}

// Bytes of the object that are here.
struct Piece {
  int64_t offset = 0;
  std::shared_ptr<arrow::Buffer> bytes;

  bool Holds(int64_t begin, int64_t count) const {
    return bytes != nullptr && begin >= offset && begin + count <= offset + bytes->size();
  }
  std::shared_ptr<arrow::Buffer> Slice(int64_t begin, int64_t count) const {
    return arrow::SliceBuffer(bytes, begin - offset, count);
  }
};

class S3Input : public arrow::io::RandomAccessFile {
 public:
  S3Input(std::shared_ptr<S3Client> client, std::string path, int64_t size, std::string tag,
          std::string tail)
      : client_(std::move(client)), path_(std::move(path)), size_(size), tag_(std::move(tag)) {
    tail_.offset = size - static_cast<int64_t>(tail.size());
    tail_.bytes = arrow::Buffer::FromString(std::move(tail));
  }

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) {
      return MakeError(ErrorCode::kInvalidArgument, "a position before the begin of " + path_);
    }
    position_ = position;
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position_, count, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> ReadAt(int64_t offset, int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto buffer, ReadAt(offset, count));
    if (buffer->size() > 0) {
      std::memcpy(out, buffer->data(), static_cast<size_t>(buffer->size()));
    }
    return buffer->size();
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t offset, int64_t count) override {
    if (closed_) {
      return MakeError(ErrorCode::kInternal, "read of " + path_ + " after its end");
    }
    if (offset < 0 || count < 0) {
      return MakeError(ErrorCode::kInvalidArgument, "a range before the begin of " + path_);
    }
    count = std::clamp<int64_t>(size_ - offset, 0, count);
    if (count == 0) {
      return std::make_shared<arrow::Buffer>(nullptr, 0);
    }
    int64_t wanted = count;
    {
      const std::lock_guard lock(mutex_);
      for (const Piece& piece : {tail_, ahead_}) {
        if (piece.Holds(offset, count)) {
          next_ = offset + count;
          return piece.Slice(offset, count);
        }
      }
      // Reading on in small steps: from now on in large ones.
      if (offset == next_ && count < kReadAheadBytes) {
        wanted = std::min(kReadAheadBytes, size_ - offset);
      }
      next_ = offset + count;
    }
    ARROW_ASSIGN_OR_RAISE(auto bytes, Fetch(offset, wanted));
    if (wanted == count) {
      return bytes;
    }
    const std::lock_guard lock(mutex_);
    ahead_ = {offset, bytes};
    return ahead_.Slice(offset, count);
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Buffer>> Fetch(int64_t offset, int64_t count) {
    S3Call call = RangeCall(
        path_, "bytes=" + std::to_string(offset) + "-" + std::to_string(offset + count - 1));
    if (!tag_.empty()) {
      call.headers["if-match"] = tag_;
    }
    ARROW_ASSIGN_OR_RAISE(auto answer, client_->Send(call));
    if (answer.response.status == 412) {
      return MakeError(ErrorCode::kConflict, "object " + path_ + " was replaced while it was read");
    }
    if (!answer.ok()) {
      return client_->ErrorOf(call, answer);
    }
    std::string body = std::move(answer.response.body);
    if (answer.response.status == 200 && static_cast<int64_t>(body.size()) == size_) {
      body = body.substr(static_cast<size_t>(offset), static_cast<size_t>(count));
    }
    if (static_cast<int64_t>(body.size()) != count) {
      return MakeError(ErrorCode::kUnavailable,
                       "object " + path_ + ": " + std::to_string(body.size()) +
                           " bytes came where " + std::to_string(count) + " were asked for");
    }
    return std::shared_ptr<arrow::Buffer>(arrow::Buffer::FromString(std::move(body)));
  }

  const std::shared_ptr<S3Client> client_;
  const std::string path_;
  const int64_t size_;
  const std::string tag_;
  std::atomic<bool> closed_ = false;
  int64_t position_ = 0;
  Piece tail_;
  std::mutex mutex_;
  Piece ahead_;       // the last piece that was read ahead
  int64_t next_ = 0;  // where the last read ended
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenS3Input(
    std::shared_ptr<S3Client> client, const std::string& path) {
  const S3Call call = RangeCall(path, "bytes=-" + std::to_string(kTailBytes));
  ARROW_ASSIGN_OR_RAISE(auto answer, client->Send(call));
  const int status = answer.response.status;
  if (status == 416) {  // of an empty object there is no last byte
    return std::make_shared<S3Input>(std::move(client), path, 0, "", "");
  }
  if (!answer.ok()) {
    return client->ErrorOf(call, answer);
  }
  const auto got = static_cast<int64_t>(answer.response.body.size());
  const int64_t size = status == 206 ? WholeSize(answer.response.Header("content-range")) : got;
  if (size < got) {
    return MakeError(ErrorCode::kUnavailable,
                     "object " + path + ": the store's answer does not name the whole size");
  }
  return std::make_shared<S3Input>(std::move(client), path, size, answer.response.Header("etag"),
                                   std::move(answer.response.body));
}

}  // namespace icecore::lake
