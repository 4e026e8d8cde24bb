#pragma once
// How a load brings the keys of a view up to date, one after the other: cells in, rows added, the
// cells that changed out. What it gives is what a KeyState of each key gives (view_state.h).

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/state/view_state.h"

namespace icecore::state {

struct RowAt {
  const PreparedRows* rows = nullptr;
  int64_t row = 0;
};

// Up to where a load brings its keys.
struct LoadReach {
  int64_t applied_at = 0;  // KeyState::AdvanceTo, before rows are added
  int64_t seq = 0;         // KeyState::SetApplied, after
  int64_t applied_until = 0;
};

// Takes the changes of a key; what it is given lives as long as the call.
class CellChanges {
 public:
  virtual ~CellChanges() = default;
  virtual arrow::Status Put(std::string_view suffix, std::string_view bytes) = 0;
  virtual arrow::Status Delete(std::string_view suffix) = 0;
};

// Not thread safe.
class KeyUpdater {
 public:
  // Of a view whose tables have no versions; the engine outlives it.
  static arrow::Result<std::unique_ptr<KeyUpdater>> Make(const ViewEngine& engine);
  virtual ~KeyUpdater() = default;
  // `cells`: all that the key has, none of a new key; they live as long as the call.
  virtual arrow::Status Update(const std::vector<CellView>& cells, std::span<const RowAt> rows,
                               const LoadReach& reach, CellChanges* changes) = 0;
};

}  // namespace icecore::state
