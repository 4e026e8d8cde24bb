#include "icecore/engine/documents.h"

#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/engine/usage_document.h"
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/training_card.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

constexpr int64_t kShownRuns = 20;

const char* RunStatusName(catalog::RunStatus status) {
  return status == catalog::RunStatus::kDone     ? "done"
         : status == catalog::RunStatus::kFailed ? "failed"
                                                 : "running";
}

json ToJson(const catalog::Run& run) {
  json steps = json::array();
  for (const catalog::Step& step : run.steps) {
    json reads = json::array();
    json writes = json::array();
    for (const auto* list : {&step.reads, &step.writes}) {
      for (const catalog::TableVersion& version : *list) {
        (list == &step.reads ? reads : writes)
            .push_back({{"table", version.table},
                        {"version", version.version},
                        {"generation", version.generation},
                        {"seq_begin", version.seq_begin},
                        {"seq_end", version.seq_end}});
      }
    }
    steps.push_back({{"thing", step.thing},
                     {"step", step.kind},
                     {"status", RunStatusName(step.status)},
                     {"error", step.error},
                     {"counts", step.counts},
                     {"duration_us", step.duration_us},
                     {"reads", reads},
                     {"writes", writes}});
  }
  return {{"run", run.id},
          {"command", run.command},
          {"definition_version", run.definition_version},
          {"now", base::FormatInstant(run.now_us)},
          {"started_at", base::FormatInstant(run.started_at_us)},
          {"finished_at", base::FormatInstant(run.finished_at_us)},
          {"status", RunStatusName(run.status)},
          {"error", run.error},
          {"steps", steps}};
}

const char* SeverityName(base::Diagnostics::Entry::Severity severity) {
  using Severity = base::Diagnostics::Entry::Severity;
  return severity == Severity::kError     ? "error"
         : severity == Severity::kWarning ? "warning"
                                          : "note";
}

json ToJson(const base::Diagnostics& diagnostics) {
  json list = json::array();
  for (const auto& entry : diagnostics.entries()) {
    list.push_back({{"severity", SeverityName(entry.severity)},
                    {"file", entry.location.file},
                    {"line", entry.location.line},
                    {"message", entry.message}});
  }
  return list;
}

json ToJson(const std::vector<catalog::DefinitionChange>& changes) {
  json list = json::array();
  for (const auto& change : changes) {
    list.push_back({{"change", ChangeName(change.change)},
                    {"name", change.name},
                    {"kind", change.kind},
                    {"location", change.location}});
  }
  return list;
}

const char* StatusName(pipeline::StepOutcome::Status status) {
  switch (status) {
    case pipeline::StepOutcome::Status::kDone:
      return "done";
    case pipeline::StepOutcome::Status::kNothing:
      return "nothing";
    case pipeline::StepOutcome::Status::kFailed:
      return "failed";
    case pipeline::StepOutcome::Status::kSkipped:
      return "skipped";
  }
  return "";
}

json ToJson(const std::vector<pipeline::PendingStep>& pending) {
  json list = json::array();
  for (const auto& step : pending) {
    list.push_back({{"thing", step.thing}, {"what", step.what}, {"rebuild", step.rebuild}});
  }
  return list;
}

json Definitions(const spec::Project& project, const std::string& what) {
  json out = json::array();
  const auto add = [&](const char* group, const std::string& name, const char* kind,
                       const spec::Documentation& doc) {
    if (what == "all" || what == group) {
      out.push_back({{"name", name},
                     {"kind", kind},
                     {"description", doc.description},
                     {"owner", doc.owner},
                     {"tags", doc.tags}});
    }
  };
  for (const auto& source : project.sources) {
    add("sources", "source." + source.name, "source", source.doc);
  }
  for (const auto& table : project.tables) {
    add("all", table.FullName(), "table", table.doc);
  }
  for (const auto& entity : project.entities) {
    add("entities", "entity." + entity.name, "entity", entity.doc);
  }
  for (const auto& view : project.views) {
    add("views", "view." + view.name, "feature_view", view.doc);
  }
  for (const auto& service : project.services) {
    add("services", "service." + service.name, "feature_service", service.doc);
  }
  for (const auto& set : project.training_sets) {
    add("training-sets", "training_set." + set.name, "training_set", set.doc);
  }
  for (const auto& test : project.tests) {
    add("tests", "test." + test.name, "test", test.doc);
  }
  return out;
}

arrow::Result<json> LakeTableList(Engine* engine) {
  json out = json::array();
  ARROW_ASSIGN_OR_RAISE(const auto tables, engine->Tables());
  for (const auto& [name, snapshot] : tables) {
    out.push_back({{"name", name},
                   {"version", snapshot->version},
                   {"rows", snapshot->row_count().value_or(-1)},
                   {"files", snapshot->files.size()},
                   {"bytes", snapshot->byte_count()},
                   {"changed_at", base::FormatInstant(snapshot->timestamp_us)}});
  }
  return out;
}

