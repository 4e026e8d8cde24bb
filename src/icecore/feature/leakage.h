#pragma once
// How much a training set would have leaked: features as they were known at each row's time, held
// against the same features with everything known (KnowledgeCut::kLatest).

#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <optional>

namespace icecore::feature {

// Of one feature. Not thread safe.
class LeakageMeter {
 public:
  // Equal rows of both; arrays of one type and length. Values are compared bit for bit: NaN equals
  // the same NaN, 0.0 differs from -0.0, null from every value.
  arrow::Status Add(const arrow::Array& known, const arrow::Array& latest);

  int64_t differ() const { return differ_; }
  // The mean of |known - latest| over the rows that differ where both are finite numbers; nullopt:
  // none.
  std::optional<double> mean_difference() const;

 private:
  int64_t differ_ = 0;
  int64_t numbers_ = 0;
  double sum_ = 0;
};

}  // namespace icecore::feature
