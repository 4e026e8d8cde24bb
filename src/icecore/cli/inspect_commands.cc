#include <arrow/table.h>
#include <arrow/type.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/show.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/delta_sql.h"
#include "icecore/engine/row_files.h"

namespace icecore::cli {
namespace {

using nlohmann::json;

constexpr int64_t kShownRows = 100;

// Tables that a query names by their place need no project.
arrow::Result<std::shared_ptr<arrow::Table>> SqlRows(Context* context, const std::string& query) {
  if (!std::filesystem::exists(std::filesystem::path(context->directory) / "icecore.yaml")) {
    ARROW_ASSIGN_OR_RAISE(const auto delta, engine::ReplaceDeltaCalls(query));
    if (!delta.mentions.empty()) {
      return engine::RunDeltaSql(query, context->directory, *base::MakeSystemClock());
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  return engine->Sql(query);
}

arrow::Status Sql(Context* context, const std::string& query, const std::string& out) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, SqlRows(context, query));
  if (!out.empty()) {
    ARROW_RETURN_NOT_OK(engine::WriteRows(*rows, out));
    if (!context->json) {
      std::printf("%s rows to %s\n", Grouped(rows->num_rows()).c_str(), out.c_str());
    } else {
      std::printf("%s\n", json{{"rows", rows->num_rows()}, {"out", out}}.dump().c_str());
    }
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const std::string text,
                        context->json ? base::JsonRows(*rows) : TableText(*rows, kShownRows));
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

arrow::Status History(Context* context, const std::string& table, int64_t limit) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto commits, engine->History(table, limit));
  json list = json::array();
  TextTable text(
      {"version", "time", "operation", "written", "quarantined", "files", "bytes", "run"});
  for (const lake::CommitSummary& commit : commits) {
    const auto count = [&](const char* name) {
      const auto found = commit.counts.find(name);
      return found == commit.counts.end() ? int64_t{0} : found->second;
    };
    const auto named = commit.info.find("run");
    const auto parsed = json::parse(named == commit.info.end() ? "\"\"" : named->second, nullptr,
                                    /*allow_exceptions=*/false);
    const std::string run = parsed.is_string() ? parsed.get<std::string>() : "";
    text.Add(
        {std::to_string(commit.version), base::FormatInstantShort(commit.timestamp_us),
         commit.operation, Grouped(count("written")), Grouped(count("quarantined")),
         "+" + std::to_string(commit.files_added) + " -" + std::to_string(commit.files_removed),
         "+" + Grouped(commit.bytes_added) + " -" + Grouped(commit.bytes_removed),
         run.substr(0, 8)});
    list.push_back({{"version", commit.version},
                    {"time", base::FormatInstant(commit.timestamp_us)},
                    {"operation", commit.operation},
                    {"counts", commit.counts},
                    {"files_added", commit.files_added},
                    {"files_removed", commit.files_removed},
                    {"bytes_added", commit.bytes_added},
                    {"bytes_removed", commit.bytes_removed},
                    {"run", run}});
  }
  std::printf("%s\n",
              context->json ? json{{"history", list}}.dump(1).c_str() : text.ToString().c_str());
  return arrow::Status::OK();
}

}  // namespace

void AddInspectCommands(CLI::App* app, Context* context) {
  auto* sql = app->add_subcommand("sql", "One SELECT over the tables of every zone");
  sql->footer(
      "landing.X (rows that passed their contract), landing.X_raw (as received), processing.X,\n"
      "curated.X, quarantine.X; zone.table@3 reads version 3. Columns that begin with _ (_seq,\n"
      "_arrived_at, _file, _row, _run) are not in * and can be named. SQL is DuckDB's, in UTC.\n"
      "\n"
      "delta('PLACE'[, VERSION or 'TIME']) is any Delta table (a folder, file: or s3:// URL), and\n"
      "delta_changes('PLACE', FIRST[, LAST]) its change data feed; neither needs a project.");
  auto query = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  sql->add_option("QUERY", *query, "e.g. \"select * from processing.flights limit 5\"")->required();
  sql->add_option("--out", *out,
                  "Write all rows to a .parquet, .csv or .arrow file; default: show the first 100")
      ->type_name("FILE");
  sql->callback([=] { Guard(context, [&] { return Sql(context, *query, *out); }); });

  auto* list = app->add_subcommand("list", "List what there is");
  auto what = std::make_shared<std::string>("all");
  list->add_option("WHAT", *what, "What to list; default: all definitions")
      ->check(CLI::IsMember({"all", "sources", "tables", "entities", "views", "services",
                             "training-sets", "tests", "runs", "quarantine"}));
  list->callback([=] { Guard(context, [&] { return List(context, *what); }); });

  auto* show = app->add_subcommand("show", "Show one thing: a definition, a table or a run");
  auto name = std::make_shared<std::string>();
  show->add_option("NAME", *name, "A full name, a short one where it is unique, or a run's id")
      ->required();
  show->callback([=] { Guard(context, [&] { return Show(context, *name); }); });

  auto* history = app->add_subcommand("history", "Versions of a table, newest first");
  auto table = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(20);
  history->add_option("TABLE", *table, "e.g. processing.flights")->required();
  history->add_option("--limit", *limit, "How many, default 20")->check(CLI::PositiveNumber);
  history->callback([=] { Guard(context, [&] { return History(context, *table, *limit); }); });

  auto* quarantine = app->add_subcommand("quarantine", "Rows that broke a contract or a check");
  quarantine->require_subcommand(1);
  auto* quarantine_list = quarantine->add_subcommand("list", "How many, by table and rule");
  quarantine_list->callback([=] { Guard(context, [&] { return List(context, "quarantine"); }); });
  auto* quarantine_show = quarantine->add_subcommand("show", "The rows, with every reason");
  auto shown = std::make_shared<std::string>();
  quarantine_show->add_option("TABLE", *shown, "A source or table, e.g. weather")->required();
  quarantine_show->callback([=] {
    Guard(context, [&] {
      const std::string short_name = shown->substr(shown->find('.') + 1);
      return Sql(context,
                 "select _seq, _origin, _file, _row, status, reasons, row from quarantine.\"" +
                     short_name + "\" order by _origin, _seq",
                 "");
    });
  });
}

}  // namespace icecore::cli
