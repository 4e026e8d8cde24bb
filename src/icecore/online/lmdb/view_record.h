#pragma once
// Records of the meta table: ids of entities, what each view serves, and what waits to be swept.
// Bytes: docs/formats/online.md.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/online/store.h"

namespace icecore::online::lmdb {

// A new generation, or cells that extend the one that answers, which are being written in several
// transactions; no read sees them.
struct LoadInMaking {
  uint32_t entity_id = 0;
  ViewPosition position;  // that it will have; its generation among it
  std::string from;       // keys before this one (encoded) are written
};

// What a view serves: one record, replaced in the transaction that brings the data.
struct ViewRecord {
  uint32_t view_id = 0;
  uint32_t entity_id = 0;        // of the serving generation
  uint32_t last_generation = 0;  // the highest ever given
  bool loaded = false;           // false: ids are given, nothing answers
  ViewPosition position;
  std::optional<LoadInMaking> in_making;

  CellSpace space() const {
    return CellSpace{entity_id, view_id, static_cast<uint32_t>(position.generation)};
  }
  bool extends_in_making() const {
    return loaded && in_making && in_making->position.generation == position.generation;
  }
  // Of in_making.
  CellSpace space_in_making() const {
    return CellSpace{in_making->entity_id, view_id,
                     static_cast<uint32_t>(in_making->position.generation)};
  }
};

// Cells that no longer answer. `resume`: the sweep goes on from here.
struct Garbage {
  CellSpace space;
  std::string resume;
};

arrow::Result<std::optional<ViewRecord>> GetView(const Transaction& transaction,
                                                 const std::string& view);
// GetView for readers: a record is decoded once for as long as its bytes in the store stay the
// same. Thread safe.
class ViewRecords {
 public:
  // Null: there is none.
  arrow::Result<std::shared_ptr<const ViewRecord>> Get(const Transaction& transaction,
                                                       const std::string& view);

 private:
  struct Decoded {
    std::string bytes;
    std::shared_ptr<const ViewRecord> record;
  };
  std::shared_mutex mutex_;
  std::map<std::string, Decoded> decoded_;  // by view
};

arrow::Status PutView(Transaction* transaction, const std::string& view, const ViewRecord& record);
arrow::Status RemoveView(Transaction* transaction, const std::string& view);
arrow::Result<std::vector<std::pair<std::string, ViewRecord>>> ListViews(Transaction* transaction);

// The number of an entity's name, given at first sight.
arrow::Result<uint32_t> EntityIdOf(Transaction* transaction, const std::string& entity);
arrow::Result<uint32_t> NewViewId(Transaction* transaction);

arrow::Status PutGarbage(Transaction* transaction, const Garbage& garbage);
// What a load that was cut off has written is garbage; `record` forgets it and is not put.
arrow::Status GiveUpLoadInMaking(Transaction* transaction, ViewRecord* record);
arrow::Status RemoveGarbage(Transaction* transaction, const CellSpace& space);
// Where the sweep of expired cells goes on; empty: from the first key.
arrow::Result<std::string> GetResume(const Transaction& transaction, const CellSpace& space);
arrow::Status PutResume(Transaction* transaction, const CellSpace& space,
                        const std::string& resume);
// Any one, or nullopt; of one view alone when `view_id` is given.
arrow::Result<std::optional<Garbage>> FirstGarbage(Transaction* transaction,
                                                   std::optional<uint32_t> view_id);

// False in a new store, which has no format's version yet; kUnsupported where another version wrote
// it.
arrow::Result<bool> CheckFormat(const Transaction& transaction);
arrow::Status PutFormat(Transaction* transaction);

}  // namespace icecore::online::lmdb
