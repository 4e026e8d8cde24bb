#include "icecore/lake/s3/s3_object_store.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/s3/s3_client_internal.h"
#include "icecore/lake/s3/s3_streams_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kMaxObjectBytes = int64_t{8} << 30;  // in memory at once
constexpr int kMaxPages = 100'000;
constexpr char kProbePath[] = "_icecore/conditional-writes";
constexpr char kProbeText[] =
    "Icecore tries to replace this object, to see that the store refuses it.\n";

std::string RangeHeader(int64_t offset, int64_t length) {
  std::string range = "bytes=" + std::to_string(offset) + "-";
  if (length <= INT64_MAX - offset) {
    range += std::to_string(offset + length - 1);
  }
  return range;
}

class Store : public S3ObjectStore {
 public:
  arrow::Status Init(const StorePlace& place, const net::AwsSurroundings& surroundings,
                     S3Tuning tuning) {
    ARROW_ASSIGN_OR_RAISE(const auto settings, net::ReadAwsSettings(place.profile, surroundings));
    ARROW_ASSIGN_OR_RAISE(S3Place resolved, ResolveS3Place(place, settings));
    net::HttpClient* http = tuning.http;
    if (http == nullptr) {
      net::HttpClient::Options options;
      options.ca_file = settings.ca_bundle;
      ARROW_ASSIGN_OR_RAISE(http_, net::HttpClient::Open(options));
      http = http_.get();
    }
    ARROW_ASSIGN_OR_RAISE(credentials_, net::OpenAwsCredentials(settings, surroundings, http));
    if (tuning.clock == nullptr) {
      clock_ = base::MakeSystemClock();
      tuning.clock = clock_.get();
    }
    if (tuning.random == nullptr) {
      tuning.random = &base::SystemRandom();
    }
    part_bytes_ = tuning.part_bytes;
    client_ = std::make_shared<S3Client>(std::move(resolved), http, credentials_.get(), tuning);
    return arrow::Status::OK();
  }

  int64_t Count(S3Request kind) const override { return client_->Count(kind); }

