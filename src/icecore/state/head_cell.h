#pragma once
// The head of a key that is kept in tiles (docs/formats/state.md), taken apart without a copy.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/state/view_plan.h"

namespace icecore::state {

inline constexpr std::string_view kTiledHeadMagic = "ICKH";
inline constexpr uint8_t kTiledHeadVersion = 1;

// The front of a head; behind it come the rows chosen of its `sets`, how many rows wait, and they.
void BeginHead(int64_t applied_seq, int64_t applied_until, int64_t advanced_to, size_t sets,
               std::string* out);
// What stands before the values of the row chosen of a set; null: there is none.
void PutChosenOrder(const RowOrder* order, std::string* out);
// Takes it off the front; false: there is none. kCorrupt when the bytes are no such row.
arrow::Result<bool> TakeChosenOrder(std::string_view* in, RowOrder* order);

// Its parts; points into the cell.
struct HeadParts {
  int64_t applied_seq = 0;
  int64_t applied_until = 0;
  int64_t advanced_to = 0;
  std::string_view chosen;  // the rows chosen, set by set; only lengths have been looked at
  uint64_t queue_size = 0;
  std::string_view queue;
};

// kCorrupt, or kUnsupported for another version.
arrow::Result<HeadParts> SplitHead(const ViewPlan& plan, std::string_view cell);

// A head with the rows chosen told apart; points into the cell.
struct HeadCell {
  int64_t applied_seq = 0;
  int64_t applied_until = 0;
  int64_t advanced_to = 0;
  std::vector<std::optional<RowOrder>> chosen;  // one per AsOfSet
  // Of each row chosen its values, encoded, as AsOfSet::values; set by set. Only their lengths have
  // been looked at.
  std::vector<std::string_view> values;
  uint64_t queue_size = 0;
  std::string_view queue;
};

// kCorrupt, or kUnsupported for another version.
arrow::Result<HeadCell> ParseHead(const ViewPlan& plan, std::string_view cell);

// Appends the answers at t of a view without windows. Nothing waits in the queue.
arrow::Status ReadHead(const ViewPlan& plan, const HeadParts& head, int64_t t, VectorSink* sink);

}  // namespace icecore::state
