#include "icecore/quality/contract.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/quality/breaks_internal.h"
#include "icecore/quality/rule_internal.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"

namespace icecore::quality {
namespace {

using arrow::Result;
using arrow::Status;

constexpr std::string_view kProblem = "_problem";
constexpr std::string_view kRaw = "_raw";

bool IsEnvelope(const std::string& name) { return name.starts_with('_'); }

// One column of the accepted rows.
struct Column {
  std::string name;
  int raw_index = -1;  // -1: the rows do not have it
  ColumnTarget target;
  std::string type_text;
  bool required = false;
  spec::Severity severity = spec::Severity::kError;
  std::vector<Rule> rules;
};

class ContractChecks final : public ContractChecker {
 public:
  static Result<std::unique_ptr<ContractChecker>> Make(
      const spec::Contract& contract, const ContractSettings& settings,
      const std::shared_ptr<arrow::Schema>& raw_schema,
      const std::shared_ptr<arrow::Schema>& inferred_types) {
    std::unique_ptr<ContractChecks> checker(new ContractChecks(settings, raw_schema));
    ARROW_RETURN_NOT_OK(checker->AddDeclared(contract, inferred_types.get()));
    ARROW_RETURN_NOT_OK(checker->AddFurther(contract, inferred_types.get()));
    ARROW_RETURN_NOT_OK(checker->MakeSchema());
    ARROW_RETURN_NOT_OK(checker->AddRules(contract));
    return checker;
  }

  const std::shared_ptr<arrow::Schema>& accepted_schema() const override { return schema_; }
  const std::vector<std::string>& missing_columns() const override { return missing_; }
  const std::vector<std::string>& new_columns() const override { return new_; }

  Result<ContractResult> Check(const arrow::RecordBatch& raw) const override {
    std::shared_ptr<arrow::RecordBatch> rows =
        arrow::RecordBatch::Make(raw.schema(), raw.num_rows(), raw.columns());
    if (!raw_schema_->Equals(*raw.schema())) {
      return base::MakeError(base::ErrorCode::kInternal,
                             "source " + settings_.source + ": rows of another schema");
    }
    Breaks breaks(rows->num_rows());
    std::vector<uint8_t> unreadable(static_cast<size_t>(rows->num_rows()), 0);
    FindUnreadable(*rows, &unreadable, &breaks);
    std::vector<ConvertedColumn> converted;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> typed, Convert(*rows, &converted));
    for (size_t c = 0; c < columns_.size(); ++c) {
      ARROW_RETURN_NOT_OK(
          CheckColumn(columns_[c], converted[c], *rows, *typed, unreadable, &breaks));
    }
    for (const Rule& rule : rules_) {
      ARROW_RETURN_NOT_OK(CheckRule(rule, *rows, *typed, unreadable, &breaks));
    }
    ARROW_ASSIGN_OR_RAISE(SplitRows split,
                          Split(typed, rows, breaks, "source " + settings_.source));
    for (const Column& column : columns_) {
      if (column.raw_index < 0 && !column.required && split.accepted->num_rows() > 0) {
        split.warned_by_rule[RuleKey("missing", column.name)] += split.accepted->num_rows();
      }
    }
    return ContractResult{std::move(split.accepted), std::move(split.quarantined),
                          std::move(split.quarantined_by_rule), std::move(split.broken_by_rule),
                          std::move(split.warned_by_rule)};
  }

 private:
  ContractChecks(ContractSettings settings, std::shared_ptr<arrow::Schema> raw_schema)
      : settings_(std::move(settings)), raw_schema_(std::move(raw_schema)) {}

  std::vector<std::string> UserColumns() const {
    std::vector<std::string> names;
    for (const std::shared_ptr<arrow::Field>& field : raw_schema_->fields()) {
      if (!IsEnvelope(field->name())) {
        names.push_back(field->name());
      }
    }
    return names;
  }

