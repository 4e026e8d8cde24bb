#pragma once
// S3 in memory, behind the HTTP client's interface: one bucket "bucket", path style, faults
// planned.

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/time.h"
#include "icecore/net/aws_signature.h"
#include "icecore/net/http_client.h"

namespace icecore::lake {

class FakeS3 : public net::HttpClient {
 public:
  // What happens to one request. `answer`: given instead of the real one; no answer and
  // `lost`: the connection breaks.
  struct Fault {
    bool is_done = false;  // the request takes effect all the same
    bool lost = false;
    int status = 0;
    std::string code;
    std::map<std::string, std::string> headers;
  };
  // Decides by the number of the request (from 1) and the request; nullopt: no fault.
  std::function<std::optional<Fault>(int number, const net::HttpRequest&)> plan;
  bool ignores_conditions = false;
  size_t page_keys = 3;

  int requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  size_t open_uploads() const {
    const std::lock_guard lock(mutex_);
    return uploads_.size();
  }

  arrow::Result<net::HttpResponse> Send(const net::HttpRequest& request) override {
    const std::lock_guard lock(mutex_);
    const auto fault = plan ? plan(++requests_, request) : (++requests_, std::nullopt);
    if (!fault) {
      return Do(request);
    }
    if (fault->is_done) {
      static_cast<void>(Do(request));
    }
    if (fault->lost) {
      return base::MakeError(
          fault->is_done ? base::ErrorCode::kOutcomeUnknown : base::ErrorCode::kUnavailable,
          "planned loss");
    }
    net::HttpResponse response = Error(fault->status, fault->code);
    response.headers = fault->headers;
    return response;
  }

 private:
  struct Object {
    std::string bytes;
    std::map<std::string, std::string> metadata;
  };
  struct Upload {
    std::string started;
    std::string key;
    std::map<std::string, std::string> metadata;
    std::map<int, std::string> parts;
  };
  using Pairs = std::map<std::string, std::string>;

