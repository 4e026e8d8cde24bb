#include "icecore/server/engine_feature_api.h"

#include <arrow/array/util.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/base/suggest.h"
#include "icecore/engine/usage.h"
#include "icecore/server/damage_watch.h"
#include "icecore/server/freshness_watch.h"
#include "icecore/server/request_columns.h"
#include "icecore/spec/parse.h"

namespace icecore::server {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMaxPicked = 256;

constexpr int64_t kUsageIntervalUs = 5'000'000;
constexpr int kMaxTries = 10;
constexpr int64_t kRetryNanos = 15'000'000'000;
constexpr int64_t kLongLookNanos = 3'000'000'000;  // a store that takes longer is not ready

// A service that can be asked, with the engine that it reads through.
struct Plan {
  std::shared_ptr<engine::Engine> engine;
  int64_t version = 0;     // of the definitions that it was looked at with last
  bool in_memory = false;  // the store is mapped into this process
  std::shared_ptr<const engine::OnlineService> service;
  std::shared_ptr<engine::UsageCounter> usage;
  std::string description;
  std::vector<std::string> keys;
  std::vector<std::string> full_names;  // VIEW__FEATURE
};
using PlanPtr = std::shared_ptr<const Plan>;

// What answers at one moment. Immutable: a request that has begun ends by what it began with.
struct Serving {
  int64_t version = 0;
  std::map<std::string, PlanPtr, std::less<>> services;
  std::map<std::string, arrow::Status, std::less<>> unserved;
  std::map<std::string, PlanPtr, std::less<>> picked;  // features that are asked for one by one
};

// One version of the definitions. Its engine takes one thread at a time.
struct Definitions {
  int64_t version = 0;
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<online::Store> store;    // lives with the engine
  std::shared_ptr<engine::PushDoor> door;  // goes before it
};

// What takes pushes at one moment. Immutable, so that a push waits for no change of definitions.
struct PushSide {
  std::shared_ptr<engine::PushDoor> door;
  std::shared_ptr<const spec::Project> project;  // of the same definitions; lives with its engine
};

std::shared_ptr<const PushSide> PushSideOf(const Definitions& definitions) {
  return std::make_shared<const PushSide>(PushSide{
      definitions.door,
      std::shared_ptr<const spec::Project>(definitions.engine, &definitions.engine->project())});
}

// Rows of a view come from its table, or the store would hold what the lake does not; and a table
// is made by SQL, so that rows of the view are no rows of a source.
// Rows that the contract would put into quarantine for their columns alone are told at once: who
// writes to a view names the view's columns, not the source's.
arrow::Status CheckColumns(const spec::Project& project, const PushedRows& rows,
                           const std::string& source) {
  const spec::Source* found = rows.columns.empty() ? nullptr : project.FindSource(source);
  if (found == nullptr || found->contract.columns.empty()) {
    return arrow::Status::OK();
  }
  const std::string taken = "the rows of view '" + rows.view + "' come from source '" + source;
  std::vector<std::string> known;
  for (const spec::ColumnContract& column : found->contract.columns) {
    known.push_back(column.name);
    if (column.required &&
        std::find(rows.columns.begin(), rows.columns.end(), column.name) == rows.columns.end()) {
      return FieldError("df." + column.name, "missing; " + taken + "', which requires it");
    }
  }
  for (const std::string& name : rows.columns) {
    // Feast's client adds the time of creation to all that it writes.
    if (name != "created" && std::find(known.begin(), known.end(), name) == known.end()) {
      return FieldError("df." + name, "unknown; " + taken + "'" + base::DidYouMean(name, known));
    }
  }
  return arrow::Status::OK();
}

// `is_defined`: a service of the project, no list of features.
PlanPtr MakePlan(const Definitions& definitions, engine::UsageRecorder* usage, bool is_defined,
                 std::shared_ptr<const engine::OnlineService> service) {
  auto plan = std::make_shared<Plan>();
  plan->engine = definitions.engine;
  plan->version = definitions.version;
  plan->in_memory = definitions.engine->project().online.starts_with("lmdb:");
  const feature::BoundService& bound = service->service();
  plan->usage = usage->CounterOf(engine::UsedNames(bound, is_defined));
  if (const auto* defined = definitions.engine->project().FindService(bound.name())) {
    plan->description = defined->doc.description;
  }
  for (const feature::RequestColumn& column : bound.key_columns()) {
    plan->keys.push_back(column.name);
  }
  for (const feature::OutputFeature& output : bound.outputs()) {
    plan->full_names.push_back(output.view + "__" + output.feature);
  }
  plan->service = std::move(service);
  return plan;
}

// The features asked for one by one, as the key of Serving::picked.
std::string PickedKey(const FeatureRequest& request) {
  std::string key;
  for (const std::string& feature : request.features) {
    key += feature + "\n";
  }
  return key;
}

// Whether the store holds the views of the service as it wants them: a read of no rows.
bool IsLoaded(const Plan& plan) {
  const auto none = [](const std::vector<feature::RequestColumn>& columns)
      -> arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> {
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const feature::RequestColumn& column : columns) {
      ARROW_ASSIGN_OR_RAISE(auto array, arrow::MakeEmptyArray(column.type));
      arrays.push_back(std::move(array));
    }
    return arrays;
  };
  const auto keys = none(plan.service->service().key_columns());
  const auto columns = none(plan.service->service().request_columns());
  return keys.ok() && columns.ok() &&
         plan.service->Read(*keys, *columns, plan.engine->clock().NowMicros()).ok();
}

