#include "icecore/engine/lake_sql.h"

#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/engine/delta_sql.h"
#include "icecore/engine/sql_text.h"
#include "icecore/pipeline/sql_tables.h"
#include "icecore/sql/analysis.h"
#include "icecore/sql/mentioned_tables.h"
#include "icecore/sql/session.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

// "processing.flights@3": the text with such names in quotes, and what they stand for.
struct VersionedSql {
  std::string sql;
  std::map<std::string, std::pair<std::string, int64_t>>
      names;  // quoted full name -> table, version
};

bool IsNameCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
}

arrow::Result<VersionedSql> QuoteVersions(const std::string& query) {
  VersionedSql out;
  for (size_t i = 0; i < query.size(); ++i) {
    if (const size_t skipped = SkippedLength(std::string_view(query).substr(i)); skipped > 0) {
      out.sql += query.substr(i, skipped);
      i += skipped - 1;
      continue;
    }
    if (query[i] != '@' || i == 0 || i + 1 == query.size() || !IsNameCharacter(query[i - 1]) ||
        !std::isdigit(static_cast<unsigned char>(query[i + 1]))) {
      out.sql += query[i];
      continue;
    }
    size_t begin = out.sql.size();
    while (begin > 0 && IsNameCharacter(out.sql[begin - 1])) {
      --begin;
    }
    const std::string table = base::LowerText(out.sql.substr(begin));
    const size_t dot = table.find('.');
    if (dot == std::string::npos) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "'" + table +
                           "@…': a version needs the table's full name, e.g. processing." + table +
                           "@3");
    }
    int64_t version = 0;
    const char* digits = query.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, query.data() + query.size(), version);
    if (error != std::errc()) {
      return MakeError(ErrorCode::kInvalidArgument, "a version too great behind " + table);
    }
    const std::string versioned = table.substr(dot + 1) + "@" + std::to_string(version);
    out.sql.resize(begin);
    out.sql += table.substr(0, dot) + ".\"" + versioned + "\"";
    out.names[table.substr(0, dot) + "." + versioned] = {table, version};
    i += static_cast<size_t>(end - digits);
  }
  return out;
}

// A table as SQL names it, pinned.
struct NamedInput {
  std::string sql_name;  // "processing.flights" or "processing.flights@3"
  pipeline::PinnedInput input;
};

// The tables that the query mentions; a broken table beside them is no matter of theirs.
arrow::Result<std::vector<NamedInput>> PinMentioned(const pipeline::Workspace& workspace,
                                                    const VersionedSql& versioned,
                                                    const std::vector<std::string>& lake_tables) {
  ARROW_ASSIGN_OR_RAISE(const auto mentioned, sql::MentionedTables({versioned.sql}));
  std::vector<NamedInput> inputs;
  for (const std::string& name : lake_tables) {
    if (std::find(mentioned[0].begin(), mentioned[0].end(), base::LowerText(name)) !=
        mentioned[0].end()) {
      ARROW_ASSIGN_OR_RAISE(auto snapshot, pipeline::LoadTable(workspace, name));
      inputs.push_back({name, {name, std::move(snapshot), 1}});
    }
  }
  for (const auto& [quoted, what] : versioned.names) {
    ARROW_ASSIGN_OR_RAISE(auto table, pipeline::OpenTable(workspace, what.first));
    ARROW_ASSIGN_OR_RAISE(auto snapshot, table->Load(what.second));
    inputs.push_back({quoted, {what.first, std::move(snapshot), 1}});
  }
  return inputs;
}

}  // namespace

arrow::Result<std::vector<std::string>> LakeTables(const pipeline::Workspace& workspace) {
  std::set<std::string> names;
  for (const char* zone : {"landing", "processing", "curated", "history", "quarantine"}) {
    ARROW_ASSIGN_OR_RAISE(auto paths, workspace.store->List(std::string(zone) + "/", ""));
    for (const std::string& path : paths) {
      const size_t log = path.find("/_delta_log/");
      const size_t slash = path.find('/');
      if (log != std::string::npos && path.find('/', slash + 1) == log) {
        names.insert(std::string(zone) + "." + path.substr(slash + 1, log - slash - 1));
      }
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

arrow::Result<std::shared_ptr<arrow::Table>> RunLakeSql(const pipeline::Workspace& workspace,
                                                        const std::string& query) {
  ARROW_ASSIGN_OR_RAISE(const DeltaQuery delta, ReplaceDeltaCalls(query));
  ARROW_ASSIGN_OR_RAISE(const VersionedSql versioned, QuoteVersions(delta.sql));
  ARROW_ASSIGN_OR_RAISE(const auto lake_tables, LakeTables(workspace));
  ARROW_ASSIGN_OR_RAISE(const auto inputs, PinMentioned(workspace, versioned, lake_tables));
  sql::AnalysisRequest request;
  request.sql = versioned.sql;
  request.location = {"query", 1, 1};
  request.for_table = false;
  for (const NamedInput& named : inputs) {
    const bool plain =
        named.sql_name.rfind("quarantine.", 0) == 0 || named.input.name.ends_with("_raw");
    const auto& schema = named.input.snapshot->schema;
    request.tables.push_back({named.sql_name,
                              plain ? schema : pipeline::SqlColumnsOf(named.input.name, schema),
                              true,
                              {}});
  }
  for (const std::string& name : lake_tables) {
    if (std::none_of(inputs.begin(), inputs.end(),
                     [&](const NamedInput& named) { return named.sql_name == name; })) {
      // There to be proposed for a typo; a table of no columns is none to DuckDB.
      request.tables.push_back(
          {name, arrow::schema({arrow::field("_seq", arrow::int64())}), true, {}});
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto foreign,
                        DeltaTables::Open(delta.mentions, workspace.project->root));
  request.tables.insert(request.tables.end(), foreign.schemas().begin(), foreign.schemas().end());
  ARROW_ASSIGN_OR_RAISE(auto analysis, sql::Analyse(request));
  ARROW_RETURN_NOT_OK(analysis.diagnostics.ToStatus());
  sql::Limits limits;
  limits.temp_dir = workspace.scratch_root;
  ARROW_ASSIGN_OR_RAISE(auto session, sql::Session::Open(limits, {workspace.lake_root}));
  ARROW_RETURN_NOT_OK(session->SetRunTime(workspace.clock->NowMicros()));
  const pipeline::AnalysedProject no_project;
  for (const NamedInput& named : inputs) {
    const auto& read = analysis.tables;
    if (std::find(read.begin(), read.end(), named.sql_name) == read.end()) {
      continue;
    }
    ARROW_RETURN_NOT_OK(pipeline::RegisterTable(workspace, no_project, named.input, named.sql_name,
                                                std::nullopt, session.get()));
  }
  ARROW_RETURN_NOT_OK(foreign.Register(analysis.plain_sql, workspace.access, session.get()));
  ARROW_RETURN_NOT_OK(session->Lock());
  return session->QueryTable(analysis.plain_sql);
}

}  // namespace icecore::engine
