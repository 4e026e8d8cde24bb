#pragma once
// A table of items in one table of DynamoDB: partition key `k` (binary, the group), sort key `s`
// (string, the name), version `v` (number) and bytes `b` (binary). docs/formats/online.md.

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "icecore/online/dynamodb/dynamo_client.h"
#include "icecore/online/items/item_table.h"

namespace arrow::internal {
class ThreadPool;
}  // namespace arrow::internal

namespace icecore::online::dynamodb {

class DynamoTable : public ItemTable {
 public:
  static arrow::Result<std::unique_ptr<DynamoTable>> Open(const StorePlace& place,
                                                          const DynamoTuning& tuning = {});
  DynamoTable(std::unique_ptr<DynamoClient> client,
              std::shared_ptr<arrow::internal::ThreadPool> pool)
      : client_(std::move(client)), pool_(std::move(pool)) {}

  std::string kind() const override { return "dynamodb"; }
  // Makes the table, paid per request, where there is none. kDenied where the keys may not.
  arrow::Status Prepare() override;
  // Nothing where the table is missing.
  arrow::Result<std::vector<std::optional<std::string>>> Get(
      const std::vector<ItemKey>& keys, int64_t deadline_ns = INT64_MAX) override;
  arrow::Status PutNewer(const std::vector<Item>& items) override;
  arrow::Status PutNew(const std::vector<Item>& items) override;
  arrow::Result<bool> Replace(const ItemKey& key, const std::optional<std::string>& expected,
                              const std::optional<std::string>& desired) override;
  arrow::Status Delete(const std::vector<ItemKey>& keys) override;
  arrow::Result<Page> Scan(const std::string& name, const std::string& from) override;

 private:
  arrow::Result<bool> IsActive(bool* exists);
  arrow::Status MakeTable();
  arrow::Status GetBatch(std::span<const ItemKey> keys,
                         std::span<std::optional<std::string>> values, int64_t deadline_ns);
  arrow::Status WriteBatch(std::string requests_json);
  template <typename MakeRequest>
  arrow::Status WriteAll(size_t count, const MakeRequest& make);
  arrow::Status CheckSizes(const std::vector<Item>& items) const;

  const std::unique_ptr<DynamoClient> client_;
  const std::shared_ptr<arrow::internal::ThreadPool> pool_;
  std::mutex mutex_;
  bool is_prepared_ = false;
};

}  // namespace icecore::online::dynamodb
