#pragma once
// A service that keeps items by key, as far as the online store needs it: what Redis and DynamoDB
// have in common. ItemStore makes an online store of one.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::online {

struct ItemKey {
  std::string
      group;         // items of one group lie together, in one slot or partition; at most 500 bytes
  std::string name;  // within the group: printable, without '{' and '}'; may be empty
  bool operator==(const ItemKey&) const = default;
};

// The version of an item is the first eight of its bytes, big endian, below 2^53.
struct Item {
  ItemKey key;
  std::string bytes;
};

uint64_t ItemVersion(std::string_view bytes);  // 0 for fewer than eight bytes
std::string ItemVersionBytes(uint64_t version);

// Thread safe. Every call repeats what can be repeated, with growing waits, and then gives
// kUnavailable with the server's name; a call that is repeated by the caller does no harm. No
// message holds a key, bytes or a secret.
class ItemTable {
 public:
  virtual ~ItemTable() = default;

  virtual std::string kind() const = 0;

  // Makes room for the first item where the service needs that (a table); done before each load.
  virtual arrow::Status Prepare() = 0;

  // The items as the last acknowledged writes left them, in the order of the keys, which differ
  // from one another; nullopt: there is none. In one round trip as far as the service allows; the
  // items are not read at one moment. Repeated no longer than until `deadline_ns`.
  virtual arrow::Result<std::vector<std::optional<std::string>>> Get(
      const std::vector<ItemKey>& keys, int64_t deadline_ns = INT64_MAX) = 0;

  // Puts each item whose stored version is lower than its own, or which is not there; leaves the
  // others alone. kLimit when an item is too large for the service.
  virtual arrow::Status PutNewer(const std::vector<Item>& items) = 0;

  // Puts items that nobody else writes and that were not there before.
  virtual arrow::Status PutNew(const std::vector<Item>& items) = 0;

  // Puts (nullopt: deletes) the item where it is as expected (nullopt: not there); false where it
  // is not. True too where the item is as desired already, so a lost answer does no harm.
  virtual arrow::Result<bool> Replace(const ItemKey& key,
                                      const std::optional<std::string>& expected,
                                      const std::optional<std::string>& desired) = 0;

  virtual arrow::Status Delete(const std::vector<ItemKey>& keys) = 0;

  // A step of a walk over the items of that name, of whatever group. Items that stay all the while
  // are met at least once.
  struct Page {
    std::vector<ItemKey> keys;
    std::string next;  // to go on with; empty: the walk has ended
  };
  virtual arrow::Result<Page> Scan(const std::string& name, const std::string& from) = 0;
};

}  // namespace icecore::online
