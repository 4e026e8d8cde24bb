#include "icecore/quality/checks.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/quality/breaks_internal.h"
#include "icecore/quality/rule_internal.h"
#include "icecore/quality/wall_time_internal.h"
#include "icecore/spec/parse.h"

namespace icecore::quality {
namespace {

using arrow::Result;
using arrow::Status;
using spec::Check;
using Kind = spec::Check::Kind;

// One value, or values one behind the other, as bytes that no other values give.
Status AppendKeyPart(const arrow::Array& array, int64_t row, std::string* out) {
  Status status = base::AppendJsonValue(array, row, out);
  *out += ',';
  return status;
}

using ValueSet = std::unordered_set<std::string>;

// A check with what it needs at run time.
struct Compiled {
  const Check* check = nullptr;
  std::unique_ptr<expr::Expression> where;      // may be null
  std::unique_ptr<expr::Expression> predicate;  // in, between, matches, expect
  std::string expected;
  std::vector<ValueSet> references;  // by pair
  KeyLookup* lookup = nullptr;       // unique; may be null
  ValueSet seen;                     // unique: keys of this step's rows that passed
  int64_t looked_at = 0;
  int64_t broken = 0;
};

bool IsRowCheck(Kind kind) {
  return kind != Kind::kRowCount && kind != Kind::kEqualRows && kind != Kind::kFresh;
}

class TableChecks final : public TableChecker {
 public:
  static Result<std::unique_ptr<TableChecker>> Make(const spec::Table& table,
                                                    const std::shared_ptr<arrow::Schema>& rows,
                                                    CheckInputs inputs) {
    std::unique_ptr<TableChecks> checker(new TableChecks(table, rows, std::move(inputs)));
    for (const spec::DropRule& drop : checker->table_.drop) {
      ARROW_ASSIGN_OR_RAISE(std::unique_ptr<expr::Expression> when,
                            expr::BindPredicate(drop.when.text, drop.when.location, *rows));
      checker->drops_.push_back(std::move(when));
    }
    for (const Check& check : checker->table_.checks) {
      if (IsRowCheck(check.kind)) {
        ARROW_RETURN_NOT_OK(checker->Compile(check));
      }
    }
    // Uniqueness last: a row that another check rejects does not claim its key.
    std::stable_partition(
        checker->checks_.begin(), checker->checks_.end(),
        [](const Compiled& compiled) { return compiled.check->kind != Kind::kUnique; });
    return checker;
  }

  Result<std::vector<int32_t>> EvaluateDrops(const arrow::RecordBatch& rows) const override {
    std::vector<int32_t> out(static_cast<size_t>(rows.num_rows()), -1);
    for (size_t rule = 0; rule < drops_.size(); ++rule) {
      ARROW_ASSIGN_OR_RAISE(std::vector<uint8_t> holds, TrueRows(*drops_[rule], rows));
      for (size_t i = 0; i < out.size(); ++i) {
        if (out[i] < 0 && holds[i] != 0) {
          out[i] = static_cast<int32_t>(rule);
        }
      }
    }
    return out;
  }

  Result<CheckResult> CheckRows(const arrow::RecordBatch& given) override {
    std::shared_ptr<arrow::RecordBatch> rows =
        arrow::RecordBatch::Make(given.schema(), given.num_rows(), given.columns());
    Breaks breaks(rows->num_rows());
    for (Compiled& compiled : checks_) {
      std::vector<uint8_t> looked(static_cast<size_t>(rows->num_rows()), 1);
      if (compiled.where != nullptr) {
        ARROW_ASSIGN_OR_RAISE(looked, TrueRows(*compiled.where, *rows));
      }
      compiled.looked_at += std::count(looked.begin(), looked.end(), 1);
      ARROW_RETURN_NOT_OK(Run(*rows, looked, &compiled, &breaks));
    }
    ARROW_ASSIGN_OR_RAISE(SplitRows split, Split(rows, rows, breaks, table_.FullName()));
    return CheckResult{std::move(split.accepted), std::move(split.quarantined),
                       std::move(split.quarantined_by_rule), std::move(split.broken_by_rule),
                       std::move(split.warned_by_rule)};
  }