  std::shared_ptr<arrow::DataType> DefaultType(const std::string& name,
                                               const arrow::Schema* inferred) const {
    std::shared_ptr<arrow::Field> known =
        inferred != nullptr ? inferred->GetFieldByName(name) : nullptr;
    if (known != nullptr) {
      return known->type();
    }
    std::shared_ptr<arrow::Field> raw = raw_schema_->GetFieldByName(name);
    return settings_.text_source || raw == nullptr ? arrow::utf8() : NaturalType(raw->type());
  }

  Status AddDeclared(const spec::Contract& contract, const arrow::Schema* inferred) {
    for (const spec::ColumnContract& declared : contract.columns) {
      Column column;
      column.name = declared.name;
      column.raw_index = raw_schema_->GetFieldIndex(declared.name);
      column.target.type =
          declared.type != nullptr ? declared.type : DefaultType(declared.name, inferred);
      column.target.zone = declared.zone;
      column.target.ambiguous = declared.ambiguous;
      column.target.embedding_length = declared.embedding_length;
      column.type_text = declared.embedding_length.has_value()
                             ? "embedding(" + std::to_string(*declared.embedding_length) + ")"
                             : spec::TypeText(*column.target.type);
      column.required = declared.required;
      column.severity = declared.severity;
      if (declared.zone.has_value()) {
        Status zone = CheckZone(*declared.zone);
        if (!zone.ok()) {
          return base::MakeErrorAt(base::CodeOf(zone), declared.location, zone.message());
        }
      }
      if (column.raw_index < 0) {
        ARROW_RETURN_NOT_OK(NoteMissing(contract, declared));
      }
      columns_.push_back(std::move(column));
    }
    return Status::OK();
  }

  Status NoteMissing(const spec::Contract& contract, const spec::ColumnContract& declared) {
    bool twice = raw_schema_->GetAllFieldIndices(declared.name).size() > 1;
    if (!twice && contract.new_columns != spec::Contract::NewColumns::kReject) {
      missing_.push_back(declared.name);
      return Status::OK();
    }
    return base::MakeErrorAt(base::ErrorCode::kContractViolation, declared.location,
                             "source " + settings_.source + ": column '" + declared.name + "' is " +
                                 (twice ? "in the rows twice"
                                        : "not in the rows, the contract expects it" +
                                              base::DidYouMean(declared.name, UserColumns())));
  }

  Status AddFurther(const spec::Contract& contract, const arrow::Schema* inferred) {
    std::vector<std::string> declared;
    declared.reserve(contract.columns.size());
    for (const spec::ColumnContract& column : contract.columns) {
      declared.push_back(column.name);
    }
    for (const std::string& name : UserColumns()) {
      if (std::find(declared.begin(), declared.end(), name) != declared.end()) {
        continue;
      }
      new_.push_back(name);
      if (contract.new_columns == spec::Contract::NewColumns::kReject) {
        return base::MakeErrorAt(base::ErrorCode::kContractViolation, contract.location,
                                 "source " + settings_.source + ": column '" + name +
                                     "' is not in the contract, which says new_columns: reject" +
                                     base::DidYouMean(name, declared));
      }
      if (contract.new_columns == spec::Contract::NewColumns::kIgnore) {
        continue;
      }
      Column column;
      column.name = name;
      column.raw_index = raw_schema_->GetFieldIndex(name);
      if (column.raw_index < 0) {
        return base::MakeError(
            base::ErrorCode::kContractViolation,
            "source " + settings_.source + ": column '" + name + "' is in the rows twice");
      }
      column.target.type = DefaultType(name, inferred);
      column.type_text = spec::TypeText(*column.target.type);
      columns_.push_back(std::move(column));
    }
    return Status::OK();
  }

