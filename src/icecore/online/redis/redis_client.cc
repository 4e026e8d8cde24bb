#include "icecore/online/redis/redis_client.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"

namespace icecore::online::redis {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int kMaxRedirections = 16;  // without a wait between them
constexpr size_t kMaxSeeds = 64;

constexpr int64_t kNanosPerMs = 1'000'000;

// Until then, at least 1.
int64_t LeftMs(int64_t deadline_ns) {
  return std::max<int64_t>((deadline_ns - base::MonotonicNanos()) / kNanosPerMs, 1);
}

// Passes by itself: the server starts, fails over or moves slots.
bool IsTransient(std::string_view code) {
  for (const std::string_view known :
       {"LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "READONLY", "BUSY", "NOREPLICAS"}) {
    if (code == known) return true;
  }
  return false;
}

arrow::Status RefusedCommand(const RedisNode& node, const RedisReply& reply) {
  const std::string_view code = reply.code();
  const std::string what = node.ToString() + ": " + reply.text;
  if (code == "NOAUTH" || code == "NOPERM" || code == "WRONGPASS") {
    // The text may name keys.
    return MakeError(ErrorCode::kDenied, node.ToString() + ": " + std::string(code) +
                                             "; check username, password and rights of `online`");
  }
  if (code == "OOM") {
    return MakeError(ErrorCode::kLimit, node.ToString() +
                                            ": the server has no memory left (maxmemory); nothing "
                                            "is lost: make room and run again");
  }
  if (code == "MISCONF") {
    return MakeError(ErrorCode::kUnavailable,
                     node.ToString() + ": the server cannot save to its disk and takes no writes");
  }
  return MakeError(IsTransient(code) ? ErrorCode::kUnavailable : ErrorCode::kInternal, what);
}

}  // namespace

// What goes to one server in one turn.
struct RedisClient::Batch {
  RedisNode node;
  std::vector<Pending> pending;
  std::unique_ptr<RedisConnection> connection;
  int64_t deadline_ns = 0;
};

RedisClient::RedisClient(RedisPlace place, const RedisTuning& tuning)
    : place_(std::move(place)), tuning_(tuning), seeds_(place_.nodes) {
  name_ = place_.tls ? "rediss://" : "redis://";
  for (size_t i = 0; i < place_.nodes.size(); ++i) {
    name_ += (i == 0 ? "" : ",") + place_.nodes[i].ToString();
  }
}

arrow::Result<std::unique_ptr<RedisConnection>> RedisClient::Take(const RedisNode& node,
                                                                  int64_t deadline_ns) {
  while (true) {
    std::unique_ptr<RedisConnection> connection;
    {
      const std::lock_guard lock(mutex_);
      auto& idle = idle_[node.ToString()];
      if (idle.empty()) break;
      connection = std::move(idle.back());
      idle.pop_back();
    }
    // What can be read now is the end of it.
    if (connection->IsIdle()) return connection;
  }
  return RedisConnection::Open(
      place_, node, std::min(tuning_.connect_timeout_ms, LeftMs(deadline_ns)), deadline_ns);
}

int64_t RedisClient::AnswerDeadline(int64_t deadline_ns) const {
  return std::min(deadline_ns, base::MonotonicNanos() + tuning_.answer_timeout_ms * kNanosPerMs);
}

void RedisClient::GiveBack(const RedisNode& node, std::unique_ptr<RedisConnection> connection) {
  const std::lock_guard lock(mutex_);
  auto& idle = idle_[node.ToString()];
  if (idle.size() < tuning_.max_idle) idle.push_back(std::move(connection));
}

arrow::Result<RedisReply> RedisClient::AskNode(const RedisNode& node,
                                               const RedisArguments& arguments,
                                               int64_t deadline_ns) {
  const int64_t answer_ns = AnswerDeadline(deadline_ns);
  ARROW_ASSIGN_OR_RAISE(auto connection, Take(node, answer_ns));
  ARROW_ASSIGN_OR_RAISE(RedisReply reply, connection->Ask(arguments, answer_ns));
  GiveBack(node, std::move(connection));
  return reply;
}

arrow::Result<SlotMap> RedisClient::DiscoverAt(const RedisNode& node, int64_t deadline_ns) {
  ARROW_ASSIGN_OR_RAISE(const RedisReply reply, AskNode(node, {"CLUSTER", "SLOTS"}, deadline_ns));
  if (reply.kind == RedisReply::Kind::kList) {
    if (place_.database != 0) {
      return MakeError(ErrorCode::kInvalidDefinition,
                       node.ToString() + ": a Redis Cluster has database 0 only");
    }
    return ParseSlots(reply, node);
  }
  if (reply.code() == "NOAUTH" || IsTransient(reply.code())) return RefusedCommand(node, reply);
  // A server without Cluster, or one that does not tell.
  if (place_.nodes.size() > 1) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     node.ToString() +
                         " is no node of a Redis Cluster, and `online` names several hosts; name "
                         "one, or the nodes of one Cluster");
  }
  SlotMap map;
  map.masters = {node};
  return map;
}

