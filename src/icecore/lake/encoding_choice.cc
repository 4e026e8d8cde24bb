// A sample decides: whether values repeat (a dictionary), whether neighbours are near each other
// (differences in few bits, which are smaller than what zstd makes of whole numbers, and are read
// three times as fast), and whether zstd finds anything in floats, where it often does not.
#include "icecore/lake/encoding_choice.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace icecore::lake {
namespace {

using arrow::Type;

constexpr int64_t kLeastSampled = 1024;  // fewer are no sample
constexpr int64_t kSampleRows = 8192;
// A sample that repeats less than this comes of more values than a dictionary of 1 MiB holds.
constexpr double kAllDistinct = 0.97;
constexpr uint64_t kFewValues = 256;       // whose places fit into a byte
constexpr double kMostDeltaBits = 0.75;    // of a value's bits
constexpr double kLeastCompression = 0.9;  // what zstd must make of a sample

uint64_t SpreadBits(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 29;
}

uint64_t HashOfBytes(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

// How many of the hashes differ; 0 is counted as 1.
uint64_t CountDistinct(const std::vector<uint64_t>& hashes) {
  std::vector<uint64_t> slots(std::bit_ceil(2 * hashes.size() + 2), 0);
  uint64_t distinct = 0;
  for (const uint64_t hash : hashes) {
    const uint64_t wanted = std::max<uint64_t>(hash, 1);
    size_t slot = wanted & (slots.size() - 1);
    while (slots[slot] != 0 && slots[slot] != wanted) {
      slot = (slot + 1) & (slots.size() - 1);
    }
    distinct += slots[slot] == 0 ? 1 : 0;
    slots[slot] = wanted;
  }
  return distinct;
}

// Bits a value takes in DELTA_BINARY_PACKED: blocks of 128 have a least difference, and each 32 of
// them the bits that the greatest one above it needs.
double DeltaBits(const std::vector<int64_t>& values) {
  constexpr size_t kBlock = 128;
  constexpr size_t kMiniBlock = 32;
  std::vector<uint64_t> deltas;
  for (size_t i = 1; i < values.size(); ++i) {  // wraps as the encoder does
    deltas.push_back(static_cast<uint64_t>(values[i]) - static_cast<uint64_t>(values[i - 1]));
  }
  uint64_t bits = 0;
  for (size_t block = 0; block < deltas.size(); block += kBlock) {
    const size_t end = std::min(block + kBlock, deltas.size());
    int64_t least = INT64_MAX;
    for (size_t i = block; i < end; ++i) {
      least = std::min(least, static_cast<int64_t>(deltas[i]));
    }
    for (size_t mini = block; mini < end; mini += kMiniBlock) {
      const size_t mini_end = std::min(mini + kMiniBlock, end);
      uint64_t greatest = 0;
      for (size_t i = mini; i < mini_end; ++i) {
        greatest = std::max(greatest, deltas[i] - static_cast<uint64_t>(least));
      }
      bits += static_cast<uint64_t>(std::bit_width(greatest)) * (mini_end - mini);
    }
  }
  return deltas.empty() ? 0 : static_cast<double>(bits) / static_cast<double>(deltas.size());
}

template <typename ArrayType>
ColumnEncoding ForWhole(const arrow::Array& rows, int width, bool too_many_values) {
  const auto& array = static_cast<const ArrayType&>(rows);
  std::vector<int64_t> values;
  std::vector<uint64_t> hashes;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) {
      values.push_back(array.Value(i));
      hashes.push_back(SpreadBits(static_cast<uint64_t>(values.back())));
    }
  }
  const uint64_t distinct = CountDistinct(hashes);
  too_many_values |=
      static_cast<double>(distinct) > kAllDistinct * static_cast<double>(values.size());
  const double bits = DeltaBits(values);
  const bool beats_plain = too_many_values && bits <= kMostDeltaBits * width;
  const bool beats_places =
      distinct > kFewValues && bits <= static_cast<double>(std::bit_width(distinct));
  const bool is_delta = !values.empty() && (beats_plain || beats_places);
  return {.dictionary = !too_many_values && !is_delta, .delta = is_delta, .compressed = true};
}

