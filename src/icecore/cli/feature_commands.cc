#include <arrow/type.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"

namespace icecore::cli {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

struct TrainingArguments {
  std::string service;
  std::string spine;
  std::string out;
  std::string known_at = "label";
};

arrow::Result<feature::KnowledgeCut> ParseCut(const std::string& text) {
  feature::KnowledgeCut cut;
  if (text == "label") {
    return cut;
  }
  if (text == "latest") {
    cut.kind = feature::KnowledgeCut::Kind::kLatest;
    return cut;
  }
  cut.kind = feature::KnowledgeCut::Kind::kTime;
  auto time = base::ParseInstant(text);
  if (!time.ok()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "--known-at takes label, latest or a time: " + time.status().message());
  }
  cut.time_us = *time;
  return cut;
}

arrow::Status TrainingSet(Context* context, const TrainingArguments& arguments) {
  engine::TrainingSetRequest request;
  request.service = arguments.service;
  request.spine_path = arguments.spine;
  request.out_path = arguments.out;
  ARROW_ASSIGN_OR_RAISE(request.cut, ParseCut(arguments.known_at));
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto report, engine->BuildTrainingSet(request));
  if (context->json) {
    json features = json::array();
    for (const auto& feature : report.features) {
      features.push_back({{"name", feature.name},
                          {"rows", feature.rows},
                          {"nulls", feature.nulls},
                          {"expired", feature.expired}});
    }
    json tables = json::object();
    for (const auto& [table, read] : report.tables) {
      tables[table] = {{"table_id", read.table_id},
                       {"generation", read.generation},
                       {"version", read.version},
                       {"seq_up_to", read.seq_up_to}};
    }
    std::printf("%s\n", json{{"out", arguments.out},
                             {"rows", report.rows},
                             {"columns", report.columns},
                             {"tables", tables},
                             {"duration_us", report.duration_us},
                             {"features", features}}
                            .dump(1)
                            .c_str());
    return arrow::Status::OK();
  }
  std::printf("%s rows, %d columns to %s in %s\n", Grouped(report.rows).c_str(), report.columns,
              arguments.out.c_str(), Seconds(report.duration_us).c_str());
  for (const auto& [table, read] : report.tables) {
    std::printf("read %s@%lld\n", table.c_str(), static_cast<long long>(read.version));
  }
  return arrow::Status::OK();
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

arrow::Result<Pairs> SplitPairs(const std::vector<std::string>& texts) {
  Pairs pairs;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return MakeError(ErrorCode::kInvalidArgument, "'" + text + "': expected name=value");
    }
    pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

arrow::Result<std::string> VectorJson(const engine::Vectors& vectors) {
  std::string out = "{\"service\": ";
  base::AppendJsonString(vectors.service, &out);
  out += ", \"at\": \"" + base::FormatInstant(vectors.t_us) + "\",\n \"features\": {";
  for (size_t i = 0; i < vectors.columns.size(); ++i) {
    const auto& column = vectors.columns[i];
    out += i == 0 ? "\n  " : ",\n  ";
    base::AppendJsonString(vectors.outputs[i].name, &out);
    out += ": {\"value\": ";
    ARROW_RETURN_NOT_OK(base::AppendJsonValue(*column.values, 0, &out));
    out += ", \"status\": \"" + std::string(state::ValueStatusName(column.statuses[0])) + "\"";
    if (column.event_times[0] && vectors.outputs[i].as_of) {
      out += ", \"event_time\": \"" + base::FormatInstant(*column.event_times[0]) + "\"";
    }
    out += "}";
  }
  out += "},\n \"views\": {";
  for (size_t i = 0; i < vectors.positions.size(); ++i) {
    const auto& [view, position] = vectors.positions[i];
    const auto& stale = vectors.stale_views;
    out += i == 0 ? "\n  " : ",\n  ";
    base::AppendJsonString(view, &out);
    out += ": {\"seq\": " + std::to_string(position.seq) + ", \"applied_at\": \"" +
           base::FormatInstant(position.applied_at) + "\", \"stale\": " +
           (std::find(stale.begin(), stale.end(), view) != stale.end() ? "true" : "false") + "}";
  }
  return out + "}}\n";
}

