#pragma once
// The composition root: opens a project, wires catalog, lake, SQL and stores, and offers what users
// do with it. Shells (command line, HTTP, C) call this and nothing below.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/catalog/catalog.h"
#include "icecore/engine/damaged_rows.h"
#include "icecore/engine/definition_tests.h"
#include "icecore/feature/training_set.h"
#include "icecore/ingest/push/checked_rows.h"
#include "icecore/ingest/push/journal.h"
#include "icecore/lake/table.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/direct_load.h"
#include "icecore/pipeline/lake_audit.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/maintenance.h"
#include "icecore/pipeline/pending.h"
#include "icecore/pipeline/restore.h"
#include "icecore/pipeline/runner.h"
#include "icecore/pipeline/training_card.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/model.h"

namespace icecore::engine {

struct OpenOptions {
  std::string directory = ".";    // the project's folder
  std::optional<int64_t> now_us;  // --now; else the project's `now:`, else the machine's clock
  pipeline::EventListener listener;
  // Of pushes: engines of one process that share them read each once. null: its own.
  std::shared_ptr<pipeline::OpenJournals> journals = nullptr;
  // Where this process lands pushes and loads them directly, shared by both. null: it does not.
  std::shared_ptr<pipeline::DirectReach> direct = nullptr;
};

struct PlanReport {
  std::vector<catalog::DefinitionChange> changes;
  base::Diagnostics diagnostics;  // errors, warnings, notes
  std::vector<pipeline::PendingStep> pending;
};

struct ApplyReport {
  int64_t version = 0;
  std::vector<catalog::DefinitionChange> changes;
  base::Diagnostics diagnostics;             // warnings and notes
  std::vector<pipeline::PendingStep> loads;  // of online views whose definition changed
};

struct TrainingSetRequest {
  std::string name;        // of a training set, or of a service
  std::string spine_path;  // of a service
  std::string out_path;
  feature::KnowledgeCut cut;
  std::string card_path;  // or its JSON: the rows of that card again, bit for bit; "": of now
};

struct TrainingSetReport {
  pipeline::TrainingCard card;
  int64_t duration_us = 0;
};

// A training set as it is read. The report is complete once `rows` has ended.
struct TrainingSetRows {
  std::shared_ptr<arrow::RecordBatchReader> rows;  // the spine's columns, then the features
  std::shared_ptr<const TrainingSetReport> report;
};

// Rows sent to a source of pushes.
struct PushRequest {
  std::string source;        // full or short name
  ingest::CheckedRows rows;  // at least one
  std::string key;           // idempotency key; "" where there is none
};

// Takes pushes of one project. Thread safe; holds no transaction.
class PushDoor {
 public:
  virtual ~PushDoor() = default;
  // The rows are durable when this returns, and land with the next run. kNotFound for a source that
  // is none of pushes, with the nearest name; kBadInput where there are no rows; the rest as
  // ingest::PushJournal::Append.
  virtual arrow::Result<ingest::PushReceipt> Push(PushRequest request) = 0;
  // Pushes that no run has taken yet, over all sources.
  virtual arrow::Result<bool> HasNew() = 0;
  // Rows that were ever pushed, by source.
  virtual arrow::Result<std::map<std::string, int64_t>> RowsPushed() = 0;
  // Those of them that had landed when HasNew looked last; without sources that it has not looked
  // at.
  virtual std::map<std::string, int64_t> RowsLanded() = 0;
  // The one source of pushes that the view's rows come from, by whatever tables. kNotFound for an
  // unknown view, with the nearest name; kUnsupported where there is none or more than one.
  virtual arrow::Result<std::string> SourceOfView(const std::string& view) = 0;
  // Sources of pushes.
  virtual const std::vector<std::string>& sources() const = 0;
};

// Vectors for n entities: one column per feature of the service, one element per entity.
struct Vectors {
  std::string service;
  int64_t t_us = 0;
  // Of the service: one per column.
  std::shared_ptr<const std::vector<feature::OutputFeature>> outputs;
  std::vector<state::VectorSink::Column> columns;
  std::vector<std::pair<std::string, online::ViewPosition>> positions;  // by view
  std::vector<std::string> stale_views;  // t lies beyond what the store was loaded for
  std::vector<DamagedRows> damages;
};

class OnlineService;

// The same in one piece of memory: a slot for each entity and feature. Moving it moves no slot.
struct VectorRows {
  struct View {
    const std::string* name = nullptr;
    std::shared_ptr<const online::ViewPosition> position;
    bool is_stale = false;  // t lies beyond what the store was loaded for
  };
  int64_t t_us = 0;
  int64_t num_rows = 0;
  std::vector<state::FeatureAnswers> features;  // one per output of the service
  std::vector<View> views;                      // each once
  std::vector<DamagedRows> damages;
  std::vector<state::AnswerBlock> blocks;        // what `features` looks into
  std::shared_ptr<const OnlineService> service;  // that answered; names are its own
};

// verify.h, explain.h, compare.h
struct VerifyRequest;
struct VerifyReport;
struct ExplainRequest;
struct Explanation;
struct CompareRequest;
struct CompareReport;

// A service made ready for online reads: bound views and the store's side of them. Immutable; holds
// no transaction. Made anew when definitions or table generations change.
class OnlineService {
 public:
  virtual ~OnlineService() = default;
  virtual const feature::BoundService& service() const = 0;
  // keys and request: arrays of the types of key_columns() and request_columns(), all of one
  // length.
  virtual arrow::Result<Vectors> Read(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                                      const std::vector<std::shared_ptr<arrow::Array>>& request,
                                      int64_t t_us) const = 0;
  // As Read, without columns: for whoever wants values one by one, by a deadline
  // (base::MonotonicNanos).
  virtual arrow::Result<VectorRows> ReadRows(
      const std::vector<std::shared_ptr<arrow::Array>>& keys,
      const std::vector<std::shared_ptr<arrow::Array>>& request, int64_t t_us,
      int64_t deadline_ns = online::kNoDeadline) const = 0;
};

// One thread at a time, OnlineService apart.
class Engine {
 public:
  // Definitions with errors are kInvalidDefinition listing all of them.
  static arrow::Result<std::unique_ptr<Engine>> Open(const OpenOptions& options);
  virtual ~Engine() = default;

