#pragma once
// Columns of values while an expression is evaluated: plain vectors in one canonical form per kind,
// so that there is one loop per kind and not one per Arrow type.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::expr {

// NOLINTNEXTLINE(modernize-use-using)
using Int128 = __int128;

// What decides how a value behaves. Every Arrow type belongs to one.
enum class Kind {
  kNull,            // the literal
  kBool,            // ints: 0, 1
  kInt,             // ints: every signed width, and unsigned up to 32 bits
  kUint,            // ints hold the bits of uint64
  kFloat,           // floats: float32 and float64
  kDecimal,         // decimals: unscaled, up to 38 digits
  kString,          // strings
  kBinary,          // strings
  kDate,            // ints: days
  kTime,            // ints: microseconds of the day
  kTimestamp,       // ints: microseconds UTC
  kLocalTimestamp,  // ints: microseconds of the wall time
  kList,            // lists of numbers
  kOther,           // can be tested for null, no more
};

struct Type {
  Kind kind = Kind::kNull;
  std::shared_ptr<arrow::DataType> arrow;  // what Evaluate gives for it
  int32_t scale = 0;                       // kDecimal
  int32_t precision = 0;                   // kDecimal
};

// Timestamps of other units become microseconds, dictionaries and views plain; the rest is kept.
Type TypeOf(const arrow::DataType& type);
Type MakeType(Kind kind);  // bool, int64, uint64, float64, string, binary, date32, time, timestamps
Type DecimalOf(int32_t precision, int32_t scale);
// "int64", "timestamp", "decimal(10,2)": the type as definitions spell it.
std::string TypeName(const Type& type);
bool IsNumeric(Kind kind);
bool IsTemporal(Kind kind);

// Elements of list columns, as float64.
struct ListValues {
  std::vector<int64_t> begins;   // per row, into items
  std::vector<int64_t> lengths;  // per row
  std::shared_ptr<const std::vector<double>> items;
  std::shared_ptr<const std::vector<uint8_t>> item_valid;  // null pointer: all valid
};

// size elements, or one that stands for every row when `constant`. Only the vector of the kind is
// filled. An invalid element has a defined value (zero, empty).
struct Values {
  bool constant = false;
  int64_t size = 0;
  std::vector<uint8_t> valid;  // empty: all valid
  std::vector<int64_t> ints;
  std::vector<double> floats;
  std::vector<Int128> decimals;
  std::vector<std::string_view> strings;  // into owners
  std::vector<std::shared_ptr<const void>> owners;
  ListValues lists;

  bool IsValid(int64_t i) const {
    return valid.empty() || valid[static_cast<size_t>(constant ? 0 : i)] != 0;
  }
  // The index of row i in the vectors.
  size_t At(int64_t i) const { return static_cast<size_t>(constant ? 0 : i); }
};
using ValuesPtr = std::shared_ptr<const Values>;

// Rows looked at, ascending; a null pointer means all.
using Selection = std::vector<int64_t>;

arrow::Result<ValuesPtr> FromArrow(const std::shared_ptr<arrow::Array>& array, const Type& type);
// Constants are repeated; the result has `rows` elements of type.arrow.
arrow::Result<std::shared_ptr<arrow::Array>> ToArrow(const Values& values, const Type& type,
                                                     int64_t rows);
// The elements at `rows`; constants stay as they are.
ValuesPtr Gather(const ValuesPtr& values, const Selection& rows);

// Storage for n elements of the kind, all valid and zero.
std::shared_ptr<Values> MakeValues(Kind kind, int64_t n);
// All null, constant.
ValuesPtr NullValues(Kind kind);
// Marks element i null.
void SetNull(Values* values, int64_t i);
// Copies element `from` of source to element `to`; both are of `kind` and lists share their items.
void CopyElement(Kind kind, const Values& source, int64_t from, Values* target, int64_t to);
// valid = a.valid and b.valid, for n rows (`n` = 1 and constant where both are).
void IntersectValidity(const Values& a, const Values& b, Values* out);

// Exact or correctly rounded.
double DecimalToDouble(Int128 value, int32_t scale);
std::string DecimalText(Int128 value, int32_t scale);

}  // namespace icecore::expr
