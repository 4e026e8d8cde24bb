#include "icecore/feature/gather.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <utility>
#include <vector>

namespace icecore::feature {
namespace {

// How far ahead elements are asked for: about what a core has under way at once.
constexpr int64_t kPrefetch = 24;

template <typename Word>
void GatherWords(const uint8_t* from, const int32_t* places, int64_t count, uint8_t* to) {
  const auto* words = reinterpret_cast<const Word*>(from);
  auto* out = reinterpret_cast<Word*>(to);
  for (int64_t i = 0; i < count; ++i) {
    if (i + kPrefetch < count && places[i + kPrefetch] >= 0) {
      __builtin_prefetch(words + places[i + kPrefetch]);
    }
    out[i] = places[i] < 0 ? Word{} : words[places[i]];
  }
}

struct Word16 {
  uint64_t low = 0;
  uint64_t high = 0;
};

int WidthOf(const arrow::DataType& type) { return type.bit_width() / 8; }

// As the places have it, but where values are null too.
arrow::Result<PlaceBits> WithNulls(const arrow::Array& values, const int32_t* places,
                                   int64_t count) {
  PlaceBits known;
  ARROW_ASSIGN_OR_RAISE(known.bits, arrow::AllocateEmptyBitmap(count));
  uint8_t* out = known.bits->mutable_data();
  for (int64_t i = 0; i < count; ++i) {
    if (places[i] >= 0 && values.IsValid(places[i])) {
      arrow::bit_util::SetBit(out, i);
    } else {
      ++known.nulls;
    }
  }
  return known;
}

arrow::Result<std::shared_ptr<arrow::Array>> TakePlaces(const arrow::Array& values,
                                                        const int32_t* places, int64_t count,
                                                        const PlaceBits& bits) {
  const auto indices = std::make_shared<arrow::Int32Array>(
      count,
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(places),
                                      count * static_cast<int64_t>(sizeof(int32_t))),
      bits.bits, bits.nulls);
  return arrow::compute::Take(values, *indices, arrow::compute::TakeOptions::NoBoundsCheck());
}

}  // namespace

arrow::Result<PlaceBits> PlaceBits::Of(const int32_t* places, int64_t count) {
  PlaceBits known;
  for (int64_t i = 0; i < count; ++i) known.nulls += places[i] < 0 ? 1 : 0;
  if (known.nulls == 0) return known;
  ARROW_ASSIGN_OR_RAISE(known.bits, arrow::AllocateEmptyBitmap(count));
  uint8_t* out = known.bits->mutable_data();
  for (int64_t i = 0; i < count; ++i) {
    out[i / 8] = static_cast<uint8_t>(out[i / 8] | (places[i] < 0 ? 0 : 1) << (i % 8));
  }
  return known;
}

bool IsPlain(const arrow::DataType& type) {
  if (!arrow::is_primitive(type.id()) && !arrow::is_decimal(type.id())) return false;
  const int bits = type.bit_width();
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 || bits == 128;
}

void GatherInto(const arrow::Array& values, const int32_t* places, int64_t count, uint8_t* out) {
  const int width = WidthOf(*values.type());
  const uint8_t* from = values.data()->buffers[1]->data() + values.offset() * width;
  switch (width) {
    case 1:
      GatherWords<uint8_t>(from, places, count, out);
      break;
    case 2:
      GatherWords<uint16_t>(from, places, count, out);
      break;
    case 4:
      GatherWords<uint32_t>(from, places, count, out);
      break;
    case 8:
      GatherWords<uint64_t>(from, places, count, out);
      break;
    default:
      GatherWords<Word16>(from, places, count, out);
  }
}

arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count,
                                                    const PlaceBits& bits) {
  if (!IsPlain(*values.type())) return TakePlaces(values, places, count, bits);
  if (values.length() == 0) return arrow::MakeArrayOfNull(values.type(), count);
  PlaceBits known = bits;
  if (values.null_count() > 0) {
    ARROW_ASSIGN_OR_RAISE(known, WithNulls(values, places, count));
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out,
                        arrow::AllocateBuffer(count * WidthOf(*values.type())));
  GatherInto(values, places, count, out->mutable_data());
  return arrow::MakeArray(arrow::ArrayData::Make(
      values.type(), count, {known.nulls > 0 ? std::move(known.bits) : nullptr, std::move(out)},
      known.nulls));
}

arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count) {
  ARROW_ASSIGN_OR_RAISE(const PlaceBits bits, PlaceBits::Of(places, count));
  return Gather(values, places, count, bits);
}

}  // namespace icecore::feature
