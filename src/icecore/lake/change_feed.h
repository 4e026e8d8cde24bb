#pragma once
// Which rows each version of a table added, changed and removed. Delta protocol, section "Add CDC
// File".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/lake/read_context.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

inline constexpr std::string_view kChangeType = "_change_type";
inline constexpr std::string_view kCommitVersion = "_commit_version";
inline constexpr std::string_view kCommitTimestamp = "_commit_timestamp";

struct ChangeOptions {
  int64_t first_version = 0;
  std::optional<int64_t> last_version;              // included; nullopt = the newest
  std::optional<std::vector<std::string>> columns;  // of the table; nullopt = all
  int64_t batch_rows = 1 << 16;                     // at most
};

// The columns, then _change_type (utf8: insert, delete, update_preimage, update_postimage),
// _commit_version (int64) and _commit_timestamp (timestamp[us, UTC]).
std::shared_ptr<arrow::Schema> WithChangeColumns(const arrow::Schema& columns);

// The table's columns as the last version declares them, with those of changes. Versions come in
// order; within one, its files of changes where it has some, else rows that removed files had and
// then rows that added files have; of a file that stays with another deletion vector only the rows
// that differ. Versions that only move rows give none.
//
// A version at which the table did not have delta.enableChangeDataFeed is kDenied, by its number; a
// range without versions, or with one that is not there or whose log entry is gone, is kNotFound.
// `table` must outlive the reader.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ReadChanges(Table& table,
                                                                     const ChangeOptions& options,
                                                                     const ReadAccess& access);

}  // namespace icecore::lake
