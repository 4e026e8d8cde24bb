#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"

namespace icecore::cli {
namespace {

using nlohmann::json;

struct CheckArguments {
  std::vector<std::string> tables;
  bool lake = false;
  bool deep = false;
  std::string grace = "24h";
};

json ToJson(const pipeline::LakeAudit& audit) {
  json tables = json::array();
  for (const pipeline::AuditedTable& table : audit.tables) {
    tables.push_back({{"table", table.name},
                      {"version", table.version},
                      {"files", table.files},
                      {"bytes", table.bytes},
                      {"rows", table.rows}});
  }
  json findings = json::array();
  for (const lake::Finding& finding : audit.findings) {
    findings.push_back({{"severity", finding.is_note ? "note" : "error"},
                        {"code", finding.code},
                        {"table", finding.table},
                        {"file", finding.file},
                        {"found", finding.found},
                        {"expected", finding.expected},
                        {"advice", finding.advice}});
  }
  return {{"sound", audit.sound()},
          {"tables", tables},
          {"originals", audit.originals},
          {"findings", findings}};
}

void PrintAudit(const pipeline::LakeAudit& audit) {
  int64_t files = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
  for (const pipeline::AuditedTable& table : audit.tables) {
    files += table.files;
    rows += table.rows;
    bytes += table.bytes;
  }
  int64_t errors = 0;
  for (const lake::Finding& finding : audit.findings) {
    errors += finding.is_note ? 0 : 1;
    std::printf("%s: %s: %s: %s; expected %s; %s\n", finding.is_note ? "note" : "error",
                finding.code.c_str(),
                finding.file.empty() ? finding.table.c_str() : finding.file.c_str(),
                finding.found.c_str(), finding.expected.c_str(), finding.advice.c_str());
  }
  std::printf("%s tables, %s files, %s rows, %s bytes, %s originals: %s\n",
              Grouped(static_cast<int64_t>(audit.tables.size())).c_str(), Grouped(files).c_str(),
              Grouped(rows).c_str(), Grouped(bytes).c_str(), Grouped(audit.originals).c_str(),
              errors == 0 ? "sound" : (Grouped(errors) + " findings").c_str());
}

arrow::Status Check(Context* context, const CheckArguments& arguments) {
  if (!arguments.lake) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "this version checks lakes: `icecore check --lake [TABLE…]`; checks of "
                           "tables run with `icecore run`");
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t grace_us, base::ParseDuration(arguments.grace));
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto audit,
                        engine->CheckLake(arguments.tables, arguments.deep, grace_us));
  if (context->json) {
    std::printf("%s\n", ToJson(audit).dump(1).c_str());
  } else {
    PrintAudit(audit);
  }
  context->exit_code = audit.sound() ? 0 : 1;
  return arrow::Status::OK();
}

struct CompactArguments {
  std::vector<std::string> tables;
  bool cluster = false;
  std::vector<std::string> columns;
  int64_t target_mib = 256;
  bool online = false;
  std::optional<int64_t> free_percent;
};

// Threads that begin from here on too. What answers requests on the same machine goes first; where
// the system does not allow it, nothing else changes.
void GiveWay() {
  constexpr int kNice = 19;
  (void)setpriority(PRIO_PROCESS, 0, kNice);
}

json ToJson(const std::pair<std::string, lake::CompactionReport>& compacted) {
  const auto& [name, report] = compacted;
  return {{"table", name},
          {"version", report.version},
          {"commits", report.commits},
          {"files_removed", report.files_removed},
          {"files_added", report.files_added},
          {"bytes_removed", report.bytes_removed},
          {"bytes_added", report.bytes_added},
          {"rows", report.rows},
          {"clustered_by", report.cluster_columns},
          {"sorted_runs", report.sorted_runs}};
}

