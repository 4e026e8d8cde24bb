#pragma once
// The contract of a source: landed rows in, typed rows and rejected rows out.
//
// A landed batch has envelope columns (names that begin with `_`) and user columns. Of a text
// source (csv, tsv, json) user columns are strings as received; of a typed source they have the
// file's types.
// `_problem` (string, null = fine) and `_raw` (binary) tell of rows that could not be split; both
// are optional and are not in the accepted rows.
//
// What happens to a row: every rule is evaluated, so a row carries all its reasons. A rule other
// than `required` passes on null. A value that is not of its type is null for the rules of the
// contract. Any reason of severity error: quarantine. Only warn: the row passes and is counted (a
// value which is not of its type passes as null). fail: Check returns kContractViolation naming
// rule, file and row.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/quality/reason.h"
#include "icecore/spec/model.h"

namespace icecore::quality {

struct ContractSettings {
  std::string source;   // its name, for messages
  std::string version;  // fingerprint of the source, for reasons
  bool text_source = true;
  bool json = false;  // of a text source: binary values are base64
  // Text that means null, for every column of a text source. A JSON source has its own null: give
  // none.
  std::vector<std::string> null_values;
};

struct ContractResult {
  std::shared_ptr<arrow::RecordBatch> accepted;  // of accepted_schema()
  RejectedRows quarantined;                      // every raw column, unchanged
  RuleCounts quarantined_by_rule;  // each row once, under its first reason of severity error
  RuleCounts broken_by_rule;       // each reason of severity error
  RuleCounts warned_by_rule;       // each reason of severity warn, of the accepted rows
};

// Thread safe: Check has no state.
class ContractChecker {
 public:
  virtual ~ContractChecker() = default;

  // raw_schema: of the landed rows, envelope included. inferred_types: the types fixed for columns
  // that the contract does not type (inference.h); may be null; a text column in neither is string.
  // new_columns: evolve takes undeclared columns over, ignore leaves them out, reject makes them
  // (and a declared column that the rows do not have) kContractViolation naming the column and the
  // nearest name. A bad rule (expression, pattern, literal that does not fit the type) is
  // kInvalidDefinition.
  static arrow::Result<std::unique_ptr<ContractChecker>> Make(
      const spec::Contract& contract, const ContractSettings& settings,
      const std::shared_ptr<arrow::Schema>& raw_schema,
      const std::shared_ptr<arrow::Schema>& inferred_types);

  // The declared columns in the contract's order, then undeclared ones in the rows' order, then the
  // envelope. Fields of embeddings keep their metadata.
  virtual const std::shared_ptr<arrow::Schema>& accepted_schema() const = 0;

  // Declared columns that the rows do not have: every value is null (so `required` breaks every
  // row, and without it each row counts as a warning of the rule "missing").
  virtual const std::vector<std::string>& missing_columns() const = 0;
  // Undeclared user columns of the rows, whatever new_columns says.
  virtual const std::vector<std::string>& new_columns() const = 0;

  // raw_rows: of raw_schema. Order is kept on both ways out.
  virtual arrow::Result<ContractResult> Check(const arrow::RecordBatch& raw_rows) const = 0;
};

}  // namespace icecore::quality
