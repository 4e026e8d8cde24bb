#include "icecore/lake/pruning.h"

#include <arrow/compare.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <parquet/statistics.h>
#include <parquet/types.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/file_statistics_internal.h"
#include "icecore/lake/partition_value.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using Op = Predicate::Op;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

template <typename Value>
int Order(const Value& a, const Value& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

template <typename ScalarType>
int OrderOf(const arrow::Scalar& a, const arrow::Scalar& b) {
  return Order(static_cast<const ScalarType&>(a).value, static_cast<const ScalarType&>(b).value);
}

template <typename ScalarType>
int FloatOrder(const arrow::Scalar& a, const arrow::Scalar& b) {
  const auto x = static_cast<const ScalarType&>(a).value;
  const auto y = static_cast<const ScalarType&>(b).value;
  if (std::isnan(x) || std::isnan(y)) {
    return static_cast<int>(std::isnan(x)) - static_cast<int>(std::isnan(y));
  }
  return Order(x, y);
}

// Of two valid scalars of one type; nullopt where the type has no order that we know.
std::optional<int> Compare(const arrow::Scalar& a, const arrow::Scalar& b) {
  switch (a.type->id()) {
    case Type::BOOL:
      return OrderOf<arrow::BooleanScalar>(a, b);
    case Type::INT8:
      return OrderOf<arrow::Int8Scalar>(a, b);
    case Type::INT16:
      return OrderOf<arrow::Int16Scalar>(a, b);
    case Type::INT32:
      return OrderOf<arrow::Int32Scalar>(a, b);
    case Type::INT64:
      return OrderOf<arrow::Int64Scalar>(a, b);
    case Type::FLOAT:
      return FloatOrder<arrow::FloatScalar>(a, b);
    case Type::DOUBLE:
      return FloatOrder<arrow::DoubleScalar>(a, b);
    case Type::DATE32:
      return OrderOf<arrow::Date32Scalar>(a, b);
    case Type::TIMESTAMP:
      return OrderOf<arrow::TimestampScalar>(a, b);
    case Type::DECIMAL128:
      return OrderOf<arrow::Decimal128Scalar>(a, b);
    case Type::STRING:
    case Type::BINARY:
      return static_cast<const arrow::BaseBinaryScalar&>(a).view().compare(
          static_cast<const arrow::BaseBinaryScalar&>(b).view());
    default:
      return std::nullopt;
  }
}

bool IsFloating(const arrow::DataType& type) {
  return type.id() == Type::FLOAT || type.id() == Type::DOUBLE;
}

bool IsNaN(const arrow::Scalar& value) {
  return (value.type->id() == Type::FLOAT &&
          std::isnan(static_cast<const arrow::FloatScalar&>(value).value)) ||
         (value.type->id() == Type::DOUBLE &&
          std::isnan(static_cast<const arrow::DoubleScalar&>(value).value));
}

bool IsNullTest(Op op) { return op == Op::kIsNull || op == Op::kIsNotNull; }

// Whether a value that is `order` of the literal meets the comparison.
bool Holds(Op op, int order) {
  switch (op) {
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    case Op::kLess:
      return order < 0;
    case Op::kLessOrEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    case Op::kGreaterOrEqual:
      return order >= 0;
    case Op::kIsNull:
    case Op::kIsNotNull:
      break;
  }
  return true;
}

// What is known of the values of a column in a file or row group.
struct Known {
  ScalarPtr min;  // nullptr: not known. No value that is not null lies outside, but perhaps NaN.
  ScalarPtr max;
  bool no_nulls = false;
  bool only_nulls = false;
};

// Whether the bound is there, has an order with the literal, and it is one of which `test` is true.
template <typename Test>
bool Is(const ScalarPtr& bound, const arrow::Scalar& literal, const Test& test) {
  const auto order = bound == nullptr ? std::nullopt : Compare(*bound, literal);
  return order.has_value() && test(order.value_or(0));
}

// Values between two bounds, NaN perhaps among them: NaN is above every bound.
bool BetweenMayMatch(const Known& known, const Predicate& predicate) {
  const arrow::Scalar& literal = *predicate.value;
  const bool may_be_nan = IsFloating(*literal.type);
  const auto less = [](int order) { return order < 0; };
  const auto greater = [](int order) { return order > 0; };
  const auto equal = [](int order) { return order == 0; };
  switch (predicate.op) {
    case Op::kEqual:
      return IsNaN(literal) || (!Is(known.min, literal, greater) && !Is(known.max, literal, less));
    case Op::kNotEqual:
      return may_be_nan || !Is(known.min, literal, equal) || !Is(known.max, literal, equal);
    case Op::kLess:
      return !Is(known.min, literal, [](int order) { return order >= 0; });
    case Op::kLessOrEqual:
      return IsNaN(literal) || !Is(known.min, literal, greater);
    case Op::kGreater:
      return may_be_nan || !Is(known.max, literal, [](int order) { return order <= 0; });
    case Op::kGreaterOrEqual:
      return may_be_nan || !Is(known.max, literal, less);
    case Op::kIsNull:
    case Op::kIsNotNull:
      break;
  }
  return true;
}

bool KnownMayMatch(const Known& known, const Predicate& predicate) {
  switch (predicate.op) {
    case Op::kIsNull:
      return !known.no_nulls;
    case Op::kIsNotNull:
      return !known.only_nulls;
    default:
      return !known.only_nulls && BetweenMayMatch(known, predicate);
  }
}

// A bound out of the statistics' text; nullptr where it says nothing.
ScalarPtr BoundOf(const std::optional<std::string>& text,
                  const std::shared_ptr<arrow::DataType>& type, bool is_max) {
  // Statistics of bytes are no part of the protocol.
  if (!text.has_value() || type->id() == Type::BINARY) {
    return nullptr;
  }
  // An empty text is a bound, not a null as in partition values.
  if (type->id() == Type::STRING) {
    return std::make_shared<arrow::StringScalar>(*text);
  }
  const auto parsed = ParsePartitionValue(text, type);
  if (!parsed.ok() || !(*parsed)->is_valid || IsNaN(**parsed)) {
    return nullptr;
  }
  if (is_max && type->id() == Type::TIMESTAMP) {
    // Writers cut a maximum down to the millisecond.
    constexpr int64_t kBelowMillisecond = 999;
    const int64_t value = static_cast<const arrow::TimestampScalar&>(**parsed).value;
    return value > INT64_MAX - kBelowMillisecond
               ? nullptr
               : std::make_shared<arrow::TimestampScalar>(value + kBelowMillisecond, type);
  }
  return *parsed;
}

template <typename ParquetStatistics>
std::pair<int64_t, int64_t> IntegerBounds(const parquet::Statistics& statistics) {
  const auto& typed = static_cast<const ParquetStatistics&>(statistics);
  return {typed.min(), typed.max()};
}

// Min and max of a leaf whose physical and logical types are those of the declared type; else
// nothing.
std::pair<ScalarPtr, ScalarPtr> LeafBounds(const parquet::Statistics& statistics,
                                           const std::shared_ptr<arrow::DataType>& type) {
  const parquet::ColumnDescriptor& column = *statistics.descr();
  const auto& logical = column.logical_type();
  const auto of = [&](auto make) -> std::pair<ScalarPtr, ScalarPtr> {
    const auto [min, max] = statistics.physical_type() == parquet::Type::INT32
                                ? IntegerBounds<parquet::Int32Statistics>(statistics)
                                : IntegerBounds<parquet::Int64Statistics>(statistics);
    return {make(min), make(max)};
  };
  const bool is_integer = statistics.physical_type() == parquet::Type::INT32 ||
                          statistics.physical_type() == parquet::Type::INT64;
  const bool is_signed =
      logical == nullptr || logical->is_none() ||
      (logical->is_int() && static_cast<const parquet::IntLogicalType&>(*logical).is_signed());
  if (is_integer && is_signed && type->id() == Type::INT64) {
    return of([](int64_t v) { return std::make_shared<arrow::Int64Scalar>(v); });
  }
  if (statistics.physical_type() == parquet::Type::INT32 && is_signed &&
      type->id() == Type::INT32) {
    return of(
        [](int64_t v) { return std::make_shared<arrow::Int32Scalar>(static_cast<int32_t>(v)); });
  }
  if (is_integer && logical != nullptr && logical->is_date() && type->id() == Type::DATE32) {
    return of(
        [](int64_t v) { return std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(v)); });
  }
  if (is_integer && logical != nullptr && logical->is_timestamp() &&
      type->id() == Type::TIMESTAMP &&
      static_cast<const parquet::TimestampLogicalType&>(*logical).time_unit() ==
          parquet::LogicalType::TimeUnit::MICROS) {
    return of([&](int64_t v) { return std::make_shared<arrow::TimestampScalar>(v, type); });
  }
  if (statistics.physical_type() == parquet::Type::DOUBLE && type->id() == Type::DOUBLE) {
    const auto& typed = static_cast<const parquet::DoubleStatistics&>(statistics);
    if (std::isnan(typed.min()) || std::isnan(typed.max())) {
      return {nullptr, nullptr};
    }
    return {std::make_shared<arrow::DoubleScalar>(typed.min()),
            std::make_shared<arrow::DoubleScalar>(typed.max())};
  }
  if (statistics.physical_type() == parquet::Type::BYTE_ARRAY && logical != nullptr &&
      logical->is_string() && type->id() == Type::STRING) {
    const auto& typed = static_cast<const parquet::ByteArrayStatistics&>(statistics);
    const auto text = [](const parquet::ByteArray& bytes) {
      return std::make_shared<arrow::StringScalar>(
          std::string(reinterpret_cast<const char*>(bytes.ptr), bytes.len));
    };
    return {text(typed.min()), text(typed.max())};
  }
  return {nullptr, nullptr};
}

