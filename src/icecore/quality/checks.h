#pragma once
// Checks and drop rules of a table over its output rows.
//
// One TableChecker serves one step of one table: it sees the step's batches in order, remembers
// keys for `unique` and tallies for `mostly`, and is asked for its verdict by Finish. Not thread
// safe.
//
// A check passes on null, not_null apart. `where` that is not true leaves the row out. A row that
// breaks a check of severity error is rejected with all its reasons; warn counts; fail is
// kContractViolation at once. With `mostly` no row is rejected: the share of passing rows among
// those looked at is judged in Finish.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/quality/reason.h"
#include "icecore/spec/model.h"

namespace icecore::quality {

// Which keys the table already holds.
class KeyLookup {
 public:
  virtual ~KeyLookup() = default;
  // keys: the check's columns, no row with a null part. One answer per row.
  virtual arrow::Result<std::vector<bool>> Exists(const arrow::RecordBatch& keys) = 0;
};

struct CheckInputs {
  std::string version;  // fingerprint of the table, for reasons
  // For `unique`, by Check::name; absent: only the step's own rows are compared. Borrowed.
  std::map<std::string, KeyLookup*> keys;
  // For `references`, by the target as written ("landing.airports.faa"): every value there is. Each
  // pair of the check is judged on its own. A missing entry is kInternal.
  std::map<std::string, std::shared_ptr<arrow::Array>> references;
};

struct CheckResult {
  std::shared_ptr<arrow::RecordBatch> accepted;
  RejectedRows quarantined;
  RuleCounts quarantined_by_rule;  // each row once, under its first reason
  RuleCounts broken_by_rule;       // each reason of severity error
  RuleCounts warned_by_rule;       // each reason of severity warn
};

// Numbers of the table as the commit would leave it.
struct TableNumbers {
  int64_t rows = 0;
  std::map<std::string, int64_t> other_rows;  // by Check::other_table
  std::optional<int64_t> newest_us;  // greatest event_time, else _arrived_at; none: no rows
  int64_t now_us = 0;
};

class TableChecker {
 public:
  virtual ~TableChecker() = default;

  // Wrong columns, patterns, literals and expressions are kInvalidDefinition at the check.
  static arrow::Result<std::unique_ptr<TableChecker>> Make(
      const spec::Table& table, const std::shared_ptr<arrow::Schema>& rows, CheckInputs inputs);

  // Per row the index in spec::Table::drop of the first rule that is true, or -1.
  virtual arrow::Result<std::vector<int32_t>> EvaluateDrops(
      const arrow::RecordBatch& rows) const = 0;

  // The row checks. Order is kept on both ways out.
  virtual arrow::Result<CheckResult> CheckRows(const arrow::RecordBatch& rows) = 0;

  // After the last batch: `mostly` and the table checks (row_count, equal_rows, fresh). A failed
  // check of severity error or fail is kContractViolation naming all that failed; those of severity
  // warn come back as counts (1 for a table check, the number of broken rows for `mostly`).
  virtual arrow::Result<RuleCounts> Finish(const TableNumbers& numbers) const = 0;
};

}  // namespace icecore::quality
