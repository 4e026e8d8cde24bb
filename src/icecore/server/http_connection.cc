#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/server/http_connection_internal.h"

namespace icecore::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kMaxRequestIdBytes = 64;
constexpr int64_t kLingerBytes = 256 << 10;
constexpr int64_t kLingerMs = 1000;
constexpr size_t kReadBytes = 16 << 10;
constexpr int64_t kNanosPerMilli = 1'000'000;

std::chrono::milliseconds Millis(int64_t value) { return std::chrono::milliseconds(value); }

// The name in a Host header, without port and brackets.
std::string_view HostName(std::string_view host) {
  if (host.starts_with('[')) {
    return host.substr(1, host.find(']') - 1);
  }
  return host.substr(0, host.rfind(':'));
}

bool IsLoopbackName(std::string_view host) {
  const std::string_view name = HostName(host);
  if (beast::iequals(beast::string_view(name.data(), name.size()), "localhost")) {
    return true;
  }
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(std::string(name), error);
  return !error && address.is_loopback();
}

bool IsHttpError(const beast::error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category();
}

// What a worker does; an exception of the API is an answer, too.
HttpReply Answer(const Router& router, Metrics* metrics, const HttpRequest& request,
                 FeatureRequestParser* parser, int64_t deadline_ns) {
  if (base::MonotonicNanos() > deadline_ns) {
    metrics->CountRefusal(Metrics::Refusal::kDeadline);
    return ErrorReply(503, "unavailable", "the server is busy; try again later");
  }
  try {
    return router.Handle(request, parser, deadline_ns);
  } catch (const std::exception& error) {
    return ErrorReply(500, "internal", std::string("unexpected: ") + error.what());
  }
}

// Head of an answer, to the empty line.
void AppendHead(const HttpReply& reply, std::string_view request_id, bool keep_alive,
                unsigned version, std::string* out) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(reply.status));
  out->append(version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ");
  out->append(std::to_string(reply.status)).append(" ");
  out->append(reason.data(), reason.size());
  out->append("\r\nContent-Type: ").append(reply.content_type);
  out->append("\r\nCache-Control: no-store\r\nContent-Length: ");
  out->append(std::to_string(reply.body.size()));
  if (!request_id.empty()) {
    out->append("\r\nX-Request-Id: ").append(request_id);
  }
  if (reply.encoding != ContentEncoding::kIdentity) {
    out->append("\r\nVary: Accept-Encoding\r\nContent-Encoding: ");
    out->append(ContentEncodingName(reply.encoding));
  }
  if (!reply.allow.empty()) {
    out->append("\r\nAllow: ").append(reply.allow);
  }
  if (reply.status == 415) {
    out->append("\r\nAccept-Encoding: identity");
  }
  if (reply.status == 401) {
    out->append("\r\nWWW-Authenticate: Bearer realm=\"icecore\"");
  }
  if (reply.retry_after_s > 0) {
    out->append("\r\nRetry-After: ").append(std::to_string(reply.retry_after_s));
  }
  if (!keep_alive) {
    out->append("\r\nConnection: close");
  } else if (version == 10) {
    out->append("\r\nConnection: keep-alive");
  }
  out->append("\r\n\r\n");
}

}  // namespace

void Reactor::Take(ClientStream::Socket socket) {
  auto connection = std::make_shared<HttpConnection>(std::move(socket), this);
  connections.insert(connection);
  connection->Start();
}

void Reactor::Drain() {
  draining = true;
  // Close takes a connection out of the set, so a copy is walked.
  const std::vector<std::shared_ptr<HttpConnection>> all(connections.begin(), connections.end());
  for (const auto& connection : all) {
    connection->Drain();
  }
  if (all.empty()) {
    on_drained();
  }
}

void Reactor::CloseAll() {
  const std::vector<std::shared_ptr<HttpConnection>> all(connections.begin(), connections.end());
  for (const auto& connection : all) {
    connection->Close();
  }
}

void Reactor::Remove(const std::shared_ptr<HttpConnection>& connection) {
  connections.erase(connection);
  if (draining && connections.empty()) {
    on_drained();
  }
}

