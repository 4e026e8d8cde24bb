#include "icecore/online/lmdb/key_cells.h"

#include <string>

namespace icecore::online::lmdb {
namespace {

// The cell at the cursor; none where it is another key's of the same hash.
template <typename Cell>
arrow::Status TakeCell(const Cursor& cursor, std::string_view key, size_t prefix_bytes,
                       std::vector<Cell>* cells) {
  ARROW_ASSIGN_OR_RAISE(const CellValue value, DecodeCellValue(cursor.key(), key, cursor.value()));
  if (value.same_key) {
    using Bytes = decltype(Cell::bytes);
    cells->push_back(Cell{Bytes(cursor.key().substr(prefix_bytes)), Bytes(value.state)});
  }
  return arrow::Status::OK();
}

template <typename Cell>
arrow::Status ReadAll(Cursor* cursor, const CellSpace& space, std::string_view key,
                      CellPrefix* prefix, std::vector<Cell>* cells) {
  cells->clear();
  prefix->Assign(space, key);
  ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(prefix->bytes()));
  while (found && cursor->key().starts_with(prefix->bytes())) {
    ARROW_RETURN_NOT_OK(TakeCell(*cursor, key, prefix->bytes().size(), cells));
    ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status ReadCells(Cursor* cursor, const CellSpace& space, std::string_view key,
                        CellPrefix* prefix, std::vector<state::Cell>* cells) {
  return ReadAll(cursor, space, key, prefix, cells);
}

arrow::Status ReadCells(Cursor* cursor, const CellSpace& space, std::string_view key,
                        CellPrefix* prefix, std::vector<state::CellView>* cells) {
  return ReadAll(cursor, space, key, prefix, cells);
}

arrow::Status ReadCellsIn(Cursor* cursor, const CellSpace& space, std::string_view key,
                          const std::vector<state::CellRange>& ranges, CellPrefix* prefix,
                          std::vector<state::CellView>* cells, arrow::Status* damage) {
  // So many steps are cheaper than a search from the root.
  constexpr int kMostSteps = 4;
  cells->clear();
  prefix->Assign(space, key);
  const size_t prefix_bytes = prefix->bytes().size();
  auto range = ranges.begin();
  int steps = 0;
  // A head, whose key is the prefix, is where the cursor stands after the cells before it.
  bool found = cursor->key() == prefix->bytes();
  if (!found) {
    ARROW_ASSIGN_OR_RAISE(found, cursor->Seek(prefix->bytes()));
  }
  while (found && cursor->key().starts_with(prefix->bytes())) {
    const std::string_view suffix = cursor->key().substr(prefix_bytes);
    while (!suffix.empty() && range != ranges.end() && suffix >= range->to) {
      ++range;
      steps = 0;
    }
    if (!suffix.empty() && range == ranges.end()) {
      break;
    }
    if (suffix.empty() || suffix >= range->from) {
      *damage = TakeCell(*cursor, key, prefix_bytes, cells);
      if (!damage->ok()) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
    } else if (++steps <= kMostSteps) {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
    } else {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Seek(std::string(prefix->bytes()) + range->from));
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online::lmdb
