#include "icecore/server/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/signal_set.hpp>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/server/http_connection_internal.h"

namespace icecore::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};

arrow::Result<asio::ip::address> ParseAddress(const HttpServer::Options& options) {
  boost::system::error_code error;
  const std::string text = options.address == "localhost" ? "127.0.0.1" : options.address;
  asio::ip::address address = asio::ip::make_address(text, error);
  if (error) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "'" + options.address +
                               "' is no address to listen on; expected an IP address, e.g. "
                               "127.0.0.1, or localhost");
  }
  if (!address.is_loopback() && !options.allow_remote) {
    return base::MakeError(base::ErrorCode::kDenied,
                           "will not listen on " + options.address +
                               ": this version has neither TLS nor tokens, so everybody who can "
                               "reach the address could read every feature; listen on 127.0.0.1 "
                               "behind a proxy that has TLS");
  }
  return address;
}

}  // namespace

// The acceptor, the timers and `finished` belong to the I/O thread.
struct HttpServer::Impl {
  using Acceptor = asio::basic_socket_acceptor<tcp, HttpConnection::Executor>;

  Impl(const Options& options, FeatureApi* api)
      : context(options, api),
        acceptor(context.io.get_executor()),
        accept_timer(context.io),
        drain_timer(context.io),
        signals(context.io),
        work(asio::make_work_guard(context.io)) {
    context.on_empty = [this] { FinishIfDrained(); };
  }

  arrow::Status Listen();
  void Accept();
  void OnAccepted(boost::system::error_code error, HttpConnection::Socket socket);
  void Refuse(HttpConnection::Socket socket);
  void AwaitSignal();
  void Drain();
  void CloseAll();
  void FinishIfDrained();

  ConnectionContext context;
  Acceptor acceptor;
  asio::steady_timer accept_timer;
  asio::steady_timer drain_timer;
  asio::signal_set signals;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  uint16_t port = 0;
  std::jthread io_thread;
  std::mutex wait_mutex;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
};

arrow::Status HttpServer::Impl::Listen() {
  ARROW_ASSIGN_OR_RAISE(const asio::ip::address address, ParseAddress(context.options));
  const tcp::endpoint endpoint(address, context.options.port);
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot listen on " + context.options.address + ":" +
                               std::to_string(context.options.port) + ": " + error.message());
  }
  port = acceptor.local_endpoint(error).port();
  return arrow::Status::OK();
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept(context.io.get_executor(),
                        [this](boost::system::error_code error, HttpConnection::Socket socket) {
                          OnAccepted(error, std::move(socket));
                        });
}

void HttpServer::Impl::OnAccepted(boost::system::error_code error, HttpConnection::Socket socket) {
  if (context.draining) {
    return;
  }
  if (error == asio::error::no_descriptors || error == asio::error::no_memory) {
    base::Log(base::LogLevel::kWarning, "cannot accept a connection: " + error.message());
    accept_timer.expires_after(kAcceptPause);
    accept_timer.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled && !context.draining) Accept();
    });
    return;
  }
  if (!error) {
    if (static_cast<int64_t>(context.connections.size()) >= context.options.max_connections) {
      Refuse(std::move(socket));
    } else {
      auto connection = std::make_shared<HttpConnection>(std::move(socket), &context);
      context.connections.insert(connection);
      connection->Start();
    }
  }
  Accept();
}

// One write that fits any socket buffer; nobody waits for it.
void HttpServer::Impl::Refuse(HttpConnection::Socket socket) {
  context.metrics.CountRefusal(Metrics::Refusal::kConnections);
  const HttpReply reply = ErrorReply(503, "unavailable", "too many connections; try again later");
  const std::string text =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
      "Connection: close\r\nContent-Length: " +
      std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::AwaitSignal() {
  signals.async_wait([this](boost::system::error_code error, int) {
    if (error) return;
    // The first asks for a drain, the second for an end.
    if (context.draining) return CloseAll();
    // In this order: the end of the drain cancels the wait.
    AwaitSignal();
    Drain();
  });
}

void HttpServer::Impl::Drain() {
  if (context.draining) {
    return;
  }
  context.draining = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  accept_timer.cancel();
  drain_timer.expires_after(std::chrono::milliseconds(context.options.drain_timeout_ms));
  drain_timer.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) CloseAll();
  });
  // Close takes a connection out of the set, so a copy is walked.
  const std::vector<std::shared_ptr<HttpConnection>> connections(context.connections.begin(),
                                                                 context.connections.end());
  for (const auto& connection : connections) {
    connection->Drain();
  }
  FinishIfDrained();
}

void HttpServer::Impl::CloseAll() {
  const std::vector<std::shared_ptr<HttpConnection>> connections(context.connections.begin(),
                                                                 context.connections.end());
  for (const auto& connection : connections) {
    connection->Close();
  }
}

void HttpServer::Impl::FinishIfDrained() {
  if (!context.draining || !context.connections.empty()) {
    return;
  }
  boost::system::error_code ignored;
  drain_timer.cancel();
  signals.cancel(ignored);
  work.reset();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

arrow::Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                             FeatureApi* api) {
  auto impl = std::make_unique<Impl>(options, api);
  ARROW_RETURN_NOT_OK(impl->Listen());
  if (options.drain_on_signals) {
    boost::system::error_code error;
    impl->signals.add(SIGTERM, error);
    if (!error) impl->signals.add(SIGINT, error);
    if (error) {
      return base::MakeError(base::ErrorCode::kInternal,
                             "cannot listen for signals: " + error.message());
    }
    impl->AwaitSignal();
  }
  impl->Accept();
  Impl* const running = impl.get();
  impl->io_thread = std::jthread([running] { running->context.io.run(); });
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(impl)));
  running->on_stop.emplace(options.stop, [raw = server.get()] { raw->Drain(); });
  return server;
}

HttpServer::~HttpServer() {
  impl_->on_stop.reset();
  Drain();
  Wait();
}

uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::Drain() {
  asio::post(impl_->context.io, [impl = impl_.get()] { impl->Drain(); });
}

void HttpServer::Wait() {
  std::lock_guard lock(impl_->wait_mutex);
  if (impl_->io_thread.joinable()) {
    impl_->io_thread.join();
  }
  impl_->context.pool.CloseAndJoin();
}

}  // namespace icecore::server
