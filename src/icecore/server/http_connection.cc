#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

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

constexpr int64_t kLingerBytes = 256 << 10;
constexpr std::chrono::seconds kLingerTime{1};
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

}  // namespace

HttpConnection::HttpConnection(Socket socket, ConnectionContext* context)
    : context_(context),
      stream_(std::move(socket)),
      answer_timer_(context->io),
      buffer_(static_cast<size_t>(context->options.max_header_bytes) + kReadBytes) {}

void HttpConnection::Start() {
  context_->metrics.AddConnections(1);
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  AwaitRequest();
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
    context_->metrics.AddInFlight(-1);
  }
  state_ = State::kClosed;
  ++request_id_;
  ReleaseBody();
  answer_timer_.cancel();
  stream_.close();
  context_->metrics.AddConnections(-1);
  const auto self = shared_from_this();
  context_->connections.erase(self);
  if (context_->connections.empty()) {
    context_->on_empty();
  }
}

// Idle until the first byte; bytes of a pipelined request are there already.
void HttpConnection::AwaitRequest() {
  if (context_->draining) {
    return Close();
  }
  if (buffer_.size() > 0) {
    return ReadHeader();
  }
  state_ = State::kIdle;
  const HttpServer::Options& options = context_->options;
  stream_.expires_after(
      Millis(answered_requests_ == 0 ? options.request_timeout_ms : options.idle_timeout_ms));
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
  parser_->header_limit(static_cast<uint32_t>(context_->options.max_header_bytes));
  parser_->body_limit(static_cast<uint64_t>(context_->options.max_body_bytes));
  route_ = "other";
  request_begin_ns_ = base::MonotonicNanos();
  // One deadline for the whole request: a byte now and then does not move it.
  stream_.expires_after(Millis(context_->options.request_timeout_ms));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](ErrorCode error, size_t) {
                            if (self->state_ != State::kClosed) self->OnHeader(error);
                          });
}

void HttpConnection::OnHeader(ErrorCode error) {
  if (error) {
    return OnReadError(error);
  }
  const auto& message = parser_->get();
  head_ = message.method() == http::verb::head;
  version_ = message.version();
  keep_alive_ = message.keep_alive();
  const auto target = message.target();
  route_ = Router::RouteOf(std::string_view(target.data(), target.size()));
  if (std::optional<HttpReply> refusal = CheckHeader()) {
    return Write(std::move(*refusal), false, true);
  }
  if (!ReserveBody()) {
    context_->metrics.CountRefusal(Metrics::Refusal::kMemory);
    return Write(ErrorReply(503, "unavailable", "the server is busy; try again later"), false,
                 true);
  }
  const auto expect = message[http::field::expect];
  if (beast::iequals(expect, "100-continue")) {
    return Continue100();
  }
  ReadBody();
}

std::optional<HttpReply> HttpConnection::CheckHeader() {
  const auto& message = parser_->get();
  const auto host_field = message[http::field::host];
  const std::string_view host(host_field.data(), host_field.size());
  if (host.empty() && message.version() >= 11) {
    return ErrorReply(400, "invalid_argument", "the Host header is missing");
  }
  // A page of another site can make a browser call a name that points here; it cannot choose the
  // Host header.
  if (!context_->options.allow_remote && !host.empty() && !IsLoopbackName(host)) {
    return ErrorReply(403, "denied",
                      "this server answers on its own machine only, as localhost or 127.0.0.1");
  }
  return std::nullopt;
}

// Bodies of unknown length count as long as they may be.
bool HttpConnection::ReserveBody() {
  const auto length = parser_->content_length();
  int64_t bytes = context_->options.max_body_bytes;
  if (length) {
    bytes = static_cast<int64_t>(*length);
  } else if (!parser_->chunked()) {
    bytes = 0;
  }
  if (bytes > 0 && context_->pending_bytes + bytes > context_->options.max_pending_bytes) {
    return false;
  }
  reserved_bytes_ = bytes;
  context_->pending_bytes += bytes;
  return true;
}

void HttpConnection::ReleaseBody() {
  context_->pending_bytes -= reserved_bytes_;
  reserved_bytes_ = 0;
}

