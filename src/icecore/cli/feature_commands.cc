#include <arrow/type.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/name_values.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/documents.h"
#include "icecore/engine/knowledge_cut.h"

namespace icecore::cli {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string ErrorsJson(const std::vector<engine::DamagedRows>& damages) {
  std::string out;
  for (const engine::DamagedRows& damage : damages) {
    out += out.empty() ? "\n  {\"view\": " : ",\n  {\"view\": ";
    base::AppendJsonString(damage.view, &out);
    out += ", \"features\": [";
    for (const std::string& feature : damage.features) {
      out += out.ends_with('[') ? "" : ", ";
      base::AppendJsonString(feature, &out);
    }
    out += "], \"code\": \"corrupt\", \"message\": ";
    base::AppendJsonString(engine::DamageText({damage}), &out);
    out += "}";
  }
  return out;
}

// What is damaged is an error, beside all that could be read.
void TellDamage(const engine::Vectors& vectors, Context* context) {
  if (vectors.damages.empty()) return;
  std::fflush(stdout);
  std::fprintf(stderr, "icecore: %s\n", engine::DamageText(vectors.damages).c_str());
  context->exit_code = base::ExitCodeOf(ErrorCode::kCorrupt);
}

arrow::Result<std::string> VectorJson(const engine::Vectors& vectors) {
  std::string out = "{\"service\": ";
  base::AppendJsonString(vectors.service, &out);
  out += ", \"at\": \"" + base::FormatInstant(vectors.t_us) + "\",\n \"features\": {";
  for (size_t i = 0; i < vectors.columns.size(); ++i) {
    const auto& column = vectors.columns[i];
    out += i == 0 ? "\n  " : ",\n  ";
    base::AppendJsonString((*vectors.outputs)[i].name, &out);
    out += ": {\"value\": ";
    ARROW_RETURN_NOT_OK(base::AppendJsonValue(*column.values, 0, &out));
    out += ", \"status\": \"" + std::string(state::ValueStatusName(column.statuses[0])) + "\"";
    if (column.event_times[0] && (*vectors.outputs)[i].as_of) {
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
  out += "}";
  if (!vectors.damages.empty()) out += ",\n \"errors\": [" + ErrorsJson(vectors.damages) + "]";
  return out + "}\n";
}

arrow::Status Get(Context* context, const std::string& service,
                  const std::vector<std::string>& keys, const std::vector<std::string>& request,
                  const std::string& at) {
  ARROW_ASSIGN_OR_RAISE(const NameValues key_pairs, SplitNameValues(keys));
  ARROW_ASSIGN_OR_RAISE(const NameValues request_pairs, SplitNameValues(request));
  std::optional<int64_t> at_us;
  if (!at.empty()) {
    ARROW_ASSIGN_OR_RAISE(at_us, base::ParseInstant(at));
  }
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto vectors, engine->Get(service, key_pairs, request_pairs, at_us));
  if (context->json) {
    ARROW_ASSIGN_OR_RAISE(const std::string text, VectorJson(vectors));
    std::fputs(text.c_str(), stdout);
    TellDamage(vectors, context);
    return arrow::Status::OK();
  }
  TextTable table({"feature", "value", "status", "event time"});
  for (size_t i = 0; i < vectors.columns.size(); ++i) {
    const auto& column = vectors.columns[i];
    ARROW_ASSIGN_OR_RAISE(const std::string value, base::ValueText(*column.values, 0));
    const bool timed = column.event_times[0] && (*vectors.outputs)[i].as_of;
    table.Add({(*vectors.outputs)[i].name, value,
               std::string(state::ValueStatusName(column.statuses[0])),
               timed ? base::FormatInstantShort(*column.event_times[0]) : ""});
  }
  std::printf("%s at %s\n%s", vectors.service.c_str(),
              base::FormatInstantShort(vectors.t_us).c_str(), table.ToString().c_str());
  for (const std::string& view : vectors.stale_views) {
    std::printf("stale: view.%s was not loaded this far; run `icecore materialize`\n",
                view.c_str());
  }
  TellDamage(vectors, context);
  return arrow::Status::OK();
}

}  // namespace

void AddFeatureCommands(CLI::App* app, Context* context) {
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
