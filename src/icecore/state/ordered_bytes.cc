#include "icecore/state/ordered_bytes.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/type.h>

#include <limits>
#include <string>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {

namespace {

constexpr char kNull = 0x00;
constexpr char kValue = 0x01;
constexpr uint64_t kNan = std::numeric_limits<uint64_t>::max();

void PutBigEndian(uint64_t value, std::string* out) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

// 00 as 00 ff, ended by 00 01, so that the front of a text lies below it whatever follows.
void PutText(std::string_view text, std::string* out) {
  for (size_t zero = text.find('\0'); zero != std::string_view::npos; zero = text.find('\0')) {
    out->append(text.substr(0, zero));
    out->append("\x00\xff", 2);
    text.remove_prefix(zero + 1);
  }
  out->append(text);
  out->append("\x00\x01", 2);
}

// The one zero and the one NaN of a float's narrow form.
uint64_t CanonicalFloat(const ValueCodec& codec, uint64_t narrow) {
  if (codec.IsNan(narrow)) return kNan;
  const bool is_double = codec.type()->id() == arrow::Type::DOUBLE;
  const uint64_t zero = uint64_t{1} << (is_double ? 63 : 31);
  return narrow == zero - 1 ? zero : narrow;
}

arrow::Status PutElement(const ValueCodec& codec, const arrow::Array& column, int64_t row,
                         std::string* wide, std::string* out) {
  if (column.IsNull(row)) {
    out->push_back(kNull);
    return arrow::Status::OK();
  }
  out->push_back(kValue);
  if (codec.form() == ValueForm::kNarrow) {
    const uint64_t narrow = codec.Narrow(column, row);
    PutBigEndian(codec.is_floating() ? CanonicalFloat(codec, narrow) : narrow, out);
    return arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(codec.Wide(column, row, wide));
  if (arrow::is_decimal(column.type_id())) {
    out->append(*wide);
  } else {
    PutText(*wide, out);
  }
  return arrow::Status::OK();
}

}  // namespace

bool CanBeOrdered(const arrow::DataType& type) {
  const auto codec = ValueCodec::Make(type.GetSharedPtr());
  return codec.ok() && (*codec)->form() != ValueForm::kNested;
}

arrow::Result<std::shared_ptr<arrow::BinaryArray>> OrderedBytes(
    const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t num_rows) {
  std::vector<std::unique_ptr<ValueCodec>> codecs;
  for (const auto& column : columns) {
    ARROW_ASSIGN_OR_RAISE(auto codec, ValueCodec::Make(column->type()));
    if (codec->form() == ValueForm::kNested) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "values of type " + column->type()->ToString() + " have no order");
    }
    if (column->length() != num_rows) {
      return base::MakeError(base::ErrorCode::kInternal, "columns of unequal lengths");
    }
    codecs.push_back(std::move(codec));
  }
  arrow::BinaryBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(num_rows));
  std::string bytes;
  std::string wide;
  for (int64_t row = 0; row < num_rows; ++row) {
    bytes.clear();
    for (size_t i = 0; i < columns.size(); ++i) {
      ARROW_RETURN_NOT_OK(PutElement(*codecs[i], *columns[i], row, &wide, &bytes));
    }
    ARROW_RETURN_NOT_OK(builder.Append(bytes));
  }
  std::shared_ptr<arrow::BinaryArray> out;
  ARROW_RETURN_NOT_OK(builder.Finish(&out));
  return out;
}

}  // namespace icecore::state
