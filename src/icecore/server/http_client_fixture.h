#pragma once
// A blocking HTTP client over a plain socket, and a FeatureApi under a test's control.

#include <arpa/inet.h>
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/server/feature_answers_fixture.h"
#include "icecore/server/feature_service_api.h"

namespace icecore::server::testing {

struct Reply {
  int status = 0;  // 0: the connection ended without one
  std::map<std::string, std::string> headers;
  std::string body;
};

class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // The next reply on this connection; `head`: without a body.
  Reply Receive(bool head = false) {
    Reply reply;
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return reply;
    }
    std::string header = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    reply.status = std::stoi(header.substr(9, 3));
    size_t line = header.find("\r\n") + 2;
    while (line < header.size()) {
      const size_t line_end = header.find("\r\n", line);
      const size_t colon = header.find(": ", line);
      reply.headers[header.substr(line, colon - line)] =
          header.substr(colon + 2, line_end - colon - 2);
      line = line_end + 2;
    }
    const auto length = reply.headers.find("Content-Length");
    const size_t size = head || length == reply.headers.end() ? 0 : std::stoul(length->second);
    while (buffer_.size() < size) {
      if (!Fill()) return Reply{};
    }
    reply.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return reply;
  }

  // True when the server ended the connection and nothing more comes.
  bool Ended() {
    while (Fill()) {
    }
    return ended_;
  }

  // Waits up to `milliseconds` for the end; drops what comes meanwhile.
  bool EndsWithin(int milliseconds) {
    pollfd wait{socket_, POLLIN, 0};
    return ::poll(&wait, 1, milliseconds) > 0 && !Fill();
  }

 private:
  bool Fill() {
    char bytes[4096];
    const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size > 0) {
      buffer_.append(bytes, static_cast<size_t>(size));
      return true;
    }
    ended_ = size == 0 || errno == ECONNRESET;
    return false;
  }

  int socket_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

inline std::string Get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

inline std::string PostTo(const std::string& path, const std::string& body,
                          const std::string& headers = "") {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

inline std::string Post(const std::string& body, const std::string& headers = "") {
  return PostTo("/v1/features", body, headers);
}

// What the store holds of this key is damaged.
inline constexpr int64_t kDamagedKey = -13;

// Answers service "echo" with the number of each row's first entity value; "closed" waits until
// Open.
class FakeApi : public FeatureApi {
 public:
  arrow::Result<FeatureResponse> GetFeatures(const FeatureRequest& request, int64_t) override {
    if (request.service == "closed") {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    } else if (request.service == "thrower") {
      throw std::runtime_error("thrown");
    } else if (request.service == "field") {
      return FieldError("entities.carrier", "missing");
    } else if (request.service == "corrupt") {
      return base::MakeError(base::ErrorCode::kCorrupt, "a cell is damaged");
    } else if (request.service == "busy") {
      return base::MakeError(base::ErrorCode::kUnavailable, "later");
    } else if (request.service != "echo" && request.features.empty()) {
      return base::MakeError(base::ErrorCode::kNotFound, "no service " + request.service);
    }
    ++calls_;
    return Echo(request);
  }
  arrow::Result<std::vector<ServiceDescription>> ListServices() override {
    return std::vector<ServiceDescription>{{"echo",
                                            "gives \"back\"",
                                            {{"k", "int64", arrow::int64()}},
                                            {{"r", "float64", arrow::float64()}},
                                            {{"n", "int64", arrow::int64()}}}};
  }
  arrow::Status CheckReady() override {
    return ready_ ? arrow::Status::OK()
                  : base::MakeError(base::ErrorCode::kCorrupt, "the store is damaged");
  }

  arrow::Result<std::string> PushTarget(const PushedRows& rows) override {
    if (rows.source == "events" || rows.view == "seen") {
      return std::string("events");
    }
    return base::MakeError(base::ErrorCode::kNotFound, "no source " + rows.source);
  }
  arrow::Result<PushAnswer> Push(const PushedRows& rows) override {
    std::lock_guard lock(mutex_);
    pushed_.push_back(rows);
    const bool known = !rows.key.empty() && !keys_.insert(rows.key).second;
    return PushAnswer{"events", rows.lines.count(), known};
  }
  std::vector<PushedRows> pushed() {
    std::lock_guard lock(mutex_);
    return pushed_;
  }

  ApiState State() override {
    ApiState state;
    state.now_us = 1385899201000000;
    state.definitions_version = 3;
    state.views = {{"v", "abc", 7, 1385899200000000}};
    state.view_delays.push_back({"v", {}});
    state.view_delays[0].delays.since_event.Add(2'000'000);
    state.view_delays[0].delays.since_commit.Add(30'000);
    state.push_delays.push_back({"events", {}});
    state.push_delays[0].delays.Add(60'000);
    state.push_backlog = {{"events", 5}};
    state.push_runs = 7;
    state.failed_push_runs = 2;
    state.load_errors = {{"v", base::ErrorCode::kUnavailable, 3}};
    state.damaged_keys = {{"v", 4}};
    state.served_log_dropped = 11;
    return state;
  }

  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void set_ready(bool ready) { ready_ = ready; }
  int64_t calls() const { return calls_; }

 private:
  static arrow::Result<FeatureResponse> Echo(const FeatureRequest& request) {
    FeatureResponse response;
    response.t_us = request.at_us.value_or(1385899200000000);
    response.num_rows = request.num_rows;
    state::VectorSink::Column column;
    arrow::Int64Builder builder;
    std::vector<int64_t> rows;  // damaged
    for (int64_t row = 0; row < request.num_rows; ++row) {
      JsonScalar scalar;
      if (request.batch != nullptr) {
        const auto keys = request.batch->GetColumnByName("k");
        if (keys == nullptr || keys->type_id() != arrow::Type::INT64) {
          return FieldError("k", "is missing");
        }
        const auto& numbers = static_cast<const arrow::Int64Array&>(*keys);
        if (numbers.IsValid(row)) scalar = numbers.Value(row);
      } else if (!request.entities.empty()) {
        const auto& values = request.entities[0].values;
        scalar = values[values.size() == 1 ? 0 : static_cast<size_t>(row)];
      }
      const bool damaged = scalar == JsonScalar(kDamagedKey);
      const bool present = std::holds_alternative<int64_t>(scalar) && !damaged;
      if (damaged) rows.push_back(row);
      ARROW_RETURN_NOT_OK(present ? builder.Append(std::get<int64_t>(scalar))
                                  : builder.AppendNull());
      column.statuses.push_back(present   ? state::ValueStatus::kPresent
                                : damaged ? state::ValueStatus::kError
                                          : state::ValueStatus::kNotFound);
      column.event_times.push_back(present ? std::optional<int64_t>(0) : std::nullopt);
    }
    ARROW_ASSIGN_OR_RAISE(column.values, builder.Finish());
    AddFeature("n", std::move(column), &response);
    if (!rows.empty()) response.errors.push_back({"v", {"n"}, rows, "v is damaged"});
    response.full_names = {"v__n"};
    response.keys = {"k"};
    response.views = {{"v", "abc", 7, 1385899200000000, false},
                      {"v", "abc", 7, 1385899200000000, false}};
    return response;
  }

  std::mutex mutex_;
  std::vector<PushedRows> pushed_;
  std::set<std::string> keys_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
  std::atomic<bool> ready_ = true;
  std::atomic<int64_t> calls_ = 0;
};

}  // namespace icecore::server::testing
