#include "icecore/online/dynamodb/dynamo_table.h"

#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"

namespace icecore::online::dynamodb {
namespace {

using base::ErrorCode;
using base::MakeError;
using Json = nlohmann::json;

// Bounds of the service.
constexpr size_t kMaxItemBytes = size_t{400} << 10;
constexpr size_t kKeysPerGet = 100;
constexpr size_t kItemsPerWrite = 25;
constexpr int kKeysPerScan = 1000;
constexpr int kRequestsAtOnce = 16;
// Attribute names, keys and the number beside the bytes.
constexpr size_t kMaxOverheadBytes = 1024;

// A sort key has one byte at least.
std::string SortKey(const ItemKey& key) { return key.name.empty() ? "-" : key.name; }

Json KeyJson(const ItemKey& key) {
  return {{"k", {{"B", base::Base64(key.group)}}}, {"s", {{"S", SortKey(key)}}}};
}

Json BytesJson(const std::string& bytes) { return {{"B", base::Base64(bytes)}}; }

Json ItemJson(const ItemKey& key, const std::string& bytes) {
  Json item = KeyJson(key);
  item["v"] = {{"N", std::to_string(ItemVersion(bytes))}};
  item["b"] = BytesJson(bytes);
  return item;
}

// The text of attribute `name` of that type; nullptr where the item lacks it.
const std::string* Attribute(const Json& item, const char* name, const char* type) {
  if (!item.is_object()) return nullptr;
  const auto attribute = item.find(name);
  if (attribute == item.end() || !attribute->is_object()) return nullptr;
  const auto value = attribute->find(type);
  return value == attribute->end() ? nullptr : value->get_ptr<const std::string*>();
}

// A member of an answer; null where there is none.
const Json& Member(const Json& json, const std::string& name) {
  static const Json kNone;
  if (!json.is_object()) return kNone;
  const auto found = json.find(name);
  return found == json.end() ? kNone : *found;
}

arrow::Result<Json> Parsed(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    return MakeError(ErrorCode::kUnavailable, "an answer of DynamoDB is no JSON object");
  }
  return json;
}

arrow::Status Damaged() {
  return MakeError(ErrorCode::kCorrupt,
                   "an item of the online store has other attributes than ours");
}

}  // namespace

arrow::Result<std::unique_ptr<DynamoTable>> DynamoTable::Open(const StorePlace& place,
                                                              const DynamoTuning& tuning) {
  ARROW_ASSIGN_OR_RAISE(auto client, DynamoClient::Open(place, tuning));
  ARROW_ASSIGN_OR_RAISE(auto pool, arrow::internal::ThreadPool::Make(kRequestsAtOnce));
  return std::make_unique<DynamoTable>(std::move(client), std::move(pool));
}

// nullopt-like: *exists says whether there is a table at all.
arrow::Result<bool> DynamoTable::IsActive(bool* exists) {
  const std::string& table = client_->place().table;
  ARROW_ASSIGN_OR_RAISE(const DynamoAnswer answer,
                        client_->Send("DescribeTable", Json{{"TableName", table}}.dump()));
  *exists = answer.ok;
  if (!answer.ok) {
    return answer.error == "ResourceNotFoundException"
               ? arrow::Result<bool>(false)
               : arrow::Result<bool>(client_->ErrorOf("DescribeTable", answer));
  }
  ARROW_ASSIGN_OR_RAISE(const Json json, Parsed(answer.body));
  const Json& described = Member(json, "Table");
  const Json expected = {{{"AttributeName", "k"}, {"KeyType", "HASH"}},
                         {{"AttributeName", "s"}, {"KeyType", "RANGE"}}};
  if (Member(described, "KeySchema") != expected) {
    return MakeError(
        ErrorCode::kInvalidDefinition,
        "online: DynamoDB table '" + table +
            "' is none of Icecore's (its keys are not k and s); choose another prefix");
  }
  return Member(described, "TableStatus") == "ACTIVE" ||
         Member(described, "TableStatus") == "UPDATING";
}

