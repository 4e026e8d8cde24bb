#include "icecore/feature/key_column.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/parallel.h"

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

namespace {

// One to one, and spread over all bits: the finalizer of MurmurHash3.
uint64_t Spread(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

void SpreadAll(const state::ValueCodec& codec, const arrow::Array& column, uint64_t* words) {
  const int64_t rows = column.length();
  if (column.type_id() == arrow::Type::INT64) {
    // As the codec has it, without a call per row: most keys are of this type.
    const int64_t* values = checked_cast<const arrow::Int64Array&>(column).raw_values();
    for (int64_t row = 0; row < rows; ++row) {
      words[row] = Spread(static_cast<uint64_t>(values[row]) ^ (uint64_t{1} << 63));
    }
    return;
  }
  for (int64_t row = 0; row < rows; ++row) {
    if (column.IsValid(row)) words[row] = Spread(codec.Narrow(column, row));
  }
}

// How far ahead the places of a hash table are asked for: about what a core has under way at once.
constexpr int64_t kPrefetchRows = 16;

}  // namespace

std::string_view KeyWords::BytesOf(int64_t row) const {
  const auto at = static_cast<size_t>(row);
  const uint64_t from = row == 0 ? 0 : ends[at - 1];
  return std::string_view(bytes).substr(from, ends[at] - from);
}

arrow::Result<std::unique_ptr<KeyEncoder>> KeyEncoder::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types) {
  auto encoder = std::make_unique<KeyEncoder>();
  for (const auto& type : types) {
    ARROW_ASSIGN_OR_RAISE(auto codec, state::ValueCodec::Make(type));
    encoder->codecs_.push_back(std::move(codec));
  }
  encoder->narrow_ =
      encoder->codecs_.size() == 1 && encoder->codecs_[0]->form() == state::ValueForm::kNarrow;
  return encoder;
}

arrow::Status KeyEncoder::EncodeWide(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                                     KeyWords* keys) const {
  const int64_t rows = columns[0]->length();
  keys->ends.resize(static_cast<size_t>(rows));
  const bool is_text = columns.size() == 1 && columns[0]->type_id() == arrow::Type::STRING;
  for (int64_t row = 0; row < rows; ++row) {
    const auto at = static_cast<size_t>(row);
    const size_t from = keys->bytes.size();
    if (keys->whole[at] != 0) {
      if (is_text) {
        keys->bytes += checked_cast<const arrow::StringArray&>(*columns[0]).GetView(row);
      } else {
        for (size_t i = 0; i < columns.size(); ++i) {
          ARROW_RETURN_NOT_OK(codecs_[i]->Encode(*columns[i], row, &keys->bytes));
        }
      }
      keys->words[at] = base::Hash64(std::string_view(keys->bytes).substr(from));
    }
    keys->ends[at] = keys->bytes.size();
  }
  return arrow::Status::OK();
}

arrow::Result<KeyWords> KeyEncoder::Encode(
    const std::vector<std::shared_ptr<arrow::Array>>& columns) const {
  KeyWords keys;
  const int64_t rows = columns[0]->length();
  keys.words.resize(static_cast<size_t>(rows));
  keys.whole.assign(static_cast<size_t>(rows), 1);
  for (const auto& column : columns) {
    if (column->null_count() == 0) continue;
    for (int64_t row = 0; row < rows; ++row) {
      if (column->IsNull(row)) keys.whole[static_cast<size_t>(row)] = 0;
    }
  }
  if (narrow_) {
    SpreadAll(*codecs_[0], *columns[0], keys.words.data());
  } else {
    ARROW_RETURN_NOT_OK(EncodeWide(columns, &keys));
  }
  return keys;
}

arrow::Result<std::unique_ptr<KeyDictionary>> KeyDictionary::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types) {
  auto dictionary = std::make_unique<KeyDictionary>();
  ARROW_ASSIGN_OR_RAISE(dictionary->encoder_, KeyEncoder::Make(types));
  dictionary->places_.resize(1024);
  return dictionary;
}

size_t KeyDictionary::PlaceOf(const KeyWords& keys, int64_t row) const {
  const uint64_t word = keys.words[static_cast<size_t>(row)];
  const size_t mask = places_.size() - 1;
  for (size_t at = word & mask;; at = (at + 1) & mask) {
    const Place& place = places_[at];
    if (place.number == kNone) return at;
    if (place.word != word) continue;
    if (encoder_->narrow()) return at;
    if (BytesOf(place.number) == keys.BytesOf(row)) return at;
  }
}

int32_t KeyDictionary::NumberOf(uint64_t word) const {
  const size_t mask = places_.size() - 1;
  size_t at = word & mask;
  while (places_[at].word != word && places_[at].number != kNone) at = (at + 1) & mask;
  return places_[at].number;
}

int64_t KeyDictionary::byte_count() const {
  return static_cast<int64_t>(places_.size() * sizeof(Place) + bytes_.size() +
                              (words_.size() + ends_.size()) * sizeof(uint64_t));
}

std::string_view KeyDictionary::BytesOf(int32_t number) const {
  if (ends_.empty()) return {};
  const auto at = static_cast<size_t>(number);
  const uint64_t from = at == 0 ? 0 : ends_[at - 1];
  return std::string_view(bytes_).substr(from, ends_[at] - from);
}

