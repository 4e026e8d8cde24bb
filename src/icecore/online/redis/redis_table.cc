#include "icecore/online/redis/redis_table.h"

#include <algorithm>
#include <map>

#include "icecore/base/error.h"

namespace icecore::online::redis {
namespace {

using base::ErrorCode;
using base::MakeError;
using Kind = RedisReply::Kind;

constexpr size_t kKeysPerMget = 250;
constexpr char kKeysPerScan[] = "1000";

// A version is eight bytes; of both halves a number of Lua is exact.
constexpr char kPutNewer[] = R"lua(
local function version(bytes)
  local high, low = struct.unpack('>I4I4', bytes)
  return high * 4294967296 + low
end
local stored = redis.call('GETRANGE', KEYS[1], 0, 7)
if #stored == 8 and version(stored) >= version(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
)lua";

// ARGV: whether a value is expected, it; whether one is desired, it.
constexpr char kReplace[] = R"lua(
local stored = redis.call('GET', KEYS[1])
local function is(wanted, value)
  if wanted == '1' then return stored == value end
  return stored == false
end
if is(ARGV[3], ARGV[4]) then return 1 end
if not is(ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('DEL', KEYS[1]) end
return 1
)lua";

arrow::Status Unexpected(const std::string& server, const char* command) {
  return MakeError(ErrorCode::kUnavailable,
                   server + ": the answer to " + command + " is none of Redis'");
}

// What stands between "NAME:" and the end of the line.
std::string_view InfoField(std::string_view info, std::string_view name) {
  const size_t at = info.find("\n" + std::string(name) + ":");
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + name.size() + 2);
  return rest.substr(0, rest.find_first_of("\r\n"));
}

