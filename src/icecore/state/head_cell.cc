#include "icecore/state/head_cell.h"

#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

arrow::Result<HeadCell> ParseHead(const ViewPlan& plan, std::string_view cell) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell, kTiledHeadMagic, kTiledHeadVersion));
  HeadCell head;
  uint64_t sets = 0;
  if (!wire::GetInt64(&in, &head.applied_seq) || !wire::GetInt64(&in, &head.applied_until) ||
      !wire::GetInt64(&in, &head.advanced_to) || !wire::GetVarint(&in, &sets) ||
      sets != plan.as_of.size()) {
    return CorruptCell("its head is of another layout");
  }
  head.chosen.resize(plan.as_of.size());
  for (size_t i = 0; i < plan.as_of.size(); ++i) {
    uint8_t present = 0;
    if (!wire::GetByte(&in, &present) || present > 1) return CorruptCell("a chosen row");
    if (present == 0) continue;
    if (!GetOrder(&in, &head.chosen[i].emplace())) {
      return CorruptCell("the order of a chosen row");
    }
    head.values.reserve(head.values.size() + plan.as_of[i].values.size());
    for (const int value : plan.as_of[i].values) {
      std::string_view element;
      if (!plan.codecs[static_cast<size_t>(value)]->Cut(&in, &element)) {
        return CorruptCell("a value of a chosen row");
      }
      head.values.push_back(element);
    }
  }
  if (!wire::GetVarint(&in, &head.queue_size)) return CorruptCell("its queue");
  head.queue = in;
  if (head.queue_size == 0 && !in.empty()) return CorruptCell("bytes behind its head");
  return head;
}

arrow::Status ReadHead(const ViewPlan& plan, const HeadCell& head, int64_t t, VectorSink* sink) {
  if (t < head.advanced_to) return NoLongerAnswers(head.advanced_to, t);
  size_t first = 0;  // value of the set at hand
  for (size_t i = 0; i < plan.as_of.size(); ++i) {
    const AsOfSet& set = plan.as_of[i];
    const RowOrder* order = head.chosen[i] ? &*head.chosen[i] : nullptr;
    ARROW_RETURN_NOT_OK(AppendAsOf(plan, set, t, order, sink,
                                   [&](size_t place) { return head.values[first + place]; }));
    if (order != nullptr) first += set.values.size();
  }
  return arrow::Status::OK();
}

}  // namespace icecore::state