void HttpConnection::Continue100() {
  auto interim =
      std::make_shared<http::response<http::empty_body>>(http::status::continue_, version_);
  http::async_write(stream_, *interim,
                    [self = shared_from_this(), interim](ErrorCode error, size_t) {
                      if (self->state_ == State::kClosed) return;
                      if (error) return self->OnReadError(error);
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
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
    context_->metrics.CountTimeout();
    return Close();
  }
  if (!IsHttpError(error) || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return Close();
  }
  if (error == http::error::body_limit) {
    return Write(
        ErrorReply(413, "limit",
                   "the body is longer than " + std::to_string(context_->options.max_body_bytes) +
                       " bytes; ask in several requests"),
        false, true);
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Write(ErrorReply(431, "limit",
                            "the header is longer than " +
                                std::to_string(context_->options.max_header_bytes) + " bytes"),
                 false, true);
  }
  Write(ErrorReply(400, "invalid_argument", "not an HTTP/1 request: " + error.message()), false,
        true);
}

void HttpConnection::Dispatch() {
  state_ = State::kAnswering;
  stream_.expires_never();
  request_begin_ns_ = base::MonotonicNanos();
  context_->metrics.AddInFlight(1);
  const uint64_t id = ++request_id_;
  auto message = parser_->release();
  auto request = std::make_shared<HttpRequest>();
  request->method.assign(message.method_string().data(), message.method_string().size());
  request->target.assign(message.target().data(), message.target().size());
  request->body = std::move(message.body());
  if (!Router::AsksApi(*request)) {
    return OnAnswer(id, context_->router.Handle(*request, nullptr, 0));
  }
  const int64_t deadline_ns =
      request_begin_ns_ + context_->options.answer_timeout_ms * kNanosPerMilli;
  const auto self = shared_from_this();
  const bool queued =
      context_->pool.TryPush([self, id, request, deadline_ns](FeatureRequestParser* parser) {
        ConnectionContext* context = self->context_;
        HttpReply reply = Answer(context->router, &context->metrics, *request, parser, deadline_ns);
        asio::post(context->io, [self, id, reply = std::move(reply)]() mutable {
          self->OnAnswer(id, std::move(reply));
        });
      });
  if (!queued) {
    context_->metrics.CountRefusal(Metrics::Refusal::kQueue);
    return OnAnswer(id, ErrorReply(503, "unavailable", "the server is busy; try again later"));
  }
  answer_timer_.expires_after(Millis(context_->options.answer_timeout_ms));
  answer_timer_.async_wait([self, id](ErrorCode error) {
    if (!error && id == self->request_id_) {
      self->context_->metrics.CountRefusal(Metrics::Refusal::kDeadline);
      self->OnAnswer(
          id, ErrorReply(503, "unavailable",
                         "no answer within " +
                             std::to_string(self->context_->options.answer_timeout_ms) + " ms"));
    }
  });
}

void HttpConnection::OnAnswer(uint64_t request_id, HttpReply reply) {
  if (request_id != request_id_ || state_ != State::kAnswering) {
    return;
  }
  ++request_id_;
  answer_timer_.cancel();
  Write(std::move(reply), keep_alive_, false);
}

void HttpConnection::Write(HttpReply reply, bool keep_alive, bool linger) {
  if (state_ == State::kAnswering) {
    context_->metrics.AddInFlight(-1);
  }
  state_ = State::kWriting;
  context_->metrics.CountRequest(route_, reply.status, base::MonotonicNanos() - request_begin_ns_);
  keep_alive = keep_alive && !context_->draining;
  response_.emplace(static_cast<http::status>(reply.status), version_);
  response_->set(http::field::content_type, reply.content_type);
  response_->set(http::field::cache_control, "no-store");
  if (!reply.allow.empty()) {
    response_->set(http::field::allow, reply.allow);
  }
  if (reply.retry_after_s > 0) {
    response_->set(http::field::retry_after, std::to_string(reply.retry_after_s));
  }
  response_->keep_alive(keep_alive);
  response_->content_length(reply.body.size());
  if (!head_) {
    response_->body() = std::move(reply.body);
  }
  head_ = false;
  stream_.expires_after(Millis(context_->options.write_timeout_ms));
  http::async_write(stream_, *response_,
                    [self = shared_from_this(), keep_alive, linger](ErrorCode error, size_t) {
                      if (self->state_ == State::kClosed) return;
                      if (error) return self->OnReadError(error);
                      self->OnWritten(keep_alive, linger);
                    });
}

void HttpConnection::OnWritten(bool keep_alive, bool linger) {
  ReleaseBody();
  response_.reset();
  parser_.reset();
  ++answered_requests_;
  if (keep_alive) {
    return AwaitRequest();
  }
  beast::error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (!linger) {
    return Close();
  }
  // Closing with unread bytes would reset the connection and could take the answer with it.
  stream_.expires_after(kLingerTime);
  Linger(kLingerBytes);
}

void HttpConnection::Linger(int64_t remaining_bytes) {
  stream_.async_read_some(asio::buffer(discarded_), [self = shared_from_this(), remaining_bytes](
                                                        ErrorCode error, size_t bytes) {
    if (self->state_ == State::kClosed) return;
    const int64_t rest = remaining_bytes - static_cast<int64_t>(bytes);
    if (error || rest <= 0) return self->Close();
    self->Linger(rest);
  });
}

}  // namespace icecore::server
