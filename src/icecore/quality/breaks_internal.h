#pragma once
// Reasons gathered row by row while rules are evaluated column by column, and the split that
// follows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/quality/reason.h"

namespace icecore::quality {

class Breaks {
 public:
  explicit Breaks(int64_t rows) : slots_(static_cast<size_t>(rows), -1) {}

  // Reasons of a row keep the order in which they come.
  void Add(int64_t row, Reason reason);
  // nullptr without reasons.
  const std::vector<Reason>* Of(int64_t row) const;
  bool empty() const { return reasons_.empty(); }
  int64_t rows() const { return static_cast<int64_t>(slots_.size()); }
  // A reason of severity error or fail: the row does not pass.
  bool Rejects(int64_t row) const;

 private:
  std::vector<int32_t> slots_;
  std::vector<std::vector<Reason>> reasons_;
};

struct SplitRows {
  std::shared_ptr<arrow::RecordBatch> accepted;
  RejectedRows quarantined;
  RuleCounts quarantined_by_rule;
  RuleCounts broken_by_rule;
  RuleCounts warned_by_rule;
};

// kContractViolation for the first row with a reason of severity fail, naming `subject`, rule, file
// and row (columns _file and _row of `raw`). Else the rows of `typed` that pass and those of `raw`
// that do not; both have breaks.rows() rows.
arrow::Result<SplitRows> Split(const std::shared_ptr<arrow::RecordBatch>& typed,
                               const std::shared_ptr<arrow::RecordBatch>& raw, const Breaks& breaks,
                               const std::string& subject);

// A value as text of at most kObservedBytes; every Arrow type has one.
std::string ObservedText(const arrow::Array& array, int64_t row);
std::string BoundText(std::string text);
// "carrier = ZZ, delay = null" of the named columns.
std::string ObservedColumns(const arrow::RecordBatch& rows, const std::vector<std::string>& columns,
                            int64_t row);

}  // namespace icecore::quality
