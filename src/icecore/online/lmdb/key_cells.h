#pragma once
// The cells of one entity key of one view, read together.

#include <arrow/result.h>

#include <string_view>
#include <vector>

#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/state/view_state.h"

namespace icecore::online::lmdb {

// Reads the cells of `key` (encoded, not empty) into *cells, which is cleared first; `prefix` is
// working memory and holds the key's prefix afterwards. kCorrupt when one is damaged.
arrow::Status ReadCells(Cursor* cursor, const CellSpace& space, std::string_view key,
                        CellPrefix* prefix, std::vector<state::Cell>* cells);
// The same where they lie: they live until the cursor's transaction writes or ends.
arrow::Status ReadCells(Cursor* cursor, const CellSpace& space, std::string_view key,
                        CellPrefix* prefix, std::vector<state::CellView>* cells);

// As ReadCells, but a damaged cell is *damage, and the status is that of the store as a whole; and
// of the cells beside the head only those in `ranges`, ascending, and where they
// lie: they live as long as the cursor's transaction. Keys next to each other are read fastest one
// after the other.
arrow::Status ReadCellsIn(Cursor* cursor, const CellSpace& space, std::string_view key,
                          const std::vector<state::CellRange>& ranges, CellPrefix* prefix,
                          std::vector<state::CellView>* cells, arrow::Status* damage);

}  // namespace icecore::online::lmdb
