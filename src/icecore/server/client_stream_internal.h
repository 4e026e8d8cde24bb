#pragma once
// The bytes of one client, plain or through TLS.

#include <utility>  // Asio 1.74 needs std::exchange and does not include it.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <memory>
#include <optional>

namespace icecore::server {

// An AsyncStream of Beast. Deadlines are those of socket_stream(), below TLS.
class ClientStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using SocketStream = boost::beast::basic_stream<boost::asio::ip::tcp, executor_type,
                                                  boost::beast::unlimited_rate_policy>;
  using Socket = SocketStream::socket_type;
  using TlsContext = boost::asio::ssl::context;

  // `tls`: nullptr for plain bytes; kept while the stream lives.
  ClientStream(Socket socket, std::shared_ptr<TlsContext> tls)
      : socket_stream_(std::move(socket)), context_(std::move(tls)) {
    if (context_ != nullptr) {
      tls_.emplace(socket_stream_, *context_);
    }
  }

  executor_type get_executor() { return socket_stream_.get_executor(); }
  SocketStream& socket_stream() { return socket_stream_; }
  bool is_tls() const { return tls_.has_value(); }

  template <typename Handler>
  void AsyncHandshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  // Tells a TLS client that nothing more comes.
  template <typename Handler>
  void AsyncShutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_stream_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(FirstRecord(buffers), std::forward<Handler>(handler));
    } else {
      socket_stream_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

 private:
  // What one record of TLS takes of the first buffer that is not empty.
  template <typename Buffers>
  static boost::asio::const_buffer FirstRecord(const Buffers& buffers) {
    constexpr size_t kMostBytes = size_t{16} << 10;
    boost::asio::const_buffer first;
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers) && first.size() == 0; ++it) {
      first = boost::asio::buffer(*it, kMostBytes);
    }
    return first;
  }

  SocketStream socket_stream_;
  const std::shared_ptr<TlsContext> context_;
  std::optional<boost::beast::ssl_stream<SocketStream&>> tls_;
};

}  // namespace icecore::server
