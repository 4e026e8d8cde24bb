#pragma once
// Values of any supported Arrow type, one at a time, as states and cells keep them: canonical, of
// an order that plain comparison gives, and back. Bytes: docs/formats/state.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::state {

// How a type's values are held.
enum class ValueForm : uint8_t {
  kNarrow,  // in 64 bits, whose unsigned order is the order of the values (-0.0 below 0.0)
  kWide,    // as bytes, whose order is the order of the values
  kNested,  // as bytes without an order: lists, structs, maps
};

// Immutable, thread safe.
class ValueCodec {
 public:
  // kUnsupported for a type that is none of: bool, integers, float32/64, (large) string and binary,
  // fixed-size binary, date, time, timestamp, duration, decimal, (large, fixed-size) list, struct,
  // map.
  static arrow::Result<std::unique_ptr<ValueCodec>> Make(std::shared_ptr<arrow::DataType> type);

  const std::shared_ptr<arrow::DataType>& type() const { return type_; }
  ValueForm form() const { return form_; }
  bool is_floating() const { return kind_ == Kind::kFloat || kind_ == Kind::kDouble; }

  // Neither null nor NaN.
  bool Usable(const arrow::Array& array, int64_t row) const;

  // kNarrow only; the element is not null.
  uint64_t Narrow(const arrow::Array& array, int64_t row) const;

  // Many at once: elements rows[0 … count), or `count` of them from `first` on where rows is null.
  // usable[i]: whether the element is neither null nor NaN; true when all are.
  bool UsableRows(const arrow::Array& array, int64_t first, const uint32_t* rows, int64_t count,
                  uint8_t* usable) const;
  // kNarrow only. Of elements that are null anything.
  void NarrowRows(const arrow::Array& array, int64_t first, const uint32_t* rows, int64_t count,
                  uint64_t* narrow) const;

  double ToDouble(uint64_t narrow) const;  // numbers only; integers rounded to nearest
  // |narrow| as an integer; bool and integers, dates, times and timestamps only.
  uint64_t ToMagnitude(uint64_t narrow, bool* negative) const;
  bool IsNan(uint64_t narrow) const;

  // kWide and kNested; the element is not null. Replaces *bytes.
  arrow::Status Wide(const arrow::Array& array, int64_t row, std::string* bytes) const;

  arrow::Status AppendNarrow(uint64_t narrow, arrow::ArrayBuilder* builder) const;
  // kInternal when the bytes are not of this type; Parse checks outside bytes.
  arrow::Status AppendWide(std::string_view bytes, arrow::ArrayBuilder* builder) const;

  // An element, null or not, self-delimiting, and back into a builder of type().
  arrow::Status Encode(const arrow::Array& array, int64_t row, std::string* out) const;
  // kCorrupt when the bytes at the front of *in are not such an element.
  arrow::Status Decode(std::string_view* in, arrow::ArrayBuilder* builder) const;

  // Takes one element off the front; false when Decode would fail.
  bool Skip(std::string_view* in) const;
  // The same by its length alone: what the element says is for Decode to judge.
  bool Cut(std::string_view* in, std::string_view* element) const;

  // Bytes of a value in an Arrow array of this type, 4 or 8, where such values are numbers that
  // DecodeWord gives; else 0.
  static int WordBytes(const arrow::DataType& type);
  int word_bytes() const { return word_bytes_; }  // of type()
  // As Decode, of types that have WordBytes: the value's bits, 0 where it is null.
  arrow::Status DecodeWord(std::string_view* in, bool* valid, uint64_t* word) const;

  // Whether bytes of kWide and kNested are those of a value of this type.
  bool WideIsValid(std::string_view bytes) const;
  // Whether 64 bits are those of a value of this type.
  bool NarrowIsValid(uint64_t narrow) const;

  // XXH64 (seed 0) of the bytes that distinct counts fix: integers, bools, dates and times as int64
  // LE, floats as float64 bits with -0.0 as 0.0, strings as they are. Not for kNested.
  uint64_t HashNarrow(uint64_t narrow) const;
  static uint64_t HashWide(std::string_view bytes);

  // Decimals only (form kWide): sign and magnitude of the unscaled integer, and the value as a
  // double.
  static bool DecimalMagnitude(std::string_view bytes, uint64_t magnitude[4]);
  double DecimalToDouble(std::string_view bytes) const;

 private:
  enum class Kind : uint8_t {
    kBool,
    kInt8,
    kInt16,
    kInt32,
    kInt64,
    kUint8,
    kUint16,
    kUint32,
    kUint64,
    kFloat,
    kDouble,
    kString,
    kLargeString,
    kFixedBinary,
    kDecimal,
    kList,
    kLargeList,
    kFixedList,
    kStruct,
  };
  ValueCodec() = default;
  // nullopt: values of the type cannot be features.
  static std::optional<Kind> KindOf(arrow::Type::type type);
  arrow::Status Init(std::shared_ptr<arrow::DataType> type);
  arrow::Status AppendNested(std::string_view* in, arrow::ArrayBuilder* builder) const;

  std::shared_ptr<arrow::DataType> type_;
  Kind kind_ = Kind::kInt64;
  ValueForm form_ = ValueForm::kNarrow;
  int word_bytes_ = 0;
  int32_t width_ = 0;  // of fixed binary and decimals in bytes, of fixed-size lists in elements
  std::vector<std::unique_ptr<ValueCodec>> children_;
};

}  // namespace icecore::state
