#pragma once
// One client connection: reads requests one after the other, has them answered, writes the answers
// in order. Lives on the server's one I/O thread.

#include <utility>  // Asio 1.74 needs std::exchange and does not include it.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>

#include "icecore/server/http_server.h"
#include "icecore/server/router.h"
#include "icecore/server/worker_pool.h"

namespace icecore::server {

class HttpConnection;

// What all connections of a server share. All but the router, the metrics and the pool is touched
// on the I/O thread only.
struct ConnectionContext {
  HttpServer::Options options;
  boost::asio::io_context io{1};
  Metrics metrics;
  Router router;
  WorkerPool pool;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  int64_t pending_bytes = 0;
  bool draining = false;
  // Called when the last connection has gone.
  std::function<void()> on_empty;

  ConnectionContext(const HttpServer::Options& server_options, FeatureApi* api)
      : options(server_options),
        router(api, &metrics),
        pool(server_options.workers, static_cast<size_t>(server_options.max_queued_requests),
             server_options.max_body_bytes, server_options.max_rows) {}
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Stream = boost::beast::basic_stream<boost::asio::ip::tcp, Executor,
                                            boost::beast::unlimited_rate_policy>;
  using Socket = Stream::socket_type;

  HttpConnection(Socket socket, ConnectionContext* context);

  void Start();
  // Between requests: closes now. Else the connection ends with the answer under way.
  void Drain();
  // Cuts the connection; a late answer is dropped.
  void Close();

 private:
  using ErrorCode = boost::beast::error_code;
  enum class State { kIdle, kReading, kAnswering, kWriting, kClosed };

  void AwaitRequest();
  void ReadHeader();
  void OnHeader(ErrorCode error);
  // nullopt: go on and read the body.
  std::optional<HttpReply> CheckHeader();
  bool ReserveBody();
  void ReleaseBody();
  void Continue100();
  void ReadBody();
  void OnReadError(ErrorCode error);
  void Dispatch();
  void OnAnswer(uint64_t request_id, HttpReply reply);
  // `linger`: bytes of the request are still to come, so they are read away before closing.
  void Write(HttpReply reply, bool keep_alive, bool linger);
  void OnWritten(bool keep_alive, bool linger);
  void Linger(int64_t remaining_bytes);

  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  ConnectionContext* context_;
  Stream stream_;
  boost::asio::steady_timer answer_timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Response> response_;
  State state_ = State::kIdle;
  uint64_t request_id_ = 0;
  uint64_t answered_requests_ = 0;
  int64_t reserved_bytes_ = 0;
  int64_t request_begin_ns_ = 0;
  bool head_ = false;
  bool keep_alive_ = false;
  unsigned version_ = 11;
  std::string_view route_ = "other";
  std::array<char, 4096> discarded_;
};

}  // namespace icecore::server
