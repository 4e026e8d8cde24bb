#pragma once
// A connection to a server as a stream of bytes: TCP, or TLS with the server's certificate checked.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace icecore::net {

// Used by one thread at a time. After an error it is of no further use.
class ByteStream {
 public:
  struct Options {
    std::string host;
    int port = 0;
    bool tls = false;
    std::string ca_file;    // PEM, of TLS; "" = the system's
    std::string cert_file;  // PEM, our own certificate; "" = none
    std::string key_file;   // PEM, of cert_file
    int64_t connect_timeout_ms = 2000;
  };

  virtual ~ByteStream() = default;

  // kUnavailable when the server cannot be reached, kDenied when its certificate or ours is not
  // trusted. Messages name host and port.
  static arrow::Result<std::unique_ptr<ByteStream>> Connect(const Options& options);

  // All of `bytes`, until the deadline (base::MonotonicNanos). kUnavailable else.
  virtual arrow::Status Write(std::string_view bytes, int64_t deadline_ns) = 0;

  // Waits for bytes and puts some, at least one, into `buffer`; returns how many. kUnavailable
  // when the connection has ended or the deadline has passed.
  virtual arrow::Result<size_t> Read(char* buffer, size_t size, int64_t deadline_ns) = 0;

  // Whether bytes or the connection's end wait to be read, now.
  virtual bool IsReadable() = 0;
};

}  // namespace icecore::net