arrow::Status DynamoTable::MakeTable() {
  const std::string& table = client_->place().table;
  const Json request = {{"TableName", table},
                        {"BillingMode", "PAY_PER_REQUEST"},
                        {"AttributeDefinitions",
                         {{{"AttributeName", "k"}, {"AttributeType", "B"}},
                          {{"AttributeName", "s"}, {"AttributeType", "S"}}}},
                        {"KeySchema",
                         {{{"AttributeName", "k"}, {"KeyType", "HASH"}},
                          {{"AttributeName", "s"}, {"KeyType", "RANGE"}}}}};
  ARROW_ASSIGN_OR_RAISE(const DynamoAnswer answer, client_->Send("CreateTable", request.dump()));
  // Somebody else was quicker.
  if (answer.ok || answer.error == "ResourceInUseException") return arrow::Status::OK();
  if (answer.error == "AccessDeniedException") {
    return MakeError(ErrorCode::kDenied,
                     "there is no DynamoDB table '" + table +
                         "' and these keys may not make it (dynamodb:CreateTable); make it with "
                         "partition key k (binary) and sort key s (string): docs/online-stores.md");
  }
  return client_->ErrorOf("CreateTable", answer);
}

arrow::Status DynamoTable::Prepare() {
  const std::lock_guard lock(mutex_);
  if (is_prepared_) return arrow::Status::OK();
  net::Backoff backoff(net::RetryLimits{60, 200, 2000, 120000}, &base::SystemRandom());
  bool exists = false;
  ARROW_ASSIGN_OR_RAISE(bool is_active, IsActive(&exists));
  if (!exists) ARROW_RETURN_NOT_OK(MakeTable());
  while (!is_active) {
    ARROW_RETURN_NOT_OK(client_->WaitForMore(&backoff));
    ARROW_ASSIGN_OR_RAISE(is_active, IsActive(&exists));
  }
  is_prepared_ = true;
  return arrow::Status::OK();
}