std::string ToText(const std::vector<std::pair<std::string, lake::CompactionReport>>& compacted) {
  TextTable text({"table", "files", "bytes", "rows moved", "sorted by", "runs"});
  for (const auto& [name, report] : compacted) {
    if (report.commits == 0) {
      continue;
    }
    text.Add({name, Grouped(report.files_removed) + " -> " + Grouped(report.files_added),
              Grouped(report.bytes_removed) + " -> " + Grouped(report.bytes_added),
              Grouped(report.rows), base::CommaList(report.cluster_columns),
              report.cluster_columns.empty() ? "" : Grouped(report.sorted_runs)});
  }
  return text.empty() ? "" : text.ToString();
}

// Whether the project has a store of files, which nobody else packs. Others are not asked, so that
// upkeep of the lake needs no server and no password.
bool HasFileStore(const spec::Project& project) {
  return project.online.starts_with("lmdb:") &&
         std::any_of(project.views.begin(), project.views.end(),
                     [](const spec::FeatureView& view) { return view.online; });
}

struct OnlineUpkeep {
  std::vector<std::string> dropped;  // views that are not defined any more
  std::optional<online::PackReport> packed;
};

arrow::Result<OnlineUpkeep> KeepOnlineStore(engine::Engine* engine,
                                            const CompactArguments& arguments) {
  OnlineUpkeep upkeep;
  const bool by_itself = arguments.tables.empty() && HasFileStore(engine->project());
  if (!arguments.online && !by_itself) {
    return upkeep;
  }
  online::PackRule rule;
  if (arguments.free_percent.has_value()) {
    rule = {*arguments.free_percent, 0};
  }
  ARROW_ASSIGN_OR_RAISE(online::Store * store, engine->OnlineStore());
  ARROW_ASSIGN_OR_RAISE(upkeep.dropped, engine->DropDepartedViews());
  ARROW_ASSIGN_OR_RAISE(upkeep.packed, store->Pack(rule));
  return upkeep;
}

json ToJson(const std::optional<online::PackReport>& report) {
  if (!report.has_value()) {
    return nullptr;
  }
  return {{"kind", report->kind},
          {"packed", report->packed},
          {"bytes_before", report->bytes_before},
          {"free_bytes", report->free_bytes},
          {"bytes_after", report->bytes_after}};
}

std::string ToText(const online::PackReport& report) {
  const std::string store = "online store (" + report.kind + "): ";
  if (report.packed) {
    return store + Grouped(report.bytes_before) + " -> " + Grouped(report.bytes_after) + " bytes\n";
  }
  if (report.bytes_before == 0) {
    return store + "keeps its memory itself\n";
  }
  return store + Grouped(report.bytes_before) + " bytes, " + Grouped(report.free_bytes) +
         " of them free: left as it is\n";
}

arrow::Status Compact(Context* context, const CompactArguments& arguments) {
  if (arguments.tables.empty() && (arguments.cluster || !arguments.columns.empty())) {
    return base::MakeError(base::ErrorCode::kInvalidArgument, "say which table is to be clustered");
  }
  if (arguments.free_percent.has_value() && !arguments.tables.empty() && !arguments.online) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "--free is of the online store: say --online too");
  }
  GiveWay();
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  pipeline::CompactRequest request;
  request.cluster = arguments.cluster;
  request.columns = arguments.columns;
  request.target_bytes = arguments.target_mib << 20;
  std::vector<std::pair<std::string, lake::CompactionReport>> compacted;
  if (!arguments.tables.empty() || !arguments.online) {
    ARROW_ASSIGN_OR_RAISE(compacted, engine->Compact(arguments.tables, request));
  }
  ARROW_ASSIGN_OR_RAISE(const OnlineUpkeep upkeep, KeepOnlineStore(engine.get(), arguments));
  if (context->json) {
    json tables = json::array();
    for (const auto& table : compacted) {
      tables.push_back(ToJson(table));
    }
    const json document = {{"compacted", tables},
                           {"online", ToJson(upkeep.packed)},
                           {"dropped_views", upkeep.dropped}};
    std::printf("%s\n", document.dump(1).c_str());
    return arrow::Status::OK();
  }
  std::string text = ToText(compacted);
  if (!upkeep.dropped.empty()) {
    text +=
        "online store: dropped what is not defined any more: " + base::CommaList(upkeep.dropped) +
        "\n";
  }
  if (upkeep.packed.has_value() && (upkeep.packed->packed || arguments.online)) {
    text += ToText(*upkeep.packed);
  }
  std::fputs(text.empty() ? "nothing to compact\n" : text.c_str(), stdout);
  return arrow::Status::OK();
}