  Result<RuleCounts> Finish(const TableNumbers& numbers) const override {
    RuleCounts warned;
    std::string failed;
    auto report = [&](const Check& check, int64_t count, const std::string& text) {
      if (check.severity == spec::Severity::kWarn) {
        warned[check.name] += count;
        return;
      }
      failed += "\n  " + check.location.ToString() + ": " + check.name + ": " + text;
    };
    for (const Compiled& compiled : checks_) {
      const Check& check = *compiled.check;
      if (!check.mostly.has_value() || compiled.looked_at == 0) {
        continue;
      }
      double share = static_cast<double>(compiled.looked_at - compiled.broken) /
                     static_cast<double>(compiled.looked_at);
      if (share < *check.mostly) {
        report(check, compiled.broken,
               std::to_string(compiled.broken) + " of " + std::to_string(compiled.looked_at) +
                   " rows break it, more than mostly: " + FloatText(*check.mostly) + " allows");
      }
    }
    for (const Check& check : table_.checks) {
      std::string problem = IsRowCheck(check.kind) ? "" : TableProblem(check, numbers);
      if (!problem.empty()) {
        report(check, 1, problem);
      }
    }
    if (!failed.empty()) {
      return base::MakeError(base::ErrorCode::kContractViolation,
                             table_.FullName() + ": checks failed, nothing is committed:" + failed);
    }
    return warned;
  }

 private:
  TableChecks(spec::Table table, std::shared_ptr<arrow::Schema> rows, CheckInputs inputs)
      : table_(std::move(table)), rows_(std::move(rows)), inputs_(std::move(inputs)) {}

  static std::string FloatText(double value) {
    std::string text;
    base::AppendJsonDouble(value, &text);
    return text;
  }

  Status Compile(const Check& check) {
    Compiled compiled;
    compiled.check = &check;
    if (check.where.has_value()) {
      ARROW_ASSIGN_OR_RAISE(compiled.where,
                            expr::BindPredicate(check.where->text, check.where->location, *rows_));
    }
    for (const std::string& column : check.columns) {
      if (rows_->GetFieldIndex(column) < 0) {
        return base::MakeErrorAt(base::ErrorCode::kInvalidDefinition, check.location,
                                 "check '" + check.name + "': unknown column '" + column + "'" +
                                     base::DidYouMean(column, rows_->field_names()));
      }
    }
    ARROW_ASSIGN_OR_RAISE(std::string text, PredicateText(check, &compiled.expected));
    if (!text.empty()) {
      const base::Location& place =
          check.kind == Kind::kExpect ? check.expect.location : check.location;
      ARROW_ASSIGN_OR_RAISE(compiled.predicate, expr::BindPredicate(text, place, *rows_));
    }
    if (check.kind == Kind::kReferences) {
      ARROW_RETURN_NOT_OK(CollectReferences(check, &compiled));
    }
    auto lookup = inputs_.keys.find(check.name);
    if (check.kind == Kind::kUnique && lookup != inputs_.keys.end()) {
      compiled.lookup = lookup->second;
    }
    checks_.push_back(std::move(compiled));
    return Status::OK();
  }

  // "" where the check is not a predicate.
  Result<std::string> PredicateText(const Check& check, std::string* expected) const {
    std::string text;
    auto type = [&]() -> const arrow::DataType& {
      return *rows_->GetFieldByName(check.columns[0])->type();
    };
    switch (check.kind) {
      case Kind::kIn: {
        ARROW_ASSIGN_OR_RAISE(text, InText(check.columns[0], type(), check.values, check.location));
        break;
      }
      case Kind::kBetween: {
        if (check.values.size() != 2) {
          return base::MakeErrorAt(base::ErrorCode::kInvalidDefinition, check.location,
                                   "'between' wants two values");
        }
        ARROW_ASSIGN_OR_RAISE(text, BetweenText(check.columns[0], type(), check.values[0],
                                                check.values[1], check.location));
        break;
      }
      case Kind::kMatches: {
        ARROW_ASSIGN_OR_RAISE(text,
                              MatchesText(check.columns[0], type(), check.pattern, check.location));
        break;
      }
      case Kind::kExpect:
        text = check.expect.text;
        break;
      case Kind::kNotNull:
        *expected = "a value";
        return text;
      case Kind::kUnique:
        *expected = "a key that no other row has";
        return text;
      default:
        return text;
    }
    *expected = text;
    return text;
  }