  arrow::Status Put(const std::string& path, std::string_view bytes) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    S3Call call = CallOf(S3Request::kPut, "PUT", path);
    call.body = bytes;
    return client_->SendOk(call).status();
  }

  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    ARROW_RETURN_NOT_OK(CheckConditionalWrites());
    return PutS3IfAbsent(client_.get(), path, bytes);
  }

  arrow::Result<std::string> Get(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    S3Call call = CallOf(S3Request::kGet, "GET", path);
    call.max_response_bytes = kMaxObjectBytes;
    ARROW_ASSIGN_OR_RAISE(auto answer, client_->SendOk(call));
    return std::move(answer.response.body);
  }

  arrow::Result<std::string> GetRange(const std::string& path, int64_t offset,
                                      int64_t length) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    if (offset < 0 || length < 0) {
      return MakeError(ErrorCode::kInvalidArgument, "a range of " + path + " before its begin");
    }
    if (length == 0) {
      ARROW_RETURN_NOT_OK(Stat(path).status());
      return std::string();
    }
    S3Call call = CallOf(S3Request::kGet, "GET", path);
    call.headers["range"] = RangeHeader(offset, length);
    call.max_response_bytes = kMaxObjectBytes;
    ARROW_ASSIGN_OR_RAISE(auto answer, client_->Send(call));
    if (answer.response.status == 416) {
      return std::string();  // begins at or behind the end
    }
    if (!answer.ok()) {
      return client_->ErrorOf(call, answer);
    }
    std::string& body = answer.response.body;
    if (answer.response.status == 200) {  // a store without ranges gave all
      const auto begin = static_cast<size_t>(std::min(offset, static_cast<int64_t>(body.size())));
      return body.substr(begin, static_cast<size_t>(length));
    }
    return std::move(body);
  }

  arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                               const std::string& start_after) override {
    ARROW_ASSIGN_OR_RAISE(auto entries, ListAfter(prefix, start_after));
    std::vector<std::string> paths;
    paths.reserve(entries.size());
    for (ObjectEntry& entry : entries) {
      paths.push_back(std::move(entry.path));
    }
    return paths;
  }

  arrow::Result<std::vector<ObjectEntry>> ListEntries(const std::string& prefix) override {
    return ListAfter(prefix, "");
  }

  arrow::Result<std::vector<ObjectEntry>> Unfinished(const std::string& prefix,
                                                     int64_t modified_before_us,
                                                     bool remove) override {
    ARROW_ASSIGN_OR_RAISE(const auto uploads, ListUploads(prefix));
    std::vector<ObjectEntry> entries;
    for (const S3Upload& upload : uploads) {
      const auto path = PathOf(upload.key);
      if (!path || !path->starts_with(prefix) || upload.started_us >= modified_before_us) {
        continue;
      }
      entries.push_back({.path = *path, .size = 0, .modified_us = upload.started_us});
      if (remove) {
        S3Call call = CallOf(S3Request::kMultipart, "DELETE", *path);
        call.query = {{"uploadId", upload.upload_id}};
        const arrow::Status status = client_->SendOk(call).status();
        if (!status.ok() && base::CodeOf(status) != ErrorCode::kNotFound) {
          return status;
        }
      }
    }
    return entries;
  }

  arrow::Result<ObjectInfo> Stat(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    const S3Call call = CallOf(S3Request::kHead, "HEAD", path);
    ARROW_ASSIGN_OR_RAISE(const auto answer, client_->SendOk(call));
    ObjectInfo info;
    const std::string& size = answer.response.Header("content-length");
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), info.size);
    if (error != std::errc() || end != size.data() + size.size()) {
      return MakeError(ErrorCode::kUnavailable,
                       path + ": the store's answer to HEAD names no length");
    }
    info.modified_us =
        std::max<int64_t>(net::ParseHttpDate(answer.response.Header("last-modified")), 0);
    return info;
  }

  arrow::Result<bool> Exists(const std::string& path) override {
    const auto info = Stat(path);
    if (info.ok()) {
      return true;
    }
    if (base::CodeOf(info.status()) == ErrorCode::kNotFound) {
      return false;
    }
    return info.status();
  }

  arrow::Status Delete(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    const arrow::Status status =
        client_->SendOk(CallOf(S3Request::kDelete, "DELETE", path)).status();
    const bool is_gone = !status.ok() && base::CodeOf(status) == ErrorCode::kNotFound;
    return is_gone ? arrow::Status::OK() : status;
  }

  arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(
      const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    ARROW_RETURN_NOT_OK(CheckConditionalWrites());
    return OpenS3Output(client_, path, part_bytes_);
  }

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(
      const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    return OpenS3Input(client_, path);
  }

  std::optional<std::string> LocalPath(const std::string&) const override { return std::nullopt; }

 private:
  static S3Call CallOf(S3Request kind, const char* method, const std::string& path) {
    S3Call call;
    call.kind = kind;
    call.method = method;
    call.path = path;
    return call;
  }

  S3Call ListCall(const std::string& prefix) const {
    S3Call call;
    call.kind = S3Request::kList;
    call.method = "GET";
    call.whole_bucket = true;
    call.query = {{"encoding-type", "url"}};
    // A lake's prefix is a folder: "x" must not show "xy/…".
    const std::string& lake = client_->place().prefix;
    const std::string whole = lake.empty() ? prefix : lake + "/" + prefix;
    if (!whole.empty()) {
      call.query.emplace_back("prefix", whole);
    }
    return call;
  }

  arrow::Result<S3ListPage> ListPage(const std::string& prefix, const std::string& start_after,
                                     const std::string& token) {
    S3Call call = ListCall(prefix);
    call.query.emplace_back("list-type", "2");
    if (!token.empty()) {
      call.query.emplace_back("continuation-token", token);
    } else if (!start_after.empty()) {
      call.query.emplace_back("start-after", client_->place().KeyOf(start_after));
    }
    ARROW_ASSIGN_OR_RAISE(const auto answer, client_->SendOk(call));
    auto page = ParseListPage(answer.response.body);
    return page.ok() ? page
                     : base::WithContext(page.status(), client_->place().ToString() + ": list");
  }

  arrow::Result<std::vector<ObjectEntry>> ListAfter(const std::string& prefix,
                                                    const std::string& start_after) {
    std::vector<ObjectEntry> entries;
    std::string token;
    for (int page_number = 0; page_number < kMaxPages; ++page_number) {
      ARROW_ASSIGN_OR_RAISE(S3ListPage page, ListPage(prefix, start_after, token));
      for (const S3Listed& object : page.objects) {
        auto path = PathOf(object.key);
        if (path && path->starts_with(prefix) && *path > start_after) {
          entries.push_back({*std::move(path), object.size, object.modified_us});
        }
      }
      if (!page.truncated) {
        Order(&entries);
        return entries;
      }
      if (page.next_token == token) {
        return DoesNotGoOn();
      }
      token = std::move(page.next_token);
    }
    return TooMany(prefix);
  }

  arrow::Result<std::vector<S3Upload>> ListUploads(const std::string& prefix) {
    std::vector<S3Upload> uploads;
    S3UploadsPage page;
    for (int page_number = 0; page_number < kMaxPages; ++page_number) {
      S3Call call = ListCall(prefix);
      call.query.emplace_back("uploads", "");
      if (!page.next_key.empty()) {
        call.query.emplace_back("key-marker", page.next_key);
        call.query.emplace_back("upload-id-marker", page.next_upload_id);
      }
      ARROW_ASSIGN_OR_RAISE(const auto answer, client_->SendOk(call));
      ARROW_ASSIGN_OR_RAISE(S3UploadsPage next, ParseUploadsPage(answer.response.body));
      uploads.insert(uploads.end(), next.uploads.begin(), next.uploads.end());
      if (!next.truncated) {
        return uploads;
      }
      if (next.next_key == page.next_key && next.next_upload_id == page.next_upload_id) {
        return DoesNotGoOn();
      }
      page = std::move(next);
    }
    return TooMany(prefix);
  }

  // Some stores do not list in byte order.
  static void Order(std::vector<ObjectEntry>* entries) {
    const auto less = [](const ObjectEntry& a, const ObjectEntry& b) { return a.path < b.path; };
    const auto same = [](const ObjectEntry& a, const ObjectEntry& b) { return a.path == b.path; };
    std::sort(entries->begin(), entries->end(), less);
    entries->erase(std::unique(entries->begin(), entries->end(), same), entries->end());
  }

  arrow::Status DoesNotGoOn() const {
    return MakeError(ErrorCode::kUnavailable,
                     client_->place().ToString() + ": the list of the store does not go on");
  }
  arrow::Status TooMany(const std::string& prefix) const {
    return MakeError(ErrorCode::kLimit, client_->place().ToString() + "/" + prefix +
                                            ": more than 100 million objects");
  }

  // The path in the lake; nullopt for what no path names: keys beside it, folder markers.
  std::optional<std::string> PathOf(const std::string& key) const {
    const std::string& lake = client_->place().prefix;
    if (!lake.empty() && !key.starts_with(lake + "/")) {
      return std::nullopt;
    }
    std::string path = lake.empty() ? key : key.substr(lake.size() + 1);
    return CheckObjectPath(path).ok() ? std::optional(std::move(path)) : std::nullopt;
  }

  arrow::Status CheckConditionalWrites() {
    const std::lock_guard lock(mutex_);
    if (refuses_to_replace_) {
      return arrow::Status::OK();
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
      S3Call call = CallOf(S3Request::kPutIfAbsent, "PUT", kProbePath);
      call.headers["if-none-match"] = "*";
      call.body = kProbeText;
      ARROW_ASSIGN_OR_RAISE(const auto answer, client_->Send(call));
      if (answer.response.status == 412) {
        refuses_to_replace_ = true;
        return arrow::Status::OK();
      }
      if (!answer.ok()) {
        return client_->ErrorOf(call, answer);
      }
    }
    return MakeError(ErrorCode::kUnsupported,
                     client_->place().ToString() + ": the store at " + client_->place().endpoint +
                         " replaced an object in spite of `If-None-Match: *`; without conditional "
                         "writes two runs at once would lose rows, so it cannot hold a lake");
  }

  std::unique_ptr<base::Clock> clock_;
  std::unique_ptr<net::HttpClient> http_;
  std::unique_ptr<net::AwsCredentialsSource> credentials_;
  std::shared_ptr<S3Client> client_;
  int64_t part_bytes_ = 0;
  std::mutex mutex_;
  bool refuses_to_replace_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<S3ObjectStore>> S3ObjectStore::OpenWith(
    const StorePlace& place, const net::AwsSurroundings& surroundings, const S3Tuning& tuning) {
  auto store = std::make_unique<Store>();
  ARROW_RETURN_NOT_OK(store->Init(place, surroundings, tuning));
  return store;
}

arrow::Result<std::unique_ptr<ObjectStore>> S3ObjectStore::Open(
    const StorePlace& place, const net::AwsSurroundings& surroundings) {
  return OpenWith(place, surroundings, S3Tuning());
}

}  // namespace icecore::lake
