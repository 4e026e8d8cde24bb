#pragma once
// Mergeable aggregate states. No state depends on the order or the grouping of its rows, so rolling
// tiles up, subtracting what leaves a window, or computing elsewhere give the same bits.
// Definitions: docs/time.md; bytes, fixed by golden files: docs/formats/state.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace icecore::state {

enum class AggregateKind : uint8_t {
  kCount,
  kCountDistinct,
  kSum,
  kMean,
  kMin,
  kMax,
  kStddev,
  kVariance,
  kFirst,
  kLast,
  kLastN,
  kQuantile,
  kTopN,
};

struct AggregateSpec {
  AggregateKind kind = AggregateKind::kCount;
  int64_t n = 0;                           // last_n, top_n; 1..10000
  double q = 0;                            // quantile, in [0, 1]
  std::shared_ptr<arrow::DataType> input;  // null for a count of rows
};

// The total order of rows: (e, a, s).
struct RowOrder {
  int64_t event_time = 0;
  int64_t known_at = 0;
  int64_t seq = 0;
  auto operator<=>(const RowOrder&) const = default;
};

// The type of the result: sums of ints int64, of floats float64, of decimals decimal(38, s); mean,
// stddev, variance, quantile float64; counts int64; the rest the input's type or a list of it.
// kInvalidDefinition where the aggregate does not take the type, naming both.
arrow::Result<std::shared_ptr<arrow::DataType>> OutputType(const AggregateSpec& spec);

class AggregateState {
 public:
  virtual ~AggregateState() = default;
  // Element `row` of `values` (of the spec's input type); nulls and NaN are skipped. values is null
  // for a count of rows.
  virtual arrow::Status Add(const arrow::Array* values, int64_t row, const RowOrder& order) = 0;
  virtual arrow::Status Merge(const AggregateState& other) = 0;
  // Takes away what was merged before; only where invertible().
  virtual bool invertible() const = 0;
  virtual arrow::Status Subtract(const AggregateState& other) = 0;
  // One value (or null) to the builder of OutputType. Integer overflow of the total is an error.
  virtual arrow::Status AppendResult(arrow::ArrayBuilder* builder) const = 0;
  virtual void Serialize(std::string* out) const = 0;
  virtual void Reset() = 0;
};

arrow::Result<std::unique_ptr<AggregateState>> MakeState(const AggregateSpec& spec);
// Reads one state from the front of *bytes and removes it; kCorrupt for anything else.
arrow::Result<std::unique_ptr<AggregateState>> ReadState(const AggregateSpec& spec,
                                                         std::string_view* bytes);

}  // namespace icecore::state