  static std::string Decode(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%') {
        out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        out += text[i];
      }
    }
    return out;
  }

  static net::HttpResponse Answer(int status, std::string body) {
    net::HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    return response;
  }
  static net::HttpResponse Error(int status, const std::string& code) {
    return Answer(status, "<?xml version=\"1.0\"?><Error><Code>" + code +
                              "</Code><Message>planned</Message><RequestId>r1</RequestId></Error>");
  }

  static Pairs QueryOf(const std::string& text) {
    Pairs query;
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = std::min(text.find('&', begin), text.size());
      const std::string pair = text.substr(begin, end - begin);
      const size_t equals = std::min(pair.find('='), pair.size());
      query[Decode(pair.substr(0, equals))] =
          equals < pair.size() ? Decode(pair.substr(equals + 1)) : "";
      begin = end + 1;
    }
    return query;
  }

  net::HttpResponse Do(const net::HttpRequest& request) {
    const std::string target = request.url.substr(request.url.find('/', 8));
    const size_t question = std::min(target.find('?'), target.size());
    const std::string path = Decode(target.substr(0, question));
    const Pairs query =
        QueryOf(question < target.size() ? target.substr(question + 1) : std::string());
    Pairs headers(request.headers.begin(), request.headers.end());
    if (!headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=KEY/")) {
      return Error(403, "InvalidAccessKeyId");
    }
    if (!path.starts_with("/bucket/")) {
      return Error(404, "NoSuchBucket");
    }
    const std::string key = path.substr(8);
    if (key.empty()) {
      return query.contains("uploads") ? ListUploads(query) : List(query);
    }
    if (query.contains("uploads") || query.contains("uploadId")) {
      return Multipart(request, key, query, headers);
    }
    if (request.method == "PUT") {
      return Store(key, {std::string(request.body), {}}, headers);
    }
    if (request.method == "DELETE") {
      objects_.erase(key);
      return Answer(204, "");
    }
    return Read(request.method, key, headers);
  }

  net::HttpResponse Store(const std::string& key, Object object, const Pairs& headers) {
    if (headers.contains("if-none-match") && !ignores_conditions && objects_.contains(key)) {
      return Error(412, "PreconditionFailed");
    }
    for (const auto& [name, value] : headers) {
      if (name.starts_with("x-amz-meta-")) {
        object.metadata[name] = value;
      }
    }
    objects_[key] = std::move(object);
    return Answer(200, "");
  }

  net::HttpResponse Read(const std::string& method, const std::string& key, Pairs& headers) {
    const auto found = objects_.find(key);
    if (found == objects_.end()) {
      return method == "HEAD" ? Answer(404, "") : Error(404, "NoSuchKey");
    }
    const std::string& bytes = found->second.bytes;
    net::HttpResponse response = Answer(200, method == "HEAD" ? "" : bytes);
    if (const auto range = headers.find("range"); range != headers.end()) {
      const std::string text = range->second.substr(6);
      const size_t dash = text.find('-');
      size_t begin = 0;
      size_t end = bytes.size();
      if (dash == 0) {
        begin = end - std::min<size_t>(end, std::stoull(text.substr(1)));
      } else {
        begin = std::stoull(text.substr(0, dash));
        end = dash + 1 < text.size() ? std::min<size_t>(end, std::stoull(text.substr(dash + 1)) + 1)
                                     : end;
      }
      if (begin >= bytes.size()) {
        return Error(416, "InvalidRange");
      }
      response = Answer(206, bytes.substr(begin, end - begin));
      response.headers["content-range"] = "bytes " + std::to_string(begin) + "-" +
                                          std::to_string(end - 1) + "/" +
                                          std::to_string(bytes.size());
    }
    for (const auto& [name, value] : found->second.metadata) {
      response.headers[name] = value;
    }
    response.headers["content-length"] = std::to_string(bytes.size());
    response.headers["last-modified"] = "Wed, 14 Feb 2024 10:20:30 GMT";
    response.headers["etag"] = "\"" + base::Sha256Hex(bytes) + "\"";
    return response;
  }

  net::HttpResponse List(const Pairs& query) {
    const auto value = [&query](const char* name) {
      const auto found = query.find(name);
      return found == query.end() ? std::string() : found->second;
    };
    const std::string prefix = value("prefix");
    std::string after = value("continuation-token");
    after = after.empty() ? value("start-after") : after;
    std::string keys;
    std::string last;
    size_t count = 0;
    bool truncated = false;
    for (const auto& [key, object] : objects_) {
      if (!key.starts_with(prefix) || key <= after) {
        continue;
      }
      if (count == page_keys) {
        truncated = true;
        break;
      }
      ++count;
      last = key;
      keys += "<Contents><Key>" + Encode(key) +
              "</Key><LastModified>2024-02-14T10:20:30.000Z</LastModified>" + "<Size>" +
              std::to_string(object.bytes.size()) + "</Size></Contents>";
    }
    return Answer(
        200, std::string("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
                         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") +
                 "<EncodingType>url</EncodingType><IsTruncated>" + (truncated ? "true" : "false") +
                 "</IsTruncated>" + keys +
                 (truncated ? "<NextContinuationToken>" + Escape(last) + "</NextContinuationToken>"
                            : "") +
                 "</ListBucketResult>");
  }

  net::HttpResponse ListUploads(const Pairs& query) {
    const auto prefix = query.find("prefix");
    std::string found;
    for (const auto& [id, upload] : uploads_) {
      if (prefix == query.end() || upload.key.starts_with(prefix->second)) {
        found += "<Upload><Key>" + Encode(upload.key) + "</Key><UploadId>" + Escape(id) +
                 "</UploadId><Initiated>" + upload.started + "</Initiated></Upload>";
      }
    }
    return Answer(200,
                  "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
                  "<IsTruncated>false</IsTruncated>" +
                      found + "</ListMultipartUploadsResult>");
  }

  static std::string Escape(const std::string& text) {
    std::string out;
    for (const char c : text) {
      out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
    }
    return out;
  }
  // As S3 does with encoding-type=url: a space is '+'.
  static std::string Encode(const std::string& key) {
    std::string out;
    for (const char c : net::AwsEncode(key, true)) {
      out += c;
    }
    for (size_t at = out.find("%20"); at != std::string::npos; at = out.find("%20")) {
      out.replace(at, 3, "+");
    }
    return out;
  }

  net::HttpResponse Multipart(const net::HttpRequest& request, const std::string& key,
                              const Pairs& query, const Pairs& headers) {
    if (query.contains("uploads")) {
      const std::string id = "upload<" + std::to_string(++last_upload_) + ">";
      uploads_[id] = {base::FormatInstant(base::MakeSystemClock()->NowMicros()), key, headers, {}};
      return Answer(200, "<InitiateMultipartUploadResult><UploadId>" + Escape(id) +
                             "</UploadId></InitiateMultipartUploadResult>");
    }
    const auto upload = uploads_.find(query.at("uploadId"));
    if (upload == uploads_.end() || upload->second.key != key) {
      return Error(404, "NoSuchUpload");
    }
    if (request.method == "DELETE") {
      uploads_.erase(upload);
      return Answer(204, "");
    }
    if (request.method == "PUT") {
      upload->second.parts[std::stoi(query.at("partNumber"))] = std::string(request.body);
      net::HttpResponse response = Answer(200, "");
      response.headers["etag"] = "\"part\"";
      return response;
    }
    Object object;
    for (const auto& [number, bytes] : upload->second.parts) {
      object.bytes += bytes;
    }
    Pairs stored = upload->second.metadata;
    stored.erase("if-none-match");
    if (headers.contains("if-none-match")) {
      stored["if-none-match"] = "*";
    }
    net::HttpResponse response = Store(key, std::move(object), stored);
    if (response.status == 200) {
      uploads_.erase(upload);
      response.body = "<CompleteMultipartUploadResult/>";
    }
    return response;
  }

  mutable std::mutex mutex_;
  int requests_ = 0;
  int last_upload_ = 0;
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
};

}  // namespace icecore::lake
