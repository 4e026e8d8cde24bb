#pragma once
// What stands behind AggregateState: aggregates compiled once and states that several aggregates
// may share (mean and stddev of one column read the same moments). Bytes: docs/formats/state.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "icecore/state/aggregate.h"
#include "icecore/state/moments.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {

// What a state keeps; the number is the first byte of its serialised form.
enum class StateKind : uint8_t {
  kCount = 1,
  kMoments = 2,
  kMin = 3,
  kMax = 4,
  kFirst = 5,
  kLast = 6,
  kLastN = 7,
  kTopN = 8,
  kQuantile = 9,
  kDistinct = 10,
};

std::string_view AggregateName(AggregateKind kind);
StateKind StateKindOf(AggregateKind kind);
bool NeedsSquares(AggregateKind kind);

// Usable values of a narrow type, of rows of one tile: values[i] is of the row of the order
// orders[places[i]].
struct NarrowRows {
  const uint64_t* values = nullptr;
  const uint8_t* places = nullptr;
  size_t count = 0;
  const RowOrder* orders = nullptr;
};

class SlotState : public AggregateState {
 public:
  virtual StateKind kind() const = 0;
  // The result of another aggregate over the same state kind and input: asked.kind, q.
  virtual arrow::Status AppendAs(const AggregateSpec& asked,
                                 arrow::ArrayBuilder* builder) const = 0;
  // As Add of a usable value of a narrow type, read once for all states of its column; of a count
  // of rows, any.
  virtual void AddNarrow(uint64_t narrow, const RowOrder& order) = 0;
  virtual void AddNarrowRows(const NarrowRows& rows) = 0;
  // As Add of a usable value of a type that is not narrow, as ValueCodec::Wide gives it.
  virtual void AddWide(std::string_view bytes, const RowOrder& order) = 0;
  // Takes one state off the front of *bytes, in place of what it held; false for anything else.
  virtual bool Parse(std::string_view* bytes) = 0;
};

// An aggregate checked against its input type. Immutable, thread safe, shared by its states.
class StateMaker : public std::enable_shared_from_this<StateMaker> {
 public:
  // `with_squares` widens the moments of sum and mean, so that variance can share them.
  static arrow::Result<std::shared_ptr<const StateMaker>> Make(const AggregateSpec& spec,
                                                               bool with_squares);

  const AggregateSpec& spec() const { return spec_; }
  const ValueCodec* codec() const { return codec_.get(); }  // null for a count of rows
  bool with_squares() const { return with_squares_; }
  // Of the decimals read, else 0.
  int32_t scale() const { return scale_; }

  std::unique_ptr<SlotState> New() const;
  // States side by side in memory of the caller: their size (a multiple of 16) and one made at
  // `memory`, aligned to 16, which the caller destroys while the maker is there.
  size_t state_bytes() const;
  SlotState* NewAt(void* memory) const;
  arrow::Result<std::unique_ptr<SlotState>> Read(std::string_view* bytes) const;

 private:
  StateMaker() = default;

  AggregateSpec spec_;
  std::unique_ptr<ValueCodec> codec_;
  bool with_squares_ = false;
  int32_t scale_ = 0;
};

// The unscaled sum of decimals, in two's complement; kInvalidArgument beyond 38 digits.
arrow::Result<unsigned __int128> DecimalSum(const Moments& moments, const StateMaker& maker);

// sum, mean, stddev or variance of the moments, or null, to the builder of its OutputType.
arrow::Status AppendMoments(const Moments& moments, const StateMaker& maker, AggregateKind asked,
                            arrow::ArrayBuilder* builder);

}  // namespace icecore::state
