#include "icecore/online/version_load.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::online {

namespace {

// A version of the batch.
struct Place {
  std::string_view table_key;
  int64_t piece = 0;
  int64_t row = 0;
};

// By table key, then as they came. Rows that are never visible are left out.
arrow::Result<std::vector<Place>> SortedPlaces(const std::vector<LoadPiece>& pieces) {
  std::vector<Place> places;
  for (size_t piece = 0; piece < pieces.size(); ++piece) {
    const state::PreparedRows& rows = pieces[piece].rows;
    if (rows.num_rows > 0 &&
        (rows.table_key == nullptr || rows.version_order == nullptr || rows.live == nullptr)) {
      return base::MakeError(base::ErrorCode::kInternal, "rows of a versioned view without keys");
    }
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      if (rows.event_time->IsNull(row) || rows.known_at->IsNull(row)) continue;
      places.push_back({rows.table_key->GetView(row), static_cast<int64_t>(piece), row});
    }
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.table_key, a.piece, a.row) < std::tie(b.table_key, b.piece, b.row);
  });
  return places;
}

state::Version VersionAt(const state::ViewEngine& engine, const LoadPiece& piece, int64_t row) {
  const state::PreparedRows& rows = piece.rows;
  const int64_t event_time = rows.event_time->Value(row);
  state::Version version;
  version.order = rows.version_order->GetView(row);
  version.seq = rows.seq->Value(row);
  version.activation =
      engine.ActivationOf(event_time, std::max(event_time, rows.known_at->Value(row)));
  if (rows.live->Value(row)) version.owner = piece.keys.key(row);
  return version;
}

}  // namespace

arrow::Result<std::vector<OwnerChange>> SettleVersions(const state::ViewEngine& engine,
                                                       const std::vector<LoadPiece>& pieces,
                                                       int64_t now, ChainCells* cells) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Place> places, SortedPlaces(pieces));
  std::vector<OwnerChange> changes;
  for (size_t begin = 0; begin < places.size();) {
    const std::string key = EncodeTableKey(places[begin].table_key);
    ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> stored, cells->Get(key));
    state::VersionChain chain;
    if (stored.has_value()) {
      ARROW_ASSIGN_OR_RAISE(chain, state::VersionChain::Load(*stored));
    }
    size_t end = begin;
    for (; end < places.size() && places[end].table_key == places[begin].table_key; ++end) {
      const Place& place = places[end];
      chain.Add(VersionAt(engine, pieces[static_cast<size_t>(place.piece)], place.row),
                static_cast<int64_t>(end));
    }
    for (state::VersionChain::Change& told : chain.Settle(now)) {
      OwnerChange change{std::move(told.owner),
                         state::MakeVersionId(places[begin].table_key, told.order, told.seq),
                         told.until, -1, 0};
      if (told.row >= 0) {
        change.piece = places[static_cast<size_t>(told.row)].piece;
        change.row = places[static_cast<size_t>(told.row)].row;
      }
      changes.push_back(std::move(change));
    }
    const std::string bytes = chain.Encode();
    if (!stored.has_value() || *stored != bytes) ARROW_RETURN_NOT_OK(cells->Put(key, bytes));
    begin = end;
  }
  std::sort(changes.begin(), changes.end(), [](const OwnerChange& a, const OwnerChange& b) {
    return std::tie(a.owner, a.version) < std::tie(b.owner, b.version);
  });
  return changes;
}

arrow::Status ApplyChange(const std::vector<LoadPiece>& pieces, const OwnerChange& change,
                          state::KeyState* state) {
  if (change.piece < 0) return state->End(change.version, change.until);
  return state->AddUntil(pieces[static_cast<size_t>(change.piece)].rows, change.row, change.until);
}

}  // namespace icecore::online
