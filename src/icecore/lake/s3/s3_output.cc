#include <arrow/io/interfaces.h>
#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/s3/s3_streams_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int kMaxParts = 10'000;     // S3's own
constexpr size_t kPartsInFlight = 4;  // bounds the memory of a stream

// Whose object is at `path`, after a conditional write was refused: true, ours.
arrow::Result<bool> IsOurs(S3Client* client, const std::string& path, const std::string& write_id,
                           bool may_be_done) {
  S3Call call;
  call.kind = S3Request::kHead;
  call.method = "HEAD";
  call.path = path;
  ARROW_ASSIGN_OR_RAISE(const auto answer, client->Send(call));
  const std::string& there = answer.response.Header(kWriteId);
  if (answer.ok() && there == write_id) {
    return true;
  }
  const bool is_plain = !may_be_done || (answer.ok() && !there.empty());
  if (is_plain && (answer.ok() || answer.response.status == 404)) {
    return false;
  }
  return MakeError(ErrorCode::kOutcomeUnknown,
                   "s3://" + client->place().bucket + "/" + client->place().KeyOf(path) +
                       ": whether the write was done cannot be told: an answer was lost, and the "
                       "object there now does not name its writer");
}

std::string NewWriteId(S3Client* client) { return base::NewUuid(*client->random()); }

class S3Output : public arrow::io::OutputStream {
 public:
  S3Output(std::shared_ptr<S3Client> client, std::string path, int64_t part_bytes)
      : client_(std::move(client)),
        path_(std::move(path)),
        part_bytes_(static_cast<size_t>(part_bytes)),
        write_id_(NewWriteId(client_.get())) {}