void AddCompact(CLI::App* app, Context* context) {
  auto* compact =
      app->add_subcommand("compact", "Pack small files into larger ones, and the online store");
  compact->footer(
      "Rows, their _seq and older versions stay as they are; readers and writers go on meanwhile.\n"
      "A table that was clustered once stays so: new rows are sorted, and sorted runs merged.\n"
      "The old files go with `icecore vacuum`. Views that left the definitions are dropped from "
      "the\n"
      "online store an hour after their last load. One of files (lmdb) is copied into full\n"
      "pages where that gives back 30 % of its file and 16 MiB; who reads or writes it goes over\n"
      "to the copy, loads wait while it is made. Runs at a lower priority (nice 19), so that what\n"
      "answers requests on the same machine goes first.");
  auto arguments = std::make_shared<CompactArguments>();
  compact->add_option("TABLE", arguments->tables, "Tables; default: all, and the online store");
  compact->add_flag("--cluster", arguments->cluster,
                    "Sort by the keys and times of the views that read the table");
  compact->add_option("--cluster-by", arguments->columns, "Sort by these columns and _seq")
      ->delimiter(',')
      ->type_name("COLUMN,…");
  compact->add_option("--target", arguments->target_mib, "Size of the files made; default 256")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("MIB");
  compact->add_flag("--online", arguments->online,
                    "The online store, and no tables but those named");
  compact
      ->add_option("--free", arguments->free_percent,
                   "Pack the online store where so much of its file is free, however small it is")
      ->check(CLI::Range(int64_t{0}, int64_t{100}))
      ->type_name("PERCENT");
  compact->callback([=] { Guard(context, [&] { return Compact(context, *arguments); }); });
}

struct VacuumArguments {
  std::vector<std::string> tables;
  std::string retention = "7d";
  bool force = false;
  bool dry_run = false;
};

arrow::Status Vacuum(Context* context, const VacuumArguments& arguments) {
  pipeline::VacuumRequest request;
  ARROW_ASSIGN_OR_RAISE(request.retention_us, base::ParseDuration(arguments.retention));
  request.force = arguments.force;
  request.dry_run = arguments.dry_run;
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto reports, engine->Vacuum(arguments.tables, request));
  json list = json::array();
  int64_t files = 0;
  int64_t bytes = 0;
  for (const auto& [name, report] : reports) {
    json paths = json::array();
    for (const lake::ObjectEntry& entry : report.deleted) {
      paths.push_back({{"file", entry.path}, {"bytes", entry.size}});
      if (!context->json) {
        std::printf("%s  %s bytes\n", entry.path.c_str(), Grouped(entry.size).c_str());
      }
    }
    files += static_cast<int64_t>(report.deleted.size());
    bytes += report.bytes;
    list.push_back({{"table", name},
                    {"files", paths},
                    {"bytes", report.bytes},
                    {"kept_for_retention", report.kept_for_retention}});
  }
  if (context->json) {
    std::printf(
        "%s\n",
        json{{"dry_run", arguments.dry_run}, {"files", files}, {"bytes", bytes}, {"tables", list}}
            .dump(1)
            .c_str());
  } else {
    std::printf("%s files, %s bytes %s\n", Grouped(files).c_str(), Grouped(bytes).c_str(),
                arguments.dry_run ? "would be deleted" : "deleted");
  }
  return arrow::Status::OK();
}

void AddVacuum(CLI::App* app, Context* context) {
  auto* vacuum = app->add_subcommand("vacuum", "Delete files that no version needs any more");
  vacuum->footer(
      "Files that left their table before the retention, what killed writers left behind, and\n"
      "manifests that were replaced. Never landed originals. Versions older than the retention\n"
      "cannot be read or restored afterwards.");
  auto arguments = std::make_shared<VacuumArguments>();
  vacuum->add_option("TABLE", arguments->tables, "Tables; default: all");
  vacuum->add_option("--retention", arguments->retention, "How long old versions stay; default 7d")
      ->type_name("DURATION");
  vacuum->add_flag("--dry-run", arguments->dry_run, "Say what would be deleted");
  vacuum->add_flag("--force", arguments->force,
                   "Take a retention below a day; only while nobody else uses the lake");
  vacuum->callback([=] { Guard(context, [&] { return Vacuum(context, *arguments); }); });
}