HttpConnection::HttpConnection(Socket socket, Reactor* reactor)
    : reactor_(reactor),
      server_(reactor->server),
      stream_(std::move(socket), reactor->tls),
      answer_timer_(reactor->io),
      buffer_(static_cast<size_t>(server_.options.max_header_bytes) + kReadBytes) {}

void HttpConnection::Start() {
  server_.metrics.AddConnections(1);
  beast::error_code ignored;
  stream_.socket_stream().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  stream_.socket_stream().socket().non_blocking(true, ignored);
  if (!stream_.is_tls()) {
    return AwaitRequest();
  }
  state_ = State::kReading;
  ExpiresAfter(server_.options.request_timeout_ms);
  stream_.AsyncHandshake([self = shared_from_this()](ErrorCode error) {
    if (self->state_ == State::kClosed) return;
    if (error) {
      if (error == beast::error::timeout) self->server_.metrics.CountTimeout();
      return self->Close();
    }
    self->AwaitRequest();
  });
}

void HttpConnection::ExpiresAfter(int64_t milliseconds) {
  stream_.socket_stream().expires_after(Millis(milliseconds));
}

void HttpConnection::Drain() {
  if (state_ == State::kIdle) {
    Close();
  }
}

void HttpConnection::Close() {
  if (state_ == State::kClosed) {
    return;
  }
  if (state_ == State::kAnswering) {
    server_.metrics.AddInFlight(-1);
  }
  state_ = State::kClosed;
  ++request_id_;
  ReleaseBody();
  answer_timer_.cancel();
  stream_.socket_stream().close();
  server_.metrics.AddConnections(-1);
  --server_.connections;
  reactor_->Remove(shared_from_this());
}

// Idle until the first byte; bytes of a pipelined request are there already.
void HttpConnection::AwaitRequest() {
  if (reactor_->draining) {
    return Close();
  }
  if (buffer_.size() > 0) {
    // Not from here, which may be the end of the request before it: many would be a deep stack, and
    // other connections would wait for all of them.
    state_ = State::kReading;
    asio::post(reactor_->io, [self = shared_from_this()] {
      if (self->state_ != State::kClosed) self->ReadHeader();
    });
    return;
  }
  state_ = State::kIdle;
  const HttpServer::Options& options = server_.options;
  ExpiresAfter(answered_requests_ == 0 ? options.request_timeout_ms : options.idle_timeout_ms);
  stream_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](ErrorCode error, size_t bytes) {
                            if (self->state_ == State::kClosed) return;
                            if (error) return self->OnReadError(error);
                            self->buffer_.commit(bytes);
                            self->ReadHeader();
                          });
}

void HttpConnection::ReadHeader() {
  state_ = State::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(server_.options.max_header_bytes));
  parser_->body_limit(static_cast<uint64_t>(server_.options.max_body_bytes));
  route_ = nullptr;
  caller_ = nullptr;
  public_id_.clear();
  request_begin_ns_ = base::MonotonicNanos();
  // One deadline for the whole request: a byte now and then does not move it.
  ExpiresAfter(server_.options.request_timeout_ms);
  const ErrorCode error = ParseReceived();
  if (error || parser_->is_header_done()) {
    return OnHeader(error);
  }
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](ErrorCode failure, size_t) {
                            if (self->state_ != State::kClosed) self->OnHeader(failure);
                          });
}

// A small request has come whole with its first bytes: then nothing is left to wait for.
HttpConnection::ErrorCode HttpConnection::ParseReceived() {
  ErrorCode error;
  const size_t used = parser_->put(buffer_.data(), error);
  buffer_.consume(used);
  return error == http::error::need_more ? ErrorCode() : error;
}