std::string PhysicalNameOf(const arrow::Field& field, ColumnMapping mapping) {
  if (mapping != ColumnMapping::kNone && field.HasMetadata()) {
    const auto name = field.metadata()->Get(std::string(kPhysicalName));
    if (name.ok()) {
      return *name;
    }
  }
  return field.name();
}

arrow::Status CheckValue(const Predicate& predicate, const arrow::Field& field) {
  if (IsNullTest(predicate.op)) {
    return arrow::Status::OK();
  }
  const std::string column = "a condition on column '" + field.name() + "'";
  if (predicate.value == nullptr || !predicate.value->is_valid) {
    return MakeError(ErrorCode::kInvalidArgument, column + " needs a value that is not null");
  }
  if (!predicate.value->type->Equals(*field.type())) {
    return MakeError(ErrorCode::kInvalidArgument, column + " needs a value of type " +
                                                      field.type()->ToString() + ", not " +
                                                      predicate.value->type->ToString());
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<Pruner> Pruner::Make(const Snapshot& snapshot, const Predicates& predicates) {
  Pruner pruner;
  for (const Predicate& predicate : predicates) {
    const auto field = snapshot.schema->GetFieldByName(predicate.column);
    if (field == nullptr) {
      return MakeError(ErrorCode::kNotFound,
                       "table " + snapshot.table_path + " has no column '" + predicate.column +
                           "'" +
                           base::DidYouMean(predicate.column, snapshot.schema->field_names()));
    }
    ARROW_RETURN_NOT_OK(CheckValue(predicate, *field));
    const auto& partitions = snapshot.partition_columns;
    pruner.bounds_.push_back({.predicate = predicate,
                              .type = field->type(),
                              .physical_name = PhysicalNameOf(*field, snapshot.column_mapping),
                              .is_partition = std::find(partitions.begin(), partitions.end(),
                                                        field->name()) != partitions.end()});
  }
  return pruner;
}

arrow::Result<bool> Pruner::MayMatch(const DataFile& file) const {
  for (const Bound& bound : bounds_) {
    if (!bound.is_partition) {
      if (!StatisticsMayMatch(file, bound)) {
        return false;
      }
      continue;
    }
    const auto text = file.partition_values.find(bound.physical_name);
    ARROW_ASSIGN_OR_RAISE(
        const ScalarPtr value,
        ParsePartitionValue(text == file.partition_values.end() ? std::nullopt : text->second,
                            bound.type));
    const Op op = bound.predicate.op;
    if (IsNullTest(op)) {
      if (value->is_valid == (op == Op::kIsNull)) {
        return false;
      }
      continue;
    }
    const auto order = value->is_valid ? Compare(*value, *bound.predicate.value) : std::nullopt;
    if (!value->is_valid || (order.has_value() && !Holds(op, *order))) {
      return false;
    }
  }
  return true;
}

bool Pruner::StatisticsMayMatch(const DataFile& file, const Bound& bound) {
  const ColumnStatistics statistics = StatisticsOf(file.stats_json, bound.physical_name);
  Known known;
  // True also where the statistics are wide (tightBounds false): these two counts stay exact.
  known.no_nulls = statistics.null_count == 0;
  known.only_nulls = statistics.null_count.has_value() && statistics.num_records.has_value() &&
                     *statistics.null_count == *statistics.num_records;
  known.min = BoundOf(statistics.min, bound.type, /*is_max=*/false);
  known.max = BoundOf(statistics.max, bound.type, /*is_max=*/true);
  return KnownMayMatch(known, bound.predicate);
}

bool Pruner::LeafMayMatch(const parquet::RowGroupMetaData& group, int leaf, const Bound& bound) {
  if (leaf < 0) {
    return true;
  }
  const auto statistics = group.ColumnChunk(leaf)->statistics();
  if (statistics == nullptr) {
    return true;
  }
  Known known;
  if (statistics->HasNullCount()) {
    known.no_nulls = statistics->null_count() == 0;
    known.only_nulls = statistics->null_count() == group.num_rows();
  }
  if (statistics->HasMinMax()) {
    std::tie(known.min, known.max) = LeafBounds(*statistics, bound.type);
  }
  return KnownMayMatch(known, bound.predicate);
}

}  // namespace icecore::lake