// From the first server that answers.
arrow::Result<SlotMap> RedisClient::Discover(int64_t deadline_ns) {
  std::vector<RedisNode> seeds;
  {
    const std::lock_guard lock(mutex_);
    seeds = seeds_;
  }
  arrow::Status failure;
  for (const RedisNode& seed : seeds) {
    auto map = DiscoverAt(seed, deadline_ns);
    if (map.ok()) return map;
    if (base::CodeOf(map.status()) != ErrorCode::kUnavailable) return map;
    if (failure.ok()) failure = map.status();
  }
  return failure;
}

arrow::Result<std::shared_ptr<const SlotMap>> RedisClient::Slots(int64_t deadline_ns) {
  {
    const std::lock_guard lock(mutex_);
    if (slots_ != nullptr) return slots_;
  }
  ARROW_ASSIGN_OR_RAISE(SlotMap found, Discover(deadline_ns));
  auto map = std::make_shared<const SlotMap>(std::move(found));
  const std::lock_guard lock(mutex_);
  for (const RedisNode& node : map->masters) {
    const bool is_new = std::find(seeds_.begin(), seeds_.end(), node) == seeds_.end();
    if (is_new && seeds_.size() < kMaxSeeds) seeds_.push_back(node);
  }
  slots_ = map;
  return slots_;
}

void RedisClient::ForgetSlots() {
  const std::lock_guard lock(mutex_);
  slots_.reset();
}

arrow::Status RedisClient::Repeat(int64_t deadline_ns,
                                  const std::function<arrow::Status(bool*)>& attempt) {
  net::RetryLimits limits = tuning_.retry;
  limits.deadline_ms = std::min(limits.deadline_ms, LeftMs(deadline_ns));
  net::Backoff backoff(limits, &base::SystemRandom());
  int redirections = 0;
  while (true) {
    bool is_redirected = false;
    arrow::Status status = attempt(&is_redirected);
    if (status.ok()) return status;
    if (base::CodeOf(status) != ErrorCode::kUnavailable) return status;
    ForgetSlots();
    if (is_redirected && ++redirections <= kMaxRedirections) continue;
    const auto wait_ms = backoff.NextWaitMs(0);
    if (!wait_ms) {
      return MakeError(ErrorCode::kUnavailable,
                       "the online store " + name_ + " does not answer: " + status.message() +
                           " (" + std::to_string(backoff.attempts()) + " attempts)");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(*wait_ms));
  }
}

arrow::Result<std::vector<RedisReply>> RedisClient::Run(const std::vector<RedisCommand>& commands,
                                                        int64_t deadline_ns) {
  std::vector<RedisReply> replies(commands.size());
  std::vector<Pending> pending(commands.size());
  for (size_t i = 0; i < commands.size(); ++i) pending[i].index = i;
  if (pending.empty()) return replies;
  ARROW_RETURN_NOT_OK(Repeat(deadline_ns, [&](bool* is_redirected) {
    return Try(commands, &pending, &replies, deadline_ns, is_redirected);
  }));
  return replies;
}

// One turn for all that is pending; what has to go again stays. Everything is sent before the
// first reply is read, so that the servers work at the same time.
arrow::Status RedisClient::Try(const std::vector<RedisCommand>& commands,
                               std::vector<Pending>* pending, std::vector<RedisReply>* replies,
                               int64_t deadline_ns, bool* is_redirected) {
  ARROW_ASSIGN_OR_RAISE(const auto slots, Slots(deadline_ns));
  std::map<std::string, Batch> batches;
  std::vector<Pending> again;
  arrow::Status failure;
  for (Pending& one : *pending) {
    const RedisNode* node =
        one.sent_to.has_value()
            ? &*one.sent_to
            : slots->NodeOf(slots->is_cluster ? SlotOf(commands[one.index].key) : 0);
    if (node == nullptr) {
      failure = MakeError(ErrorCode::kUnavailable, "no server keeps a slot of the Cluster now");
      again.push_back(std::move(one));
      continue;
    }
    Batch& batch = batches[node->ToString()];
    batch.node = *node;
    batch.pending.push_back(std::move(one));
  }
  for (auto& [name, batch] : batches) {
    const arrow::Status sent = Send(commands, deadline_ns, &batch);
    if (sent.ok()) continue;
    if (base::CodeOf(sent) != ErrorCode::kUnavailable) return sent;
    failure = sent;
    batch.connection.reset();
  }
  bool only_redirected = failure.ok();
  for (auto& [name, batch] : batches) {
    if (batch.connection == nullptr) {
      // Where a redirection leads nowhere, the slots are asked for anew.
      for (Pending& one : batch.pending) again.push_back({one.index, {}, false, one.whole_script});
      continue;
    }
    bool redirected = false;
    const arrow::Status received = Receive(&batch, &again, replies, &redirected);
    if (received.ok()) continue;
    if (base::CodeOf(received) != ErrorCode::kUnavailable) return received;
    failure = received;
    only_redirected = only_redirected && redirected;
  }
  *pending = std::move(again);
  *is_redirected = only_redirected;
  return pending->empty() ? arrow::Status::OK() : failure;
}