  virtual const spec::Project& project() const = 0;
  virtual const base::Clock& clock() const = 0;
  virtual catalog::Catalog& catalog() = 0;

  // Findings about the definitions and their SQL; nothing is written to the catalog.
  virtual arrow::Result<base::Diagnostics> Validate() = 0;
  virtual arrow::Result<PlanReport> Plan() = 0;
  // Commits the definitions as one catalog version, unless something is wrong with them.
  virtual arrow::Result<ApplyReport> Apply() = 0;
  // kInvalidDefinition when the files differ from what was applied.
  virtual arrow::Result<pipeline::RunOutcome> Run(pipeline::RunRequest request) = 0;
  virtual arrow::Result<std::vector<pipeline::PendingStep>> DryRun() = 0;

  // Writes the set, and its card beside it (CardPath). kNotFound where `card_path` names rows that
  // are gone.
  virtual arrow::Result<TrainingSetReport> BuildTrainingSet(const TrainingSetRequest& request) = 0;
  // The same from and to memory, without the two paths; `spine` null: of a training set by name.
  virtual arrow::Result<TrainingSetRows> ReadTrainingSet(
      const TrainingSetRequest& request, std::shared_ptr<arrow::RecordBatchReader> spine) = 0;

  // Tests by full or short name, all where none is named; definitions as they are in the files.
  virtual arrow::Result<std::vector<TestOutcome>> Test(const std::vector<std::string>& names) = 0;

  virtual arrow::Result<std::shared_ptr<const OnlineService>> OpenService(
      const std::string& service) = 0;
  // A service of these features, each view and feature, without a definition of its own; they are
  // called VIEW__FEATURE. None may be named twice. kNotFound for a view that does not exist,
  // kInvalidArgument for a feature that its view lacks; both name the nearest.
  virtual arrow::Result<std::shared_ptr<const OnlineService>> OpenFeatures(
      const std::vector<std::pair<std::string, std::string>>& features) = 0;
  // One vector from text, as the command line gives it. at_us: else the project's clock.
  virtual arrow::Result<Vectors> Get(
      const std::string& service, const std::vector<std::pair<std::string, std::string>>& keys,
      const std::vector<std::pair<std::string, std::string>>& request,
      std::optional<int64_t> at_us) = 0;

  // Served vectors, or answers to a spine's keys now, against what the lake gives for them.
  virtual arrow::Result<VerifyReport> Verify(const VerifyRequest& request) = 0;
  // What is behind one value of a training set.
  virtual arrow::Result<Explanation> Explain(const ExplainRequest& request) = 0;
  // A view of the files against the same view of an applied version.
  virtual arrow::Result<CompareReport> Compare(const CompareRequest& request) = 0;
  virtual arrow::Result<std::unique_ptr<PushDoor>> OpenPushDoor() = 0;
  // Sources of pushes of which rows reach online views without the lake, with what brings them.
  // None where the store counts what is written to it (DynamoDB).
  virtual arrow::Result<std::vector<std::pair<std::string, std::unique_ptr<pipeline::DirectLoads>>>>
  OpenDirectLoads() = 0;

  // One SELECT over every zone's tables; `zone.table@version` reads history.
  virtual arrow::Result<std::shared_ptr<arrow::Table>> Sql(const std::string& query) = 0;

  // Full names of all tables of the lake, with their newest snapshots.
  virtual arrow::Result<std::vector<std::pair<std::string, std::shared_ptr<const lake::Snapshot>>>>
  Tables() = 0;
  virtual arrow::Result<std::vector<lake::CommitSummary>> History(const std::string& table,
                                                                  int64_t limit) = 0;

  // The tables' full name of a full or short one; kNotFound with the candidates.
  virtual arrow::Result<std::string> ResolveTable(const std::string& table) = 0;
  // Looks whether the lake is sound; tables: full names, empty: all.
  virtual arrow::Result<pipeline::LakeAudit> CheckLake(const std::vector<std::string>& tables,
                                                       bool deep, int64_t orphan_grace_us) = 0;
  // Upkeep, by full or short names of tables; no names: every table of the lake. One report each,
  // with the table's full name.
  virtual arrow::Result<std::vector<std::pair<std::string, lake::CompactionReport>>> Compact(
      const std::vector<std::string>& tables, pipeline::CompactRequest request) = 0;
  virtual arrow::Result<std::vector<std::pair<std::string, lake::VacuumReport>>> Vacuum(
      const std::vector<std::string>& tables, pipeline::VacuumRequest request) = 0;
  virtual arrow::Result<pipeline::RestoreReport> Restore(pipeline::RestoreRequest request) = 0;
  virtual arrow::Result<online::Store*> OnlineStore() = 0;
  // Vectors that the served log had no room for, since the engine was opened.
  virtual int64_t ServedLogDropped() const = 0;
  // Removes views from the online store that left the definitions, and gives their names. Those
  // that were loaded within the last hour stay: servers may still answer by older definitions. Does
  // nothing while the files differ from what was applied.
  virtual arrow::Result<std::vector<std::string>> DropDepartedViews() = 0;
  virtual arrow::Result<pipeline::AnalysedProject> Analyse() = 0;
};

}  // namespace icecore::engine
