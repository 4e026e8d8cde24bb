#include "icecore/online/lmdb/key_cells.h"

#include <string>

namespace icecore::online::lmdb {

arrow::Status ReadCells(Cursor* cursor, const CellSpace& space, std::string_view key,
                        CellPrefix* prefix, std::vector<state::Cell>* cells) {
  cells->clear();
  prefix->Assign(space, key);
  ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(prefix->bytes()));
  while (found && cursor->key().starts_with(prefix->bytes())) {
    ARROW_ASSIGN_OR_RAISE(const CellValue value,
                          DecodeCellValue(cursor->key(), key, cursor->value()));
    if (value.same_key) {
      cells->push_back(state::Cell{std::string(cursor->key().substr(prefix->bytes().size())),
                                   std::string(value.state)});
    }
    ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online::lmdb
