#pragma once
// The lake as a feature log: rows of the views' tables, as they are or bounded by table.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/feature/feature_log.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Full name of the table whose rows a view reads: the log of versions where its table keeps them,
// else the table itself.
std::string LogOf(const spec::Project& project, const spec::FeatureView& view);

// What of a table a log gives. What is not said: the newest version, all its rows.
struct TablePin {
  std::optional<int64_t> version = {};       // of the table; one that is gone is kNotFound
  std::optional<int64_t> seq_up_to = {};     // rows with a greater _seq are not seen
  std::optional<int64_t> generation = {};    // another one is kNotFound: its _seq mean other rows
  std::optional<std::string> table_id = {};  // likewise
};
using TablePins = std::map<std::string, TablePin>;  // by full name, as LogOf gives it

// A table as it was read. A log pinned to the same generation and seq_up_to gives the same rows of
// a table that only grows; one computed whole needs the version.
struct TableRead {
  std::string table_id;
  int64_t generation = 0;
  int64_t version = -1;
  int64_t seq_up_to = 0;  // every row seen has a _seq up to here, and none up to here was missing
};
using TableReads = std::map<std::string, TableRead>;  // by full name

// What passes over files and row groups of `snapshot` whose rows of the view all lie before
// `earliest` or after `latest` (microseconds; INT64_MIN and INT64_MAX: no bound).
lake::Predicates EventTimesBetween(const lake::Snapshot& snapshot, const feature::BoundView& view,
                                   int64_t earliest, int64_t latest);

// Each table at one version for all views. Not thread safe.
class LakeFeatureLog : public feature::FeatureLog {
 public:
  explicit LakeFeatureLog(const Workspace& workspace, TablePins pins = {})
      : workspace_(workspace), pins_(std::move(pins)) {}
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(
      const feature::BoundView& view) override;
  // Parts of whole files; files and row groups without rows of the query are passed over.
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> ScanParts(
      const feature::BoundView& view, const feature::LogQuery& query) override;
  // What `icecore run` keeps sorted of an append table (view_log.h).
  arrow::Result<std::shared_ptr<const feature::ClusteredLog>> Clustered(
      const feature::BoundView& view) override;
  // Tables read so far.
  const TableReads& reads() const { return reads_; }

 private:
  // Of the view's table, once for all views.
  arrow::Result<const lake::Snapshot*> Open(const feature::BoundView& view);
  arrow::Result<lake::ScanOptions> OptionsFor(const lake::Snapshot& snapshot,
                                              const feature::BoundView& view,
                                              const feature::LogQuery& query) const;

  const Workspace& workspace_;
  TablePins pins_;
  std::map<std::string, std::shared_ptr<const lake::Snapshot>> tables_;
  TableReads reads_;
  std::map<std::string, std::shared_ptr<const feature::ClusteredLog>> clustered_;  // by view
};

}  // namespace icecore::pipeline