namespace {

struct NumberedWord {
  uint64_t word = 0;
  int32_t number = 0;
};

// By `less`, which orders by word first. Words are spread over all 64 bits: their first bits part
// them into buckets of a few, which are sorted on all cores.
template <typename Less>
std::vector<NumberedWord> SortedWords(const std::vector<uint64_t>& words, const Less& less) {
  const int bits = std::clamp(static_cast<int>(std::bit_width(words.size())) - 3, 1, 20);
  const int shift = 64 - bits;
  std::vector<uint32_t> starts((size_t{1} << bits) + 1, 0);
  for (const uint64_t word : words) ++starts[(word >> shift) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<NumberedWord> sorted(words.size());
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  for (size_t i = 0; i < words.size(); ++i) {
    sorted[next[words[i] >> shift]++] = {words[i], static_cast<int32_t>(i)};
  }
  const size_t buckets = starts.size() - 1;
  constexpr size_t kBucketsOfPiece = 4096;
  const size_t pieces = buckets / kBucketsOfPiece + 1;
  const arrow::Status status = base::RunParallel(pieces, [&](size_t piece) {
    for (size_t b = buckets * piece / pieces; b < buckets * (piece + 1) / pieces; ++b) {
      std::sort(sorted.begin() + starts[b], sorted.begin() + starts[b + 1], less);
    }
    return arrow::Status::OK();
  });
  static_cast<void>(status.ok());  // pieces do not fail
  return sorted;
}

}  // namespace

std::vector<int32_t> KeyDictionary::SortByWord() {
  const std::vector<NumberedWord> order =
      SortedWords(words_, [&](const NumberedWord& a, const NumberedWord& b) {
        return a.word != b.word ? a.word < b.word : BytesOf(a.number) < BytesOf(b.number);
      });
  std::vector<int32_t> numbers(order.size());
  std::vector<uint64_t> words;
  words.reserve(words_.size());
  std::string bytes;
  std::vector<uint64_t> ends;
  for (size_t number = 0; number < order.size(); ++number) {
    const auto& [word, old] = order[number];
    numbers[static_cast<size_t>(old)] = static_cast<int32_t>(number);
    words.push_back(word);
    if (encoder_->narrow()) continue;
    bytes += BytesOf(old);
    ends.push_back(bytes.size());
  }
  words_ = std::move(words);
  bytes_ = std::move(bytes);
  ends_ = std::move(ends);
  for (Place& place : places_) {
    if (place.number != kNone) place.number = numbers[static_cast<size_t>(place.number)];
  }
  return numbers;
}

void KeyDictionary::Prefetch(uint64_t word) const {
  __builtin_prefetch(&places_[word & (places_.size() - 1)]);
}

void KeyDictionary::Grow() {
  base::HugeVector<Place> grown(places_.size() * 2);
  const size_t mask = grown.size() - 1;
  for (const Place& place : places_) {
    if (place.number == kNone) continue;
    size_t at = place.word & mask;
    while (grown[at].number != kNone) at = (at + 1) & mask;
    grown[at] = place;
  }
  places_ = std::move(grown);
}

arrow::Result<std::vector<int32_t>> KeyDictionary::AddAll(
    const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  ARROW_ASSIGN_OR_RAISE(const KeyWords keys, encoder_->Encode(columns));
  std::vector<int32_t> numbers(keys.words.size(), kNone);
  for (int64_t row = 0; row < keys.size(); ++row) {
    const auto at = static_cast<size_t>(row);
    if (row + kPrefetchRows < keys.size()) Prefetch(keys.words[at + kPrefetchRows]);
    if (keys.whole[at] == 0) continue;
    Place& place = places_[PlaceOf(keys, row)];
    if (place.number != kNone) {
      numbers[at] = place.number;
      continue;
    }
    if (size_ == std::numeric_limits<int32_t>::max() - 1) {
      return base::MakeError(base::ErrorCode::kLimit,
                             "more than " + std::to_string(size_) + " keys at once");
    }
    place = {keys.words[at], size_};
    numbers[at] = size_++;
    words_.push_back(keys.words[at]);
    if (!encoder_->narrow()) {
      bytes_ += keys.BytesOf(row);
      ends_.push_back(bytes_.size());
    }
    if (static_cast<size_t>(size_) * 2 > places_.size()) Grow();
  }
  return numbers;
}

arrow::Result<std::vector<int32_t>> KeyDictionary::FindAll(
    const std::vector<std::shared_ptr<arrow::Array>>& columns) const {
  ARROW_ASSIGN_OR_RAISE(const KeyWords keys, encoder_->Encode(columns));
  std::vector<int32_t> numbers(keys.words.size(), kNone);
  for (int64_t row = 0; row < keys.size(); ++row) {
    const auto at = static_cast<size_t>(row);
    if (row + kPrefetchRows < keys.size()) Prefetch(keys.words[at + kPrefetchRows]);
    if (keys.whole[at] == 0) continue;
    numbers[at] =
        encoder_->narrow() ? NumberOf(keys.words[at]) : places_[PlaceOf(keys, row)].number;
  }
  return numbers;
}

}  // namespace icecore::feature