  ~S3Output() override { static_cast<void>(Abort()); }

  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (closed_) {
      return MakeError(ErrorCode::kInternal, "write to " + path_ + " after its end");
    }
    std::string_view left(static_cast<const char*>(data), static_cast<size_t>(bytes));
    while (!left.empty()) {
      // Only when more comes: the last part may be of any size, and a whole object may need none.
      if (buffer_.size() == part_bytes_) {
        ARROW_RETURN_NOT_OK(StartPart());
      }
      const size_t taken = std::min(left.size(), part_bytes_ - buffer_.size());
      buffer_.append(left.substr(0, taken));
      left.remove_prefix(taken);
    }
    position_ += bytes;
    return arrow::Status::OK();
  }

  arrow::Status Close() override {
    if (closed_) {
      return arrow::Status::OK();
    }
    const arrow::Status status = Finish();
    if (!status.ok()) {
      static_cast<void>(Abort());
    }
    closed_ = true;
    return status;
  }

  arrow::Status Abort() override {
    if (closed_) {
      return arrow::Status::OK();
    }
    closed_ = true;
    for (const auto& part : in_flight_) {
      part.Wait();
    }
    in_flight_.clear();
    if (upload_id_.empty()) {
      return arrow::Status::OK();
    }
    S3Call call = UploadCall("DELETE", S3Request::kMultipart);
    return client_->SendOk(call).status();
  }

 private:
  S3Call UploadCall(const char* method, S3Request kind) const {
    S3Call call;
    call.kind = kind;
    call.method = method;
    call.path = path_;
    call.query = {{"uploadId", upload_id_}};
    return call;
  }

  arrow::Status StartUpload() {
    S3Call call;
    call.kind = S3Request::kMultipart;
    call.method = "POST";
    call.path = path_;
    call.query = {{"uploads", ""}};
    call.headers[kWriteId] = write_id_;
    ARROW_ASSIGN_OR_RAISE(const auto answer, client_->SendOk(call));
    return ParseUploadId(answer.response.body).Value(&upload_id_);
  }

  // Hands the buffer to a thread of Arrow's I/O pool.
  arrow::Status StartPart() {
    if (upload_id_.empty()) {
      ARROW_RETURN_NOT_OK(StartUpload());
    }
    if (parts_ == kMaxParts) {
      return MakeError(ErrorCode::kLimit, path_ + ": larger than " + std::to_string(kMaxParts) +
                                              " parts of " + std::to_string(part_bytes_) +
                                              " bytes");
    }
    if (in_flight_.size() == kPartsInFlight) {
      ARROW_RETURN_NOT_OK(TakeOldest());
    }
    auto body = std::make_shared<std::string>(std::move(buffer_));
    buffer_.clear();
    S3Call call = UploadCall("PUT", S3Request::kPart);
    call.query.emplace_back("partNumber", std::to_string(++parts_));
    call.body = *body;
    auto send = [client = client_, call, body]() -> arrow::Result<std::string> {
      ARROW_ASSIGN_OR_RAISE(const auto answer, client->SendOk(call));
      return answer.response.Header("etag");
    };
    ARROW_ASSIGN_OR_RAISE(auto part,
                          arrow::io::default_io_context().executor()->Submit(std::move(send)));
    in_flight_.push_back(std::move(part));
    return arrow::Status::OK();
  }

  arrow::Status TakeOldest() {
    arrow::Future<std::string> part = std::move(in_flight_.front());
    in_flight_.pop_front();
    ARROW_ASSIGN_OR_RAISE(std::string tag, part.result());
    tags_.push_back(std::move(tag));
    return arrow::Status::OK();
  }

  arrow::Status Finish() {
    if (parts_ == 0) {
      ARROW_ASSIGN_OR_RAISE(const bool created, PutWhole());
      return created ? arrow::Status::OK() : Exists();
    }
    if (!buffer_.empty()) {
      ARROW_RETURN_NOT_OK(StartPart());
    }
    while (!in_flight_.empty()) {
      ARROW_RETURN_NOT_OK(TakeOldest());
    }
    return Complete();
  }

  arrow::Result<bool> PutWhole() { return PutS3IfAbsent(client_.get(), path_, buffer_); }

  arrow::Status Exists() const {
    return MakeError(ErrorCode::kConflict, "object " + path_ + " exists already");
  }

  arrow::Status Complete() {
    std::string body = "<CompleteMultipartUpload>";
    for (size_t i = 0; i < tags_.size(); ++i) {
      body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" +
              EscapeXml(tags_[i]) + "</ETag></Part>";
    }
    body += "</CompleteMultipartUpload>";
    S3Call call = UploadCall("POST", S3Request::kMultipart);
    call.headers["if-none-match"] = "*";
    call.body = body;
    ARROW_ASSIGN_OR_RAISE(const auto answer, client_->Send(call));
    if (answer.ok()) {
      upload_id_.clear();
      return arrow::Status::OK();
    }
    const bool is_taken = answer.response.status == 412;
    const bool is_ended = answer.error.code == "NoSuchUpload" && answer.may_be_done;
    if (!is_taken && !is_ended) {
      return client_->ErrorOf(call, answer);
    }
    ARROW_ASSIGN_OR_RAISE(const bool is_ours,
                          IsOurs(client_.get(), path_, write_id_, answer.may_be_done));
    if (is_ours) {
      upload_id_.clear();
      return arrow::Status::OK();
    }
    return Exists();
  }

  const std::shared_ptr<S3Client> client_;
  const std::string path_;
  const size_t part_bytes_;
  const std::string write_id_;
  std::string buffer_;
  int64_t position_ = 0;
  bool closed_ = false;
  std::string upload_id_;
  int parts_ = 0;
  std::deque<arrow::Future<std::string>> in_flight_;  // parts in order
  std::vector<std::string> tags_;
};

}  // namespace

arrow::Result<bool> PutS3IfAbsent(S3Client* client, const std::string& path,
                                  std::string_view bytes) {
  S3Call call;
  call.kind = S3Request::kPutIfAbsent;
  call.method = "PUT";
  call.path = path;
  call.body = bytes;
  const std::string write_id = NewWriteId(client);
  call.headers["if-none-match"] = "*";
  call.headers[kWriteId] = write_id;
  ARROW_ASSIGN_OR_RAISE(const auto answer, client->Send(call));
  if (answer.ok()) {
    return true;
  }
  // Also after a first attempt: libraries and proxies on the way repeat requests unseen.
  if (answer.response.status == 412) {
    return IsOurs(client, path, write_id, answer.may_be_done);
  }
  return client->ErrorOf(call, answer);
}

arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenS3Output(
    std::shared_ptr<S3Client> client, const std::string& path, int64_t part_bytes) {
  return std::make_shared<S3Output>(std::move(client), path, part_bytes);
}

}  // namespace icecore::lake