void HttpConnection::OnHeader(ErrorCode error) {
  if (error) {
    return OnReadError(error);
  }
  const auto& message = parser_->get();
  head_only_ = message.method() == http::verb::head;
  version_ = message.version();
  keep_alive_ = message.keep_alive();
  const auto target = message.target();
  route_ = FindRoute(std::string_view(target.data(), target.size()));
  SetRequestId();
  if (std::optional<HttpReply> refusal = CheckHeader()) {
    return Write(std::move(*refusal), false, true);
  }
  if (!ReserveBody()) {
    server_.metrics.CountRefusal(Metrics::Refusal::kMemory);
    return Write(ErrorReply(503, "unavailable", "the server is busy; try again later"), false,
                 true);
  }
  const auto expect = message[http::field::expect];
  if (beast::iequals(expect, "100-continue")) {
    return Continue100();
  }
  ReadBody();
}

// The client's own, where it is a word that cannot harm a log; else one of ours.
void HttpConnection::SetRequestId() {
  const auto& message = parser_->get();
  method_.assign(message.method_string().data(), message.method_string().size());
  const auto given = message["X-Request-Id"];
  const bool plain = std::all_of(given.begin(), given.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  });
  if (!given.empty() && given.size() <= kMaxRequestIdBytes && plain) {
    public_id_.assign(given.data(), given.size());
    return;
  }
  char number[20];
  const auto end = std::to_chars(number, number + sizeof number, ++server_.last_request, 16).ptr;
  public_id_.assign(server_.request_id_prefix).append(number, end);
}

void HttpConnection::LogRequest(const HttpReply& reply) const {
  RequestLog* const log = server_.options.request_log;
  if (log == nullptr || (reply.status < 500 && !server_.options.log_every_request)) {
    return;
  }
  static const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  RequestRecord record;
  record.time_us = clock->NowMicros();
  record.request_id = public_id_;
  record.method = method_;
  record.path = route_ == nullptr ? "other" : route_->path;
  record.status = reply.status;
  record.duration_ns = base::MonotonicNanos() - request_begin_ns_;
  record.bytes = static_cast<int64_t>(reply.body.size());
  record.service = reply.service;
  record.token_id = caller_ == nullptr ? std::string_view() : caller_->id;
  record.code = reply.error_code;
  record.message = reply.error_message;
  log->Write(record);
}

std::optional<HttpReply> HttpConnection::CheckHeader() {
  const auto& message = parser_->get();
  const auto host_field = message[http::field::host];
  const std::string_view host(host_field.data(), host_field.size());
  if (host.empty() && message.version() >= 11) {
    return ErrorReply(400, "invalid_argument", "the Host header is missing");
  }
  // A page of another site can make a browser call a name that points here; it cannot choose the
  // Host header, nor has it a token.
  const AccessControl* access = server_.options.access;
  const bool wants_token = access != nullptr && access->enforced();
  if (server_.on_loopback && !wants_token && !host.empty() && !IsLoopbackName(host)) {
    return ErrorReply(403, "denied",
                      "this server answers on its own machine only, as localhost or 127.0.0.1");
  }
  const auto encoding = message[http::field::content_encoding];
  if (!encoding.empty() && !beast::iequals(encoding, "identity")) {
    return ErrorReply(415, "unsupported",
                      "the body is encoded (Content-Encoding); send it as it is");
  }
  if (!wants_token || (route_ != nullptr && route_->is_open)) {
    return std::nullopt;
  }
  // Before the body: who has no token cannot make the server take in bytes.
  const auto authorization = message[http::field::authorization];
  caller_ = access->Authenticate(std::string_view(authorization.data(), authorization.size()));
  if (caller_ == nullptr) {
    server_.metrics.CountUnauthenticated();
    return UnauthenticatedReply(route_);
  }
  return std::nullopt;
}

// Bodies of unknown length count as long as they may be.
bool HttpConnection::ReserveBody() {
  const auto length = parser_->content_length();
  int64_t bytes = server_.options.max_body_bytes;
  if (length) {
    bytes = static_cast<int64_t>(*length);
  } else if (!parser_->chunked()) {
    bytes = 0;
  }
  if (bytes > 0 && server_.pending_bytes + bytes > server_.options.max_pending_bytes) {
    return false;
  }
  reserved_bytes_ = bytes;
  server_.pending_bytes += bytes;
  return true;
}

void HttpConnection::ReleaseBody() {
  server_.pending_bytes -= reserved_bytes_;
  reserved_bytes_ = 0;
}