arrow::Status Restore(Context* context, const std::string& table, const std::string& to) {
  pipeline::RestoreRequest request;
  request.table = table;
  int64_t version = 0;
  const auto [end, error] = std::from_chars(to.data(), to.data() + to.size(), version);
  if (error == std::errc() && end == to.data() + to.size()) {
    request.version = version;
  } else {
    ARROW_ASSIGN_OR_RAISE(request.at_us, base::ParseInstant(to));
  }
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto report, engine->Restore(request));
  if (context->json) {
    std::printf("%s\n", json{{"from", report.from},
                             {"to", report.to},
                             {"version", report.version},
                             {"files_restored", report.files_restored},
                             {"files_removed", report.files_removed},
                             {"rows", report.rows},
                             {"seq_up_to", report.seq_up_to}}
                            .dump(1)
                            .c_str());
    return arrow::Status::OK();
  }
  if (report.version < 0) {
    std::printf("version %lld has the rows of version %lld already\n",
                static_cast<long long>(report.from), static_cast<long long>(report.to));
    return arrow::Status::OK();
  }
  std::printf("version %lld has the %s rows of version %lld again (%s files back, %s gone)\n",
              static_cast<long long>(report.version), Grouped(report.rows).c_str(),
              static_cast<long long>(report.to), Grouped(report.files_restored).c_str(),
              Grouped(report.files_removed).c_str());
  if (report.seq_up_to > 0) {
    std::printf("the next `icecore run` goes on behind _seq %lld%s\n",
                static_cast<long long>(report.seq_up_to), ", and makes anew what reads this table");
  }
  return arrow::Status::OK();
}

void AddRestore(CLI::App* app, Context* context) {
  auto* restore = app->add_subcommand("restore", "Make an older version of a table the newest");
  restore->footer(
      "The position goes back with the rows, and the quarantine too: the next run takes the rows\n"
      "behind it, or makes the table anew where its definition is another one now. Landed rows,\n"
      "quarantines and tables computed whole are refused.");
  auto table = std::make_shared<std::string>();
  auto to = std::make_shared<std::string>();
  restore->add_option("TABLE", *table, "e.g. processing.flights")->required();
  restore->add_option("--to", *to, "A version, or a time: the newest version by then")
      ->required()
      ->type_name("VERSION|TIME");
  restore->callback([=] { Guard(context, [&] { return Restore(context, *table, *to); }); });
}

void AddCheck(CLI::App* app, Context* context) {
  auto* check = app->add_subcommand("check", "Look whether the lake is sound; changes nothing");
  check->footer(
      "Every table's log, checkpoints and files; landed originals; every row accounted for from\n"
      "landing to the last table. A line per finding: what, where, what was expected, what to do.\n"
      "Notes are healed by the next run and do not fail. Exit code 1: there are findings.");
  auto arguments = std::make_shared<CheckArguments>();
  check->add_option("TABLE", arguments->tables, "Tables to look at; default: all");
  check->add_flag("--lake", arguments->lake, "The tables' logs, files and balances");
  check->add_flag("--deep", arguments->deep,
                  "Read every value and every original: checksums, statistics, _seq, digests");
  check
      ->add_option("--grace", arguments->grace,
                   "Files that no version names are findings once they are older; default 24h")
      ->type_name("DURATION");
  check->callback([=] { Guard(context, [&] { return Check(context, *arguments); }); });
}

}  // namespace

void AddMaintenanceCommands(CLI::App* app, Context* context) {
  AddCheck(app, context);
  AddCompact(app, context);
  AddVacuum(app, context);
  AddRestore(app, context);
}

}  // namespace icecore::cli