arrow::Result<json> RunList(Engine* engine) {
  json out = json::array();
  ARROW_ASSIGN_OR_RAISE(const auto runs, engine->catalog().ListRuns(kShownRuns));
  for (const catalog::Run& run : runs) {
    out.push_back({{"run", run.id},
                   {"command", run.command},
                   {"definition_version", run.definition_version},
                   {"now", base::FormatInstant(run.now_us)},
                   {"started_at", base::FormatInstant(run.started_at_us)},
                   {"status", RunStatusName(run.status)},
                   {"error", run.error}});
  }
  return out;
}

json Columns(const arrow::Schema& schema) {
  json columns = json::array();
  for (const auto& field : schema.fields()) {
    columns.push_back({{"name", field->name()}, {"type", spec::TypeText(*field->type())}});
  }
  return columns;
}

json Features(const spec::FeatureView& view, const pipeline::AnalysedProject& analysed) {
  json features = json::array();
  const auto found = analysed.views.find(view.name);
  for (size_t i = 0; i < view.features.size(); ++i) {
    const spec::Feature& feature = view.features[i];
    features.push_back(
        {{"name", feature.name},
         {"type",
          found == analysed.views.end() ? "" : spec::TypeText(*found->second->feature_types()[i])},
         {"unit", feature.doc.unit},
         {"description", feature.doc.description}});
  }
  return features;
}

void AddOutputs(const feature::BoundService& service, json* document) {
  json features = json::array();
  json keys = json::array();
  json request = json::array();
  for (const feature::OutputFeature& output : service.outputs()) {
    features.push_back({{"name", output.name},
                        {"type", spec::TypeText(*output.type)},
                        {"from", "view." + output.view + "." + output.feature}});
  }
  for (const auto& column : service.key_columns()) {
    keys.push_back({{"name", column.name}, {"type", spec::TypeText(*column.type)}});
  }
  for (const auto& column : service.request_columns()) {
    request.push_back({{"name", column.name}, {"type", spec::TypeText(*column.type)}});
  }
  (*document)["features"] = std::move(features);
  (*document)["keys"] = std::move(keys);
  (*document)["request"] = std::move(request);
}

}  // namespace

const char* ChangeName(catalog::ChangeKind change) {
  switch (change) {
    case catalog::ChangeKind::kAdded:
      return "add";
    case catalog::ChangeKind::kChanged:
      return "change";
    case catalog::ChangeKind::kDocumentation:
      return "document";
    case catalog::ChangeKind::kRemoved:
      return "remove";
  }
  return "";
}

arrow::Result<std::shared_ptr<arrow::Table>> OpenQuarantine(Engine* engine) {
  ARROW_ASSIGN_OR_RAISE(const auto tables, engine->Tables());
  std::string query;
  for (const auto& [name, snapshot] : tables) {
    if (name.rfind("quarantine.", 0) == 0) {
      query += (query.empty() ? "" : " union all ") + std::string("select '") + name +
               "' as quarantine, _origin as origin, r.rule as rule, r.\"column\" as \"column\", "
               "count(*) as rows, min(r.observed) as example, min(r.expected) as expected "
               "from quarantine.\"" +
               name.substr(11) + "\", unnest(reasons) as u(r) where status = 'open' group by all";
    }
  }
  if (query.empty()) {
    return nullptr;
  }
  return engine->Sql("select * from (" + query + ") order by 1, 2, 3, 4");
}

arrow::Result<std::string> ListDocument(Engine* engine, const std::string& what) {
  static const std::vector<std::string> kinds = {"all",   "sources",   "tables",        "entities",
                                                 "views", "services",  "training-sets", "tests",
                                                 "runs",  "quarantine"};
  if (what == "quarantine") {
    ARROW_ASSIGN_OR_RAISE(const auto rows, OpenQuarantine(engine));
    return rows == nullptr ? std::string("[]\n") : base::JsonRows(*rows);
  }
  if (what == "runs") {
    ARROW_ASSIGN_OR_RAISE(const json runs, RunList(engine));
    return json{{what, runs}}.dump(1) + "\n";
  }
  if (what == "tables") {
    ARROW_ASSIGN_OR_RAISE(const json tables, LakeTableList(engine));
    return json{{what, tables}}.dump(1) + "\n";
  }
  if (std::find(kinds.begin(), kinds.end(), what) == kinds.end()) {
    return MakeError(ErrorCode::kInvalidArgument, "cannot list '" + what + "'" +
                                                      base::DidYouMean(what, kinds) +
                                                      "; expected all, sources, tables, entities, "
                                                      "views, services, training-sets, tests, runs "
                                                      "or quarantine");
  }
  return json{{what == "all" ? "definitions" : what, Definitions(engine->project(), what)}}.dump(
             1) +
         "\n";
}

