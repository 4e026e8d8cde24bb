#include "icecore/state/aggregate.h"

#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <arrow/util/decimal.h>

#include <cmath>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/state/slot_state.h"

namespace icecore::state {

using arrow::internal::checked_cast;
using base::ErrorCode;
using base::MakeError;

std::string_view AggregateName(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kCount:
      return "count";
    case AggregateKind::kCountDistinct:
      return "count_distinct";
    case AggregateKind::kSum:
      return "sum";
    case AggregateKind::kMean:
      return "mean";
    case AggregateKind::kMin:
      return "min";
    case AggregateKind::kMax:
      return "max";
    case AggregateKind::kStddev:
      return "stddev";
    case AggregateKind::kVariance:
      return "variance";
    case AggregateKind::kFirst:
      return "first";
    case AggregateKind::kLast:
      return "last";
    case AggregateKind::kLastN:
      return "last_n";
    case AggregateKind::kQuantile:
      return "quantile";
    case AggregateKind::kTopN:
      return "top_n";
  }
  return "aggregate";
}

StateKind StateKindOf(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kCount:
      return StateKind::kCount;
    case AggregateKind::kCountDistinct:
      return StateKind::kDistinct;
    case AggregateKind::kMin:
      return StateKind::kMin;
    case AggregateKind::kMax:
      return StateKind::kMax;
    case AggregateKind::kFirst:
      return StateKind::kFirst;
    case AggregateKind::kLast:
      return StateKind::kLast;
    case AggregateKind::kLastN:
      return StateKind::kLastN;
    case AggregateKind::kQuantile:
      return StateKind::kQuantile;
    case AggregateKind::kTopN:
      return StateKind::kTopN;
    default:
      return StateKind::kMoments;
  }
}

bool NeedsSquares(AggregateKind kind) {
  return kind == AggregateKind::kStddev || kind == AggregateKind::kVariance;
}

namespace {

constexpr int64_t kMostKept = 10000;

bool IsNumber(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || type.id() == arrow::Type::FLOAT ||
         type.id() == arrow::Type::DOUBLE || arrow::is_decimal(type.id());
}

arrow::Status Refuse(const AggregateSpec& spec, std::string_view wanted) {
  return MakeError(ErrorCode::kInvalidDefinition,
                   std::string(AggregateName(spec.kind)) + " does not take values of type " +
                       (spec.input ? spec.input->ToString() : "none") + ": it takes " +
                       std::string(wanted));
}

arrow::Status CheckParameters(const AggregateSpec& spec) {
  const bool keeps = spec.kind == AggregateKind::kLastN || spec.kind == AggregateKind::kTopN;
  if (keeps && (spec.n < 1 || spec.n > kMostKept)) {
    return MakeError(ErrorCode::kInvalidDefinition, std::string(AggregateName(spec.kind)) +
                                                        " keeps 1 to 10000 values, not " +
                                                        std::to_string(spec.n));
  }
  if (spec.kind == AggregateKind::kQuantile && !(spec.q >= 0 && spec.q <= 1)) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     "quantile lies in 0 to 1, not " + std::to_string(spec.q));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::DataType>> OutputType(const AggregateSpec& spec) {
  ARROW_RETURN_NOT_OK(CheckParameters(spec));
  if (spec.kind == AggregateKind::kCount) return arrow::int64();
  if (spec.input == nullptr) return Refuse(spec, "a column");
  auto codec = ValueCodec::Make(spec.input);
  if (!codec.ok()) return Refuse(spec, "values that can be features");
  const bool ordered = (*codec)->form() != ValueForm::kNested;
  switch (spec.kind) {
    case AggregateKind::kCountDistinct:
      if (!ordered) return Refuse(spec, "values without parts");
      return arrow::int64();
    case AggregateKind::kSum:
      if (!IsNumber(*spec.input)) return Refuse(spec, "numbers");
      if (arrow::is_integer(spec.input->id())) return arrow::int64();
      if (arrow::is_decimal(spec.input->id())) {
        return arrow::decimal128(38, checked_cast<const arrow::DecimalType&>(*spec.input).scale());
      }
      return arrow::float64();
    case AggregateKind::kMean:
    case AggregateKind::kStddev:
    case AggregateKind::kVariance:
    case AggregateKind::kQuantile:
      if (!IsNumber(*spec.input)) return Refuse(spec, "numbers");
      return arrow::float64();
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (!ordered) return Refuse(spec, "values that have an order");
      return spec.input;
    case AggregateKind::kTopN:
      if (!ordered) return Refuse(spec, "values that have an order");
      return arrow::list(spec.input);
    case AggregateKind::kLastN:
      return arrow::list(spec.input);
    default:
      return spec.input;
  }
}

arrow::Result<std::shared_ptr<const StateMaker>> StateMaker::Make(const AggregateSpec& spec,
                                                                  bool with_squares) {
  ARROW_RETURN_NOT_OK(OutputType(spec).status());
  std::shared_ptr<StateMaker> maker(new StateMaker());
  maker->spec_ = spec;
  maker->with_squares_ = with_squares || NeedsSquares(spec.kind);
  if (spec.input != nullptr) {
    auto codec = ValueCodec::Make(spec.input);
    if (codec.ok()) {
      maker->codec_ = std::move(codec).ValueUnsafe();
    } else if (spec.kind != AggregateKind::kCount) {
      return codec.status();
    }
    if (arrow::is_decimal(spec.input->id())) {
      maker->scale_ = checked_cast<const arrow::DecimalType&>(*spec.input).scale();
    }
  }
  return maker;
}

arrow::Result<unsigned __int128> DecimalSum(const Moments& moments, const StateMaker& maker) {
  uint64_t words[2];
  if (!moments.SumAsDecimal(words)) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "the sum of " + std::to_string(moments.count()) + " values of type " +
                         maker.spec().input->ToString() + " leaves 38 digits");
  }
  return (static_cast<unsigned __int128>(words[1]) << 64) | words[0];
}

