#include "icecore/state/head_cell.h"

#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

arrow::Status TakeValue(const ViewPlan& plan, int value, std::string_view* in,
                        std::string_view* element) {
  return plan.codecs[static_cast<size_t>(value)]->Cut(in, element)
             ? arrow::Status::OK()
             : CorruptCell("a value of a chosen row");
}

}  // namespace

void BeginHead(int64_t applied_seq, int64_t applied_until, int64_t advanced_to, size_t sets,
               std::string* out) {
  out->append(kTiledHeadMagic);
  wire::PutByte(kTiledHeadVersion, out);
  wire::PutInt64(applied_seq, out);
  wire::PutInt64(applied_until, out);
  wire::PutInt64(advanced_to, out);
  wire::PutVarint(sets, out);
}

void PutChosenOrder(const RowOrder* order, std::string* out) {
  wire::PutByte(order != nullptr ? 1 : 0, out);
  if (order != nullptr) PutOrder(*order, out);
}

arrow::Result<bool> TakeChosenOrder(std::string_view* in, RowOrder* order) {
  uint8_t present = 0;
  if (!wire::GetByte(in, &present) || present > 1) return CorruptCell("a chosen row");
  if (present == 1 && !GetOrder(in, order)) return CorruptCell("the order of a chosen row");
  return present == 1;
}

arrow::Result<HeadParts> SplitHead(const ViewPlan& plan, std::string_view cell) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell, kTiledHeadMagic, kTiledHeadVersion));
  HeadParts head;
  uint64_t sets = 0;
  if (!wire::GetInt64(&in, &head.applied_seq) || !wire::GetInt64(&in, &head.applied_until) ||
      !wire::GetInt64(&in, &head.advanced_to) || !wire::GetVarint(&in, &sets) ||
      sets != plan.as_of.size()) {
    return CorruptCell("its head is of another layout");
  }
  head.chosen = in;
  for (const AsOfSet& set : plan.as_of) {
    RowOrder order;
    ARROW_ASSIGN_OR_RAISE(const bool present, TakeChosenOrder(&in, &order));
    if (!present) continue;
    std::string_view element;
    for (const int value : set.values) ARROW_RETURN_NOT_OK(TakeValue(plan, value, &in, &element));
  }
  head.chosen.remove_suffix(in.size());
  if (!wire::GetVarint(&in, &head.queue_size)) return CorruptCell("its queue");
  head.queue = in;
  if (head.queue_size == 0 && !in.empty()) return CorruptCell("bytes behind its head");
  return head;
}

arrow::Result<HeadCell> ParseHead(const ViewPlan& plan, std::string_view cell) {
  ARROW_ASSIGN_OR_RAISE(const HeadParts parts, SplitHead(plan, cell));
  HeadCell head;
  head.applied_seq = parts.applied_seq;
  head.applied_until = parts.applied_until;
  head.advanced_to = parts.advanced_to;
  head.queue_size = parts.queue_size;
  head.queue = parts.queue;
  head.chosen.resize(plan.as_of.size());
  std::string_view in = parts.chosen;
  for (size_t i = 0; i < plan.as_of.size(); ++i) {
    RowOrder order;
    ARROW_ASSIGN_OR_RAISE(const bool present, TakeChosenOrder(&in, &order));
    if (!present) continue;
    head.chosen[i] = order;
    for (const int value : plan.as_of[i].values) {
      ARROW_RETURN_NOT_OK(TakeValue(plan, value, &in, &head.values.emplace_back()));
    }
  }
  return head;
}

arrow::Status ReadHead(const ViewPlan& plan, const HeadParts& head, int64_t t, VectorSink* sink) {
  if (t < head.advanced_to) return NoLongerAnswers(head.advanced_to, t);
  std::string_view in = head.chosen;
  for (const AsOfSet& set : plan.as_of) {
    RowOrder order;
    ARROW_ASSIGN_OR_RAISE(const bool present, TakeChosenOrder(&in, &order));
    // Members come by their values' places, so that a value is cut off when the first of its
    // members asks for it. SplitHead has cut them all before, so that none can fail.
    size_t cut = 0;
    std::string_view element;
    const auto cut_to = [&](size_t places) {
      for (; cut < places; ++cut) {
        plan.codecs[static_cast<size_t>(set.values[cut])]->Cut(&in, &element);
      }
      return element;
    };
    ARROW_RETURN_NOT_OK(AppendAsOf(plan, set, t, present ? &order : nullptr, sink,
                                   [&](size_t place) { return cut_to(place + 1); }));
    if (present) cut_to(set.values.size());
  }
  return arrow::Status::OK();
}

}  // namespace icecore::state
