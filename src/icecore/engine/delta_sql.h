#pragma once
// `delta('path')` and `delta_changes('path', from)` in `icecore sql`: any Delta table by its place.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/snapshot.h"
#include "icecore/sql/session.h"
#include "icecore/sql/table_needs.h"

namespace icecore::engine {

// Where a query says delta('PLACE'), delta('PLACE', VERSION) or delta('PLACE', 'TIME'); or
// delta_changes('PLACE', FIRST) or delta_changes('PLACE', FIRST, LAST), the change data feed.
struct DeltaMention {
  std::string place;
  std::optional<int64_t> version;  // of changes the last one
  std::optional<int64_t> at_us;
  std::optional<int64_t> changes_from;  // the first version whose changes are wanted; else rows
  std::string name;                     // of the relation that stands for it: delta."NAME"
};

// The query with its mentions replaced by names of relations; equal mentions share one. Only
// literals are taken: SQL cannot compute a path. kInvalidArgument for other arguments.
struct DeltaQuery {
  std::string sql;
  std::vector<DeltaMention> mentions;
};
arrow::Result<DeltaQuery> ReplaceDeltaCalls(const std::string& query);

// The table that a mention means, at its version.
class DeltaTable {
 public:
  // `directory`: what relative places are relative to. A place is a folder or a file: URL.
  // kNotFound where there is no table; nothing is made there.
  static arrow::Result<std::unique_ptr<DeltaTable>> Open(const DeltaMention& mention,
                                                         const std::string& directory);
  virtual ~DeltaTable() = default;

  // What its relation has: the columns of the snapshot, of changes also _change_type,
  // _commit_version and _commit_timestamp.
  virtual std::shared_ptr<arrow::Schema> columns() const = 0;
  // Its rows, or its changes, as the relation delta."name": the columns that the query needs, and
  // files and row groups that may hold rows that meet its conditions.
  virtual arrow::Status Register(const std::string& name, const sql::TableNeeds& needs,
                                 const lake::ReadAccess& access, sql::Session* session) = 0;
};

// The tables of a query's mentions, in their order.
class DeltaTables {
 public:
  static arrow::Result<DeltaTables> Open(const std::vector<DeltaMention>& mentions,
                                         const std::string& directory);
  // As the analysis of the query knows them.
  const std::vector<sql::TableSchema>& schemas() const { return schemas_; }
  // What the query (plain_sql of its analysis) needs of each, as relations of the session.
  arrow::Status Register(const std::string& plain_sql, const lake::ReadAccess& access,
                         sql::Session* session) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<DeltaTable>> tables_;
  std::vector<sql::TableSchema> schemas_;
};

// A query over delta('…') alone, where there is no project.
arrow::Result<std::shared_ptr<arrow::Table>> RunDeltaSql(const std::string& query,
                                                         const std::string& directory,
                                                         const base::Clock& clock);

}  // namespace icecore::engine