  Status CollectReferences(const Check& check, Compiled* compiled) {
    for (const auto& [column, target] : check.references) {
      auto values = inputs_.references.find(target);
      if (values == inputs_.references.end() || values->second == nullptr) {
        return base::MakeErrorAt(base::ErrorCode::kInternal, check.location,
                                 "no values of " + target + " were given");
      }
      ValueSet set;
      std::string key;
      for (int64_t i = 0; i < values->second->length(); ++i) {
        key.clear();
        ARROW_RETURN_NOT_OK(AppendKeyPart(*values->second, i, &key));
        set.insert(key);
      }
      compiled->references.push_back(std::move(set));
    }
    return Status::OK();
  }

  Status Run(const arrow::RecordBatch& rows, const std::vector<uint8_t>& looked, Compiled* compiled,
             Breaks* breaks) const {
    switch (compiled->check->kind) {
      case Kind::kNotNull:
        for (const std::string& column : compiled->check->columns) {
          NotNull(rows, looked, column, compiled, breaks);
        }
        return Status::OK();
      case Kind::kReferences:
        return References(rows, looked, compiled, breaks);
      case Kind::kUnique:
        return Unique(rows, looked, compiled, breaks);
      default:
        break;
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> broken, FalseRows(*compiled->predicate, rows));
    for (int64_t row : broken) {
      if (looked[static_cast<size_t>(row)] != 0) {
        Break(rows, row, compiled->predicate->columns(), compiled->expected, compiled, breaks);
      }
    }
    return Status::OK();
  }

  // Under `mostly` a broken row is counted and passes.
  void Break(const arrow::RecordBatch& rows, int64_t row, const std::vector<std::string>& columns,
             const std::string& expected, Compiled* compiled, Breaks* breaks) const {
    ++compiled->broken;
    if (compiled->check->mostly.has_value()) {
      return;
    }
    breaks->Add(row,
                {compiled->check->name, inputs_.version, columns.size() == 1 ? columns[0] : "",
                 ObservedColumns(rows, columns, row), expected, compiled->check->severity, true});
  }

  void NotNull(const arrow::RecordBatch& rows, const std::vector<uint8_t>& looked,
               const std::string& column, Compiled* compiled, Breaks* breaks) const {
    std::shared_ptr<arrow::Array> values = rows.GetColumnByName(column);
    for (int64_t i = 0; values->null_count() > 0 && i < values->length(); ++i) {
      if (values->IsNull(i) && looked[static_cast<size_t>(i)] != 0) {
        Break(rows, i, {column}, compiled->expected, compiled, breaks);
      }
    }
  }

  Status References(const arrow::RecordBatch& rows, const std::vector<uint8_t>& looked,
                    Compiled* compiled, Breaks* breaks) const {
    std::string key;
    for (size_t pair = 0; pair < compiled->references.size(); ++pair) {
      const auto& [column, target] = compiled->check->references[pair];
      std::shared_ptr<arrow::Array> values = rows.GetColumnByName(column);
      for (int64_t i = 0; i < values->length(); ++i) {
        if (values->IsNull(i) || looked[static_cast<size_t>(i)] == 0) {
          continue;
        }
        key.clear();
        ARROW_RETURN_NOT_OK(AppendKeyPart(*values, i, &key));
        if (!compiled->references[pair].contains(key)) {
          Break(rows, i, {column}, "a value of " + target, compiled, breaks);
        }
      }
    }
    return Status::OK();
  }

