#pragma once
// The project's definitions held against the lake's schemas: order of work, types of every table,
// SQL analysed, views and services bound. What plan, run, training sets and serving all start from.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/feature/service.h"
#include "icecore/feature/view.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/model.h"
#include "icecore/sql/analysis.h"

namespace icecore::pipeline {

struct AnalysedSource {
  const spec::Source* source = nullptr;
  std::shared_ptr<arrow::Schema> raw;       // of landing.X_raw; null: nothing is known yet
  std::shared_ptr<arrow::Schema> inferred;  // types fixed for undeclared text columns
  std::shared_ptr<arrow::Schema> accepted;  // of landing.X, envelope included; null: unknown
  // The files' columns are not what the contract allows: the contract step fails with this, and
  // `accepted` is what passed before, if anything did.
  arrow::Status refused;
  arrow::Status unreadable;  // why the first file could not be read, before anything landed
};

struct AnalysedTable {
  const spec::Table* table = nullptr;
  sql::Analysis analysis;
  std::shared_ptr<arrow::Schema> schema;  // user columns and envelope; null where it is not known
  std::string history;  // full name of the log of its versions; "" where it keeps none
};

struct AnalysedTrainingSet {
  const spec::TrainingSet* set = nullptr;
  sql::Analysis spine;  // of a spine made by SQL; `output` null where it is not known
};

struct AnalysedProject {
  std::map<std::string, AnalysedSource> sources;  // by "landing.X"
  std::map<std::string, AnalysedTable> tables;    // by full name
  std::vector<std::string> order;                 // full names of landing and tables, inputs first
  std::map<std::string, std::shared_ptr<const feature::BoundView>> views;
  std::map<std::string, std::shared_ptr<const feature::BoundService>> services;
  std::map<std::string, AnalysedTrainingSet> training_sets;
  base::Diagnostics diagnostics;

  // landing.X, ZONE.X or history.X -> its schema, null where unknown.
  std::shared_ptr<arrow::Schema> SchemaOf(const std::string& full_name) const;
};

// Reads the lake's newest schemas and, for sources that never landed, their first file. Findings go
// to diagnostics; a Status is a fault that is not the definitions'. `bind_features`: views and
// services too.
arrow::Result<AnalysedProject> AnalyseProject(const Workspace& workspace, bool bind_features);

// event_time and known_at of a view, from itself, its table, or the defaults of docs/time.md.
struct ViewTimes {
  std::optional<spec::EventTime> event_time;
  spec::KnownAt known_at;
  bool known_at_is_default = false;
};
ViewTimes TimesOf(const spec::Project& project, const spec::FeatureView& view);

}  // namespace icecore::pipeline