// Of a key or pattern in MATCH.
std::string GlobLiteral(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

arrow::Result<std::shared_ptr<const RedisTable::Scripts>> RedisTable::LoadedScripts() {
  {
    const std::lock_guard lock(mutex_);
    if (scripts_ != nullptr) return scripts_;
  }
  auto scripts = std::make_shared<Scripts>();
  scripts->put_newer.text = kPutNewer;
  scripts->replace.text = kReplace;
  for (RedisScript* script : {&scripts->put_newer, &scripts->replace}) {
    ARROW_ASSIGN_OR_RAISE(RedisReply reply, client_.AskAny({"SCRIPT", "LOAD", script->text}));
    if (reply.kind != Kind::kText) return Unexpected(client_.name(), "SCRIPT LOAD");
    script->sha1 = std::move(reply.text);
  }
  const std::lock_guard lock(mutex_);
  scripts_ = std::move(scripts);
  return scripts_;
}

arrow::Status RedisTable::Prepare() {
  ARROW_RETURN_NOT_OK(LoadedScripts().status());
  ARROW_ASSIGN_OR_RAISE(const auto masters, client_.Masters());
  for (const RedisNode& node : masters) {
    const auto info = client_.AskNode(node, {"INFO", "memory"});
    // A server that does not tell, or not now, is taken at its word later.
    if (!info.ok() || info->kind != Kind::kText) continue;
    if (InfoField(info->text, "maxmemory") != "0" &&
        InfoField(info->text, "maxmemory_policy").starts_with("allkeys")) {
      return MakeError(ErrorCode::kInvalidDefinition,
                       node.ToString() +
                           ": the server drops keys when it is full (maxmemory-policy " +
                           std::string(InfoField(info->text, "maxmemory_policy")) +
                           "), which would make features vanish; set it to noeviction");
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::optional<std::string>>> RedisTable::Get(
    const std::vector<ItemKey>& keys, int64_t deadline_ns) {
  ARROW_ASSIGN_OR_RAISE(const bool is_cluster, client_.IsCluster(deadline_ns));
  std::vector<std::string> texts;
  texts.reserve(keys.size());
  for (const ItemKey& key : keys) texts.push_back(TextOf(key));
  // One MGET for the keys of one slot, or of one server without slots.
  struct Group {
    RedisCommand command;
    std::vector<size_t> places;
  };
  std::vector<Group> groups;
  std::map<int, size_t> open;  // slot -> group that takes more
  for (size_t i = 0; i < texts.size(); ++i) {
    const int slot = is_cluster ? SlotOf(texts[i]) : 0;
    const auto found = open.find(slot);
    if (found == open.end() || groups[found->second].places.size() == kKeysPerMget) {
      open[slot] = groups.size();
      groups.push_back({{texts[i], nullptr, {"MGET"}}, {}});
    }
    Group& group = groups[open.at(slot)];
    group.command.arguments.push_back(texts[i]);
    group.places.push_back(i);
  }
  std::vector<RedisCommand> commands;
  commands.reserve(groups.size());
  for (Group& group : groups) commands.push_back(std::move(group.command));
  ARROW_ASSIGN_OR_RAISE(auto replies, client_.Run(commands, deadline_ns));
  std::vector<std::optional<std::string>> values(keys.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    if (replies[g].list.size() != groups[g].places.size()) {
      return Unexpected(client_.name(), "MGET");
    }
    for (size_t i = 0; i < groups[g].places.size(); ++i) {
      RedisReply& reply = replies[g].list[i];
      if (reply.kind == Kind::kText) values[groups[g].places[i]] = std::move(reply.text);
    }
  }
  return values;
}

arrow::Status RedisTable::PutNewer(const std::vector<Item>& items) {
  ARROW_ASSIGN_OR_RAISE(const auto scripts, LoadedScripts());
  std::vector<RedisCommand> commands(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    commands[i].key = TextOf(items[i].key);
    commands[i].script = &scripts->put_newer;
    commands[i].arguments = {"1", commands[i].key, items[i].bytes};
  }
  return client_.Run(commands).status();
}

arrow::Status RedisTable::PutNew(const std::vector<Item>& items) {
  std::vector<RedisCommand> commands(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    commands[i].key = TextOf(items[i].key);
    commands[i].arguments = {"SET", commands[i].key, items[i].bytes};
  }
  return client_.Run(commands).status();
}

arrow::Result<bool> RedisTable::Replace(const ItemKey& key,
                                        const std::optional<std::string>& expected,
                                        const std::optional<std::string>& desired) {
  ARROW_ASSIGN_OR_RAISE(const auto scripts, LoadedScripts());
  RedisCommand command;
  command.key = TextOf(key);
  command.script = &scripts->replace;
  command.arguments = {"1", command.key};
  for (const auto* value : {&expected, &desired}) {
    command.arguments.push_back(value->has_value() ? "1" : "0");
    command.arguments.push_back(value->has_value() ? std::string_view(**value)
                                                   : std::string_view());
  }
  ARROW_ASSIGN_OR_RAISE(const auto replies, client_.Run({command}));
  return replies[0].integer == 1;
}

arrow::Status RedisTable::Delete(const std::vector<ItemKey>& keys) {
  std::vector<RedisCommand> commands(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    commands[i].key = TextOf(keys[i]);
    commands[i].arguments = {"UNLINK", commands[i].key};
  }
  return client_.Run(commands).status();
}

std::optional<ItemKey> RedisTable::KeyOf(std::string_view text) const {
  if (!text.starts_with(prefix_)) return std::nullopt;
  text.remove_prefix(prefix_.size());
  // A group may hold braces, a name none.
  const size_t end = text.rfind('}');
  if (end == std::string_view::npos) return std::nullopt;
  return ItemKey{std::string(text.substr(0, end)), std::string(text.substr(end + 1))};
}

// `from`: the server where the walk stands, a space and that server's cursor. The servers are
// walked in the order of their names.
arrow::Result<ItemTable::Page> RedisTable::Scan(const std::string& name, const std::string& from) {
  ARROW_ASSIGN_OR_RAISE(const auto masters, client_.Masters());
  std::vector<std::string> names;
  names.reserve(masters.size());
  for (const RedisNode& node : masters) names.push_back(node.ToString());
  if (names.empty()) return MakeError(ErrorCode::kUnavailable, "the Cluster has no slots yet");
  const size_t space = from.find(' ');
  const auto found = std::find(names.begin(), names.end(), from.substr(0, space));
  // A server that has gone has left its keys to others: from the beginning.
  const bool is_known = !from.empty() && space != std::string::npos && found != names.end();
  const size_t at = is_known ? static_cast<size_t>(found - names.begin()) : 0;
  const std::string cursor = is_known ? from.substr(space + 1) : "0";
  const std::string pattern = GlobLiteral(prefix_) + "*}" + GlobLiteral(name);
  ARROW_ASSIGN_OR_RAISE(
      const RedisReply reply,
      client_.AskNode(masters[at], {"SCAN", cursor, "MATCH", pattern, "COUNT", kKeysPerScan}));
  if (reply.list.size() != 2) return Unexpected(names[at], "SCAN");
  Page page;
  for (const RedisReply& text : reply.list[1].list) {
    auto key = KeyOf(text.text);
    if (key.has_value() && key->name == name) page.keys.push_back(*std::move(key));
  }
  if (reply.list[0].text != "0") {
    page.next = names[at] + " " + reply.list[0].text;
  } else if (at + 1 < names.size()) {
    page.next = names[at + 1] + " 0";
  }
  return page;
}

}  // namespace icecore::online::redis
