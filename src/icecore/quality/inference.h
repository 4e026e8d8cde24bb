#pragma once
// Types of text columns that no contract declares, from all rows of the first file.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

namespace icecore::quality {

// Per column the first of bool (true/false only), int64, float64, date, timestamp that takes every
// value (text_conversion.h), else string. A column without a value is string. Integers with a
// leading zero ("007") are string: they are codes. JSON objects and arrays stay string. Not thread
// safe.
class TypeInference {
 public:
  virtual ~TypeInference() = default;

  static std::unique_ptr<TypeInference> Make(std::vector<std::string> null_values);

  // A batch of raw rows; all of one schema. Columns whose name begins with `_` are skipped, and
  // rows whose `_problem` is not null.
  virtual arrow::Status Add(const arrow::RecordBatch& raw_rows) = 0;

  // A field per user column, in order.
  virtual std::shared_ptr<arrow::Schema> Finish() const = 0;
};

}  // namespace icecore::quality
