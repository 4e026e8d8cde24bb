#include "icecore/net/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <optional>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/net/curl_handle_internal.h"
#include "icecore/net/curl_start_internal.h"

namespace icecore::net {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMaxHeaderBytes = size_t{256} << 10;

struct HeaderListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, HeaderListDeleter>;

// What the callbacks of one transfer fill.
struct Transfer {
  HttpResponse response;
  int64_t max_response_bytes = 0;
  size_t header_bytes = 0;
  bool too_large = false;
};

// A return of less than was given ends the transfer with CURLE_WRITE_ERROR.
size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer->header_bytes += line.size();
  if (transfer->header_bytes > kMaxHeaderBytes) {
    transfer->too_large = true;
    return 0;
  }
  try {
    if (line.starts_with("HTTP/")) {
      transfer->response.headers.clear();  // "100 Continue" came before
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      transfer->response.headers[base::LowerText(base::Trim(line.substr(0, colon)))] =
          std::string(base::Trim(line.substr(colon + 1)));
    }
  } catch (const std::bad_alloc&) {
    return 0;
  }
  return line.size();
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  std::string& body = transfer->response.body;
  const size_t bytes = size * count;
  if (static_cast<int64_t>(body.size() + bytes) > transfer->max_response_bytes) {
    transfer->too_large = true;
    return 0;
  }
  try {
    body.append(data, bytes);
  } catch (const std::bad_alloc&) {
    transfer->too_large = true;
    return 0;
  }
  return bytes;
}

// "https://host:port" of a URL.
std::string OriginOf(const std::string& url) {
  const size_t scheme = url.find("://");
  return url.substr(0, url.find_first_of("/?", scheme == std::string::npos ? 0 : scheme + 3));
}

arrow::Status TransportError(CURL* handle, CURLcode code, const char* detail,
                             const HttpRequest& request, bool too_large) {
  const std::string where = request.method + " " + OriginOf(request.url) + ": ";
  if (too_large) {
    return MakeError(ErrorCode::kLimit, where + "the answer is larger than " +
                                            std::to_string(request.max_response_bytes) + " bytes");
  }
  const std::string why = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  curl_off_t sent_after_us = 0;
  curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &sent_after_us);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return MakeError(ErrorCode::kDenied, where + why);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return MakeError(ErrorCode::kInvalidArgument, where + why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return MakeError(ErrorCode::kUnavailable, where + why);
    default:
      return MakeError(sent_after_us == 0 ? ErrorCode::kUnavailable : ErrorCode::kOutcomeUnknown,
                       where + why);
  }
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(const Options& options) : options_(options) {}

  arrow::Result<HttpResponse> Send(const HttpRequest& request) override {
    CurlHandle handle = Take();
    if (handle == nullptr) {
      return MakeError(ErrorCode::kUnavailable, "no memory for an HTTP connection");
    }
    Transfer transfer;
    transfer.max_response_bytes = request.max_response_bytes;
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_reset(handle.get());  // keeps the connection
    HeaderList headers;
    bool has_type = false;
    for (const auto& [name, value] : request.headers) {
      AddHeader(name + ": " + value, &headers);
      has_type = has_type || base::LowerText(name) == "content-type";
    }
    AddHeader("Expect:", &headers);  // a second round trip, for nothing
    const bool has_body =
        !request.body.empty() || request.method == "PUT" || request.method == "POST";
    if (has_body && !has_type) {
      AddHeader("Content-Type: application/octet-stream", &headers);
    }
    SetUp(handle.get(), request, headers.get(), &transfer, detail);
    const CURLcode code = curl_easy_perform(handle.get());
    if (code != CURLE_OK) {
      // The connection is not kept: what is left on it belongs to this answer.
      return TransportError(handle.get(), code, detail, request, transfer.too_large);
    }
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    GiveBack(std::move(handle));
    return std::move(transfer.response);
  }

 private:
  static void AddHeader(const std::string& line, HeaderList* headers) {
    if (curl_slist* longer = curl_slist_append(headers->get(), line.c_str()); longer != nullptr) {
      static_cast<void>(
          headers->release());  // NOLINT(bugprone-unused-return-value): it is in `longer`
      headers->reset(longer);
    }
  }

  void SetUp(CURL* handle, const HttpRequest& request, curl_slist* headers, Transfer* transfer,
             char* detail) const {
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);  // what was signed is what is sent
    curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::min(options_.connect_timeout_ms, request.timeout_ms)));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(std::max<int64_t>(options_.stall_timeout_ms / 1000, 1)));
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
    if (!options_.ca_file.empty()) {
      curl_easy_setopt(handle, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
    if (request.method == "HEAD") {
      curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (!request.body.empty() || request.method == "PUT" || request.method == "POST") {
      curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
      curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  CurlHandle Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        CurlHandle handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    return CurlHandle(curl_easy_init());
  }

  void GiveBack(CurlHandle handle) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < options_.max_idle) {
      idle_.push_back(std::move(handle));
    }
  }

  const Options options_;
  std::mutex mutex_;
  std::vector<CurlHandle> idle_;
};

}  // namespace

const std::string& HttpResponse::Header(const std::string& name) const {
  static const std::string kNone;
  const auto found = headers.find(name);
  return found == headers.end() ? kNone : found->second;
}

arrow::Result<std::unique_ptr<HttpClient>> HttpClient::Open(const Options& options) {
  ARROW_RETURN_NOT_OK(StartCurl());
  return std::make_unique<CurlClient>(options);
}

arrow::Status StartCurl() {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kReady != CURLE_OK) {
    return MakeError(ErrorCode::kInternal,
                     std::string("libcurl does not start: ") + curl_easy_strerror(kReady));
  }
  return arrow::Status::OK();
}

int64_t ParseHttpDate(const std::string& text) {
  const time_t seconds = curl_getdate(text.c_str(), nullptr);
  return seconds < 0 ? -1 : static_cast<int64_t>(seconds) * 1'000'000;
}

}  // namespace icecore::net
