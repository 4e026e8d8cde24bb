#pragma once
// Records of an online store of items: which views and entities there are, and, of each view, what
// answers, who loads it and what waits to be swept. Bytes: docs/formats/online.md.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/items/item_format.h"
#include "icecore/online/items/item_table.h"
#include "icecore/online/store.h"

namespace icecore::online {

// The right to load a view until a moment of the machines' clocks. It only keeps loads from
// disturbing one another: what fences them is the load's number.
struct LoadLease {
  LoadNumber load = 0;
  std::string holder;  // load_holder.h
  int64_t until_us = 0;
  bool writing = false;     // items of this load may be in the store
  uint32_t generation = 0;  // a new one; 0: the one that answers
};

// A load of a new generation that was cut off, or is at work; one like it may go on.
struct UnfinishedLoad {
  uint32_t generation = 0;
  ViewPosition position;  // that it is to reach
  std::string from;       // encoded; keys before it are written
  int64_t keys = 0;       // of them
  int64_t bytes = 0;
};

// A generation that no longer answers.
struct SweptGeneration {
  uint32_t generation = 0;
  std::string from;  // where the walk goes on
};

struct ItemViewRecord {
  uint64_t revision = 0;  // of this record
  uint32_t view_id = 0;
  uint32_t entity_id = 0;        // of the generation that answers
  uint32_t last_generation = 0;  // the highest ever given
  bool loaded = false;           // false: ids are given, nothing answers
  ViewPosition position;
  LoadNumber committed = 0;           // the last load of the generation that answers
  LoadNumber last_load = 0;           // the highest number ever given
  std::vector<LoadNumber> abandoned;  // ascending: of that generation, wrote and never committed
  int64_t keys = 0;                   // of that generation
  int64_t bytes = 0;
  std::optional<LoadLease> lease;
  std::vector<SweptGeneration> swept;
  std::optional<UnfinishedLoad> unfinished;

  std::optional<ViewPosition> Held() const {
    return loaded ? std::optional<ViewPosition>(position) : std::nullopt;
  }
  // What a load wrote counts.
  bool IsCommitted(LoadNumber load) const;
  // The cells that count of an item; nullopt: the item is of a time after this record's.
  std::optional<std::vector<state::Cell>> CellsOf(const KeyItem& item) const;
  // The lease goes, and what its load may have written is known as void, or as unfinished.
  void EndLease();
  // What is unfinished is to be swept.
  void GiveUpUnfinished();
};

// All views and entities by name. Ids are never given twice.
struct ItemIndex {
  uint64_t revision = 0;
  uint32_t last_view_id = 0;
  uint32_t last_entity_id = 0;
  std::map<std::string, uint32_t> views;
  std::map<std::string, uint32_t> entities;
};

ItemKey IndexKey();
ItemKey ViewRecordKey(const std::string& view);

std::string EncodeIndex(const ItemIndex& index);
arrow::Result<ItemIndex> DecodeIndex(std::string_view bytes);
std::string EncodeViewRecord(const ItemViewRecord& record);
arrow::Result<ItemViewRecord> DecodeViewRecord(std::string_view bytes, const std::string& view);

}  // namespace icecore::online
