#include "icecore/cli/show.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/documents.h"

namespace icecore::cli {
namespace {

using nlohmann::json;

std::string Text(const json& object, const char* name) {
  return object.at(name).get<std::string>();
}

std::string Count(const json& object, const char* name) {
  return Grouped(object.at(name).get<int64_t>());
}

arrow::Result<std::string> Moment(const json& object, const char* name) {
  ARROW_ASSIGN_OR_RAISE(const int64_t instant, base::ParseInstant(Text(object, name)));
  return base::FormatInstantShort(instant);
}

// Members of every object of the list as the columns of a table.
std::string TableOf(const json& list, const std::vector<std::string>& members,
                    std::vector<std::string> header) {
  TextTable table(std::move(header));
  for (const json& one : list) {
    std::vector<std::string> row;
    row.reserve(members.size());
    for (const std::string& member : members) {
      row.push_back(one.at(member).get<std::string>());
    }
    table.Add(std::move(row));
  }
  return table.ToString();
}

arrow::Result<std::string> LakeTablesText(const json& tables) {
  TextTable text({"table", "version", "rows", "files", "bytes", "last change"});
  for (const json& table : tables) {
    ARROW_ASSIGN_OR_RAISE(std::string changed, Moment(table, "changed_at"));
    text.Add({Text(table, "name"), std::to_string(table.at("version").get<int64_t>()),
              Count(table, "rows"), Count(table, "files"), Count(table, "bytes"),
              std::move(changed)});
  }
  return text.ToString();
}

arrow::Result<std::string> RunsText(const json& runs) {
  TextTable text({"run", "started", "command", "status", "error"});
  for (const json& run : runs) {
    ARROW_ASSIGN_OR_RAISE(std::string started, Moment(run, "started_at"));
    text.Add({Text(run, "run"), std::move(started), Text(run, "command"), Text(run, "status"),
              Text(run, "error")});
  }
  return text.ToString();
}

void PrintTableVersions(const char* verb, const json& versions) {
  for (const json& one : versions) {
    std::printf("  %s %s@%lld\n", verb, Text(one, "table").c_str(),
                static_cast<long long>(one.at("version").get<int64_t>()));
  }
}

void PrintRun(const json& run) {
  std::printf("run %s  %s  %s  definitions version %lld\n", Text(run, "run").c_str(),
              Text(run, "command").c_str(), Text(run, "status").c_str(),
              static_cast<long long>(run.at("definition_version").get<int64_t>()));
  for (const json& step : run.at("steps")) {
    std::printf("\n%s  %s  %s  %s\n", Text(step, "thing").c_str(), Text(step, "step").c_str(),
                Text(step, "status").c_str(),
                Seconds(step.at("duration_us").get<int64_t>()).c_str());
    if (const std::string error = Text(step, "error"); !error.empty()) {
      std::printf("  error: %s\n", error.c_str());
    }
    for (const auto& [name, count] : step.at("counts").items()) {
      if (count.get<int64_t>() != 0) {
        std::printf("  %-40s %s\n", name.c_str(), Grouped(count.get<int64_t>()).c_str());
      }
    }
    PrintTableVersions("read ", step.at("reads"));
    PrintTableVersions("wrote", step.at("writes"));
  }
}

void PrintDefinition(const json& document) {
  std::printf("%s  (%s)\n\n%s", Text(document, "name").c_str(), Text(document, "location").c_str(),
              Text(document, "definition").c_str());
  if (document.contains("columns")) {
    std::printf("\n%s",
                TableOf(document.at("columns"), {"name", "type"}, {"column", "type"}).c_str());
  } else if (document.contains("keys")) {
    std::printf(
        "\nkeys: %s\nrequest: %s\n\n%s", document.at("keys").dump().c_str(),
        document.at("request").dump().c_str(),
        TableOf(document.at("features"), {"name", "type", "from"}, {"feature", "type", "from"})
            .c_str());
  } else if (document.contains("features")) {
    std::printf("\n%s", TableOf(document.at("features"), {"name", "type", "unit", "description"},
                                {"feature", "type", "unit", "description"})
                            .c_str());
  }
}

arrow::Status AddUsageRow(const std::string& name, const json& usage, TextTable* table) {
  std::string last = "never";
  if (!usage.at("last_used_at").is_null()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t used_at, base::ParseInstant(Text(usage, "last_used_at")));
    last = base::FormatInstantShort(base::FloorTo(used_at, base::kMicrosPerSecond));
  }
  table->Add({name, Count(usage, "requests_7d"), Count(usage, "rows_7d"),
              Count(usage, "requests_30d"), Count(usage, "rows_30d"), std::move(last)});
  return arrow::Status::OK();
}

arrow::Status PrintUsage(const json& usage) {
  TextTable table({"uses", "requests 7d", "rows 7d", "requests 30d", "rows 30d", "last use"});
  ARROW_RETURN_NOT_OK(AddUsageRow("all", usage, &table));
  for (const json& caller : usage.at("callers")) {
    ARROW_RETURN_NOT_OK(AddUsageRow("by " + Text(caller, "caller"), caller, &table));
  }
  if (usage.contains("features")) {
    for (const json& feature : usage.at("features")) {
      ARROW_RETURN_NOT_OK(AddUsageRow("of " + Text(feature, "feature"), feature, &table));
    }
  }
  std::printf("\n%s", table.ToString().c_str());
  return arrow::Status::OK();
}

arrow::Status ListQuarantine(engine::Engine* engine) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, engine::OpenQuarantine(engine));
  if (rows == nullptr) {
    std::puts("nothing is in quarantine");
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const std::string text, TableText(*rows, 1000));
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

}  // namespace

arrow::Status List(Context* context, const std::string& what) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  if (what == "quarantine" && !context->json) {
    return ListQuarantine(engine.get());
  }
  ARROW_ASSIGN_OR_RAISE(std::string text, engine::ListDocument(engine.get(), what));
  if (!context->json) {
    const json document = json::parse(text);
    const json& list = document.begin().value();
    if (what == "tables") {
      ARROW_ASSIGN_OR_RAISE(text, LakeTablesText(list));
    } else if (what == "runs") {
      ARROW_ASSIGN_OR_RAISE(text, RunsText(list));
    } else {
      text = TableOf(list, {"name", "kind", "description", "owner"},
                     {"name", "kind", "description", "owner"});
    }
  }
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

arrow::Status Show(Context* context, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const std::string text, engine::ShowDocument(engine.get(), name));
  if (context->json) {
    std::fputs(text.c_str(), stdout);
    return arrow::Status::OK();
  }
  const json document = json::parse(text);
  if (document.contains("run")) {
    PrintRun(document);
  } else {
    PrintDefinition(document);
    if (document.contains("usage")) {
      return PrintUsage(document.at("usage"));
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::cli
