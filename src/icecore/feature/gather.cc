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

// Whether the elements lie one after another in whole bytes and are nothing but their bytes.
bool IsPlain(const arrow::DataType& type) {
  if (!arrow::is_primitive(type.id()) && !arrow::is_decimal(type.id())) return false;
  const int bits = type.bit_width();
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 || bits == 128;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Validity(const arrow::Array& values,
                                                       const int32_t* places, int64_t count,
                                                       int64_t* nulls) {
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(count));
  uint8_t* out = bits->mutable_data();
  const bool may_be_null = values.null_count() > 0;
  *nulls = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (places[i] >= 0 && (!may_be_null || values.IsValid(places[i]))) {
      arrow::bit_util::SetBit(out, i);
    } else {
      ++*nulls;
    }
  }
  return bits;
}

arrow::Result<std::shared_ptr<arrow::Array>> TakePlaces(const arrow::Array& values,
                                                        const int32_t* places, int64_t count) {
  int64_t nulls = 0;
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(count));
  for (int64_t i = 0; i < count; ++i) {
    if (places[i] < 0) {
      ++nulls;
    } else {
      arrow::bit_util::SetBit(bits->mutable_data(), i);
    }
  }
  const auto indices = std::make_shared<arrow::Int32Array>(
      count,
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(places),
                                      count * static_cast<int64_t>(sizeof(int32_t))),
      nulls > 0 ? std::shared_ptr<arrow::Buffer>(std::move(bits)) : nullptr, nulls);
  return arrow::compute::Take(values, *indices, arrow::compute::TakeOptions::NoBoundsCheck());
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count) {
  if (!IsPlain(*values.type())) return TakePlaces(values, places, count);
  const int width = values.type()->bit_width() / 8;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out, arrow::AllocateBuffer(count * width));
  int64_t nulls = 0;
  ARROW_ASSIGN_OR_RAISE(auto validity, Validity(values, places, count, &nulls));
  if (values.length() == 0) {
    return arrow::MakeArrayOfNull(values.type(), count);
  }
  const uint8_t* from = values.data()->buffers[1]->data() + values.offset() * width;
  switch (width) {
    case 1:
      GatherWords<uint8_t>(from, places, count, out->mutable_data());
      break;
    case 2:
      GatherWords<uint16_t>(from, places, count, out->mutable_data());
      break;
    case 4:
      GatherWords<uint32_t>(from, places, count, out->mutable_data());
      break;
    case 8:
      GatherWords<uint64_t>(from, places, count, out->mutable_data());
      break;
    default:
      GatherWords<Word16>(from, places, count, out->mutable_data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      values.type(), count, {nulls > 0 ? std::move(validity) : nullptr, std::move(out)}, nulls));
}

}  // namespace icecore::feature
