#include "icecore/server/http_server.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
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
#include "icecore/server/listen_address.h"
#include "icecore/server/tls_internal.h"

namespace icecore::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

// The acceptor, the timers and the signals belong to the first reactor's thread.
struct HttpServer::Impl {
  using Acceptor = asio::basic_socket_acceptor<tcp, HttpConnection::Executor>;
  using Reactors = std::vector<std::unique_ptr<Reactor>>;

  Impl(const Options& options, FeatureApi* api)
      : server(options, api),
        reactors(MakeReactors(&server)),
        acceptor(io().get_executor()),
        accept_timer(io()),
        drain_timer(io()),
        signals(io()),
        left(reactors.size()) {
    for (const auto& reactor : reactors) {
      reactor->on_drained = [this] { OnDrained(); };
    }
  }

  static Reactors MakeReactors(ServerState* server) {
    Reactors reactors;
    for (int i = 0; i < std::max(server->options.io_threads, 1); ++i) {
      reactors.push_back(std::make_unique<Reactor>(server));
    }
    return reactors;
  }

  asio::io_context& io() { return reactors.front()->io; }
  arrow::Status Listen();
  void Accept();
  void OnAccepted(boost::system::error_code error, HttpConnection::Socket socket);
  void Refuse(HttpConnection::Socket socket);
  void AwaitSignal();
  void Drain();
  void CloseAll();
  void OnDrained();

  ServerState server;
  Reactors reactors;
  Acceptor acceptor;
  asio::steady_timer accept_timer;
  asio::steady_timer drain_timer;
  asio::signal_set signals;
  size_t next = 0;  // reactor that takes the next connection
  bool draining = false;
  std::atomic<size_t> left;  // reactors that have connections, or wait for some
  uint16_t port = 0;
  std::vector<std::jthread> io_threads;
  std::mutex wait_mutex;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
};

arrow::Status HttpServer::Impl::Listen() {
  const Options& options = server.options;
  ARROW_ASSIGN_OR_RAISE(const ListenAddress address,
                        CheckListenAddress(options.address, {!options.tls_certificate.empty(),
                                                             options.access, options.insecure}));
  server.on_loopback = address.is_loopback;
  const tcp::endpoint endpoint(asio::ip::make_address(address.ip), options.port);
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot listen on " + server.options.address + ":" +
                               std::to_string(server.options.port) + ": " + error.message());
  }
  port = acceptor.local_endpoint(error).port();
  return arrow::Status::OK();
}

void HttpServer::Impl::Accept() {
  // The socket belongs to the reactor that will have it; the handler runs here.
  acceptor.async_accept(reactors[next]->io.get_executor(),
                        [this](boost::system::error_code error, HttpConnection::Socket socket) {
                          OnAccepted(error, std::move(socket));
                        });
}

void HttpServer::Impl::OnAccepted(boost::system::error_code error, HttpConnection::Socket socket) {
  if (draining) {
    return;
  }
  if (error == asio::error::no_descriptors || error == asio::error::no_memory) {
    base::Log(base::LogLevel::kWarning, "cannot accept a connection: " + error.message());
    accept_timer.expires_after(kAcceptPause);
    accept_timer.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled && !draining) Accept();
    });
    return;
  }
  if (!error) {
    if (server.connections >= server.options.max_connections) {
      Refuse(std::move(socket));
    } else {
      ++server.connections;
      Reactor* const reactor = reactors[next].get();
      next = (next + 1) % reactors.size();
      asio::post(reactor->io, [reactor, socket = std::move(socket)]() mutable {
        reactor->Take(std::move(socket));
      });
    }
  }
  Accept();
}

// One write that fits any socket buffer; nobody waits for it.
void HttpServer::Impl::Refuse(HttpConnection::Socket socket) {
  server.metrics.CountRefusal(Metrics::Refusal::kConnections);
  const HttpReply reply = ErrorReply(503, "unavailable", "too many connections; try again later");
  const std::string text =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
      "Connection: close\r\nContent-Length: " +
      std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
  boost::system::error_code ignored;
  if (!server.options.tls_certificate.empty()) {
    socket.close(ignored);  // a handshake for a refusal would cost what is to be saved
    return;
  }
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::AwaitSignal() {
  signals.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      AwaitSignal();
      return server.options.on_hangup();
    }
    // The first asks for a drain, the second for an end.
    if (draining) {
      if (server.options.on_drain) server.options.on_drain(/*at_once=*/true);
      return CloseAll();
    }
    // In this order: the end of the drain cancels the wait.
    AwaitSignal();
    Drain();
  });
}

void HttpServer::Impl::Drain() {
  if (draining) {
    return;
  }
  draining = true;
  if (server.options.on_drain) server.options.on_drain(/*at_once=*/false);
  boost::system::error_code ignored;
  acceptor.close(ignored);
  accept_timer.cancel();
  drain_timer.expires_after(std::chrono::milliseconds(server.options.drain_timeout_ms));
  drain_timer.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) CloseAll();
  });
  // Behind the connections that are on their way to a reactor.
  for (const auto& reactor : reactors) {
    asio::post(reactor->io, [raw = reactor.get()] { raw->Drain(); });
  }
}

void HttpServer::Impl::CloseAll() {
  for (const auto& reactor : reactors) {
    asio::post(reactor->io, [raw = reactor.get()] { raw->CloseAll(); });
  }
}

// On any reactor's thread. The others end when the last has drained: until then late answers of
// workers may come.
void HttpServer::Impl::OnDrained() {
  if (--left > 0) {
    return;
  }
  asio::post(io(), [this] {
    boost::system::error_code ignored;
    drain_timer.cancel();
    signals.cancel(ignored);
    for (const auto& reactor : reactors) {
      reactor->work.reset();
    }
  });
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

arrow::Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                             FeatureApi* api) {
  auto impl = std::make_unique<Impl>(options, api);
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "TLS needs both a certificate and its key");
  }
  if (!options.tls_certificate.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto tls, LoadTls(options.tls_certificate, options.tls_key));
    for (const auto& reactor : impl->reactors) {
      reactor->tls = tls;
    }
  }
  ARROW_RETURN_NOT_OK(impl->Listen());
  if (options.drain_on_signals) {
    boost::system::error_code error;
    impl->signals.add(SIGTERM, error);
    if (!error) impl->signals.add(SIGINT, error);
    if (!error && options.on_hangup) impl->signals.add(SIGHUP, error);
    if (error) {
      return base::MakeError(base::ErrorCode::kInternal,
                             "cannot listen for signals: " + error.message());
    }
    impl->AwaitSignal();
  }
  impl->Accept();
  Impl* const running = impl.get();
  for (const auto& reactor : running->reactors) {
    running->io_threads.emplace_back([raw = reactor.get()] { raw->io.run(); });
  }
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

Metrics* HttpServer::metrics() { return &impl_->server.metrics; }

void HttpServer::Drain() {
  asio::post(impl_->io(), [impl = impl_.get()] { impl->Drain(); });
}

arrow::Status HttpServer::ReloadTls() {
  const Options& options = impl_->server.options;
  if (options.tls_certificate.empty()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto tls, LoadTls(options.tls_certificate, options.tls_key));
  for (const auto& reactor : impl_->reactors) {
    asio::post(reactor->io, [raw = reactor.get(), tls] { raw->tls = tls; });
  }
  return arrow::Status::OK();
}

void HttpServer::Wait() {
  std::lock_guard lock(impl_->wait_mutex);
  impl_->io_threads.clear();  // joins
  impl_->server.pool.CloseAndJoin();
}

}  // namespace icecore::server
