#include "icecore/engine/delta_sql.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/base/time.h"
#include "icecore/engine/sql_text.h"
#include "icecore/lake/change_feed.h"
#include "icecore/lake/located_table.h"
#include "icecore/lake/scan.h"
#include "icecore/sql/analysis.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kFunction = "delta";
constexpr std::string_view kChangesFunction = "delta_changes";

arrow::Status BadCall(std::string_view function, const std::string& what) {
  const std::string forms =
      function == kFunction ? "delta('PATH'), delta('PATH', VERSION) or delta('PATH', 'TIME')"
                            : "delta_changes('PATH', FIRST) or delta_changes('PATH', FIRST, LAST)";
  return MakeError(ErrorCode::kInvalidArgument,
                   std::string(function) + "(…): " + what + "; write " + forms);
}

// Reads the arguments of one call, from behind the function's name.
class CallScanner {
 public:
  explicit CallScanner(std::string_view text) : text_(text) {}

  bool Take(char c) {
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  // '…' with '' for a quote.
  std::optional<std::string> String() {
    if (!Take('\'')) {
      return std::nullopt;
    }
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] != '\'') {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        value += '\'';
        ++at_;
      } else {
        ++at_;
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<int64_t> Number() {
    SkipSpace();
    int64_t number = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (error != std::errc()) {
      return std::nullopt;
    }
    at_ += static_cast<size_t>(end - begin);
    return number;
  }

  size_t at() const { return at_; }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
      ++at_;
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
};

// What follows the place in delta(…): nothing, a version or a time.
arrow::Status ScanVersion(CallScanner* in, DeltaMention* mention) {
  if (!in->Take(',')) {
    return arrow::Status::OK();
  }
  mention->version = in->Number();
  if (!mention->version.has_value()) {
    const auto time = in->String();
    if (!time.has_value()) {
      return BadCall(kFunction, "the version must be a number or a time");
    }
    ARROW_ASSIGN_OR_RAISE(mention->at_us, base::ParseInstant(*time));
  }
  return arrow::Status::OK();
}

// What follows the place in delta_changes(…): the first version, and perhaps the last.
arrow::Status ScanRange(CallScanner* in, DeltaMention* mention) {
  mention->changes_from = in->Take(',') ? in->Number() : std::nullopt;
  if (!mention->changes_from.has_value()) {
    return BadCall(kChangesFunction, "the first version must be a number");
  }
  if (in->Take(',')) {
    mention->version = in->Number();
    if (!mention->version.has_value()) {
      return BadCall(kChangesFunction, "the last version must be a number");
    }
  }
  return arrow::Status::OK();
}

// From the function's name on; *length is what the call takes of the text, 0 where it is no call.
arrow::Result<DeltaMention> ScanCall(std::string_view function, std::string_view text,
                                     size_t* length) {
  *length = 0;
  DeltaMention mention;
  CallScanner in(text.substr(function.size()));
  if (!in.Take('(')) {
    return mention;
  }
  auto place = in.String();
  if (!place.has_value() || place->empty()) {
    return BadCall(function, "the place must be a text literal");
  }
  mention.place = *std::move(place);
  ARROW_RETURN_NOT_OK(function == kFunction ? ScanVersion(&in, &mention)
                                            : ScanRange(&in, &mention));
  if (!in.Take(')')) {
    return BadCall(function, "expected ')'");
  }
  *length = function.size() + in.at();
  return mention;
}

bool IsIdentifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '"';
}

// The function whose name begins here; "" for none.
std::string_view FunctionAt(std::string_view text, size_t at) {
  if (at > 0 && IsIdentifier(text[at - 1])) {
    return "";
  }
  for (const std::string_view function : {kChangesFunction, kFunction}) {
    if (base::LowerText(text.substr(at, function.size())) == function) {
      return function;
    }
  }
  return "";
}

// The name of the relation: the folder's, so that it can stand before columns.
void Name(DeltaMention* mention, const std::vector<DeltaMention>& others) {
  std::string_view place = mention->place;
  while (place.ends_with('/')) {
    place.remove_suffix(1);
  }
  std::string base;
  for (const char c : place.substr(place.find_last_of('/') + 1)) {
    const auto byte = static_cast<unsigned char>(c);
    base += std::isalnum(byte) != 0 && byte < 0x80 ? base::LowerLetter(c) : '_';
  }
  base = base.empty() ? "t" : base;
  mention->name = base;
  const auto is_taken = [&] {
    return std::any_of(others.begin(), others.end(),
                       [&](const DeltaMention& other) { return other.name == mention->name; });
  };
  for (int i = 2; is_taken(); ++i) {
    mention->name = base + "_" + std::to_string(i);
  }
}

lake::Predicate::Op OperatorOf(sql::ColumnCondition::Op op) {
  using From = sql::ColumnCondition::Op;
  using To = lake::Predicate::Op;
  switch (op) {
    case From::kEqual:
      return To::kEqual;
    case From::kLess:
      return To::kLess;
    case From::kLessOrEqual:
      return To::kLessOrEqual;
    case From::kGreater:
      return To::kGreater;
    case From::kGreaterOrEqual:
      return To::kGreaterOrEqual;
    case From::kIsNull:
      return To::kIsNull;
    case From::kIsNotNull:
      break;
  }
  return To::kIsNotNull;
}

