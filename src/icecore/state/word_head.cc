#include "icecore/state/word_head.h"

#include <arrow/type.h>

#include <algorithm>
#include <bit>

#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/head_cell.h"
#include "icecore/state/narrow_internal.h"
#include "icecore/state/value_codec.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

constexpr size_t kChosenOrderBytes = 3 * sizeof(int64_t);
constexpr size_t kWordBytes = sizeof(uint64_t);

// A byte that is 0 or 1; false where it is not there.
bool TakeBit(std::string_view* in, bool* bit) {
  uint8_t byte = 0;
  const bool taken = wire::GetByte(in, &byte) && byte <= 1;
  *bit = byte == 1;
  return taken;
}

bool Skip(size_t bytes, std::string_view* in) {
  if (in->size() < bytes) return false;
  in->remove_prefix(bytes);
  return true;
}

// The row chosen of a set of so many values, by the lengths of its parts.
arrow::Status SkipChosen(size_t values, std::string_view* in) {
  bool present = false;
  if (!TakeBit(in, &present)) return CorruptCell("a chosen row");
  if (!present) return arrow::Status::OK();
  if (!Skip(kChosenOrderBytes, in)) return CorruptCell("the order of a chosen row");
  for (size_t i = 0; i < values; ++i) {
    bool valid = false;
    if (!TakeBit(in, &valid) || (valid && !Skip(kWordBytes, in))) {
      return CorruptCell("a value of a chosen row");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

std::optional<WordHead> WordHead::Of(const ViewPlan& plan) {
  if (plan.layout.versioned || !plan.groups.empty()) return std::nullopt;
  WordHead head(plan);
  for (const AsOfSet& given : plan.as_of) {
    Set& set = head.sets_.emplace_back();
    for (const int place : given.values) {
      Value& value = set.emplace_back();
      value.codec = plan.codecs[static_cast<size_t>(place)].get();
      if (value.codec->word_bytes() == 0) return std::nullopt;
      const arrow::Type::type type = value.codec->type()->id();
      value.form = type == arrow::Type::DOUBLE  ? Form::kDouble
                   : type == arrow::Type::INT64 ? Form::kInt64
                                                : Form::kOther;
    }
    for (const AsOfSet::Member& member : given.members) {
      set[static_cast<size_t>(member.place)].features.push_back(member.feature);
    }
  }
  return head;
}

arrow::Result<bool> WordHead::Read(std::string_view cell, int64_t t, AnswerSlot* slots) const {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell, kTiledHeadMagic, kTiledHeadVersion));
  int64_t applied_seq = 0;
  int64_t applied_until = 0;
  int64_t advanced_to = 0;
  uint64_t set_count = 0;
  if (!wire::GetInt64(&in, &applied_seq) || !wire::GetInt64(&in, &applied_until) ||
      !wire::GetInt64(&in, &advanced_to) || !wire::GetVarint(&in, &set_count) ||
      set_count != sets_.size()) {
    return CorruptCell("its head is of another layout");
  }
  std::string_view chosen = in;
  for (const Set& set : sets_) ARROW_RETURN_NOT_OK(SkipChosen(set.size(), &in));
  uint64_t queue_size = 0;
  if (!wire::GetVarint(&in, &queue_size)) return CorruptCell("its queue");
  if (queue_size > 0) return false;
  if (!in.empty()) return CorruptCell("bytes behind its head");
  if (t < advanced_to) return NoLongerAnswers(advanced_to, t);
  for (const Set& set : sets_) ARROW_RETURN_NOT_OK(ReadSet(set, t, &chosen, slots));
  return true;
}

// Read has looked at all lengths.
arrow::Status WordHead::ReadSet(const Set& set, int64_t t, std::string_view* in,
                                AnswerSlot* slots) const {
  RowOrder order;
  bool present = false;
  TakeBit(in, &present);
  if (present) GetOrder(in, &order);
  const bool expired = present && IsExpired(plan_->layout, order.event_time, t);
  AnswerSlot answer;
  answer.status = expired ? ValueStatus::kExpired : ValueStatus::kNotFound;
  answer.has_time = present && !plan_->layout.always;
  answer.event_time = answer.has_time ? order.event_time : 0;
  for (const Value& value : set) {
    if (present) ARROW_RETURN_NOT_OK(TakeValue(value, expired, in, &answer));
    for (const int feature : value.features) slots[feature] = answer;
  }
  return arrow::Status::OK();
}

// What has expired is passed over.
arrow::Status WordHead::TakeValue(const Value& value, bool expired, std::string_view* in,
                                  AnswerSlot* answer) {
  std::string_view element = *in;
  bool valid = false;
  uint64_t narrow = 0;
  TakeBit(in, &valid);
  if (valid) wire::GetFixed64(in, &narrow);
  if (expired) return arrow::Status::OK();
  answer->is_valid = valid;
  answer->status = valid ? ValueStatus::kPresent : ValueStatus::kNull;
  answer->word = 0;
  if (!valid) return arrow::Status::OK();
  switch (value.form) {
    case Form::kDouble:
      answer->word = std::bit_cast<uint64_t>(PlainDouble(narrow));
      return arrow::Status::OK();
    case Form::kInt64:
      answer->word = static_cast<uint64_t>(PlainInt(narrow));
      return arrow::Status::OK();
    case Form::kOther:
      break;
  }
  return value.codec->DecodeWord(&element, &answer->is_valid, &answer->word);
}

void WordHead::ReadEmpty(AnswerSlot* slots) const {
  AnswerSlot answer;
  answer.status = ValueStatus::kNotFound;
  std::fill_n(slots, plan_->output_types.size(), answer);
}

}  // namespace icecore::state
