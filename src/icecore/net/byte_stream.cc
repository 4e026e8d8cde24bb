#include "icecore/net/byte_stream.h"

#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/net/curl_handle_internal.h"
#include "icecore/net/curl_start_internal.h"

namespace icecore::net {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string NameOf(const ByteStream::Options& options) {
  return options.host + ":" + std::to_string(options.port);
}

arrow::Status Lost(const std::string& name, std::string_view why) {
  return MakeError(ErrorCode::kUnavailable, name + ": " + std::string(why));
}

std::string ErrnoText(int code) { return std::generic_category().message(code); }

// OpenSSL writes without MSG_NOSIGNAL. SIGPIPE goes to the thread that writes, so it is held back
// and taken away there, and the process's own handling stays as it is.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    if (!was_pending_) pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    if (was_pending_) return;
    const timespec now{};
    while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

// What the two kinds share: a socket that does not block, and the wait for it.
class SocketStream : public ByteStream {
 public:
  SocketStream(std::string name, CurlHandle handle, curl_socket_t socket)
      : name_(std::move(name)), handle_(std::move(handle)), socket_(socket) {}

  arrow::Status Write(std::string_view bytes, int64_t deadline_ns) override {
    while (!bytes.empty()) {
      size_t sent = 0;
      ARROW_RETURN_NOT_OK(SendSome(bytes, &sent));
      bytes.remove_prefix(sent);
      if (sent == 0) ARROW_RETURN_NOT_OK(Wait(POLLOUT, deadline_ns));
    }
    return arrow::Status::OK();
  }

  arrow::Result<size_t> Read(char* buffer, size_t size, int64_t deadline_ns) override {
    while (true) {
      size_t received = 0;
      ARROW_RETURN_NOT_OK(ReceiveSome(buffer, size, &received));
      if (received > 0) return received;
      ARROW_RETURN_NOT_OK(Wait(POLLIN, deadline_ns));
    }
  }

  bool IsReadable() override {
    pollfd one{socket_, POLLIN, 0};
    return poll(&one, 1, 0) != 0;
  }

 protected:
  // 0 bytes: the socket is not ready.
  virtual arrow::Status SendSome(std::string_view bytes, size_t* sent) = 0;
  virtual arrow::Status ReceiveSome(char* buffer, size_t size, size_t* received) = 0;

  arrow::Status Wait(short events, int64_t deadline_ns) const {
    while (true) {
      const int64_t left_ns = deadline_ns - base::MonotonicNanos();
      if (left_ns <= 0) return Lost(name_, "no answer in time");
      pollfd one{socket_, events, 0};
      const int64_t left_ms = std::min<int64_t>(left_ns / 1'000'000 + 1, 60'000);
      const int ready = poll(&one, 1, static_cast<int>(left_ms));
      if (ready > 0) return arrow::Status::OK();
      if (ready < 0 && errno != EINTR) return Lost(name_, ErrnoText(errno));
    }
  }

  const std::string name_;
  const CurlHandle handle_;  // owns the socket
  const curl_socket_t socket_;
};

class TcpStream : public SocketStream {
 public:
  using SocketStream::SocketStream;

 private:
  static bool IsNotReady(int code) {
    return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
  }
  arrow::Status SendSome(std::string_view bytes, size_t* sent) override {
    const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && !IsNotReady(errno)) return Lost(name_, ErrnoText(errno));
    *sent = count < 0 ? 0 : static_cast<size_t>(count);
    return arrow::Status::OK();
  }
  arrow::Status ReceiveSome(char* buffer, size_t size, size_t* received) override {
    const ssize_t count = recv(socket_, buffer, size, MSG_DONTWAIT);
    if (count == 0) return Lost(name_, "the server has ended the connection");
    if (count < 0 && !IsNotReady(errno)) return Lost(name_, ErrnoText(errno));
    *received = count < 0 ? 0 : static_cast<size_t>(count);
    return arrow::Status::OK();
  }
};

class TlsStream : public SocketStream {
 public:
  using SocketStream::SocketStream;

 private:
  arrow::Status SendSome(std::string_view bytes, size_t* sent) override {
    const NoSigpipe guard;
    const CURLcode code = curl_easy_send(handle_.get(), bytes.data(), bytes.size(), sent);
    if (code == CURLE_AGAIN) *sent = 0;
    return code == CURLE_OK || code == CURLE_AGAIN ? arrow::Status::OK()
                                                   : Lost(name_, curl_easy_strerror(code));
  }
  arrow::Status ReceiveSome(char* buffer, size_t size, size_t* received) override {
    const NoSigpipe guard;
    const CURLcode code = curl_easy_recv(handle_.get(), buffer, size, received);
    if (code == CURLE_AGAIN) {
      *received = 0;
      return arrow::Status::OK();
    }
    if (code != CURLE_OK) return Lost(name_, curl_easy_strerror(code));
    return *received == 0 ? Lost(name_, "the server has ended the connection")
                          : arrow::Status::OK();
  }
};

arrow::Status ConnectError(const ByteStream::Options& options, CURLcode code, const char* detail) {
  const std::string why =
      NameOf(options) + ": " + (detail[0] != '\0' ? detail : curl_easy_strerror(code));
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return MakeError(ErrorCode::kDenied, why);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return MakeError(ErrorCode::kInvalidDefinition, why + "; check ca_file, cert_file, key_file");
    default:
      return MakeError(ErrorCode::kUnavailable, why);
  }
}

void SetUp(CURL* handle, const ByteStream::Options& options, char* detail) {
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  const std::string url = std::string(options.tls ? "https://" : "http://") +
                          (is_ipv6 ? "[" + options.host + "]" : options.host) + ":" +
                          std::to_string(options.port) + "/";
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");  // those of the environment are for HTTP
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout_ms));
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);  // that file and no other
  }
  if (!options.cert_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_SSLCERT, options.cert_file.c_str());
    curl_easy_setopt(handle, CURLOPT_SSLKEY,
                     (options.key_file.empty() ? options.cert_file : options.key_file).c_str());
  }
}

}  // namespace

arrow::Result<std::unique_ptr<ByteStream>> ByteStream::Connect(const Options& options) {
  ARROW_RETURN_NOT_OK(StartCurl());
  CurlHandle handle(curl_easy_init());
  if (handle == nullptr) return Lost(NameOf(options), "no memory for a connection");
  char detail[CURL_ERROR_SIZE] = "";
  SetUp(handle.get(), options, detail);
  CURLcode code = CURLE_OK;
  {
    const NoSigpipe guard;
    code = curl_easy_perform(handle.get());
  }
  // The buffer lives no longer than this call.
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) return ConnectError(options, code, detail);
  curl_socket_t socket = CURL_SOCKET_BAD;
  if (curl_easy_getinfo(handle.get(), CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK ||
      socket == CURL_SOCKET_BAD) {
    return Lost(NameOf(options), "the connection has no socket");
  }
  if (options.tls) {
    return std::make_unique<TlsStream>(NameOf(options), std::move(handle), socket);
  }
  return std::make_unique<TcpStream>(NameOf(options), std::move(handle), socket);
}

}  // namespace icecore::net
