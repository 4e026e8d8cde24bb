#include "icecore/feature/key_column.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <limits>
#include <type_traits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

enum class Family { kNone, kInteger, kText, kBinary, kBool, kDate, kTime, kDecimal };

Family FamilyOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return Family::kText;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return Family::kBinary;
    case arrow::Type::BOOL:
      return Family::kBool;
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return Family::kDate;
    case arrow::Type::TIMESTAMP:
      return Family::kTime;
    case arrow::Type::DECIMAL128:
      return Family::kDecimal;
    case arrow::Type::DICTIONARY:
      return FamilyOf(*checked_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return arrow::is_integer(type.id()) ? Family::kInteger : Family::kNone;
  }
}

// Integers as 64 bits first (exact, save uint64), then to the key's width where they fit.
template <typename KeyType, typename Wide>
arrow::Result<std::shared_ptr<arrow::Array>> Narrowed(const arrow::Array& wide) {
  using Native = typename KeyType::c_type;
  typename arrow::TypeTraits<KeyType>::BuilderType builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(wide.length()));
  const Wide* values = wide.data()->GetValues<Wide>(1);
  for (int64_t i = 0; i < wide.length(); ++i) {
    if (wide.IsValid(i) && std::in_range<Native>(values[i])) {
      builder.UnsafeAppend(static_cast<Native>(values[i]));
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return builder.Finish();
}

template <typename Wide>
arrow::Result<std::shared_ptr<arrow::Array>> NarrowInteger(const arrow::Array& wide,
                                                           const arrow::DataType& to) {
  switch (to.id()) {
    case arrow::Type::INT8:
      return Narrowed<arrow::Int8Type, Wide>(wide);
    case arrow::Type::INT16:
      return Narrowed<arrow::Int16Type, Wide>(wide);
    case arrow::Type::INT32:
      return Narrowed<arrow::Int32Type, Wide>(wide);
    case arrow::Type::INT64:
      return Narrowed<arrow::Int64Type, Wide>(wide);
    case arrow::Type::UINT8:
      return Narrowed<arrow::UInt8Type, Wide>(wide);
    case arrow::Type::UINT16:
      return Narrowed<arrow::UInt16Type, Wide>(wide);
    case arrow::Type::UINT32:
      return Narrowed<arrow::UInt32Type, Wide>(wide);
    default:
      return Narrowed<arrow::UInt64Type, Wide>(wide);
  }
}

}  // namespace

bool KeyTypesMatch(const arrow::DataType& from, const arrow::DataType& to) {
  const Family family = FamilyOf(from);
  if (family == Family::kNone || family != FamilyOf(to)) return false;
  if (family == Family::kDecimal) return from.Equals(to);
  if (family == Family::kTime && from.id() == arrow::Type::TIMESTAMP) {
    return checked_cast<const arrow::TimestampType&>(from).timezone().empty() ==
           checked_cast<const arrow::TimestampType&>(to).timezone().empty();
  }
  return true;
}

arrow::Result<std::shared_ptr<arrow::Array>> CastKey(std::shared_ptr<arrow::Array> column,
                                                     const std::shared_ptr<arrow::DataType>& to) {
  if (column->type()->Equals(*to)) return column;
  if (FamilyOf(*column->type()) != Family::kInteger || !arrow::is_integer(to->id())) {
    return arrow::compute::Cast(*column, to);
  }
  auto type = column->type();
  if (type->id() == arrow::Type::DICTIONARY) {
    type = checked_cast<const arrow::DictionaryType&>(*type).value_type();
  }
  if (type->id() == arrow::Type::UINT64) {
    ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, arrow::uint64()));
    return NarrowInteger<uint64_t>(*column, *to);
  }
  ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, arrow::int64()));
  return NarrowInteger<int64_t>(*column, *to);
}

size_t KeyDictionary::TextHash::operator()(const std::string& text) const {
  return base::Hash64(text);
}

arrow::Result<std::unique_ptr<KeyDictionary>> KeyDictionary::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types) {
  auto dictionary = std::make_unique<KeyDictionary>();
  for (const auto& type : types) {
    ARROW_ASSIGN_OR_RAISE(auto codec, state::ValueCodec::Make(type));
    dictionary->codecs_.push_back(std::move(codec));
  }
  dictionary->narrow_ = dictionary->codecs_.size() == 1 &&
                        dictionary->codecs_[0]->form() == state::ValueForm::kNarrow;
  return dictionary;
}

// Calls visit(row, narrow, text) for every row without a null part; one of the two is meaningful.
template <typename Visit>
arrow::Status KeyDictionary::ForEach(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                                     const Visit& visit) const {
  std::string text;
  const int64_t rows = columns.empty() ? 0 : columns[0]->length();
  for (int64_t row = 0; row < rows; ++row) {
    if (narrow_) {
      if (columns[0]->IsValid(row)) visit(row, codecs_[0]->Narrow(*columns[0], row), text);
      continue;
    }
    text.clear();
    bool whole = true;
    for (size_t i = 0; i < columns.size() && whole; ++i) {
      whole = columns[i]->IsValid(row);
      if (whole) ARROW_RETURN_NOT_OK(codecs_[i]->Encode(*columns[i], row, &text));
    }
    if (whole) visit(row, 0, text);
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<int64_t>> KeyDictionary::AddAll(
    const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  std::vector<int64_t> keys(static_cast<size_t>(columns.empty() ? 0 : columns[0]->length()), -1);
  ARROW_RETURN_NOT_OK(ForEach(columns, [&](int64_t row, uint64_t narrow, const std::string& text) {
    const int64_t number = narrow_ ? numbers_.try_emplace(narrow, size_).first->second
                                   : texts_.try_emplace(text, size_).first->second;
    if (number == size_) ++size_;
    keys[static_cast<size_t>(row)] = number;
  }));
  return keys;
}

arrow::Result<std::vector<int64_t>> KeyDictionary::FindAll(
    const std::vector<std::shared_ptr<arrow::Array>>& columns) const {
  std::vector<int64_t> keys(static_cast<size_t>(columns.empty() ? 0 : columns[0]->length()), -1);
  ARROW_RETURN_NOT_OK(ForEach(columns, [&](int64_t row, uint64_t narrow, const std::string& text) {
    if (narrow_) {
      const auto found = numbers_.find(narrow);
      if (found != numbers_.end()) keys[static_cast<size_t>(row)] = found->second;
    } else {
      const auto found = texts_.find(text);
      if (found != texts_.end()) keys[static_cast<size_t>(row)] = found->second;
    }
  }));
  return keys;
}

}  // namespace icecore::feature