  Status MakeSchema() {
    arrow::FieldVector fields;
    for (const Column& column : columns_) {
      std::shared_ptr<arrow::Field> field = arrow::field(column.name, column.target.type);
      if (column.target.embedding_length.has_value()) {
        field =
            field->WithMetadata(arrow::key_value_metadata({"icecore.type"}, {column.type_text}));
      }
      fields.push_back(std::move(field));
    }
    for (int i = 0; i < raw_schema_->num_fields(); ++i) {
      const std::string& name = raw_schema_->field(i)->name();
      if (IsEnvelope(name) && name != kProblem && name != kRaw) {
        fields.push_back(raw_schema_->field(i));
        envelope_.push_back(i);
      }
    }
    schema_ = arrow::schema(std::move(fields));
    return Status::OK();
  }

  Status AddRules(const spec::Contract& contract) {
    for (size_t i = 0; i < contract.columns.size(); ++i) {
      const spec::ColumnContract& declared = contract.columns[i];
      const arrow::DataType& type = *columns_[i].target.type;
      if (declared.matches.has_value()) {
        ARROW_ASSIGN_OR_RAISE(std::string text, MatchesText(declared.name, type, *declared.matches,
                                                            declared.location));
        ARROW_RETURN_NOT_OK(AddColumnRule("matches", text, declared, &columns_[i]));
      }
      if (declared.between.has_value()) {
        ARROW_ASSIGN_OR_RAISE(std::string text,
                              BetweenText(declared.name, type, declared.between->first,
                                          declared.between->second, declared.location));
        ARROW_RETURN_NOT_OK(AddColumnRule("between", text, declared, &columns_[i]));
      }
      if (!declared.in.empty()) {
        ARROW_ASSIGN_OR_RAISE(std::string text,
                              InText(declared.name, type, declared.in, declared.location));
        ARROW_RETURN_NOT_OK(AddColumnRule("in", text, declared, &columns_[i]));
      }
    }
    for (const spec::ContractRule& declared : contract.rules) {
      Rule rule{declared.name, "", declared.expect.text, declared.severity, nullptr};
      ARROW_ASSIGN_OR_RAISE(
          rule.predicate,
          expr::BindPredicate(declared.expect.text, declared.expect.location, *schema_));
      rules_.push_back(std::move(rule));
    }
    return Status::OK();
  }

  Status AddColumnRule(const std::string& name, const std::string& text,
                       const spec::ColumnContract& declared, Column* column) const {
    Rule rule{name, column->name, text, declared.severity, nullptr};
    ARROW_ASSIGN_OR_RAISE(rule.predicate, expr::BindPredicate(text, declared.location, *schema_));
    column->rules.push_back(std::move(rule));
    return Status::OK();
  }