arrow::Status Get(Context* context, const std::string& service,
                  const std::vector<std::string>& keys, const std::vector<std::string>& request,
                  const std::string& at) {
  ARROW_ASSIGN_OR_RAISE(const Pairs key_pairs, SplitPairs(keys));
  ARROW_ASSIGN_OR_RAISE(const Pairs request_pairs, SplitPairs(request));
  std::optional<int64_t> at_us;
  if (!at.empty()) {
    ARROW_ASSIGN_OR_RAISE(at_us, base::ParseInstant(at));
  }
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto vectors, engine->Get(service, key_pairs, request_pairs, at_us));
  if (context->json) {
    ARROW_ASSIGN_OR_RAISE(const std::string text, VectorJson(vectors));
    std::fputs(text.c_str(), stdout);
    return arrow::Status::OK();
  }
  TextTable table({"feature", "value", "status", "event time"});
  for (size_t i = 0; i < vectors.columns.size(); ++i) {
    const auto& column = vectors.columns[i];
    ARROW_ASSIGN_OR_RAISE(const std::string value, base::ValueText(*column.values, 0));
    const bool timed = column.event_times[0] && vectors.outputs[i].as_of;
    table.Add({vectors.outputs[i].name, value,
               std::string(state::ValueStatusName(column.statuses[0])),
               timed ? base::FormatInstantShort(*column.event_times[0]) : ""});
  }
  std::printf("%s at %s\n%s", vectors.service.c_str(),
              base::FormatInstantShort(vectors.t_us).c_str(), table.ToString().c_str());
  for (const std::string& view : vectors.stale_views) {
    std::printf("stale: view.%s was not loaded this far; run `icecore materialize`\n",
                view.c_str());
  }
  return arrow::Status::OK();
}

}  // namespace

void AddFeatureCommands(CLI::App* app, Context* context) {
  auto* training = app->add_subcommand(
      "training-set", "Features for every row of a spine, as they were known at its time");
  training->footer(
      "A spine holds the service's key columns, event_timestamp, and any other columns (labels, "
      "request\n"
      "data), which pass through unchanged. Every row comes back, once, in its place.");
  auto arguments = std::make_shared<TrainingArguments>();
  training->add_option("SERVICE", arguments->service, "The feature service")->required();
  training->add_option("--spine", arguments->spine, "A .parquet, .csv or .arrow file")
      ->required()
      ->type_name("FILE");
  training->add_option("--out", arguments->out, "A .parquet, .csv or .arrow file")
      ->required()
      ->type_name("FILE");
  training
      ->add_option("--known-at", arguments->known_at,
                   "label: what serving could have known at each row's time (default); latest: "
                   "corrected history; or a TIME")
      ->type_name("WHEN");
  training->callback([=] { Guard(context, [&] { return TrainingSet(context, *arguments); }); });

  auto* get = app->add_subcommand("get", "One vector, from the online store");
  auto service = std::make_shared<std::string>();
  auto keys = std::make_shared<std::vector<std::string>>();
  auto request = std::make_shared<std::vector<std::string>>();
  auto at = std::make_shared<std::string>();
  get->add_option("SERVICE", *service, "The feature service")->required();
  get->add_option("KEY", *keys, "Key columns, as name=value")->type_name("NAME=VALUE");
  get->add_option("--request", *request, "Request data, as name=value (repeatable)")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  get->add_option("--at", *at, "The time asked for, e.g. 2013-12-01T12:00:00Z; default: now")
      ->type_name("TIME");
  get->callback(
      [=] { Guard(context, [&] { return Get(context, *service, *keys, *request, *at); }); });
}

}  // namespace icecore::cli
