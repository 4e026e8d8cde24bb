#pragma once
// What a batch of versions changes in a store, for every store alike: the versions of each table
// key are settled first, which tells the entity keys which rows to take and which of their rows
// end.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/key_encoding.h"
#include "icecore/state/version_chain.h"
#include "icecore/state/view_state.h"

namespace icecore::online {

// Rows of a load as they were added.
struct LoadPiece {
  state::PreparedRows rows;
  EncodedKeys keys;
};

// The cell of a table key in a store, by EncodeTableKey.
class ChainCells {
 public:
  virtual ~ChainCells() = default;
  // nullopt: there is none yet.
  virtual arrow::Result<std::optional<std::string>> Get(const std::string& key) = 0;
  virtual arrow::Status Put(const std::string& key, const std::string& bytes) = 0;
};

// A row that an entity key takes, or (piece < 0) ends.
struct OwnerChange {
  std::string owner;  // encoded entity key
  state::VersionId version;
  int64_t until = 0;
  int64_t piece = -1;
  int64_t row = 0;
};

// Settles all versions of `pieces` at `now`, brings the cells of their table keys up to date, and
// returns what their owners have to be told, sorted by owner.
arrow::Result<std::vector<OwnerChange>> SettleVersions(const state::ViewEngine& engine,
                                                       const std::vector<LoadPiece>& pieces,
                                                       int64_t now, ChainCells* cells);

// Tells one owner's state.
arrow::Status ApplyChange(const std::vector<LoadPiece>& pieces, const OwnerChange& change,
                          state::KeyState* state);

}  // namespace icecore::online