void HttpConnection::Continue100() {
  head_text_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(head_text_),
                    [self = shared_from_this()](ErrorCode error, size_t) {
                      if (self->state_ == State::kClosed) return;
                      if (error) return self->OnReadError(error);
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  if (!parser_->is_done() && buffer_.size() > 0) {
    if (const ErrorCode error = ParseReceived()) {
      return OnReadError(error);
    }
  }
  if (parser_->is_done()) {
    return Dispatch();
  }
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](ErrorCode error, size_t) {
                     if (self->state_ == State::kClosed) return;
                     if (error) return self->OnReadError(error);
                     self->Dispatch();
                   });
}

void HttpConnection::OnReadError(ErrorCode error) {
  if (error == beast::error::timeout) {
    server_.metrics.CountTimeout();
    return Close();
  }
  if (!IsHttpError(error) || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return Close();
  }
  if (error == http::error::body_limit) {
    return Write(
        ErrorReply(413, "limit",
                   "the body is longer than " + std::to_string(server_.options.max_body_bytes) +
                       " bytes; ask in several requests"),
        false, true);
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Write(ErrorReply(431, "limit",
                            "the header is longer than " +
                                std::to_string(server_.options.max_header_bytes) + " bytes"),
                 false, true);
  }
  Write(ErrorReply(400, "invalid_argument", "not an HTTP/1 request: " + error.message()), false,
        true);
}

void HttpConnection::Dispatch() {
  state_ = State::kAnswering;
  request_begin_ns_ = base::MonotonicNanos();
  server_.metrics.AddInFlight(1);
  const uint64_t id = ++request_id_;
  auto message = parser_->release();
  HttpRequest request;
  request.method.assign(message.method_string().data(), message.method_string().size());
  request.target.assign(message.target().data(), message.target().size());
  request.body = std::move(message.body());
  const auto accepts = message[http::field::accept_encoding];
  request.accepts = ChooseContentEncoding(std::string_view(accepts.data(), accepts.size()));
  const auto key = message["Idempotency-Key"];
  request.idempotency_key.assign(key.data(), key.size());
  request.caller = caller_;
  if (std::optional<HttpReply> reply = AnswerHere(request)) {
    return OnAnswer(id, *std::move(reply));
  }
  stream_.socket_stream().expires_never();
  SendToWorker(id, std::move(request));
}

std::optional<HttpReply> HttpConnection::AnswerHere(const HttpRequest& request) {
  if (!Router::AsksApi(request)) {
    return server_.router.Handle(request, nullptr, 0);
  }
  // A hand-over to a worker and back costs more than a small answer from memory.
  if (static_cast<int64_t>(request.body.size()) > server_.options.inline_body_bytes) {
    return std::nullopt;
  }
  try {
    return server_.router.TryHandle(request, &reactor_->parser);
  } catch (const std::exception& error) {
    return ErrorReply(500, "internal", std::string("unexpected: ") + error.what());
  }
}

void HttpConnection::SendToWorker(uint64_t id, HttpRequest request) {
  const int64_t deadline_ns =
      request_begin_ns_ + server_.options.answer_timeout_ms * kNanosPerMilli;
  const auto self = shared_from_this();
  const auto shared = std::make_shared<const HttpRequest>(std::move(request));
  const WorkerPool::Push pushed =
      server_.pool.TryPush([self, id, shared, deadline_ns](FeatureRequestParser* parser) {
        ServerState& server = self->server_;
        HttpReply reply = Answer(server.router, &server.metrics, *shared, parser, deadline_ns);
        asio::post(self->reactor_->io, [self, id, reply = std::move(reply)]() mutable {
          self->OnAnswer(id, std::move(reply));
        });
      });
  server_.metrics.SetQueued(server_.pool.queued());
  if (pushed != WorkerPool::Push::kQueued) {
    server_.metrics.CountRefusal(pushed == WorkerPool::Push::kFull ? Metrics::Refusal::kQueue
                                                                   : Metrics::Refusal::kShed);
    return OnAnswer(id, ErrorReply(503, "unavailable", "the server is busy; try again later"));
  }
  answer_timer_.expires_after(Millis(server_.options.answer_timeout_ms));
  answer_timer_.async_wait([self, id](ErrorCode error) {
    if (!error && id == self->request_id_) {
      self->server_.metrics.CountRefusal(Metrics::Refusal::kDeadline);
      self->OnAnswer(
          id, ErrorReply(503, "unavailable",
                         "no answer within " +
                             std::to_string(self->server_.options.answer_timeout_ms) + " ms"));
    }
  });
}