arrow::Status AppendMoments(const Moments& moments, const StateMaker& maker, AggregateKind asked,
                            arrow::ArrayBuilder* builder) {
  if (moments.count() < (NeedsSquares(asked) ? 2 : 1)) return builder->AppendNull();
  if (asked == AggregateKind::kSum) {
    const auto& input = *maker.spec().input;
    if (arrow::is_integer(input.id())) {
      ARROW_ASSIGN_OR_RAISE(const int64_t sum, moments.SumAsInt64());
      return checked_cast<arrow::Int64Builder*>(builder)->Append(sum);
    }
    if (arrow::is_decimal(input.id())) {
      ARROW_ASSIGN_OR_RAISE(const unsigned __int128 sum, DecimalSum(moments, maker));
      return checked_cast<arrow::Decimal128Builder*>(builder)->Append(
          arrow::Decimal128(static_cast<int64_t>(sum >> 64), static_cast<uint64_t>(sum)));
    }
    return checked_cast<arrow::DoubleBuilder*>(builder)->Append(moments.SumAsDouble());
  }
  double value = 0;
  if (asked == AggregateKind::kMean) {
    value = moments.Mean(maker.scale());
  } else {
    value = moments.Variance(maker.scale());
    if (asked == AggregateKind::kStddev) value = std::sqrt(value);
  }
  return checked_cast<arrow::DoubleBuilder*>(builder)->Append(value);
}

arrow::Result<std::unique_ptr<AggregateState>> MakeState(const AggregateSpec& spec) {
  ARROW_ASSIGN_OR_RAISE(auto maker, StateMaker::Make(spec, false));
  return maker->New();
}

arrow::Result<std::unique_ptr<AggregateState>> ReadState(const AggregateSpec& spec,
                                                         std::string_view* bytes) {
  ARROW_ASSIGN_OR_RAISE(auto maker, StateMaker::Make(spec, false));
  ARROW_ASSIGN_OR_RAISE(auto state, maker->Read(bytes));
  return state;
}

}  // namespace icecore::state
