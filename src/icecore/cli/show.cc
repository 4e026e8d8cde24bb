#include "icecore/cli/show.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/definitions.h"
#include "icecore/spec/parse.h"

namespace icecore::cli {
namespace {

using nlohmann::json;

constexpr int64_t kShownRuns = 20;

// Rows for people and the same as JSON.
struct Listing {
  explicit Listing(std::vector<std::string> header) : table(std::move(header)) {}
  TextTable table;
  json document = json::array();
};

void Print(const Context& context, const std::string& what, const Listing& listing) {
  if (context.json) {
    std::printf("%s\n", json{{what, listing.document}}.dump(1).c_str());
  } else {
    std::printf("%s", listing.table.ToString().c_str());
  }
}

Listing Definitions(const spec::Project& project, const std::string& what) {
  Listing out({"name", "kind", "description", "owner"});
  const auto add = [&](const char* group, const std::string& name, const char* kind,
                       const spec::Documentation& doc) {
    if (what == "all" || what == group) {
      out.table.Add({name, kind, doc.description, doc.owner});
      out.document.push_back({{"name", name},
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
    add("tables", table.FullName(), "table", table.doc);
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

arrow::Result<Listing> LakeTables(engine::Engine* engine) {
  Listing out({"table", "version", "rows", "files", "bytes", "last change"});
  ARROW_ASSIGN_OR_RAISE(const auto tables, engine->Tables());
  for (const auto& [name, snapshot] : tables) {
    const int64_t rows = snapshot->row_count().value_or(-1);
    out.table.Add({name, std::to_string(snapshot->version), Grouped(rows),
                   Grouped(static_cast<int64_t>(snapshot->files.size())),
                   Grouped(snapshot->byte_count()),
                   base::FormatInstantShort(snapshot->timestamp_us)});
    out.document.push_back({{"name", name},
                            {"version", snapshot->version},
                            {"rows", rows},
                            {"files", snapshot->files.size()},
                            {"bytes", snapshot->byte_count()},
                            {"changed_at", base::FormatInstant(snapshot->timestamp_us)}});
  }
  return out;
}

const char* RunStatusName(catalog::RunStatus status) {
  return status == catalog::RunStatus::kDone     ? "done"
         : status == catalog::RunStatus::kFailed ? "failed"
                                                 : "running";
}

arrow::Result<Listing> Runs(engine::Engine* engine) {
  Listing out({"run", "started", "command", "status", "error"});
  ARROW_ASSIGN_OR_RAISE(const auto runs, engine->catalog().ListRuns(kShownRuns));
  for (const catalog::Run& run : runs) {
    out.table.Add({run.id, base::FormatInstantShort(run.started_at_us), run.command,
                   RunStatusName(run.status), run.error});
    out.document.push_back({{"run", run.id},
                            {"command", run.command},
                            {"definition_version", run.definition_version},
                            {"now", base::FormatInstant(run.now_us)},
                            {"started_at", base::FormatInstant(run.started_at_us)},
                            {"status", RunStatusName(run.status)},
                            {"error", run.error}});
  }
  return out;
}

arrow::Status ListQuarantine(const Context& context, engine::Engine* engine) {
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
    std::puts(context.json ? "[]" : "nothing is in quarantine");
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto rows,
                        engine->Sql("select * from (" + query + ") order by 1, 2, 3, 4"));
  ARROW_ASSIGN_OR_RAISE(const std::string text,
                        context.json ? TableJson(*rows) : TableText(*rows, 1000));
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
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

void PrintRun(const catalog::Run& run) {
  std::printf("run %s  %s  %s  definitions version %lld\n", run.id.c_str(), run.command.c_str(),
              RunStatusName(run.status), static_cast<long long>(run.definition_version));
  for (const catalog::Step& step : run.steps) {
    std::printf("\n%s  %s  %s  %s\n", step.thing.c_str(), step.kind.c_str(),
                RunStatusName(step.status), Seconds(step.duration_us).c_str());
    if (!step.error.empty()) {
      std::printf("  error: %s\n", step.error.c_str());
    }
    for (const auto& [name, count] : step.counts) {
      if (count != 0) {
        std::printf("  %-40s %s\n", name.c_str(), Grouped(count).c_str());
      }
    }
    for (const catalog::TableVersion& read : step.reads) {
      std::printf("  read  %s@%lld\n", read.table.c_str(), static_cast<long long>(read.version));
    }
    for (const catalog::TableVersion& write : step.writes) {
      std::printf("  wrote %s@%lld\n", write.table.c_str(), static_cast<long long>(write.version));
    }
  }
}

void AddSchema(const arrow::Schema& schema, json* document, bool print) {
  TextTable table({"column", "type"});
  json columns = json::array();
  for (const auto& field : schema.fields()) {
    const std::string type = spec::TypeText(*field->type());
    table.Add({field->name(), type});
    columns.push_back({{"name", field->name()}, {"type", type}});
  }
  (*document)["columns"] = std::move(columns);
  if (print) {
    std::printf("\n%s", table.ToString().c_str());
  }
}

void AddFeatures(const spec::FeatureView& view,
                 const std::map<std::string, std::shared_ptr<const feature::BoundView>>& bound,
                 json* document, bool print) {
  TextTable table({"feature", "type", "unit", "description"});
  json features = json::array();
  const auto found = bound.find(view.name);
  for (size_t i = 0; i < view.features.size(); ++i) {
    const spec::Feature& feature = view.features[i];
    const std::string type =
        found == bound.end() ? "" : spec::TypeText(*found->second->feature_types()[i]);
    table.Add({feature.name, type, feature.doc.unit, feature.doc.description});
    features.push_back({{"name", feature.name},
                        {"type", type},
                        {"unit", feature.doc.unit},
                        {"description", feature.doc.description}});
  }
  (*document)["features"] = std::move(features);
  if (print) {
    std::printf("\n%s", table.ToString().c_str());
  }
}

void AddOutputs(const feature::BoundService& service, json* document, bool print) {
  TextTable table({"feature", "type", "from"});
  json features = json::array();
  json keys = json::array();
  json request = json::array();
  for (const feature::OutputFeature& output : service.outputs()) {
    const std::string type = spec::TypeText(*output.type);
    table.Add({output.name, type, "view." + output.view + "." + output.feature});
    features.push_back({{"name", output.name},
                        {"type", type},
                        {"from", "view." + output.view + "." + output.feature}});
  }
  for (const auto& column : service.key_columns()) {
    keys.push_back({{"name", column.name}, {"type", spec::TypeText(*column.type)}});
  }
  for (const auto& column : service.request_columns()) {
    request.push_back({{"name", column.name}, {"type", spec::TypeText(*column.type)}});
  }
  (*document)["features"] = std::move(features);
  (*document)["keys"] = keys;
  (*document)["request"] = request;
  if (print) {
    std::printf("keys: %s\nrequest: %s\n\n%s", keys.dump().c_str(), request.dump().c_str(),
                table.ToString().c_str());
  }
}

}  // namespace

arrow::Status List(Context* context, const std::string& what) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  if (what == "quarantine") {
    return ListQuarantine(*context, engine.get());
  }
  if (what == "runs") {
    ARROW_ASSIGN_OR_RAISE(const Listing runs, Runs(engine.get()));
    Print(*context, what, runs);
    return arrow::Status::OK();
  }
  if (what == "tables") {
    ARROW_ASSIGN_OR_RAISE(const Listing tables, LakeTables(engine.get()));
    Print(*context, what, tables);
    return arrow::Status::OK();
  }
  Print(*context, what == "all" ? "definitions" : what, Definitions(engine->project(), what));
  return arrow::Status::OK();
}

arrow::Status Show(Context* context, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  if (auto run = engine->catalog().GetRun(name); run.ok()) {
    if (context->json) {
      std::printf("%s\n", ToJson(*run).dump(1).c_str());
    } else {
      PrintRun(*run);
    }
    return arrow::Status::OK();
  }
  const spec::Project& project = engine->project();
  ARROW_ASSIGN_OR_RAISE(const std::string full, pipeline::ResolveName(project, name));
  ARROW_ASSIGN_OR_RAISE(const auto analysed, engine->Analyse());
  const bool print = !context->json;
  json document = {{"name", full}};
  ARROW_ASSIGN_OR_RAISE(const auto records, pipeline::DefinitionRecords(project));
  const auto record = std::find_if(records.begin(), records.end(),
                                   [&](const auto& one) { return one.name == full; });
  document["kind"] = record->kind;
  document["location"] = record->location;
  document["definition"] = record->text;
  if (print) {
    std::printf("%s  (%s)\n\n%s", full.c_str(), record->location.c_str(), record->text.c_str());
  }
  const std::string short_name = full.substr(full.find('.') + 1);
  if (record->kind == "source" || record->kind == "table") {
    const std::string table = record->kind == "source" ? "landing." + short_name : full;
    if (const auto schema = analysed.SchemaOf(table)) {
      AddSchema(*schema, &document, print);
    }
  } else if (const auto* view = project.FindView(short_name);
             view != nullptr && record->kind == "feature_view") {
    AddFeatures(*view, analysed.views, &document, print);
  } else if (const auto service = analysed.services.find(short_name);
             service != analysed.services.end() && record->kind == "feature_service") {
    AddOutputs(*service->second, &document, print);
  }
  if (!print) {
    std::printf("%s\n", document.dump(1).c_str());
  }
  return arrow::Status::OK();
}

}  // namespace icecore::cli
