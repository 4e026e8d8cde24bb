#pragma once
// Commands to a Redis server or Cluster: many at once, each to the server that keeps its key,
// repeated while that can help.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/net/backoff.h"
#include "icecore/online/redis/redis_connection.h"
#include "icecore/online/redis/redis_place.h"
#include "icecore/online/redis/slot_map.h"

namespace icecore::online::redis {

// A Lua script, sent by its digest, and whole to a server that does not know it yet.
struct RedisScript {
  std::string text;
  std::string sha1;  // lower-case hex
};

struct RedisCommand {
  std::string key;                      // whose slot decides where the command goes
  const RedisScript* script = nullptr;  // with it `arguments` are what follows "EVALSHA digest"
  RedisArguments arguments;             // borrow what outlives the call
};

struct RedisTuning {
  int64_t connect_timeout_ms = 1000;
  int64_t answer_timeout_ms = 5000;  // of all the answers of one server to one call
  net::RetryLimits retry{10, 20, 1000, 15000};
  size_t max_idle = 16;  // connections kept per server
};

// Thread safe.
class RedisClient {
 public:
  RedisClient(RedisPlace place, const RedisTuning& tuning);

  // "redis://host:port[,…]", for messages.
  const std::string& name() const { return name_; }

  // One reply per command, in their order. Commands may be done more than once. Replies that tell
  // an error are errors: kDenied without the right to it, kLimit when the server is full, else
  // kUnavailable after all repetitions, which end by `deadline_ns` (base::MonotonicNanos).
  arrow::Result<std::vector<RedisReply>> Run(const std::vector<RedisCommand>& commands,
                                             int64_t deadline_ns = INT64_MAX);

  // The servers that keep keys, now.
  arrow::Result<std::vector<RedisNode>> Masters();
  // A command to one of them, once.
  arrow::Result<RedisReply> AskNode(const RedisNode& node, const RedisArguments& arguments,
                                    int64_t deadline_ns = INT64_MAX);
  // As AskNode, any of them, repeated.
  arrow::Result<RedisReply> AskAny(const RedisArguments& arguments);

  // Commands of one slot may be made one (MGET); of a single server all may.
  arrow::Result<bool> IsCluster(int64_t deadline_ns = INT64_MAX);

 private:
  // A command on its way.
  struct Pending {
    size_t index = 0;                  // into the commands
    std::optional<RedisNode> sent_to;  // by a redirection, instead of the slot's owner
    bool asking = false;
    bool whole_script = false;
  };
  struct Batch;

  arrow::Result<std::shared_ptr<const SlotMap>> Slots(int64_t deadline_ns);
  arrow::Result<SlotMap> Discover(int64_t deadline_ns);
  arrow::Result<SlotMap> DiscoverAt(const RedisNode& node, int64_t deadline_ns);
  // Of the answers of one server: that of the call, or sooner.
  int64_t AnswerDeadline(int64_t deadline_ns) const;
  void ForgetSlots();
  arrow::Result<std::unique_ptr<RedisConnection>> Take(const RedisNode& node, int64_t deadline_ns);
  void GiveBack(const RedisNode& node, std::unique_ptr<RedisConnection> connection);
  arrow::Status Try(const std::vector<RedisCommand>& commands, std::vector<Pending>* pending,
                    std::vector<RedisReply>* replies, int64_t deadline_ns, bool* is_redirected);
  arrow::Status Send(const std::vector<RedisCommand>& commands, int64_t deadline_ns, Batch* batch);
  arrow::Status Receive(Batch* batch, std::vector<Pending>* again, std::vector<RedisReply>* replies,
                        bool* is_redirected);
  arrow::Status Sort(RedisReply reply, const RedisNode& node, const Pending& pending,
                     std::vector<Pending>* again, std::vector<RedisReply>* replies,
                     bool* is_redirected);
  arrow::Status Repeat(int64_t deadline_ns,
                       const std::function<arrow::Status(bool* is_redirected)>& attempt);

  const RedisPlace place_;
  const RedisTuning tuning_;
  std::string name_;
  std::mutex mutex_;
  std::shared_ptr<const SlotMap> slots_;
  std::vector<RedisNode> seeds_;  // servers ever known, those of the place first
  std::map<std::string, std::vector<std::unique_ptr<RedisConnection>>> idle_;
};

}  // namespace icecore::online::redis
