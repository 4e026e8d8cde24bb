#pragma once
// Tables that keep versions: `merge`, `replace` with a key, and sources that load snapshots with a
// key. Each rests as two Delta tables. The log, `history.x`, has every version, deletes too, and
// only grows; the step's state rests there. The present, e.g. `processing.x`, is what the log makes
// of it: of each key the greatest version by (order_by, _seq), none where that is a delete. It is
// brought up to the log after the log's commit, so a kill between the two is healed by the next
// run. docs/formats/delta-details.md, section "Versions".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/lake/snapshot.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

// domainMetadata of a log: the table's key and order_by.
inline constexpr std::string_view kVersionsDomain = "icecore.versions";
// txn of a present: the greatest _seq of the log that it holds.
inline constexpr std::string_view kHistoryTransaction = "icecore.history";

// What tells a table's versions from one another.
struct VersionedTable {
  std::string present;  // full name, "processing.orders"
  std::string history;  // full name, "history.orders"
  std::vector<std::string> key;
  std::vector<std::string> order_by;  // the greatest wins, _seq behind it
};

bool KeepsVersions(const spec::Table& table);
bool KeepsVersions(const spec::Source& source);

// "orders" -> "history.orders".
std::string HistoryName(const std::string& short_name);

// `name`: of a present or of a log. nullopt: no table or source of that name keeps versions.
std::optional<VersionedTable> FindVersionedTable(const spec::Project& project,
                                                 const std::string& name);

// The log's columns: those of the present, then `_known_at`.
std::shared_ptr<arrow::Schema> HistorySchema(const arrow::Schema& present);

// key and order_by as the log's domain has them, and back. kCorrupt for other text.
std::string VersionsToJson(const VersionedTable& table);
arrow::Status VersionsFromJson(const std::string& json, VersionedTable* table);

// The known time of rows by the table's own `known_at`, else `_arrived_at`; UTC microseconds.
arrow::Result<std::shared_ptr<arrow::Array>> KnownTimes(
    const std::optional<spec::KnownAt>& known_at, const std::optional<spec::EventTime>& event_time,
    const arrow::RecordBatch& rows);

}  // namespace icecore::pipeline