class LocatedDeltaTable : public DeltaTable {
 public:
  arrow::Status Init(const DeltaMention& mention, const std::string& directory) {
    ARROW_ASSIGN_OR_RAISE(located_, lake::LocateTable(mention.place, directory));
    ARROW_ASSIGN_OR_RAISE(snapshot_, mention.at_us.has_value()
                                         ? located_.table->LoadAt(*mention.at_us)
                                         : located_.table->Load(mention.version));
    columns_ = snapshot_->schema;
    if (mention.changes_from.has_value()) {
      changes_.emplace();
      changes_->first_version = *mention.changes_from;
      changes_->last_version = snapshot_->version;
      columns_ = lake::WithChangeColumns(*columns_);
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> columns() const override { return columns_; }

  arrow::Status Register(const std::string& name, const sql::TableNeeds& needs,
                         const lake::ReadAccess& access, sql::Session* session) override {
    if (changes_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(const auto changes,
                            lake::ReadChanges(*located_.table, ChangesFor(needs), access));
      return session->RegisterReader(std::string(kFunction), name, changes);
    }
    lake::ScanOptions options;
    options.columns = needs.columns;
    for (const sql::ColumnCondition& condition : needs.conditions) {
      options.predicates.push_back({condition.column, OperatorOf(condition.op), condition.value});
    }
    ARROW_ASSIGN_OR_RAISE(const auto reader,
                          lake::Scan(*located_.store, *snapshot_, options, access));
    return session->RegisterReader(std::string(kFunction), name, reader);
  }

 private:
  // The table's columns that the query needs; those of changes come with every read.
  lake::ChangeOptions ChangesFor(const sql::TableNeeds& needs) const {
    lake::ChangeOptions options = *changes_;
    options.columns.emplace();
    for (const std::string& name : needs.columns) {
      if (snapshot_->schema->GetFieldByName(name) != nullptr) {
        options.columns->push_back(name);
      }
    }
    return options;
  }

  lake::LocatedTable located_;
  std::shared_ptr<const lake::Snapshot> snapshot_;
  std::shared_ptr<arrow::Schema> columns_;
  std::optional<lake::ChangeOptions> changes_;
};

}  // namespace

arrow::Result<DeltaQuery> ReplaceDeltaCalls(const std::string& query) {
  DeltaQuery out;
  for (size_t i = 0; i < query.size();) {
    if (const size_t skipped = SkippedLength(std::string_view(query).substr(i)); skipped > 0) {
      out.sql += query.substr(i, skipped);
      i += skipped;
      continue;
    }
    size_t length = 0;
    DeltaMention mention;
    if (const std::string_view function = FunctionAt(query, i); !function.empty()) {
      ARROW_ASSIGN_OR_RAISE(mention,
                            ScanCall(function, std::string_view(query).substr(i), &length));
    }
    if (length == 0) {
      out.sql += query[i++];
      continue;
    }
    i += length;
    const auto same =
        std::find_if(out.mentions.begin(), out.mentions.end(), [&](const DeltaMention& other) {
          return other.place == mention.place && other.version == mention.version &&
                 other.at_us == mention.at_us && other.changes_from == mention.changes_from;
        });
    std::string name;
    if (same != out.mentions.end()) {
      name = same->name;
    } else {
      Name(&mention, out.mentions);
      name = mention.name;
      out.mentions.push_back(std::move(mention));
    }
    out.sql += std::string(kFunction) + ".\"" + name + "\"";
  }
  return out;
}

arrow::Result<std::unique_ptr<DeltaTable>> DeltaTable::Open(const DeltaMention& mention,
                                                            const std::string& directory) {
  auto table = std::make_unique<LocatedDeltaTable>();
  ARROW_RETURN_NOT_OK(table->Init(mention, directory));
  return std::unique_ptr<DeltaTable>(std::move(table));
}

arrow::Result<DeltaTables> DeltaTables::Open(const std::vector<DeltaMention>& mentions,
                                             const std::string& directory) {
  DeltaTables tables;
  for (const DeltaMention& mention : mentions) {
    ARROW_ASSIGN_OR_RAISE(auto table, DeltaTable::Open(mention, directory));
    tables.schemas_.push_back({.full_name = std::string(kFunction) + "." + mention.name,
                               .columns = table->columns(),
                               .is_static = true,
                               .known_at_column = std::nullopt,
                               .is_foreign = true});
    tables.names_.push_back(mention.name);
    tables.tables_.push_back(std::move(table));
  }
  return tables;
}

arrow::Status DeltaTables::Register(const std::string& plain_sql, const lake::ReadAccess& access,
                                    sql::Session* session) const {
  if (tables_.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto needs, sql::NeedsOf(plain_sql, schemas_));
  for (size_t i = 0; i < tables_.size(); ++i) {
    ARROW_RETURN_NOT_OK(tables_[i]->Register(names_[i], needs[i], access, session));
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> RunDeltaSql(const std::string& query,
                                                         const std::string& directory,
                                                         const base::Clock& clock) {
  ARROW_ASSIGN_OR_RAISE(const DeltaQuery replaced, ReplaceDeltaCalls(query));
  sql::AnalysisRequest request;
  request.sql = replaced.sql;
  request.location = {"query", 1, 1};
  request.for_table = false;
  ARROW_ASSIGN_OR_RAISE(const auto tables, DeltaTables::Open(replaced.mentions, directory));
  request.tables = tables.schemas();
  ARROW_ASSIGN_OR_RAISE(auto analysis, sql::Analyse(request));
  ARROW_RETURN_NOT_OK(analysis.diagnostics.ToStatus());
  ARROW_ASSIGN_OR_RAISE(auto session, sql::Session::Open(sql::Limits(), {}));
  ARROW_RETURN_NOT_OK(session->SetRunTime(clock.NowMicros()));
  lake::ReadAccess access;
  access.context.principal = "local";
  access.context.now_us = clock.NowMicros();
  ARROW_RETURN_NOT_OK(tables.Register(analysis.plain_sql, access, session.get()));
  ARROW_RETURN_NOT_OK(session->Lock());
  return session->QueryTable(analysis.plain_sql);
}

}  // namespace icecore::engine