arrow::Status RedisClient::Send(const std::vector<RedisCommand>& commands, int64_t deadline_ns,
                                Batch* batch) {
  batch->deadline_ns = AnswerDeadline(deadline_ns);
  std::string bytes;
  for (const Pending& one : batch->pending) {
    const RedisCommand& command = commands[one.index];
    if (one.asking) AppendCommand({"ASKING"}, &bytes);
    if (command.script == nullptr) {
      AppendCommand(command.arguments, &bytes);
      continue;
    }
    RedisArguments arguments{one.whole_script ? "EVAL" : "EVALSHA",
                             one.whole_script ? command.script->text : command.script->sha1};
    arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
    AppendCommand(arguments, &bytes);
  }
  ARROW_ASSIGN_OR_RAISE(batch->connection, Take(batch->node, batch->deadline_ns));
  return batch->connection->Send(bytes, batch->deadline_ns);
}

// kUnavailable when anything has to go again; *is_redirected: at once.
arrow::Status RedisClient::Receive(Batch* batch, std::vector<Pending>* again,
                                   std::vector<RedisReply>* replies, bool* is_redirected) {
  arrow::Status failure;
  *is_redirected = true;
  for (size_t i = 0; i < batch->pending.size(); ++i) {
    arrow::Result<RedisReply> reply = batch->connection->Next(batch->deadline_ns);
    if (reply.ok() && batch->pending[i].asking) reply = batch->connection->Next(batch->deadline_ns);
    if (!reply.ok()) {
      *is_redirected = false;
      for (; i < batch->pending.size(); ++i) {
        again->push_back({batch->pending[i].index, {}, false, batch->pending[i].whole_script});
      }
      return reply.status();
    }
    bool redirected = false;
    const arrow::Status sorted =
        Sort(*std::move(reply), batch->node, batch->pending[i], again, replies, &redirected);
    if (sorted.ok()) continue;
    if (base::CodeOf(sorted) != ErrorCode::kUnavailable) return sorted;
    failure = sorted;
    *is_redirected = *is_redirected && redirected;
  }
  GiveBack(batch->node, std::move(batch->connection));
  return failure;
}

// A reply is an answer, tells where else to ask, or is an error.
arrow::Status RedisClient::Sort(RedisReply reply, const RedisNode& node, const Pending& pending,
                                std::vector<Pending>* again, std::vector<RedisReply>* replies,
                                bool* is_redirected) {
  if (!reply.is_error()) {
    (*replies)[pending.index] = std::move(reply);
    return arrow::Status::OK();
  }
  const std::string_view code = reply.code();
  Pending next{pending.index, {}, false, pending.whole_script};
  arrow::Status failure = MakeError(ErrorCode::kUnavailable, node.ToString() + ": " + reply.text);
  if (code == "MOVED" || code == "ASK") {
    const size_t at = reply.text.rfind(' ');
    auto target = ParseNode(reply.text.substr(at + 1), node.port);
    if (target.ok()) {
      next.sent_to = *std::move(target);
      next.asking = code == "ASK";
      *is_redirected = true;
    }
  } else if (code == "NOSCRIPT" && !pending.whole_script) {
    next.sent_to = pending.sent_to;
    next.asking = pending.asking;
    next.whole_script = true;
    *is_redirected = true;
  } else if (!IsTransient(code)) {
    return RefusedCommand(node, reply);
  }
  again->push_back(std::move(next));
  return failure;
}

arrow::Result<std::vector<RedisNode>> RedisClient::Masters() {
  std::vector<RedisNode> masters;
  ARROW_RETURN_NOT_OK(Repeat(INT64_MAX, [&](bool*) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto slots, Slots(INT64_MAX));
    masters = slots->masters;
    return arrow::Status::OK();
  }));
  return masters;
}

arrow::Result<bool> RedisClient::IsCluster(int64_t deadline_ns) {
  bool is_cluster = false;
  ARROW_RETURN_NOT_OK(Repeat(deadline_ns, [&](bool*) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto slots, Slots(deadline_ns));
    is_cluster = slots->is_cluster;
    return arrow::Status::OK();
  }));
  return is_cluster;
}

arrow::Result<RedisReply> RedisClient::AskAny(const RedisArguments& arguments) {
  RedisReply reply;
  ARROW_RETURN_NOT_OK(Repeat(INT64_MAX, [&](bool*) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto slots, Slots(INT64_MAX));
    if (slots->masters.empty()) {
      return MakeError(ErrorCode::kUnavailable, "the Cluster has no slots yet");
    }
    ARROW_ASSIGN_OR_RAISE(reply, AskNode(slots->masters.front(), arguments));
    return reply.is_error() ? RefusedCommand(slots->masters.front(), reply) : arrow::Status::OK();
  }));
  return reply;
}

}  // namespace icecore::online::redis