class EngineFeatureApiImpl : public EngineFeatureApi {
 public:
  explicit EngineFeatureApiImpl(engine::OpenOptions options) : options_(std::move(options)) {}

  arrow::Status Init() {
    ARROW_ASSIGN_OR_RAISE(newest_, OpenDefinitions());
    first_ = newest_.engine;
    const spec::Project& project = first_->project();
    const bool is_absolute = project.catalog.starts_with('/');
    ARROW_ASSIGN_OR_RAISE(usage_,
                          engine::UsageFlusher::Start(
                              is_absolute ? project.catalog : project.root + "/" + project.catalog,
                              kUsageIntervalUs));
    Serving serving;
    ARROW_RETURN_NOT_OK(OpenServices(newest_, &serving));
    serving_ = std::make_shared<const Serving>(std::move(serving));
    store_ = newest_.store;
    push_side_ = PushSideOf(newest_);
    LookUpState();
    return arrow::Status::OK();
  }

  const spec::Project& project() const override { return first_->project(); }

  arrow::Result<FeatureResponse> GetFeatures(const FeatureRequest& request,
                                             int64_t deadline_ns) override {
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, Find(request));
    auto answered = Answer(*plan, request, deadline_ns, &damages_);
    for (int i = 1; i < kMaxTries && !answered.ok() &&
                    base::CodeOf(answered.status()) == ErrorCode::kConflict &&
                    base::MonotonicNanos() < deadline_ns;
         ++i) {
      // The view was loaded anew since the service was opened.
      ARROW_ASSIGN_OR_RAISE(plan, Reopen(request, plan));
      answered = Answer(*plan, request, deadline_ns, &damages_);
    }
    return answered;
  }

  std::optional<arrow::Result<FeatureResponse>> TryGetFeatures(
      const FeatureRequest& request) override {
    const auto serving = serving_.load();
    PlanPtr plan;
    if (request.service.empty()) {
      const auto picked = serving->picked.find(PickedKey(request));
      plan = picked == serving->picked.end() ? nullptr : picked->second;
    } else {
      const auto found = serving->services.find(request.service);
      plan = found == serving->services.end() ? nullptr : found->second;
    }
    if (plan == nullptr || !plan->in_memory ||
        (request.service.empty() && plan->version != serving->version)) {
      return std::nullopt;
    }
    auto answered = Answer(*plan, request, online::kNoDeadline, &damages_);
    if (!answered.ok() && base::CodeOf(answered.status()) == ErrorCode::kConflict) {
      return std::nullopt;
    }
    return answered;
  }

  arrow::Result<std::vector<ServiceDescription>> ListServices() override {
    const auto described = [](const std::vector<feature::RequestColumn>& columns) {
      std::vector<NamedType> types;
      types.reserve(columns.size());
      for (const auto& column : columns) {
        types.push_back({column.name, spec::TypeText(*column.type), column.type});
      }
      return types;
    };
    std::vector<ServiceDescription> list;
    const auto serving = serving_.load();
    for (const auto& [name, plan] : serving->services) {
      const feature::BoundService& bound = plan->service->service();
      ServiceDescription one{name,
                             plan->description,
                             described(bound.key_columns()),
                             described(bound.request_columns()),
                             {}};
      for (const auto& output : bound.outputs()) {
        one.features.push_back({output.name, spec::TypeText(*output.type), output.type});
      }
      list.push_back(std::move(one));
    }
    return list;
  }

  arrow::Result<std::string> PushTarget(const PushedRows& rows) override {
    return TargetAt(push_side_.load()->door.get(), rows);
  }

  arrow::Result<PushAnswer> Push(const PushedRows& rows) override {
    const auto side = push_side_.load();
    ARROW_ASSIGN_OR_RAISE(const std::string source, TargetAt(side->door.get(), rows));
    ARROW_RETURN_NOT_OK(CheckColumns(*side->project, rows, source));
    ARROW_ASSIGN_OR_RAISE(const auto receipt, side->door->Push({source, rows.lines, rows.key}));
    if (!receipt.duplicate) {
      freshness_.Accepted(source, base::MonotonicNanos());
      if (wake_) wake_();
    }
    return PushAnswer{source, receipt.row_count, receipt.duplicate};
  }

  arrow::Status CheckReady() override {
    const int64_t began_ns = look_began_ns_;
    if (began_ns > 0 && base::MonotonicNanos() - began_ns > kLongLookNanos) {
      return MakeError(ErrorCode::kUnavailable, "the online store does not answer");
    }
    std::lock_guard lock(state_mutex_);
    return store_status_;
  }

  ApiState State() override {
    std::lock_guard lock(state_mutex_);
    ApiState state = state_;
    state.push_delays = freshness_.push_delays();
    state.push_runs = push_runs_;
    state.failed_push_runs = failed_push_runs_;
    return state;
  }

  void OnPushed(std::function<void()> wake) override { wake_ = std::move(wake); }

  void OnServable(const std::string& source, int64_t begin_ns) override {
    freshness_.Servable(source, begin_ns, base::MonotonicNanos());
  }
  void OnLanded(const std::map<std::string, int64_t>& rows) override {
    std::lock_guard lock(state_mutex_);
    landed_ = rows;
  }
  void OnRunEnded(bool ok) override { ++(ok ? push_runs_ : failed_push_runs_); }
  void OnLoadFailed(const std::string& view, ErrorCode code) override {
    std::lock_guard lock(state_mutex_);
    ++load_errors_[{view, code}];
  }

  arrow::Status Refresh() override {
    arrow::Status status;
    {
      std::lock_guard lock(engine_mutex_);
      status = TakeOver();
    }
    LookUpState();
    return status;
  }

 private:
  static arrow::Result<std::string> TargetAt(engine::PushDoor* door, const PushedRows& rows) {
    if (rows.source.empty()) {
      return door->SourceOfView(rows.view);
    }
    const std::string& given = rows.source;
    std::string name = given.starts_with("source.") ? given.substr(7) : given;
    const auto& sources = door->sources();
    if (std::find(sources.begin(), sources.end(), name) == sources.end()) {
      return MakeError(ErrorCode::kNotFound, "no source '" + name + "' that takes pushes" +
                                                 base::DidYouMean(name, sources));
    }
    return name;
  }

  arrow::Result<Definitions> OpenDefinitions() {
    Definitions definitions;
    ARROW_ASSIGN_OR_RAISE(definitions.engine, engine::Engine::Open(options_));
    ARROW_ASSIGN_OR_RAISE(const auto latest, definitions.engine->catalog().LatestVersion());
    definitions.version = latest ? latest->version : 0;
    ARROW_ASSIGN_OR_RAISE(online::Store * store, definitions.engine->OnlineStore());
    definitions.store = std::shared_ptr<online::Store>(definitions.engine, store);
    ARROW_ASSIGN_OR_RAISE(auto door, definitions.engine->OpenPushDoor());
    // Keeps the engine that it works in.
    definitions.door = std::shared_ptr<engine::PushDoor>(
        door.release(), [engine = definitions.engine](engine::PushDoor* opened) { delete opened; });
    return definitions;
  }

  arrow::Status OpenServices(const Definitions& definitions, Serving* serving) {
    serving->version = definitions.version;
    for (const auto& service : definitions.engine->project().services) {
      auto opened = definitions.engine->OpenService(service.name);
      if (opened.ok()) {
        serving->services[service.name] =
            MakePlan(definitions, &usage_->recorder(), true, *std::move(opened));
      } else if (base::CodeOf(opened.status()) != ErrorCode::kInvalidDefinition) {
        return opened.status();
      } else {
        serving->unserved[service.name] = opened.status();  // it has a view that is not online
      }
    }
    return arrow::Status::OK();
  }

  // Under engine_mutex_.
  arrow::Status TakeOver() {
    ARROW_ASSIGN_OR_RAISE(const auto latest, newest_.engine->catalog().LatestVersion());
    const int64_t version = latest ? latest->version : newest_.version;
    const bool failed_before =
        version == failed_version_ && base::MonotonicNanos() < failed_at_ns_ + kRetryNanos;
    arrow::Status status;
    if (version != newest_.version && !failed_before) {
      status = ReadAnew();
      for (int i = 1; i < kMaxTries && !status.ok() && base::CodeOf(status) == ErrorCode::kConflict;
           ++i) {
        status = ReadAnew();
      }
      if (status.ok()) {
        ++reloads_;
        failed_version_ = -1;
        base::Log(base::LogLevel::kInfo,
                  "definitions of version " + std::to_string(newest_.version) + " answer");
      } else {
        ++failed_reloads_;
        const bool is_new = version != failed_version_;
        failed_version_ = version;
        failed_at_ns_ = base::MonotonicNanos();
        status = !is_new ? arrow::Status::OK()
                         : base::WithContext(
                               status, "definitions of version " + std::to_string(version) +
                                           " cannot be served; version " +
                                           std::to_string(newest_.version) + " goes on answering");
      }
    }
    PromoteLoaded();
    return status;
  }

  // Services whose views are not loaded by the new definitions wait in pending_, as long as the old
  // ones can answer. kConflict when others were applied meanwhile: then none of these would answer.
  arrow::Status ReadAnew() {
    ARROW_ASSIGN_OR_RAISE(Definitions definitions, OpenDefinitions());
    Serving opened;
    ARROW_RETURN_NOT_OK(OpenServices(definitions, &opened));
    ARROW_ASSIGN_OR_RAISE(const auto latest, definitions.engine->catalog().LatestVersion());
    if (!latest || latest->version != definitions.version) {
      return MakeError(ErrorCode::kConflict, "definitions were applied while they were read");
    }
    const auto old = serving_.load();
    pending_.clear();
    for (auto& [name, plan] : opened.services) {
      const auto before = old->services.find(name);
      if (before != old->services.end() && !IsLoaded(*plan) && IsLoaded(*before->second)) {
        pending_[name] = std::exchange(plan, before->second);
      }
    }
    opened.picked = old->picked;  // each is looked at again when it is asked for
    dropped_before_ += newest_.engine->ServedLogDropped();
    newest_ = std::move(definitions);
    store_ = newest_.store;
    push_side_ = PushSideOf(newest_);
    serving_ = std::make_shared<const Serving>(std::move(opened));
    return arrow::Status::OK();
  }

  void PromoteLoaded() {
    const auto serving = serving_.load();
    for (auto next = pending_.begin(); next != pending_.end();) {
      PlanPtr plan = next->second;
      // Where nobody answers any more, the load has kept cells that the plan did not know of.
      if (!IsLoaded(*plan) && !IsLoaded(*serving->services.at(next->first))) {
        auto service = newest_.engine->OpenService(next->first);
        if (service.ok()) plan = MakePlan(newest_, &usage_->recorder(), true, *std::move(service));
      }
      if (IsLoaded(*plan)) {
        SetPlan(next->first, plan);
        next = pending_.erase(next);
      } else {
        ++next;
      }
    }
  }

  // Under engine_mutex_, so that no change of another thread is lost.
  void SetPlan(const std::string& service, PlanPtr plan) {
    auto changed = std::make_shared<Serving>(*serving_.load());
    changed->services[service] = std::move(plan);
    serving_ = std::shared_ptr<const Serving>(std::move(changed));
  }

  arrow::Result<PlanPtr> Find(const FeatureRequest& request) {
    const auto serving = serving_.load();
    if (request.service.empty()) {
      const auto picked = serving->picked.find(PickedKey(request));
      if (picked == serving->picked.end()) {
        return Reopen(request, nullptr);
      }
      return picked->second->version == serving->version ? picked->second
                                                         : Reopen(request, picked->second);
    }
    if (const auto found = serving->services.find(request.service);
        found != serving->services.end()) {
      return found->second;
    }
    if (const auto found = serving->unserved.find(request.service);
        found != serving->unserved.end()) {
      return found->second;
    }
    std::vector<std::string> names;
    for (const auto& [known, plan] : serving->services) {
      names.push_back(known);
    }
    return MakeError(ErrorCode::kNotFound, "no feature service '" + request.service + "'" +
                                               base::DidYouMean(request.service, names));
  }

  // Another plan than `stale`, by the newest definitions. Many requests may find the same plan
  // stale; the first opens the service again for all.
  arrow::Result<PlanPtr> Reopen(const FeatureRequest& request, const PlanPtr& stale) {
    std::lock_guard lock(engine_mutex_);
    arrow::Result<PlanPtr> plan;
    int64_t tried = -1;
    do {
      // What made the plan stale may be a change of definitions that nobody has noticed yet.
      if (const arrow::Status status = TakeOver(); !status.ok()) {
        base::Log(base::LogLevel::kError, status.message());
      }
      if (newest_.version == tried) {
        break;
      }
      tried = newest_.version;
      plan = request.service.empty() ? ReopenPicked(request, stale)
                                     : ReopenService(request.service, stale);
      // Definitions that were applied since the look above leave nothing to open by the old ones.
    } while (!plan.ok() && base::CodeOf(plan.status()) == ErrorCode::kInvalidDefinition);
    return plan;
  }

  arrow::Result<PlanPtr> ReopenService(const std::string& name, const PlanPtr& stale) {
    const auto serving = serving_.load();
    const auto known = serving->services.find(name);
    if (known == serving->services.end()) {
      return MakeError(ErrorCode::kNotFound, "no feature service '" + name + "'");
    }
    if (known->second != stale) {
      return known->second;
    }
    pending_.erase(name);
    ARROW_ASSIGN_OR_RAISE(auto service, newest_.engine->OpenService(name));
    PlanPtr plan = MakePlan(newest_, &usage_->recorder(), true, std::move(service));
    SetPlan(name, plan);
    return plan;
  }

  arrow::Result<PlanPtr> ReopenPicked(const FeatureRequest& request, const PlanPtr& stale) {
    const auto serving = serving_.load();
    const std::string key = PickedKey(request);
    const auto known = serving->picked.find(key);
    if (known != serving->picked.end() && known->second != stale &&
        known->second->version == serving->version) {
      return known->second;
    }
    std::vector<std::pair<std::string, std::string>> features;
    for (const std::string& feature : request.features) {
      const size_t colon = feature.find(':');
      features.emplace_back(feature.substr(0, colon), feature.substr(colon + 1));
    }
    ARROW_ASSIGN_OR_RAISE(auto service, newest_.engine->OpenFeatures(features));
    PlanPtr plan = MakePlan(newest_, &usage_->recorder(), false, std::move(service));
    if (stale != nullptr && stale->version != newest_.version && !IsLoaded(*plan) &&
        IsLoaded(*stale)) {
      auto kept = std::make_shared<Plan>(*stale);
      kept->version = newest_.version;
      plan = std::move(kept);
    }
    auto changed = std::make_shared<Serving>(*serving);
    // Clients ask for few different lists; whoever asks for very many pays for opening them.
    if (changed->picked.size() >= kMaxPicked) {
      changed->picked.clear();
    }
    changed->picked[key] = plan;
    serving_ = std::shared_ptr<const Serving>(std::move(changed));
    return plan;
  }

  struct Columns {
    std::vector<std::shared_ptr<arrow::Array>> keys;
    std::vector<std::shared_ptr<arrow::Array>> request;
  };

  static arrow::Result<Columns> ColumnsFor(const feature::BoundService& bound,
                                           const FeatureRequest& request) {
    Columns columns;
    if (request.batch != nullptr) {
      ARROW_RETURN_NOT_OK(
          RefuseUnknown(bound.key_columns(), bound.request_columns(), *request.batch));
      ARROW_ASSIGN_OR_RAISE(columns.keys, ColumnsOf(bound.key_columns(), *request.batch));
      ARROW_ASSIGN_OR_RAISE(columns.request, ColumnsOf(bound.request_columns(), *request.batch));
      return columns;
    }
    const bool together = request.columns_together;
    if (!together) {
      ARROW_RETURN_NOT_OK(RefuseUnknown(bound.key_columns(), request.entities, "entities"));
      ARROW_RETURN_NOT_OK(RefuseUnknown(bound.request_columns(), request.request, "request"));
    }
    ARROW_ASSIGN_OR_RAISE(columns.keys, ToArrays(bound.key_columns(), request.entities, "entities",
                                                 request.num_rows));
    ARROW_ASSIGN_OR_RAISE(
        columns.request,
        ToArrays(bound.request_columns(), together ? request.entities : request.request,
                 together ? "entities" : "request", request.num_rows));
    return columns;
  }

  static arrow::Result<FeatureResponse> Answer(const Plan& plan, const FeatureRequest& request,
                                               int64_t deadline_ns, DamageWatch* damages) {
    ARROW_ASSIGN_OR_RAISE(const Columns columns, ColumnsFor(plan.service->service(), request));
    const int64_t rows = request.num_rows;
    const int64_t t = request.at_us.value_or(plan.engine->clock().NowMicros());
    ARROW_ASSIGN_OR_RAISE(auto read,
                          plan.service->ReadRows(columns.keys, columns.request, t, deadline_ns));
    plan.usage->Count(request.caller, rows);
    const auto vectors = std::make_shared<const engine::VectorRows>(std::move(read));
    const auto& outputs = plan.service->service().outputs();
    FeatureResponse response;
    response.t_us = t;
    response.num_rows = rows;
    response.features.reserve(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      response.features.push_back({outputs[i].name, vectors->features[i]});
    }
    if (request.columns_together) {
      response.keys = plan.keys;
      response.full_names = plan.full_names;
    }
    response.views.reserve(vectors->views.size());
    for (const engine::VectorRows::View& view : vectors->views) {
      response.views.push_back({*view.name, view.position->fingerprint, view.position->seq,
                                view.position->applied_at, view.is_stale});
    }
    for (const engine::DamagedRows& damage : vectors->damages) {
      damages->Count(damage.view, static_cast<int64_t>(damage.rows.size()), damage.why,
                     base::MonotonicNanos());
      response.errors.push_back(
          {damage.view, damage.features, damage.rows, engine::DamageText({damage})});
    }
    response.memory = vectors;
    return response;
  }

  void LookUpState() {
    ApiState state;
    std::shared_ptr<engine::Engine> engine;
    {
      std::lock_guard lock(engine_mutex_);
      engine = newest_.engine;
      state.now_us = newest_.engine->clock().NowMicros();
      state.definitions_version = newest_.version;
      state.pending_services = static_cast<int64_t>(pending_.size());
      state.served_log_dropped = dropped_before_ + engine->ServedLogDropped();
      state.reloads = reloads_;
      state.failed_reloads = failed_reloads_;
    }
    std::vector<std::string> views;
    for (const spec::FeatureView& view : engine->project().views) {
      if (view.online && !view.on_request()) {
        views.push_back(view.name);
      }
    }
    const auto is_defined = [&views](const std::string& view) {
      return std::find(views.begin(), views.end(), view) != views.end();
    };
    look_began_ns_ = base::MonotonicNanos();
    const auto info = store_.load()->Describe();
    look_began_ns_ = 0;
    state.store_ready = info.ok();
    if (info.ok()) {
      state.store_bytes = info->bytes;
      state.store_cells = info->cells;
      for (const auto& [view, position] : info->views) {
        // What left the definitions stays in the store for a while, and nobody brings it forward.
        if (!is_defined(view)) continue;
        state.views.push_back({view, position.fingerprint, position.seq, position.applied_at});
      }
    }
    if (const auto looked = freshness_.LookAtLoads(&engine->catalog(), views); !looked.ok()) {
      base::Log(base::LogLevel::kWarning, "the loads are not known: " + looked.message());
    }
    state.view_delays = freshness_.view_delays();
    std::erase_if(state.view_delays, [&](const ViewDelays& one) { return !is_defined(one.view); });
    for (const std::string& view : views) {
      state.damaged_keys.push_back({view, damages_.CountOf(view)});
    }
    LookUpPushes(&state);
    std::lock_guard lock(state_mutex_);
    for (const std::string& view : views) {
      load_errors_.try_emplace({view, ErrorCode::kUnavailable}, 0);
    }
    for (const auto& [what, count] : load_errors_) {
      if (is_defined(what.first)) state.load_errors.push_back({what.first, what.second, count});
    }
    state_ = std::move(state);
    store_status_ = info.status();
  }

  void LookUpPushes(ApiState* state) {
    const auto pushed = push_side_.load()->door->RowsPushed();
    if (!pushed.ok()) {
      return base::Log(base::LogLevel::kWarning,
                       "what waits to land is not known: " + pushed.status().message());
    }
    std::lock_guard lock(state_mutex_);
    for (const auto& [source, rows] : *pushed) {
      if (const auto landed = landed_.find(source); landed != landed_.end()) {
        state->push_backlog.push_back({source, std::max<int64_t>(rows - landed->second, 0)});
      }
    }
  }

  const engine::OpenOptions options_;
  std::unique_ptr<engine::UsageFlusher> usage_;
  std::shared_ptr<const engine::Engine> first_;
  std::atomic<std::shared_ptr<const Serving>> serving_;
  std::atomic<std::shared_ptr<online::Store>> store_;       // of newest_
  std::atomic<std::shared_ptr<const PushSide>> push_side_;  // of newest_

  std::mutex engine_mutex_;  // guards what follows, and whoever changes serving_
  Definitions newest_;
  std::map<std::string, PlanPtr> pending_;
  int64_t failed_version_ = -1;
  int64_t failed_at_ns_ = 0;
  int64_t reloads_ = 0;
  int64_t failed_reloads_ = 0;
  int64_t dropped_before_ = 0;  // by served logs of older definitions

  std::function<void()> wake_;
  FreshnessWatch freshness_;
  DamageWatch damages_;

  std::atomic<int64_t> look_began_ns_ = 0;  // of the store; 0: none is under way
  std::mutex state_mutex_;                  // guards what follows
  ApiState state_;
  arrow::Status store_status_;
  std::map<std::string, int64_t> landed_;  // rows, by source
  std::map<std::pair<std::string, ErrorCode>, int64_t> load_errors_;

  std::atomic<int64_t> push_runs_ = 0;
  std::atomic<int64_t> failed_push_runs_ = 0;
};

}  // namespace

arrow::Result<std::unique_ptr<EngineFeatureApi>> EngineFeatureApi::Open(
    const engine::OpenOptions& options) {
  auto api = std::make_unique<EngineFeatureApiImpl>(options);
  ARROW_RETURN_NOT_OK(api->Init());
  return api;
}

}  // namespace icecore::server
