#include "icecore/online/redis/redis_connection.h"

#include <hiredis/hiredis.h>

#include <array>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::online::redis {
namespace {

using base::ErrorCode;
using base::MakeError;

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

RedisReply Taken(const redisReply& from) {
  RedisReply reply;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = RedisReply::Kind::kInteger;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = RedisReply::Kind::kText;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = RedisReply::Kind::kError;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = RedisReply::Kind::kList;
      reply.list.reserve(from.elements);
      for (size_t i = 0; i < from.elements; ++i) reply.list.push_back(Taken(*from.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

std::string_view RedisReply::code() const {
  return is_error() ? std::string_view(text).substr(0, text.find(' ')) : std::string_view();
}

void AppendCommand(const RedisArguments& arguments, std::string* out) {
  out->append("*").append(std::to_string(arguments.size())).append("\r\n");
  for (const std::string_view argument : arguments) {
    out->append("$").append(std::to_string(argument.size())).append("\r\n");
    out->append(argument).append("\r\n");
  }
}

void RedisConnection::ReaderDeleter::operator()(redisReader* reader) const {
  redisReaderFree(reader);
}

RedisConnection::RedisConnection(std::unique_ptr<net::ByteStream> stream, std::string name)
    : stream_(std::move(stream)), name_(std::move(name)), reader_(redisReaderCreate()) {}

RedisConnection::~RedisConnection() = default;

arrow::Result<std::unique_ptr<RedisConnection>> RedisConnection::Open(const RedisPlace& place,
                                                                      const RedisNode& node,
                                                                      int64_t connect_timeout_ms,
                                                                      int64_t deadline_ns) {
  net::ByteStream::Options options;
  options.host = node.host;
  options.port = node.port;
  options.tls = place.tls;
  options.ca_file = place.ca_file;
  options.cert_file = place.cert_file;
  options.key_file = place.key_file;
  options.connect_timeout_ms = connect_timeout_ms;
  ARROW_ASSIGN_OR_RAISE(auto stream, net::ByteStream::Connect(options));
  auto connection = std::make_unique<RedisConnection>(std::move(stream), node.ToString());
  ARROW_RETURN_NOT_OK(connection->LogIn(place, deadline_ns));
  return connection;
}

arrow::Status RedisConnection::LogIn(const RedisPlace& place, int64_t deadline_ns) {
  if (!place.password.empty() || !place.username.empty()) {
    RedisArguments login{"AUTH"};
    if (!place.username.empty()) login.push_back(place.username);
    login.push_back(place.password);
    ARROW_ASSIGN_OR_RAISE(const RedisReply reply, Ask(login, deadline_ns));
    if (reply.is_error()) {
      // Not the server's words: some repeat what they were given.
      return MakeError(ErrorCode::kDenied, name_ + ": the server refuses the login (" +
                                               std::string(reply.code()) +
                                               "); check username and password of `online`");
    }
  }
  if (place.database != 0) {
    ARROW_ASSIGN_OR_RAISE(const RedisReply reply,
                          Ask({"SELECT", std::to_string(place.database)}, deadline_ns));
    if (reply.is_error()) {
      return MakeError(ErrorCode::kInvalidDefinition,
                       name_ + ": database " + std::to_string(place.database) + ": " + reply.text);
    }
  }
  return arrow::Status::OK();
}

arrow::Status RedisConnection::Send(std::string_view commands, int64_t deadline_ns) {
  return stream_->Write(commands, deadline_ns);
}

arrow::Result<RedisReply> RedisConnection::Next(int64_t deadline_ns) {
  std::array<char, size_t{64} << 10> buffer;
  while (true) {
    void* object = nullptr;
    if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) {
      return MakeError(ErrorCode::kUnavailable,
                       name_ + ": the answer is none of Redis' protocol" +
                           (reader_->errstr[0] != '\0' ? std::string(": ") + reader_->errstr : ""));
    }
    if (object != nullptr) {
      const std::unique_ptr<redisReply, ReplyDeleter> reply(static_cast<redisReply*>(object));
      return Taken(*reply);
    }
    ARROW_ASSIGN_OR_RAISE(const size_t size,
                          stream_->Read(buffer.data(), buffer.size(), deadline_ns));
    if (redisReaderFeed(reader_.get(), buffer.data(), size) != REDIS_OK) {
      return MakeError(ErrorCode::kUnavailable, name_ + ": no memory for an answer");
    }
  }
}

arrow::Result<RedisReply> RedisConnection::Ask(const RedisArguments& arguments,
                                               int64_t deadline_ns) {
  std::string bytes;
  AppendCommand(arguments, &bytes);
  ARROW_RETURN_NOT_OK(Send(bytes, deadline_ns));
  return Next(deadline_ns);
}

}  // namespace icecore::online::redis
