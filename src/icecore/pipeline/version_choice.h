#pragma once
// Which of a table's versions are its present: of each key the greatest by (order_by, _seq), in
// whatever order they came.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/pipeline/key_index.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {

inline constexpr std::string_view kInsertOp = "insert";
inline constexpr std::string_view kUpdateOp = "update";
inline constexpr std::string_view kDeleteOp = "delete";

struct ChosenVersions {
  // By version: what it did to its key when it came.
  std::shared_ptr<arrow::StringArray> ops;
  std::vector<int64_t> winners;  // versions that are the greatest of their key now, in order
  std::vector<int64_t> rows;     // of them those that are no deletes: rows of the present
  int64_t inserts = 0;           // by ops
  int64_t updates = 0;
  int64_t deletes = 0;
  int64_t row_change = 0;  // how many rows more the present has
  int64_t superseded() const {
    return inserts + updates + deletes - static_cast<int64_t>(winners.size());
  }
};

// Holds a few numbers and the keys of the new versions; older ones pass by in batches. Not thread
// safe.
class VersionChoice {
 public:
  // `versions`: ascending by `_seq`, with the key (no part null), order_by, `_seq` and `_op`
  // ("delete", or anything else for a row).
  static arrow::Result<VersionChoice> Make(const VersionedTable& table,
                                           const arrow::RecordBatch& versions);

  // Rows of the present as it was (`are_deletes` false), or older deletes.
  arrow::Status AddOlder(const arrow::RecordBatch& rows, bool are_deletes);

  // kContractViolation where two versions of a key have the same `_seq` and order_by.
  arrow::Result<ChosenVersions> Choose() const;

 private:
  VersionChoice(VersionedTable table, std::shared_ptr<arrow::BinaryArray> keys)
      : table_(std::move(table)), index_(std::move(keys)) {}

  struct Best {
    std::string order;
    int64_t seq = 0;  // 0: there is none
    bool lives = false;
  };

  VersionedTable table_;
  KeyIndex index_;
  std::shared_ptr<arrow::BinaryArray> orders_;
  std::vector<int64_t> seqs_;
  std::vector<bool> is_delete_;
  std::vector<Best> older_;  // by group
};

}  // namespace icecore::pipeline