// One BatchGetItem and what it leaves unread, until nothing is. values[i] is of keys[i].
arrow::Status DynamoTable::GetBatch(std::span<const ItemKey> keys,
                                    std::span<std::optional<std::string>> values,
                                    int64_t deadline_ns) {
  const std::string& table = client_->place().table;
  Json wanted = Json::array();
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < keys.size(); ++i) {
    wanted.push_back(KeyJson(keys[i]));
    places[wanted.back()["s"]["S"].get<std::string>() + " " +
           wanted.back()["k"]["B"].get<std::string>()] = i;
  }
  net::Backoff backoff = client_->NewBackoff(deadline_ns);
  for (bool is_first = true; !wanted.empty(); is_first = false) {
    if (!is_first) ARROW_RETURN_NOT_OK(client_->WaitForMore(&backoff));
    const size_t asked = wanted.size();
    const Json request = {
        {"RequestItems", {{table, {{"Keys", std::move(wanted)}, {"ConsistentRead", true}}}}}};
    ARROW_ASSIGN_OR_RAISE(const DynamoAnswer answer,
                          client_->Send("BatchGetItem", request.dump(), backoff.LeftMs()));
    if (answer.error == "ResourceNotFoundException") return arrow::Status::OK();
    if (!answer.ok) return client_->ErrorOf("BatchGetItem", answer);
    ARROW_ASSIGN_OR_RAISE(const Json json, Parsed(answer.body));
    for (const Json& item : Member(Member(json, "Responses"), table)) {
      const std::string* group = Attribute(item, "k", "B");
      const std::string* name = Attribute(item, "s", "S");
      const std::string* bytes = Attribute(item, "b", "B");
      if (group == nullptr || name == nullptr || bytes == nullptr) return Damaged();
      const auto place = places.find(*name + " " + *group);
      if (place == places.end()) return Damaged();
      std::string decoded;
      if (!base::ParseBase64(*bytes, &decoded)) return Damaged();
      values[place->second] = std::move(decoded);
    }
    wanted = Member(Member(Member(json, "UnprocessedKeys"), table), "Keys");
    if (!wanted.is_array()) wanted = Json::array();
    if (wanted.size() < asked) backoff.Progress();
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::optional<std::string>>> DynamoTable::Get(
    const std::vector<ItemKey>& keys, int64_t deadline_ns) {
  std::vector<std::optional<std::string>> values(keys.size());
  const std::span<const ItemKey> all_keys = keys;
  const std::span<std::optional<std::string>> all_values = values;
  std::vector<arrow::Future<>> others;
  arrow::Status begun;
  for (size_t begin = kKeysPerGet; begin < keys.size() && begun.ok(); begin += kKeysPerGet) {
    const size_t count = std::min(kKeysPerGet, keys.size() - begin);
    auto batch = pool_->Submit([this, deadline_ns, some_keys = all_keys.subspan(begin, count),
                                some_values = all_values.subspan(begin, count)] {
      return GetBatch(some_keys, some_values, deadline_ns);
    });
    begun = batch.status();
    if (batch.ok()) others.push_back(*std::move(batch));
  }
  const size_t first = std::min(kKeysPerGet, keys.size());
  const arrow::Status here = GetBatch(all_keys.first(first), all_values.first(first), deadline_ns);
  // They read keys and write values, whatever failed.
  arrow::AllComplete(others).Wait();
  ARROW_RETURN_NOT_OK(begun);
  ARROW_RETURN_NOT_OK(here);
  ARROW_RETURN_NOT_OK(arrow::AllFinished(others).status());
  return values;
}

arrow::Status DynamoTable::CheckSizes(const std::vector<Item>& items) const {
  for (const Item& item : items) {
    if (item.bytes.size() + kMaxOverheadBytes > kMaxItemBytes) {
      return MakeError(ErrorCode::kLimit,
                       "the state of a key has " + std::to_string(item.bytes.size()) +
                           " bytes, an item of DynamoDB at most 400 KB; take longer hops, fewer "
                           "features in the view, or another store");
    }
  }
  return arrow::Status::OK();
}

// One BatchWriteItem and what it leaves undone, until nothing is.
arrow::Status DynamoTable::WriteBatch(std::string requests_json) {
  const std::string& table = client_->place().table;
  net::Backoff backoff = client_->NewBackoff();
  for (size_t before = SIZE_MAX;;) {
    const std::string request =
        R"({"RequestItems":{)" + Json(table).dump() + ":" + requests_json + "}}";
    ARROW_ASSIGN_OR_RAISE(const std::string body,
                          client_->SendOk("BatchWriteItem", request, backoff.LeftMs()));
    ARROW_ASSIGN_OR_RAISE(const Json json, Parsed(body));
    const Json& left = Member(Member(json, "UnprocessedItems"), table);
    if (!left.is_array() || left.empty()) return arrow::Status::OK();
    requests_json = left.dump();
    if (left.size() < before) backoff.Progress();
    before = left.size();
    ARROW_RETURN_NOT_OK(client_->WaitForMore(&backoff));
  }
}

// make(i): the i-th request of BatchWriteItem.
template <typename MakeRequest>
arrow::Status DynamoTable::WriteAll(size_t count, const MakeRequest& make) {
  std::vector<arrow::Future<>> batches;
  for (size_t begin = 0; begin < count; begin += kItemsPerWrite) {
    Json requests = Json::array();
    for (size_t i = begin; i < std::min(begin + kItemsPerWrite, count); ++i) {
      requests.push_back(make(i));
    }
    ARROW_ASSIGN_OR_RAISE(auto batch, pool_->Submit([this, text = requests.dump()]() mutable {
      return WriteBatch(std::move(text));
    }));
    batches.push_back(std::move(batch));
  }
  return arrow::AllFinished(batches).status();
}

arrow::Status DynamoTable::PutNew(const std::vector<Item>& items) {
  ARROW_RETURN_NOT_OK(CheckSizes(items));
  return WriteAll(items.size(), [&](size_t i) -> Json {
    return {{"PutRequest", {{"Item", ItemJson(items[i].key, items[i].bytes)}}}};
  });
}

arrow::Status DynamoTable::Delete(const std::vector<ItemKey>& keys) {
  return WriteAll(keys.size(), [&](size_t i) -> Json {
    return {{"DeleteRequest", {{"Key", KeyJson(keys[i])}}}};
  });
}

// BatchWriteItem knows no conditions, so each item is a request of its own, some at once.
arrow::Status DynamoTable::PutNewer(const std::vector<Item>& items) {
  ARROW_RETURN_NOT_OK(CheckSizes(items));
  std::vector<arrow::Future<>> writes;
  for (const Item& item : items) {
    ARROW_ASSIGN_OR_RAISE(auto write, pool_->Submit([this, &item]() -> arrow::Status {
      const Json request = {{"TableName", client_->place().table},
                            {"Item", ItemJson(item.key, item.bytes)},
                            {"ConditionExpression", "attribute_not_exists(v) OR v < :v"},
                            {"ExpressionAttributeValues",
                             {{":v", {{"N", std::to_string(ItemVersion(item.bytes))}}}}}};
      ARROW_ASSIGN_OR_RAISE(const DynamoAnswer answer, client_->Send("PutItem", request.dump()));
      const bool is_older = answer.error == "ConditionalCheckFailedException";
      return answer.ok || is_older ? arrow::Status::OK() : client_->ErrorOf("PutItem", answer);
    }));
    writes.push_back(std::move(write));
  }
  const auto done = arrow::AllComplete(writes);
  done.Wait();
  return arrow::AllFinished(writes).status();
}

arrow::Result<bool> DynamoTable::Replace(const ItemKey& key,
                                         const std::optional<std::string>& expected,
                                         const std::optional<std::string>& desired) {
  const std::string operation = desired.has_value() ? "PutItem" : "DeleteItem";
  Json request = {{"TableName", client_->place().table}};
  if (desired.has_value()) {
    request["Item"] = ItemJson(key, *desired);
  } else {
    request["Key"] = KeyJson(key);
  }
  if (expected.has_value()) {
    request["ConditionExpression"] = "b = :b";
    request["ExpressionAttributeValues"] = {{":b", BytesJson(*expected)}};
  } else {
    request["ConditionExpression"] = "attribute_not_exists(k)";
  }
  ARROW_ASSIGN_OR_RAISE(const DynamoAnswer answer, client_->Send(operation, request.dump()));
  if (answer.ok) return true;
  if (answer.error != "ConditionalCheckFailedException") {
    return client_->ErrorOf(operation, answer);
  }
  // An earlier attempt may have done it and its answer was lost.
  ARROW_ASSIGN_OR_RAISE(const auto found, Get({key}));
  return found[0] == desired;
}

arrow::Result<ItemTable::Page> DynamoTable::Scan(const std::string& name, const std::string& from) {
  Json request = {{"TableName", client_->place().table},
                  {"ConsistentRead", true},
                  {"Limit", kKeysPerScan},
                  {"ProjectionExpression", "k, s"},
                  {"FilterExpression", "s = :s"},
                  {"ExpressionAttributeValues", {{":s", {{"S", name}}}}}};
  if (!from.empty()) {
    Json start = Json::parse(from, nullptr, false);
    if (start.is_object()) request["ExclusiveStartKey"] = std::move(start);
  }
  ARROW_ASSIGN_OR_RAISE(const std::string body, client_->SendOk("Scan", request.dump()));
  ARROW_ASSIGN_OR_RAISE(const Json json, Parsed(body));
  Page page;
  for (const Json& item : Member(json, "Items")) {
    const std::string* group = Attribute(item, "k", "B");
    std::string decoded;
    if (group == nullptr || !base::ParseBase64(*group, &decoded)) return Damaged();
    page.keys.push_back({std::move(decoded), name});
  }
  const Json& last = Member(json, "LastEvaluatedKey");
  if (last.is_object() && !last.empty()) page.next = last.dump();
  return page;
}

}  // namespace icecore::online::dynamodb
