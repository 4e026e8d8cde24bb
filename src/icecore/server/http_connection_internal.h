#pragma once
// One client connection: reads requests one after the other, has them answered, writes the answers
// in order. Lives on the thread of its reactor.

#include <utility>  // Asio 1.74 needs std::exchange and does not include it.

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "icecore/base/id.h"
#include "icecore/server/client_stream_internal.h"
#include "icecore/server/http_server.h"
#include "icecore/server/router.h"
#include "icecore/server/worker_pool.h"

namespace icecore::server {

class HttpConnection;

// What all connections of a server share. Thread safe but for `options`, which nobody changes.
struct ServerState {
  HttpServer::Options options;
  Metrics metrics;
  Router router;
  WorkerPool pool;
  std::atomic<int64_t> connections = 0;
  std::atomic<int64_t> pending_bytes = 0;  // of bodies received and not yet answered
  const std::string request_id_prefix;     // of this process, so that ids of two never meet
  std::atomic<uint64_t> last_request = 0;
  bool on_loopback = true;  // Host headers must name this machine, where no token is asked for

  ServerState(const HttpServer::Options& server_options, FeatureApi* api)
      : options(server_options),
        router(api, &metrics, server_options.access),
        pool(server_options.workers, static_cast<size_t>(server_options.max_queued_requests),
             server_options.max_queue_wait_ms, server_options.max_body_bytes,
             server_options.max_rows),
        request_id_prefix(base::NewUuid(base::SystemRandom()).substr(0, 8) + "-") {}
};

// One I/O thread and the connections that it moves. All is touched on that thread only.
struct Reactor {
  ServerState& server;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  FeatureRequestParser parser;
  std::shared_ptr<ClientStream::TlsContext> tls;  // of new connections; nullptr: plain
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  bool draining = false;
  std::function<void()> on_drained;  // no connection is left, and none will come

  explicit Reactor(ServerState* state)
      : server(*state),
        work(boost::asio::make_work_guard(io)),
        parser(state->options.max_body_bytes, state->options.max_rows) {}

  void Take(ClientStream::Socket socket);
  void Drain();
  void CloseAll();
  void Remove(const std::shared_ptr<HttpConnection>& connection);
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Executor = ClientStream::executor_type;
  using Socket = ClientStream::Socket;

  HttpConnection(Socket socket, Reactor* reactor);

  void Start();
  // Between requests: closes now. Else the connection ends with the answer under way.
  void Drain();
  // Cuts the connection; a late answer is dropped.
  void Close();

 private:
  using ErrorCode = boost::beast::error_code;
  enum class State { kIdle, kReading, kAnswering, kWriting, kClosed };

  void ExpiresAfter(int64_t milliseconds);
  void SetRequestId();
  void LogRequest(const HttpReply& reply) const;
  void AwaitRequest();
  void ReadHeader();
  ErrorCode ParseReceived();
  void OnHeader(ErrorCode error);
  // nullopt: go on and read the body.
  std::optional<HttpReply> CheckHeader();
  bool ReserveBody();
  void ReleaseBody();
  void Continue100();
  void ReadBody();
  void OnReadError(ErrorCode error);
  void Dispatch();
  // A reply that needs no waiting, made here.
  std::optional<HttpReply> AnswerHere(const HttpRequest& request);
  void SendToWorker(uint64_t id, HttpRequest request);
  void OnAnswer(uint64_t request_id, HttpReply reply);
  // `linger`: bytes of the request are still to come, so they are read away before closing.
  void Write(HttpReply reply, bool keep_alive, bool linger);
  bool WriteAtOnce(std::array<boost::asio::const_buffer, 2>* text);
  void OnWritten(bool keep_alive, bool linger);
  void EndSending(bool linger);
  void Linger(int64_t remaining_bytes);

  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  Reactor* const reactor_;
  ServerState& server_;
  ClientStream stream_;
  boost::asio::steady_timer answer_timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string head_text_;  // of the answer being written
  std::string body_text_;
  State state_ = State::kIdle;
  uint64_t request_id_ = 0;
  uint64_t answered_requests_ = 0;
  int64_t reserved_bytes_ = 0;
  int64_t request_begin_ns_ = 0;
  bool head_only_ = false;
  bool keep_alive_ = false;
  unsigned version_ = 11;
  const Route* route_ = nullptr;  // nullptr: none of ours
  std::shared_ptr<const govern::AccessToken> caller_;
  std::string method_;
  std::string public_id_;  // of the request, as the client and the log know it
  std::array<char, 4096> discarded_;
};

}  // namespace icecore::server
