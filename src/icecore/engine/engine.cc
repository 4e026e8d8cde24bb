#include "icecore/engine/engine.h"

#include <arrow/table.h>
#include <arrow/type.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/base/suggest.h"
#include "icecore/engine/compare.h"
#include "icecore/engine/explain.h"
#include "icecore/engine/lake_sql.h"
#include "icecore/engine/online_service.h"
#include "icecore/engine/push_door.h"
#include "icecore/engine/row_files.h"
#include "icecore/engine/served_service.h"
#include "icecore/engine/training_run.h"
#include "icecore/engine/usage.h"
#include "icecore/engine/verify.h"
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/training.h"
#include "icecore/spec/parse.h"
#include "icecore/spec/references.h"
#include "icecore/sql/kept_answers.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kDynamoDb = "dynamodb:";
constexpr int64_t kMaxCopiesBytes = int64_t{16} << 30;  // of a lake elsewhere, on this disk

arrow::Result<std::string> AbsoluteFolder(const std::string& directory) {
  char resolved[PATH_MAX];
  if (::realpath(directory.c_str(), resolved) == nullptr) {
    return MakeError(ErrorCode::kNotFound, "there is no folder '" + directory + "'");
  }
  return std::string(resolved);
}

// Paths of icecore.yaml are relative to the project.
std::string InProject(const spec::Project& project, const std::string& path) {
  return path.rfind('/', 0) == 0 ? path : project.root + "/" + path;
}

arrow::Status MakeFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    struct stat info;
    if (::stat(folder.c_str(), &info) != 0 && ::mkdir(folder.c_str(), 0755) != 0 &&
        errno != EEXIST) {
      return MakeError(ErrorCode::kDenied, "cannot make the folder " + folder);
    }
    if (slash == std::string::npos) {
      return arrow::Status::OK();
    }
  }
}

// Neighbours of one view are one entry.
arrow::Result<spec::FeatureService> ServiceOf(
    const spec::Project& project,
    const std::vector<std::pair<std::string, std::string>>& features) {
  spec::FeatureService service;
  service.name = "features";
  for (const auto& [view_name, name] : features) {
    const spec::FeatureView* view = project.FindView(view_name);
    if (view == nullptr) {
      std::vector<std::string> names;
      names.reserve(project.views.size());
      for (const spec::FeatureView& known : project.views) {
        names.push_back(known.name);
      }
      return MakeError(ErrorCode::kNotFound,
                       "no feature view '" + view_name + "'" + base::DidYouMean(view_name, names));
    }
    if (view->FindFeature(name) == nullptr) {
      std::vector<std::string> names;
      names.reserve(view->features.size());
      for (const spec::Feature& known : view->features) {
        names.push_back(known.name);
      }
      return MakeError(ErrorCode::kInvalidArgument, "feature view '" + view_name +
                                                        "' has no feature '" + name + "'" +
                                                        base::DidYouMean(name, names));
    }
    if (service.entries.empty() || service.entries.back().view != view_name) {
      service.entries.emplace_back();
      service.entries.back().view = view_name;
      service.entries.back().prefix = view_name + "__";
    }
    service.entries.back().only.push_back(name);
  }
  return service;
}