arrow::Result<std::string> ShowDocument(Engine* engine, const std::string& name) {
  if (auto run = engine->catalog().GetRun(name); run.ok()) {
    return ToJson(*run).dump(1) + "\n";
  }
  const spec::Project& project = engine->project();
  ARROW_ASSIGN_OR_RAISE(const std::string full, pipeline::ResolveName(project, name));
  ARROW_ASSIGN_OR_RAISE(const auto analysed, engine->Analyse());
  ARROW_ASSIGN_OR_RAISE(const auto records, pipeline::DefinitionRecords(project));
  const auto record = std::find_if(records.begin(), records.end(),
                                   [&](const auto& one) { return one.name == full; });
  json document = {{"name", full},
                   {"kind", record->kind},
                   {"location", record->location},
                   {"definition", record->text}};
  const std::string short_name = full.substr(full.find('.') + 1);
  if (record->kind == "source" || record->kind == "table") {
    const std::string table = record->kind == "source" ? "landing." + short_name : full;
    if (const auto schema = analysed.SchemaOf(table)) {
      document["columns"] = Columns(*schema);
    }
  } else if (const auto* view = project.FindView(short_name);
             view != nullptr && record->kind == "feature_view") {
    document["features"] = Features(*view, analysed);
  } else if (const auto service = analysed.services.find(short_name);
             service != analysed.services.end() && record->kind == "feature_service") {
    AddOutputs(*service->second, &document);
  }
  if (record->kind == "feature_view" || record->kind == "feature_service") {
    std::vector<std::string> features;
    if (const auto* view = project.FindView(short_name); record->kind == "feature_view") {
      for (const spec::Feature& feature : view->features) {
        features.push_back(feature.name);
      }
    }
    ARROW_ASSIGN_OR_RAISE(
        const std::string usage,
        UsageDocument(&engine->catalog(), full, features, base::MakeSystemClock()->NowMicros()));
    document["usage"] = json::parse(usage);
  }
  return document.dump(1) + "\n";
}

std::string FindingsDocument(const base::Diagnostics& diagnostics) {
  return json{{"findings", ToJson(diagnostics)}}.dump(1) + "\n";
}

std::string PendingDocument(const std::vector<pipeline::PendingStep>& pending) {
  return json{{"pending", ToJson(pending)}}.dump(1) + "\n";
}

std::string PlanDocument(const PlanReport& plan) {
  return json{{"changes", ToJson(plan.changes)},
              {"findings", ToJson(plan.diagnostics)},
              {"pending", ToJson(plan.pending)}}
             .dump(1) +
         "\n";
}

std::string ApplyDocument(const ApplyReport& report) {
  return json{{"version", report.version},
              {"changes", ToJson(report.changes)},
              {"findings", ToJson(report.diagnostics)},
              {"loads", ToJson(report.loads)}}
             .dump(1) +
         "\n";
}

std::string RunDocument(const pipeline::RunOutcome& outcome) {
  json steps = json::array();
  for (const pipeline::StepOutcome& step : outcome.steps) {
    json one = {{"thing", step.report.thing},
                {"step", step.report.step},
                {"status", StatusName(step.status)},
                {"counts", step.report.counts.Flat()},
                {"duration_us", step.report.duration_us}};
    if (!step.error.empty()) {
      one["error"] = step.error;
    }
    if (step.report.new_generation) {
      one["new_generation"] = true;
    }
    if (!step.report.note.empty()) {
      one["note"] = step.report.note;
    }
    steps.push_back(std::move(one));
  }
  return json{{"run", outcome.run_id},
              {"status", outcome.failed() ? "failed" : "done"},
              {"balanced", outcome.balanced()},
              {"duration_us", outcome.duration_us},
              {"steps", steps}}
             .dump(1) +
         "\n";
}

// What the card has, and where it is; tables by name.
std::string TrainingSetDocument(const TrainingSetReport& report, const std::string& out) {
  const auto card = nlohmann::ordered_json::parse(pipeline::ToJson(report.card));
  auto tables = nlohmann::ordered_json::object();
  for (auto input : card["inputs"]) {
    const auto name = input["table"].get<std::string>();
    input.erase("table");
    tables[name] = std::move(input);
  }
  nlohmann::ordered_json document;
  if (!out.empty()) {
    document["out"] = out;
    document["card"] = pipeline::CardPath(out);
  }
  document["training_set"] = card["training_set"];
  document["rows"] = report.card.rows;
  document["columns"] = report.card.columns;
  if (!report.card.digest.empty()) {
    document["digest"] = report.card.digest;
  }
  document["spine"] = card["spine"];
  document["tables"] = std::move(tables);
  document["duration_us"] = report.duration_us;
  document["features"] = card["features"];
  return document.dump(1) + "\n";
}

}  // namespace icecore::engine
