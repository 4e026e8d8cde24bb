#pragma once
// Spoils an item of a store of items, as a broken disk or a foreign writer would.

#include <arrow/result.h>

#include <string>

#include "icecore/online/items/item_records.h"
#include "icecore/online/items/item_table.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/store_test_data.h"

namespace icecore::online::testing {

// `key`: of one text column, which the view has rows of.
inline arrow::Status DamageItem(ItemTable* table, const std::string& view, const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(const auto record_bytes, table->Get({ViewRecordKey(view)}));
  ARROW_ASSIGN_OR_RAISE(const ItemViewRecord record,
                        DecodeViewRecord(record_bytes[0].value_or(""), view));
  ARROW_ASSIGN_OR_RAISE(const EncodedKeys encoded, EncodeKeys({Strings({key})}, 1));
  bool shortened = false;
  const ItemKey place{KeyGroup(record.entity_id, encoded.key(0), &shortened),
                      SpaceName(record.view_id, static_cast<uint32_t>(record.position.generation))};
  ARROW_ASSIGN_OR_RAISE(const auto item, table->Get({place}));
  std::string damaged = item[0].value_or("");
  if (damaged.empty()) return arrow::Status::KeyError("no item to damage");
  damaged.back() = static_cast<char>(damaged.back() ^ 0x10);
  ARROW_ASSIGN_OR_RAISE(const bool done, table->Replace(place, item[0], damaged));
  return done ? arrow::Status::OK() : arrow::Status::Invalid("the item has changed meanwhile");
}

}  // namespace icecore::online::testing