class EngineImpl : public Engine {
 public:
  arrow::Status Init(const OpenOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const std::string root, AbsoluteFolder(options.directory));
    base::Diagnostics diagnostics;
    ARROW_ASSIGN_OR_RAISE(project_, spec::ParseProject(root, &diagnostics));
    ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
    parse_diagnostics_ = std::move(diagnostics);
    const std::optional<int64_t> now = options.now_us ? options.now_us : project_.now_us;
    if (now) {
      clock_ = std::make_unique<base::FixedClock>(*now);
    } else {
      clock_ = base::MakeSystemClock();
    }
    ARROW_RETURN_NOT_OK(ResolvePlaces());
    const std::string scratch = InProject(project_, ".icecore/tmp");
    ARROW_RETURN_NOT_OK(MakeFolders(scratch));
    ARROW_RETURN_NOT_OK(OpenLake(scratch));
    ARROW_ASSIGN_OR_RAISE(catalog_, catalog::OpenSqlite(InProject(project_, project_.catalog),
                                                        &base::SystemRandom()));
    answers_ = std::make_unique<sql::KeptAnswers>(InProject(project_, ".icecore/sql.answers"));
    workspace_.project = &project_;
    workspace_.store = store_.get();
    workspace_.tables = &tables_;
    journals_ = options.journals ? options.journals : std::make_shared<pipeline::OpenJournals>();
    workspace_.journals = journals_.get();
    direct_ = options.direct;
    workspace_.direct = direct_.get();
    workspace_.clock = clock_.get();
    workspace_.random = &base::SystemRandom();
    workspace_.catalog = catalog_.get();
    workspace_.access.context.principal = "local";
    workspace_.access.context.now_us = clock_->NowMicros();
    workspace_.listener = options.listener;
    workspace_.scratch_root = scratch;
    workspace_.features_root = project_.root + "/.icecore/features";
    return arrow::Status::OK();
  }

  // A folder, or a bucket whose files are copied to `scratch` where SQL reads them.
  arrow::Status OpenLake(const std::string& scratch) {
    const bool is_folder = project_.lake.find("://") == std::string::npos;
    lake::StorePlace place;
    place.url = is_folder ? InProject(project_, project_.lake) : project_.lake;
    place.endpoint = project_.lake_access.endpoint;
    place.region = project_.lake_access.region;
    place.path_style = project_.lake_access.path_style;
    place.profile = project_.lake_access.profile;
    auto opened = lake::ObjectStore::Open(place);
    if (!opened.ok()) {
      return base::MakeErrorAt(base::CodeOf(opened.status()), project_.location,
                               opened.status().message());
    }
    store_ = *std::move(opened);
    workspace_.lake_root = place.url;
    if (!is_folder) {
      ARROW_ASSIGN_OR_RAISE(copies_,
                            lake::LocalCopies::Open(store_.get(), scratch, kMaxCopiesBytes));
      workspace_.copies = copies_.get();
      workspace_.lake_root = copies_->folder();
    }
    return arrow::Status::OK();
  }

  // ${NAME} in the project's own places is resolved now that they are used.
  arrow::Status ResolvePlaces() {
    const spec::ReferenceSources sources = spec::MakeSystemReferences(project_.root);
    spec::LakeAccess& lake = project_.lake_access;
    spec::ServeSettings& serve = project_.serve;
    for (std::string* place :
         {&project_.lake, &lake.endpoint, &lake.region, &lake.profile, &project_.catalog,
          &serve.http, &serve.tls_cert, &serve.tls_key, &serve.tokens}) {
      ARROW_ASSIGN_OR_RAISE(*place, spec::ResolveReferences(*place, project_.location, sources));
    }
    return arrow::Status::OK();
  }

  const spec::Project& project() const override { return project_; }
  const base::Clock& clock() const override { return *clock_; }
  catalog::Catalog& catalog() override { return *catalog_; }

  arrow::Result<pipeline::AnalysedProject> Analyse() override {
    return pipeline::AnalyseProject(workspace_, true);
  }

  arrow::Result<base::Diagnostics> Validate() override {
    ARROW_ASSIGN_OR_RAISE(auto analysed, Analyse());
    base::Diagnostics all = parse_diagnostics_;
    all.Append(analysed.diagnostics);
    return all;
  }

  arrow::Result<PlanReport> Plan() override {
    PlanReport report;
    ARROW_ASSIGN_OR_RAISE(auto records, pipeline::DefinitionRecords(project_));
    ARROW_ASSIGN_OR_RAISE(report.changes, catalog_->DiffDefinitions(records));
    ARROW_ASSIGN_OR_RAISE(auto analysed, Analyse());
    report.diagnostics = parse_diagnostics_;
    report.diagnostics.Append(analysed.diagnostics);
    if (!report.diagnostics.has_errors()) {
      ARROW_ASSIGN_OR_RAISE(report.pending, Pending(analysed));
    }
    return report;
  }

  arrow::Result<ApplyReport> Apply() override {
    ARROW_ASSIGN_OR_RAISE(const auto analysed, Analyse());
    ApplyReport report;
    report.diagnostics = parse_diagnostics_;
    report.diagnostics.Append(analysed.diagnostics);
    ARROW_RETURN_NOT_OK(report.diagnostics.ToStatus());
    ARROW_ASSIGN_OR_RAISE(auto records, pipeline::DefinitionRecords(project_));
    ARROW_ASSIGN_OR_RAISE(report.changes, catalog_->DiffDefinitions(records));
    ARROW_ASSIGN_OR_RAISE(
        report.version, catalog_->ApplyDefinitions(records, base::MakeSystemClock()->NowMicros()));
    for (const catalog::DefinitionChange& change : report.changes) {
      if (change.change != catalog::ChangeKind::kChanged) continue;
      const std::string note = LoadNote(analysed, change.name);
      if (!note.empty()) report.loads.push_back({change.name, note, false});
    }
    return report;
  }

  arrow::Result<pipeline::RunOutcome> Run(pipeline::RunRequest request) override {
    ARROW_ASSIGN_OR_RAISE(request.definition_version, RequireApplied());
    if (HasOnlineViews() && request.materialize && request.online) {
      ARROW_RETURN_NOT_OK(OnlineStore().status());
    }
    return pipeline::RunProject(workspace_, request);
  }

  arrow::Result<std::vector<pipeline::PendingStep>> DryRun() override {
    ARROW_RETURN_NOT_OK(RequireApplied().status());
    ARROW_ASSIGN_OR_RAISE(auto analysed, Analyse());
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    return Pending(analysed);
  }

  arrow::Result<TrainingSetReport> BuildTrainingSet(const TrainingSetRequest& request) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t version, RequireApplied());
    ARROW_ASSIGN_OR_RAISE(const auto analysed, Analyse());
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    ARROW_ASSIGN_OR_RAISE(auto report, RunTrainingSet(workspace_, analysed, version, request));
    // A service that is gone is made again by its card alone: nobody looks for its uses.
    if (const auto service = analysed.services.find(report.card.service);
        service != analysed.services.end()) {
      CountTrainingSet(catalog_.get(), *service->second, report.card.rows);
    }
    return report;
  }

  arrow::Result<std::vector<TestOutcome>> Test(const std::vector<std::string>& names) override {
    std::vector<const spec::DefinitionTest*> tests;
    ARROW_RETURN_NOT_OK(SelectTests(names, &tests));
    ARROW_ASSIGN_OR_RAISE(const auto analysed, Analyse());
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    std::vector<TestOutcome> outcomes;
    outcomes.reserve(tests.size());
    for (const spec::DefinitionTest* test : tests) {
      outcomes.push_back(RunDefinitionTest(project_, analysed, *test));
    }
    return outcomes;
  }

  arrow::Result<TrainingSetRows> ReadTrainingSet(
      const TrainingSetRequest& request, std::shared_ptr<arrow::RecordBatchReader> spine) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t version, RequireApplied());
    ARROW_ASSIGN_OR_RAISE(auto analysed, AnalysedAsApplied());
    return OpenTrainingSetRows(workspace_, std::move(analysed), version, request, std::move(spine));
  }

  arrow::Result<std::shared_ptr<const OnlineService>> OpenService(
      const std::string& service) override {
    ARROW_RETURN_NOT_OK(OnlineStore().status());
    ARROW_ASSIGN_OR_RAISE(const int64_t version, RequireApplied());
    ARROW_ASSIGN_OR_RAISE(auto analysed, AnalysedAsApplied());
    const auto bound = analysed->services.find(ShortService(service));
    if (bound == analysed->services.end()) {
      return NoService(*analysed, service);
    }
    return MakeOnlineService(workspace_, *analysed, bound->second, version, OpenServedLog());
  }

  arrow::Result<std::shared_ptr<const OnlineService>> OpenFeatures(
      const std::vector<std::pair<std::string, std::string>>& features) override {
    ARROW_ASSIGN_OR_RAISE(const spec::FeatureService service, ServiceOf(project_, features));
    ARROW_RETURN_NOT_OK(OnlineStore().status());
    ARROW_ASSIGN_OR_RAISE(auto analysed, AnalysedAsApplied());
    const auto views = [&](const std::string& name) {
      const auto found = analysed->views.find(name);
      return found == analysed->views.end() ? nullptr : found->second;
    };
    base::Diagnostics diagnostics;
    ARROW_ASSIGN_OR_RAISE(auto bound,
                          feature::BoundService::Bind(project_, service, views, &diagnostics));
    return MakeOnlineService(workspace_, *analysed, std::move(bound), 0, nullptr);
  }

  arrow::Result<VerifyReport> Verify(const VerifyRequest& request) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t version, RequireApplied());
    ARROW_ASSIGN_OR_RAISE(const auto analysed, AnalysedAsApplied());
    const auto service = analysed->services.find(ShortService(request.service));
    if (service == analysed->services.end()) {
      return NoService(*analysed, request.service);
    }
    std::shared_ptr<const OnlineService> online;
    if (request.asks_now()) {
      ARROW_RETURN_NOT_OK(OnlineStore().status());
      ARROW_ASSIGN_OR_RAISE(
          online, MakeOnlineService(workspace_, *analysed, service->second, version, nullptr));
    }
    if (served_log_) {
      ARROW_RETURN_NOT_OK(served_log_->Flush());
    }
    return VerifyService(workspace_, *analysed, version, online.get(), request);
  }

  arrow::Result<Explanation> Explain(const ExplainRequest& request) override {
    ARROW_ASSIGN_OR_RAISE(const auto analysed, AnalysedAsApplied());
    return ExplainFeature(workspace_, *analysed, request);
  }

  arrow::Result<CompareReport> Compare(const CompareRequest& request) override {
    ARROW_ASSIGN_OR_RAISE(const auto analysed, Analyse());
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    return CompareView(workspace_, analysed, request);
  }

  arrow::Result<Vectors> Get(const std::string& service,
                             const std::vector<std::pair<std::string, std::string>>& keys,
                             const std::vector<std::pair<std::string, std::string>>& request,
                             std::optional<int64_t> at_us) override {
    ARROW_ASSIGN_OR_RAISE(auto online, OpenService(service));
    const feature::BoundService& bound = online->service();
    ARROW_ASSIGN_OR_RAISE(auto key_arrays, ParseColumns(bound.key_columns(), keys, "key"));
    ARROW_ASSIGN_OR_RAISE(auto request_arrays,
                          ParseColumns(bound.request_columns(), request, "request column"));
    return online->Read(key_arrays, request_arrays, at_us.value_or(clock_->NowMicros()));
  }

  arrow::Result<std::unique_ptr<PushDoor>> OpenPushDoor() override {
    ARROW_RETURN_NOT_OK(RequireApplied().status());
    return MakePushDoor(workspace_);
  }

  arrow::Result<std::vector<std::pair<std::string, std::unique_ptr<pipeline::DirectLoads>>>>
  OpenDirectLoads() override {
    std::vector<std::pair<std::string, std::unique_ptr<pipeline::DirectLoads>>> all;
    ARROW_RETURN_NOT_OK(RequireApplied().status());
    if (!HasOnlineViews()) return all;
    ARROW_ASSIGN_OR_RAISE(const online::StorePlace place, OnlinePlace());
    if (place.url.starts_with(kDynamoDb)) return all;
    ARROW_RETURN_NOT_OK(OnlineStore().status());
    ARROW_ASSIGN_OR_RAISE(const auto analysed, AnalysedAsApplied());
    for (const spec::Source& source : project_.sources) {
      if (!source.is_push) continue;
      ARROW_ASSIGN_OR_RAISE(auto loads, pipeline::DirectLoads::Make(workspace_, analysed, source));
      if (loads) all.emplace_back(source.name, std::move(loads));
    }
    return all;
  }

  arrow::Result<std::shared_ptr<arrow::Table>> Sql(const std::string& query) override {
    return RunLakeSql(workspace_, query);
  }

  arrow::Result<std::vector<std::pair<std::string, std::shared_ptr<const lake::Snapshot>>>> Tables()
      override {
    std::vector<std::pair<std::string, std::shared_ptr<const lake::Snapshot>>> tables;
    ARROW_ASSIGN_OR_RAISE(const auto names, LakeTables(workspace_));
    for (const std::string& name : names) {
      ARROW_ASSIGN_OR_RAISE(auto snapshot, pipeline::LoadTable(workspace_, name));
      tables.emplace_back(name, std::move(snapshot));
    }
    return tables;
  }

  arrow::Result<std::string> ResolveTable(const std::string& table) override {
    ARROW_ASSIGN_OR_RAISE(const auto names, LakeTables(workspace_));
    std::string full = table;
    if (std::find(names.begin(), names.end(), full) == names.end()) {
      std::vector<std::string> matches;
      for (const std::string& name : names) {
        if (name.substr(name.find('.') + 1) == table) {
          matches.push_back(name);
        }
      }
      if (matches.size() != 1) {
        std::string list;
        for (const std::string& match : matches) {
          list += (list.empty() ? "; it may be " : ", ") + match;
        }
        return MakeError(ErrorCode::kNotFound,
                         "the lake has no table '" + table + "'" +
                             (matches.empty() ? base::DidYouMean(table, names) : list));
      }
      full = matches.front();
    }
    return full;
  }

  arrow::Result<pipeline::LakeAudit> CheckLake(const std::vector<std::string>& tables, bool deep,
                                               int64_t orphan_grace_us) override {
    ARROW_ASSIGN_OR_RAISE(const auto names, ResolveTables(tables));
    pipeline::LakeAuditOptions options;
    options.deep = deep;
    options.machine_now_us = base::MakeSystemClock()->NowMicros();
    options.orphan_grace_us = orphan_grace_us;
    return pipeline::AuditLake(workspace_, names, options);
  }

  arrow::Result<std::vector<std::pair<std::string, lake::CompactionReport>>> Compact(
      const std::vector<std::string>& tables, pipeline::CompactRequest request) override {
    ARROW_ASSIGN_OR_RAISE(const auto names, ResolveTables(tables));
    std::vector<std::pair<std::string, lake::CompactionReport>> reports;
    for (const std::string& name : names) {
      request.table = name;
      ARROW_ASSIGN_OR_RAISE(auto report, pipeline::CompactTable(workspace_, request));
      reports.emplace_back(name, std::move(report));
    }
    return reports;
  }

  arrow::Result<std::vector<std::pair<std::string, lake::VacuumReport>>> Vacuum(
      const std::vector<std::string>& tables, pipeline::VacuumRequest request) override {
    ARROW_ASSIGN_OR_RAISE(const auto names, ResolveTables(tables));
    ARROW_ASSIGN_OR_RAISE(const auto all, LakeTables(workspace_));
    std::vector<std::pair<std::string, lake::VacuumReport>> reports;
    for (const std::string& name : names) {
      request.table = name;
      ARROW_ASSIGN_OR_RAISE(auto report, pipeline::VacuumTable(workspace_, all, request));
      reports.emplace_back(name, std::move(report));
    }
    return reports;
  }

  arrow::Result<pipeline::RestoreReport> Restore(pipeline::RestoreRequest request) override {
    ARROW_ASSIGN_OR_RAISE(request.table, ResolveTable(request.table));
    const int64_t began_us = base::MakeSystemClock()->NowMicros();
    ARROW_ASSIGN_OR_RAISE(const auto applied, catalog_->LatestVersion());
    ARROW_ASSIGN_OR_RAISE(request.run_id, catalog_->StartRun("restore " + request.table,
                                                             applied ? applied->version : 0,
                                                             clock_->NowMicros(), began_us));
    ARROW_ASSIGN_OR_RAISE(const std::string step,
                          catalog_->StartStep(request.run_id, request.table, "restore", began_us));
    auto report = pipeline::RestoreTable(workspace_, request);
    catalog::StepResult result;
    result.status = report.ok() ? catalog::RunStatus::kDone : catalog::RunStatus::kFailed;
    result.error = report.ok() ? "" : report.status().message();
    result.finished_at_us = base::MakeSystemClock()->NowMicros();
    if (report.ok() && report->version >= 0) {
      result.reads = {{request.table, report->to, 0, 0, 0}};
      result.writes = {{request.table, report->version, 0, 0, 0}};
    }
    ARROW_RETURN_NOT_OK(catalog_->FinishStep(step, result));
    ARROW_RETURN_NOT_OK(
        catalog_->FinishRun(request.run_id, result.status, result.error, result.finished_at_us));
    return report;
  }

  arrow::Result<std::vector<lake::CommitSummary>> History(const std::string& table,
                                                          int64_t limit) override {
    ARROW_ASSIGN_OR_RAISE(const std::string full, ResolveTable(table));
    ARROW_ASSIGN_OR_RAISE(auto opened, pipeline::OpenTable(workspace_, full));
    return opened->History(limit);
  }

  arrow::Result<online::Store*> OnlineStore() override {
    if (!online_) {
      ARROW_ASSIGN_OR_RAISE(const online::StorePlace place, OnlinePlace());
      auto opened = online::OpenStore(place);
      if (!opened.ok()) {
        const ErrorCode code = base::CodeOf(opened.status());
        return code == ErrorCode::kInvalidDefinition
                   ? base::MakeErrorAt(code, project_.location, opened.status().message())
                   : opened.status();
      }
      online_ = *std::move(opened);
      workspace_.online = online_.get();
    }
    return online_.get();
  }

  int64_t ServedLogDropped() const override { return served_log_ ? served_log_->dropped() : 0; }

  arrow::Result<std::vector<std::string>> DropDepartedViews() override {
    std::vector<std::string> dropped;
    if (const arrow::Status applied = RequireApplied().status(); !applied.ok()) {
      if (base::CodeOf(applied) != ErrorCode::kInvalidDefinition) return applied;
      return dropped;
    }
    ARROW_ASSIGN_OR_RAISE(online::Store * store, OnlineStore());
    ARROW_ASSIGN_OR_RAISE(const auto info, store->Describe());
    for (const auto& [name, position] : info.views) {
      const spec::FeatureView* view = project_.FindView(name);
      const bool is_defined = view != nullptr && view->online && !view->on_request();
      if (!is_defined && position.applied_until < clock_->NowMicros()) {
        ARROW_RETURN_NOT_OK(store->Drop(name));
        dropped.push_back(name);
      }
    }
    return dropped;
  }

 private:
  // Null where nothing is to be logged. What cannot be logged is served all the same.
  online::ServedLog* OpenServedLog() {
    const spec::ServedLogSettings& settings = project_.served_log;
    if (!served_log_ && settings.fraction > 0) {
      online::ServedLogOptions options;
      options.folder = ServedLogFolder(project_);
      options.fraction = settings.fraction;
      options.max_bytes = settings.max_mib << 20;
      auto opened = online::ServedLog::Open(options);
      if (!opened.ok()) {
        base::Log(base::LogLevel::kWarning, opened.status().message());
        return nullptr;
      }
      served_log_ = *std::move(opened);
    }
    return served_log_.get();
  }

  bool HasOnlineViews() const {
    return std::any_of(project_.views.begin(), project_.views.end(),
                       [](const auto& view) { return view.online; });
  }

  // References are resolved when the store is used, so that what needs none needs no password.
  arrow::Result<online::StorePlace> OnlinePlace() const {
    const spec::ReferenceSources sources = spec::MakeSystemReferences(project_.root);
    const spec::OnlineAccess& access = project_.online_access;
    online::StorePlace place;
    place.project_root = project_.root;
    place.project = project_.name;
    for (const auto& [from, to] :
         std::initializer_list<std::pair<const std::string*, std::string*>>{
             {&project_.online, &place.url},
             {&access.username, &place.username},
             {&access.password, &place.password},
             {&access.ca_file, &place.ca_file},
             {&access.cert_file, &place.cert_file},
             {&access.key_file, &place.key_file},
             {&access.endpoint, &place.endpoint},
             {&access.profile, &place.profile}}) {
      ARROW_ASSIGN_OR_RAISE(*to, spec::ResolveReferences(*from, project_.location, sources));
    }
    return place;
  }

  // A store that does not open hides nothing of the rest.
  arrow::Result<std::vector<pipeline::PendingStep>> Pending(
      const pipeline::AnalysedProject& analysed) {
    const arrow::Status store = HasOnlineViews() ? OnlineStore().status() : arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto pending, pipeline::PendingSteps(workspace_, analysed));
    if (!store.ok()) {
      pending.push_back({"online", "will fail: " + store.message(), false});
    }
    return pending;
  }

  // What the next load of that view has to do after an edit; "" where there is nothing to say.
  std::string LoadNote(const pipeline::AnalysedProject& analysed, const std::string& name) {
    const spec::FeatureView* view =
        name.starts_with("view.") ? project_.FindView(name.substr(5)) : nullptr;
    if (view == nullptr || !view->online || !analysed.views.contains(view->name) ||
        !OnlineStore().ok()) {
      return "";
    }
    const auto plan = pipeline::PlanOnlineLoad(workspace_, analysed, *view, false);
    return plan.ok() && *plan ? pipeline::NoteOf(**plan, *view) : "";
  }

  // The catalog's version, when the files say what was applied.
  arrow::Result<int64_t> RequireApplied() {
    ARROW_ASSIGN_OR_RAISE(auto records, pipeline::DefinitionRecords(project_));
    ARROW_ASSIGN_OR_RAISE(const auto changes, catalog_->DiffDefinitions(records));
    ARROW_ASSIGN_OR_RAISE(const auto latest, catalog_->LatestVersion());
    if (!latest) {
      return MakeError(ErrorCode::kInvalidDefinition,
                       "no definitions were applied yet: run `icecore apply`");
    }
    for (const catalog::DefinitionChange& change : changes) {
      // What a test says decides nothing of what is made.
      if (change.change != catalog::ChangeKind::kDocumentation && change.kind != "test") {
        return MakeError(ErrorCode::kInvalidDefinition,
                         change.location + ": " + change.name +
                             " differs from what was applied (version " +
                             std::to_string(latest->version) +
                             "): see `icecore plan`, then run `icecore apply`");
      }
    }
    return latest->version;
  }

  arrow::Result<std::shared_ptr<pipeline::AnalysedProject>> AnalysedAsApplied() {
    ARROW_RETURN_NOT_OK(RequireApplied().status());
    ARROW_ASSIGN_OR_RAISE(auto analysed, Analyse());
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    return std::make_shared<pipeline::AnalysedProject>(std::move(analysed));
  }

  arrow::Status SelectTests(const std::vector<std::string>& names,
                            std::vector<const spec::DefinitionTest*>* tests) const {
    std::vector<std::string> known;
    for (const spec::DefinitionTest& test : project_.tests) {
      known.push_back(test.name);
      if (names.empty()) tests->push_back(&test);
    }
    for (const std::string& name : names) {
      const std::string bare = name.rfind("test.", 0) == 0 ? name.substr(5) : name;
      const auto found = std::find(known.begin(), known.end(), bare);
      if (found == known.end()) {
        return MakeError(ErrorCode::kInvalidArgument,
                         "no test '" + name + "'" + base::DidYouMean(bare, known));
      }
      tests->push_back(&project_.tests[static_cast<size_t>(found - known.begin())]);
    }
    return arrow::Status::OK();
  }

  static arrow::Status NoService(const pipeline::AnalysedProject& analysed,
                                 const std::string& name) {
    std::vector<std::string> names;
    names.reserve(analysed.services.size());
    for (const auto& [service, bound] : analysed.services) {
      names.push_back(service);
    }
    return MakeError(ErrorCode::kNotFound,
                     "no feature service '" + name + "'" + base::DidYouMean(name, names));
  }

  static std::string ShortService(const std::string& name) {
    return name.rfind("service.", 0) == 0 ? name.substr(8) : name;
  }

  static arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ParseColumns(
      const std::vector<feature::RequestColumn>& columns,
      const std::vector<std::pair<std::string, std::string>>& given, const std::string& what) {
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const feature::RequestColumn& column : columns) {
      names.push_back(column.name);
    }
    for (const auto& [name, value] : given) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        return MakeError(ErrorCode::kInvalidArgument, "the service has no " + what + " '" + name +
                                                          "'" + base::DidYouMean(name, names));
      }
    }
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const feature::RequestColumn& column : columns) {
      const auto found = std::find_if(given.begin(), given.end(),
                                      [&](const auto& pair) { return pair.first == column.name; });
      if (found == given.end()) {
        return MakeError(ErrorCode::kInvalidArgument, "the service needs the " + what + " '" +
                                                          column.name + "' (" +
                                                          spec::TypeText(*column.type) + ")");
      }
      ARROW_ASSIGN_OR_RAISE(auto array, ParseColumn(column, found->second));
      arrays.push_back(std::move(array));
    }
    return arrays;
  }

  // Full names; none: every table of the lake.
  arrow::Result<std::vector<std::string>> ResolveTables(const std::vector<std::string>& tables) {
    if (tables.empty()) {
      return LakeTables(workspace_);
    }
    std::vector<std::string> names;
    for (const std::string& table : tables) {
      ARROW_ASSIGN_OR_RAISE(std::string name, ResolveTable(table));
      names.push_back(std::move(name));
    }
    return names;
  }

  spec::Project project_;
  std::unique_ptr<sql::KeptAnswers> answers_;
  base::Diagnostics parse_diagnostics_;
  std::unique_ptr<base::Clock> clock_;
  std::unique_ptr<lake::ObjectStore> store_;
  std::unique_ptr<lake::LocalCopies> copies_;  // goes before store_
  pipeline::OpenTables tables_;                // go before store_ and clock_
  std::shared_ptr<pipeline::OpenJournals> journals_;
  std::shared_ptr<pipeline::DirectReach> direct_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<online::Store> online_;
  std::unique_ptr<online::ServedLog> served_log_;
  pipeline::Workspace workspace_;
};

}  // namespace

arrow::Result<std::unique_ptr<Engine>> Engine::Open(const OpenOptions& options) {
  auto engine = std::make_unique<EngineImpl>();
  ARROW_RETURN_NOT_OK(engine->Init(options));
  return engine;
}

}  // namespace icecore::engine
