#pragma once
// Heads of views without windows whose values are words (ValueCodec::WordBytes), as most are: from
// the cell straight to the slots of an answer.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "icecore/state/answer_block.h"
#include "icecore/state/view_plan.h"

namespace icecore::state {

class WordHead {
 public:
  // nullopt: the plan has windows, or values that are no words. The plan outlives this.
  static std::optional<WordHead> Of(const ViewPlan& plan);

  // As SplitHead and ReadHead: the answers at t to the slots of one key, one per feature, which
  // nobody has written to. False, with the slots as they were, where rows wait in the queue. An
  // error may leave some of them written.
  arrow::Result<bool> Read(std::string_view cell, int64_t t, AnswerSlot* slots) const;
  // The answers of a key that is not there.
  void ReadEmpty(AnswerSlot* slots) const;

 private:
  // How a value's bits become a word.
  enum class Form : uint8_t { kDouble, kInt64, kOther };
  struct Value {
    Form form = Form::kOther;
    const ValueCodec* codec = nullptr;
    std::vector<int> features;  // that it answers
  };
  using Set = std::vector<Value>;

  explicit WordHead(const ViewPlan& plan) : plan_(&plan) {}

  arrow::Status ReadSet(const Set& set, int64_t t, std::string_view* in, AnswerSlot* slots) const;
  static arrow::Status TakeValue(const Value& value, bool expired, std::string_view* in,
                                 AnswerSlot* answer);

  const ViewPlan* plan_;
  std::vector<Set> sets_;  // as ViewPlan::as_of
};

}  // namespace icecore::state