void HttpConnection::OnAnswer(uint64_t request_id, HttpReply reply) {
  if (request_id != request_id_ || state_ != State::kAnswering) {
    return;
  }
  ++request_id_;
  answer_timer_.cancel();
  server_.metrics.SetQueued(server_.pool.queued());
  Write(std::move(reply), keep_alive_, false);
}

void HttpConnection::Write(HttpReply reply, bool keep_alive, bool linger) {
  if (state_ == State::kAnswering) {
    server_.metrics.AddInFlight(-1);
  }
  state_ = State::kWriting;
  server_.metrics.CountRequest(route_ == nullptr ? "other" : route_->path, reply.status,
                               base::MonotonicNanos() - request_begin_ns_);
  keep_alive = keep_alive && !reactor_->draining;
  head_text_.clear();
  AppendHead(reply, public_id_, keep_alive, version_, &head_text_);
  LogRequest(reply);
  body_text_ = head_only_ ? std::string() : std::move(reply.body);
  head_only_ = false;
  std::array<asio::const_buffer, 2> text = {asio::buffer(head_text_), asio::buffer(body_text_)};
  if (WriteAtOnce(&text)) {
    return OnWritten(keep_alive, linger);
  }
  ExpiresAfter(server_.options.write_timeout_ms);
  asio::async_write(stream_, text,
                    [self = shared_from_this(), keep_alive, linger](ErrorCode error, size_t) {
                      if (self->state_ == State::kClosed) return;
                      if (error) return self->OnReadError(error);
                      self->OnWritten(keep_alive, linger);
                    });
}

// What the socket takes at once needs neither a wait nor a timer. Leaves the rest in *text; true
// when there is none. An error is left to who writes the rest.
bool HttpConnection::WriteAtOnce(std::array<asio::const_buffer, 2>* text) {
  if (stream_.is_tls()) {
    return false;
  }
  ErrorCode ignored;
  size_t sent = stream_.socket_stream().socket().write_some(*text, ignored);
  bool all = true;
  for (asio::const_buffer& part : *text) {
    const size_t taken = std::min(sent, part.size());
    part += taken;
    sent -= taken;
    all = all && part.size() == 0;
  }
  return all;
}

void HttpConnection::OnWritten(bool keep_alive, bool linger) {
  ReleaseBody();
  parser_.reset();
  ++answered_requests_;
  if (keep_alive) {
    return AwaitRequest();
  }
  if (!stream_.is_tls()) {
    return EndSending(linger);
  }
  ExpiresAfter(kLingerMs);
  stream_.AsyncShutdown([self = shared_from_this(), linger](ErrorCode) {
    if (self->state_ != State::kClosed) self->EndSending(linger);
  });
}

void HttpConnection::EndSending(bool linger) {
  beast::error_code ignored;
  stream_.socket_stream().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (!linger) {
    return Close();
  }
  // Closing with unread bytes would reset the connection and could take the answer with it.
  ExpiresAfter(kLingerMs);
  Linger(kLingerBytes);
}

void HttpConnection::Linger(int64_t remaining_bytes) {
  // Below TLS: what the bytes say no longer matters.
  stream_.socket_stream().async_read_some(
      asio::buffer(discarded_),
      [self = shared_from_this(), remaining_bytes](ErrorCode error, size_t bytes) {
        if (self->state_ == State::kClosed) return;
        const int64_t rest = remaining_bytes - static_cast<int64_t>(bytes);
        if (error || rest <= 0) return self->Close();
        self->Linger(rest);
      });
}

}  // namespace icecore::server