// Whether zstd makes little of the bytes.
bool IsNoise(const uint8_t* bytes, int64_t size) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD, 1);
  if (!codec.ok()) {
    return false;
  }
  std::vector<uint8_t> out(static_cast<size_t>((*codec)->MaxCompressedLen(size, bytes)));
  const auto compressed =
      (*codec)->Compress(size, bytes, static_cast<int64_t>(out.size()), out.data());
  return compressed.ok() &&
         static_cast<double>(*compressed) > kLeastCompression * static_cast<double>(size);
}

template <typename ArrayType>
ColumnEncoding ForFloating(const arrow::Array& rows, bool too_many_values) {
  const auto& array = static_cast<const ArrayType&>(rows);
  using Value = typename ArrayType::value_type;
  std::vector<Value> values;
  std::vector<uint64_t> hashes;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) {
      values.push_back(array.Value(i));
      hashes.push_back(HashOfBytes({reinterpret_cast<const char*>(&values.back()), sizeof(Value)}));
    }
  }
  if (values.empty()) {
    return {};
  }
  too_many_values |= static_cast<double>(CountDistinct(hashes)) >
                     kAllDistinct * static_cast<double>(values.size());
  const bool is_noise =
      too_many_values && IsNoise(reinterpret_cast<const uint8_t*>(values.data()),
                                 static_cast<int64_t>(values.size() * sizeof(Value)));
  return {.dictionary = !too_many_values, .delta = false, .compressed = !is_noise};
}

template <typename ArrayType>
ColumnEncoding ForBytes(const arrow::Array& rows, bool too_many_values) {
  const auto& array = static_cast<const ArrayType&>(rows);
  std::vector<uint64_t> hashes;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) {
      hashes.push_back(HashOfBytes(array.GetView(i)));
    }
  }
  too_many_values |= !hashes.empty() && static_cast<double>(CountDistinct(hashes)) >
                                            kAllDistinct * static_cast<double>(hashes.size());
  return {.dictionary = !too_many_values, .delta = false, .compressed = true};
}

}  // namespace

ColumnEncoding ChooseEncoding(const arrow::Array& rows, bool too_many_values) {
  const ColumnEncoding otherwise{
      .dictionary = !too_many_values, .delta = false, .compressed = true};
  if (rows.length() < kLeastSampled) {
    return otherwise;
  }
  const auto sample = rows.Slice(0, kSampleRows);
  switch (sample->type_id()) {
    case Type::INT8:
      return ForWhole<arrow::Int8Array>(*sample, 32, too_many_values);
    case Type::INT16:
      return ForWhole<arrow::Int16Array>(*sample, 32, too_many_values);
    case Type::INT32:
      return ForWhole<arrow::Int32Array>(*sample, 32, too_many_values);
    case Type::DATE32:
      return ForWhole<arrow::Date32Array>(*sample, 32, too_many_values);
    case Type::INT64:
      return ForWhole<arrow::Int64Array>(*sample, 64, too_many_values);
    case Type::TIMESTAMP:
      return ForWhole<arrow::TimestampArray>(*sample, 64, too_many_values);
    case Type::FLOAT:
      return ForFloating<arrow::FloatArray>(*sample, too_many_values);
    case Type::DOUBLE:
      return ForFloating<arrow::DoubleArray>(*sample, too_many_values);
    case Type::STRING:
      return ForBytes<arrow::StringArray>(*sample, too_many_values);
    case Type::BINARY:
      return ForBytes<arrow::BinaryArray>(*sample, too_many_values);
    case Type::DECIMAL128:
      return ForBytes<arrow::Decimal128Array>(*sample, too_many_values);
    default:
      return otherwise;
  }
}

void Apply(const ColumnEncoding& encoding, const std::string& name,
           parquet::WriterProperties::Builder* properties) {
  if (!encoding.dictionary) {
    properties->disable_dictionary(name);
  }
  if (encoding.delta) {
    properties->encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
  }
  if (!encoding.compressed) {
    properties->compression(name, parquet::Compression::UNCOMPRESSED)
        ->compression_level(name, arrow::util::kUseDefaultCompressionLevel);
  }
}

}  // namespace icecore::lake