  void FindUnreadable(const arrow::RecordBatch& rows, std::vector<uint8_t>* unreadable,
                      Breaks* breaks) const {
    std::shared_ptr<arrow::Array> problems = rows.GetColumnByName(std::string(kProblem));
    if (problems == nullptr || problems->null_count() == problems->length()) {
      return;
    }
    for (int64_t i = 0; i < problems->length(); ++i) {
      if (problems->IsValid(i)) {
        (*unreadable)[static_cast<size_t>(i)] = 1;
        breaks->Add(i, {"unreadable", settings_.version, "", ObservedText(*problems, i),
                        "a row that can be read", spec::Severity::kError});
      }
    }
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Convert(
      const arrow::RecordBatch& rows, std::vector<ConvertedColumn>* converted) const {
    arrow::ArrayVector arrays;
    for (const Column& column : columns_) {
      ConvertedColumn one;
      if (column.raw_index < 0) {
        ARROW_ASSIGN_OR_RAISE(one.values,
                              arrow::MakeArrayOfNull(column.target.type, rows.num_rows()));
      } else if (settings_.text_source) {
        ARROW_ASSIGN_OR_RAISE(one, ConvertText(*rows.column(column.raw_index), column.target,
                                               settings_.null_values, settings_.json));
      } else {
        ARROW_ASSIGN_OR_RAISE(one, ConvertTyped(rows.column(column.raw_index), column.target));
      }
      arrays.push_back(one.values);
      converted->push_back(std::move(one));
    }
    for (int index : envelope_) {
      arrays.push_back(rows.column(index));
    }
    return arrow::RecordBatch::Make(schema_, rows.num_rows(), std::move(arrays));
  }

  Reason MisfitReason(const Column& column, Misfit misfit) const {
    Reason reason{"type", settings_.version, column.name, "", column.type_text, column.severity};
    if (misfit == Misfit::kZone) {
      reason.rule = "zone";
      reason.expected = "a wall time that is there once in " + column.target.zone.value_or("UTC");
    } else if (misfit == Misfit::kLength) {
      reason.rule = "length";
    }
    return reason;
  }

  Status CheckColumn(const Column& column, const ConvertedColumn& converted,
                     const arrow::RecordBatch& raw, const arrow::RecordBatch& typed,
                     const std::vector<uint8_t>& unreadable, Breaks* breaks) const {
    for (const ConvertedColumn::BadRow& bad : converted.bad) {
      if (unreadable[static_cast<size_t>(bad.row)] == 0) {
        Reason reason = MisfitReason(column, bad.misfit);
        reason.observed = ObservedText(*raw.column(column.raw_index), bad.row);
        breaks->Add(bad.row, std::move(reason));
      }
    }
    if (column.required && converted.values->null_count() > 0) {
      CheckRequired(column, converted, raw, unreadable, breaks);
    }
    for (const Rule& rule : column.rules) {
      ARROW_RETURN_NOT_OK(CheckRule(rule, raw, typed, unreadable, breaks));
    }
    return Status::OK();
  }

  void CheckRequired(const Column& column, const ConvertedColumn& converted,
                     const arrow::RecordBatch& raw, const std::vector<uint8_t>& unreadable,
                     Breaks* breaks) const {
    auto bad = converted.bad.begin();
    for (int64_t i = 0; i < converted.values->length(); ++i) {
      bool misfit = bad != converted.bad.end() && bad->row == i;
      if (misfit) {
        ++bad;
      }
      if (converted.values->IsNull(i) && !misfit && unreadable[static_cast<size_t>(i)] == 0) {
        std::string observed =
            column.raw_index < 0 ? "no column" : ObservedText(*raw.column(column.raw_index), i);
        breaks->Add(i, {"required", settings_.version, column.name, std::move(observed), "a value",
                        column.severity});
      }
    }
  }

  // Observed is the value as received where the rule is about one column that was.
  Status CheckRule(const Rule& rule, const arrow::RecordBatch& raw, const arrow::RecordBatch& typed,
                   const std::vector<uint8_t>& unreadable, Breaks* breaks) const {
    ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> broken, FalseRows(*rule.predicate, typed));
    for (int64_t row : broken) {
      if (unreadable[static_cast<size_t>(row)] != 0) {
        continue;
      }
      bool as_received = !rule.column.empty();
      breaks->Add(row, {rule.name, settings_.version, rule.column,
                        ObservedColumns(as_received ? raw : typed, rule.predicate->columns(), row),
                        rule.expected, rule.severity});
    }
    return Status::OK();
  }

  ContractSettings settings_;
  std::shared_ptr<arrow::Schema> raw_schema_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Column> columns_;
  std::vector<int> envelope_;  // indices into raw_schema_
  std::vector<Rule> rules_;
  std::vector<std::string> missing_;
  std::vector<std::string> new_;
};

}  // namespace

Result<std::unique_ptr<ContractChecker>> ContractChecker::Make(
    const spec::Contract& contract, const ContractSettings& settings,
    const std::shared_ptr<arrow::Schema>& raw_schema,
    const std::shared_ptr<arrow::Schema>& inferred_types) {
  return ContractChecks::Make(contract, settings, raw_schema, inferred_types);
}

}  // namespace icecore::quality
