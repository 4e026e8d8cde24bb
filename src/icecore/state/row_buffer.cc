#include "icecore/state/row_buffer.h"

#include <algorithm>
#include <numeric>

#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

void SetBit(uint64_t* content, size_t at) { content[at / 64] |= uint64_t{1} << (at % 64); }

}  // namespace

RowBuffer::RowBuffer(const ViewPlan* plan)
    : plan_(plan),
      column_count_(static_cast<int>(plan->columns.size())),
      bit_words_((plan->columns.size() + static_cast<size_t>(plan->layout.mask_count) + 63) / 64),
      row_words_(kOrderWords + bit_words_ + plan->columns.size()) {}

uint64_t* RowBuffer::Append(const RowOrder& order, int64_t entered_at,
                            std::span<const uint8_t> masks) {
  words_.resize(words_.size() + row_words_);
  uint64_t* words = words_.data() + count_ * row_words_;
  ++count_;
  words[0] = static_cast<uint64_t>(order.event_time);
  words[1] = static_cast<uint64_t>(order.known_at);
  words[2] = static_cast<uint64_t>(order.seq);
  words[3] = static_cast<uint64_t>(entered_at);
  uint64_t* content = words + kOrderWords;
  for (size_t i = 0; i < masks.size(); ++i) {
    if (masks[i] != 0) SetBit(content, static_cast<size_t>(column_count_) + i);
  }
  return content;
}

uint64_t RowBuffer::PutWide(std::string_view bytes) {
  const uint64_t at = wide_.size();
  wire::PutFixed64(bytes.size(), &wide_);
  wide_.append(bytes);
  return at;
}

std::string_view RowBuffer::Wide(uint64_t value) const {
  std::string_view bytes = std::string_view(wide_).substr(value);
  uint64_t size = 0;
  wire::GetFixed64(&bytes, &size);
  return bytes.substr(0, size);
}

arrow::Status RowBuffer::KeepIf(arrow::Status read) {
  if (read.ok()) return read;
  --count_;
  words_.resize(count_ * row_words_);
  return read;
}

arrow::Status RowBuffer::Add(const RowOrder& order, int64_t entered_at,
                             std::span<const uint8_t> masks, const Values& values, int64_t row) {
  return KeepIf(PutValues(values, row, Append(order, entered_at, masks)));
}

arrow::Status RowBuffer::AddEncoded(const RowOrder& order, int64_t entered_at,
                                    std::span<const uint8_t> masks,
                                    const std::vector<std::string>& values) {
  return KeepIf(PutEncoded(values, Append(order, entered_at, masks)));
}

arrow::Status RowBuffer::PutValues(const Values& values, int64_t row, uint64_t* content) {
  for (size_t i = 0; i < plan_->columns.size(); ++i) {
    const WindowColumn& column = plan_->columns[i];
    const auto at = static_cast<size_t>(column.value);
    const ValueCodec& codec = *plan_->codecs[at];
    const arrow::Array& array = *values[plan_->ValuePlace(at)];
    if (!codec.Usable(array, row)) continue;
    uint64_t& value = content[bit_words_ + i];
    if (codec.form() == ValueForm::kNarrow) {
      value = codec.Narrow(array, row);
    } else if (!column.only_counted) {
      std::string bytes;
      ARROW_RETURN_NOT_OK(codec.Wide(array, row, &bytes));
      value = PutWide(bytes);
    }
    SetBit(content, i);
  }
  return arrow::Status::OK();
}

arrow::Status RowBuffer::PutEncoded(const std::vector<std::string>& values, uint64_t* content) {
  for (size_t i = 0; i < plan_->columns.size(); ++i) {
    const WindowColumn& column = plan_->columns[i];
    const auto at = static_cast<size_t>(column.value);
    const ValueCodec& codec = *plan_->codecs[at];
    std::string_view in = values[at];
    uint8_t valid = 0;
    if (!wire::GetByte(&in, &valid)) return CorruptCell("a value of its queue");
    if (valid == 0) continue;
    uint64_t& value = content[bit_words_ + i];
    std::string_view bytes;
    if (codec.form() == ValueForm::kNarrow) {
      if (!wire::GetFixed64(&in, &value)) return CorruptCell("a value of its queue");
      if (codec.IsNan(value)) continue;
    } else {
      if (!wire::GetBytes(&in, &bytes)) return CorruptCell("a value of its queue");
      if (!column.only_counted) value = PutWide(bytes);
    }
    SetBit(content, i);
  }
  return arrow::Status::OK();
}

void RowBuffer::Sort(Sorted* sorted) const {
  std::array<uint8_t, kMostRows> places;
  std::iota(places.begin(), places.begin() + count_, uint8_t{0});
  auto event_time = [this](uint8_t place) {
    return static_cast<int64_t>(words_[place * row_words_]);
  };
  auto earlier = [&](uint8_t a, uint8_t b) { return event_time(a) < event_time(b); };
  if (!std::is_sorted(places.begin(), places.begin() + count_, earlier)) {
    std::sort(places.begin(), places.begin() + count_, earlier);
  }
  sorted->count = count_;
  for (size_t i = 0; i < count_; ++i) {
    const uint64_t* words = words_.data() + places[i] * row_words_;
    sorted->orders[i] = {static_cast<int64_t>(words[0]), static_cast<int64_t>(words[1]),
                         static_cast<int64_t>(words[2])};
    sorted->entered_at[i] = static_cast<int64_t>(words[3]);
    sorted->content[i] = words + kOrderWords;
  }
}

void RowBuffer::Clear() {
  count_ = 0;
  words_.clear();
  wide_.clear();
}

}  // namespace icecore::state
