#pragma once
// One connection to one Redis server: commands out, replies in, in order.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/net/byte_stream.h"
#include "icecore/online/redis/redis_place.h"

struct redisReader;  // NOLINT(readability-identifier-naming): hiredis names it

namespace icecore::online::redis {

struct RedisReply {
  enum class Kind { kNothing, kText, kInteger, kError, kList };
  Kind kind = Kind::kNothing;
  std::string text;  // kText and kError
  int64_t integer = 0;
  std::vector<RedisReply> list;

  bool is_error() const { return kind == Kind::kError; }
  // Of an error: its first word, "MOVED".
  std::string_view code() const;
};

using RedisArguments = std::vector<std::string_view>;

// The commands in the protocol's form, one after the other.
void AppendCommand(const RedisArguments& arguments, std::string* out);

// Used by one thread at a time. After an error it is of no further use.
class RedisConnection {
 public:
  // Logged in and at the database. kDenied when the server refuses the login.
  static arrow::Result<std::unique_ptr<RedisConnection>> Open(const RedisPlace& place,
                                                              const RedisNode& node,
                                                              int64_t connect_timeout_ms,
                                                              int64_t deadline_ns);
  RedisConnection(std::unique_ptr<net::ByteStream> stream, std::string name);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  arrow::Status Send(std::string_view commands, int64_t deadline_ns);
  // The next reply; one that says an error is a reply like any other. kUnavailable when there is
  // none in time or the bytes are none of the protocol.
  arrow::Result<RedisReply> Next(int64_t deadline_ns);
  // One command, one reply.
  arrow::Result<RedisReply> Ask(const RedisArguments& arguments, int64_t deadline_ns);

  // Nothing waits to be read: it can be used for other commands.
  bool IsIdle() { return !stream_->IsReadable(); }

 private:
  struct ReaderDeleter {
    void operator()(redisReader* reader) const;
  };
  arrow::Status LogIn(const RedisPlace& place, int64_t deadline_ns);

  const std::unique_ptr<net::ByteStream> stream_;
  const std::string name_;
  std::unique_ptr<redisReader, ReaderDeleter> reader_;
};

}  // namespace icecore::online::redis