  // The first row of a key stays, those behind it break; so do keys that the table has already.
  Status Unique(const arrow::RecordBatch& rows, const std::vector<uint8_t>& looked,
                Compiled* compiled, Breaks* breaks) const {
    const std::vector<std::string>& columns = compiled->check->columns;
    std::vector<std::shared_ptr<arrow::Array>> parts;
    parts.reserve(columns.size());
    for (const std::string& column : columns) {
      parts.push_back(rows.GetColumnByName(column));
    }
    std::vector<int64_t> candidates;  // with a whole key
    for (int64_t i = 0; i < rows.num_rows(); ++i) {
      bool whole = looked[static_cast<size_t>(i)] != 0 &&
                   std::all_of(parts.begin(), parts.end(),
                               [i](const auto& part) { return part->IsValid(i); });
      if (whole) {
        candidates.push_back(i);
      }
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<bool> there, LookUp(parts, columns, candidates, *compiled));
    std::string key;
    for (size_t k = 0; k < candidates.size(); ++k) {
      int64_t row = candidates[k];
      key.clear();
      for (const std::shared_ptr<arrow::Array>& part : parts) {
        ARROW_RETURN_NOT_OK(AppendKeyPart(*part, row, &key));
      }
      bool taken = (!there.empty() && there[k]) || compiled->seen.contains(key);
      if (taken) {
        Break(rows, row, columns, compiled->expected, compiled, breaks);
      } else if (!breaks->Rejects(row)) {
        compiled->seen.insert(key);
      }
    }
    return Status::OK();
  }

  static Result<std::vector<bool>> LookUp(const std::vector<std::shared_ptr<arrow::Array>>& parts,
                                          const std::vector<std::string>& columns,
                                          const std::vector<int64_t>& candidates,
                                          const Compiled& compiled) {
    std::vector<bool> there;
    if (compiled.lookup == nullptr || candidates.empty()) {
      return there;
    }
    ARROW_RETURN_NOT_OK(InitializeCompute());
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(candidates));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> take, builder.Finish());
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t c = 0; c < parts.size(); ++c) {
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array,
                            arrow::compute::Take(*parts[c], *take));
      fields.push_back(arrow::field(columns[c], array->type()));
      arrays.push_back(std::move(array));
    }
    std::shared_ptr<arrow::RecordBatch> keys = arrow::RecordBatch::Make(
        arrow::schema(fields), static_cast<int64_t>(candidates.size()), arrays);
    ARROW_ASSIGN_OR_RAISE(there, compiled.lookup->Exists(*keys));
    if (there.size() != candidates.size()) {
      return base::MakeError(base::ErrorCode::kInternal, "a key look-up answered for other rows");
    }
    return there;
  }

  // "" where the check holds.
  static std::string TableProblem(const Check& check, const TableNumbers& numbers) {
    if (check.kind == Kind::kRowCount) {
      return RowCountProblem(check, numbers.rows);
    }
    if (check.kind == Kind::kEqualRows) {
      auto other = numbers.other_rows.find(check.other_table);
      if (other == numbers.other_rows.end()) {
        return "the rows of " + check.other_table + " are not known";
      }
      return other->second == numbers.rows
                 ? ""
                 : std::to_string(numbers.rows) + " rows, " + check.other_table + " has " +
                       std::to_string(other->second);
    }
    if (!numbers.newest_us.has_value()) {
      return "there is no row that could be fresh";
    }
    int64_t age = numbers.now_us - *numbers.newest_us;
    return age <= check.age_us.value_or(INT64_MAX)
               ? ""
               : "the newest row is of " + base::FormatInstantShort(*numbers.newest_us) +
                     ", older than " + base::FormatDuration(check.age_us.value_or(0));
  }

  static std::string RowCountProblem(const Check& check, int64_t rows) {
    auto bound = [&](size_t i) {
      bool open = i >= check.values.size() || check.values[i].kind != spec::Literal::Kind::kInt;
      return open ? std::optional<int64_t>() : std::optional<int64_t>(check.values[i].int_value);
    };
    std::optional<int64_t> least = bound(0);
    std::optional<int64_t> most = bound(1);
    if (least.has_value() && rows < *least) {
      return std::to_string(rows) + " rows, expected at least " + std::to_string(*least);
    }
    if (most.has_value() && rows > *most) {
      return std::to_string(rows) + " rows, expected at most " + std::to_string(*most);
    }
    return "";
  }

  const spec::Table table_;
  std::shared_ptr<arrow::Schema> rows_;
  CheckInputs inputs_;
  std::vector<std::unique_ptr<expr::Expression>> drops_;
  std::vector<Compiled> checks_;
};

}  // namespace

Result<std::unique_ptr<TableChecker>> TableChecker::Make(const spec::Table& table,
                                                         const std::shared_ptr<arrow::Schema>& rows,
                                                         CheckInputs inputs) {
  return TableChecks::Make(table, rows, std::move(inputs));
}

}  // namespace icecore::quality
