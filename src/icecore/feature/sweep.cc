#include "icecore/feature/sweep.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "icecore/feature/sweep_window.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {

namespace {

using Column = state::VectorSink::Column;
using state::ValueStatus;

// Items grouped by key: those of key k lie in [starts[k], starts[k + 1]). Keys below 0 are left
// out.
struct ByKey {
  std::vector<int64_t> items;
  std::vector<int64_t> starts;
};

ByKey GroupByKey(const std::vector<int64_t>& keys, int64_t key_count) {
  ByKey grouped;
  grouped.starts.assign(static_cast<size_t>(key_count) + 1, 0);
  for (const int64_t key : keys) {
    if (key >= 0) ++grouped.starts[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(grouped.starts.begin(), grouped.starts.end(), grouped.starts.begin());
  grouped.items.resize(static_cast<size_t>(grouped.starts.back()));
  std::vector<int64_t> next = grouped.starts;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] < 0) continue;
    int64_t& at = next[static_cast<size_t>(keys[i])];
    grouped.items[static_cast<size_t>(at++)] = static_cast<int64_t>(i);
  }
  return grouped;
}

template <typename Less>
void SortGroups(ByKey* grouped, const Less& less) {
  for (size_t key = 0; key + 1 < grouped->starts.size(); ++key) {
    const auto begin = grouped->items.begin() + grouped->starts[key];
    const auto end = grouped->items.begin() + grouped->starts[key + 1];
    if (!std::is_sorted(begin, end, less)) std::sort(begin, end, less);
  }
}

// What chooses the as-of row of one mask: per label its position (-1 none) and whether it has
// expired.
struct AsOfOutput {
  std::vector<uint8_t> passes;  // per position; empty: all
  std::vector<int64_t> positions;
  std::vector<uint8_t> expired;
  int64_t best = -1;          // of the key at hand
  std::set<int64_t> present;  // of the key at hand; only where rows end
};

// The windows of one length and hop, whose tails move together.
struct Clock {
  int64_t length_us = 0;
  int64_t hop_us = 0;
  int64_t tail_position = 0;
  std::vector<std::unique_ptr<SweepWindow>> windows;
};

class ViewSweep {
 public:
  ViewSweep(const state::ViewPlan& plan, const SweepRows& rows, const SweepLabels& labels)
      : plan_(plan), rows_(rows), labels_(labels), outputs_(plan.layout.features.size()) {}

  arrow::Result<std::vector<Column>> Run(int64_t key_count);

 private:
  size_t label_count() const { return labels_.keys.size(); }
  state::RowOrder OrderOf(int64_t row) const;
  void SortRows(int64_t key_count);
  std::vector<uint8_t> MaskAt(int mask) const;
  arrow::Status MakeColumns();
  arrow::Result<SweepColumn*> ColumnOf(const state::Slot& slot);
  arrow::Status MakeOutputs();
  arrow::Status SweepKey(int64_t begin, int64_t end, const int64_t* labels, int64_t label_count);
  void SortEnds(int64_t begin, int64_t end);
  void EnterUpTo(int64_t t);
  void EndUpTo(int64_t t);
  void Enter(int64_t position);
  void End(int64_t position);
  bool ends() const { return !rows_.untils.empty(); }
  // When the row at `position` ends; state::kForever where nothing ends.
  int64_t UntilOf(int64_t position) const {
    return ends() ? untils_[static_cast<size_t>(position)] : state::kForever;
  }
  arrow::Status Answer(int64_t label, int64_t t);

  arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                      const std::vector<int64_t>& positions) const;
  arrow::Result<Column> FinishAsOf(const state::AsOfSet& set, const AsOfOutput& chosen,
                                   int value) const;
  arrow::Result<Column> FinishWindow(size_t feature);

  const state::ViewPlan& plan_;
  const SweepRows& rows_;
  const SweepLabels& labels_;

  ByKey order_;                       // position -> row, by (key, e, a, s)
  std::vector<int64_t> event_times_;  // by position
  std::vector<int64_t> activations_;  // by position
  std::vector<int64_t> untils_;       // by position; empty where nothing ends
  std::vector<uint8_t> entered_;      // by position: in, and not ended
  // Of the key at hand, and how far the labels have come in them.
  std::vector<int64_t> by_activation_;
  std::vector<int64_t> by_until_;  // those that end
  size_t next_entry_ = 0;
  size_t next_end_ = 0;
  std::map<int, std::shared_ptr<const std::vector<uint64_t>>> narrow_;  // by value
  std::map<int, std::shared_ptr<const std::vector<std::string>>> wide_;
  std::map<std::pair<int, int>, std::unique_ptr<SweepColumn>> columns_;  // by value, mask
  std::vector<SweepOutput> outputs_;
  std::vector<AsOfOutput> as_of_;
  std::vector<Clock> clocks_;
};

state::RowOrder ViewSweep::OrderOf(int64_t row) const {
  const state::PreparedRows& rows = rows_.rows;
  if (plan_.layout.always) return {0, 0, rows.seq->Value(row)};
  return {rows.event_time->Value(row), rows.known_at->Value(row), rows.seq->Value(row)};
}

void ViewSweep::SortRows(int64_t key_count) {
  order_ = GroupByKey(rows_.keys, key_count);
  SortGroups(&order_, [this](int64_t a, int64_t b) { return OrderOf(a) < OrderOf(b); });
  for (const int64_t row : order_.items) {
    event_times_.push_back(OrderOf(row).event_time);
    activations_.push_back(rows_.activations[static_cast<size_t>(row)]);
    if (ends()) untils_.push_back(rows_.untils[static_cast<size_t>(row)]);
  }
  entered_.assign(order_.items.size(), 0);
}

std::vector<uint8_t> ViewSweep::MaskAt(int mask) const {
  std::vector<uint8_t> passes(order_.items.size(), 1);
  if (mask < 0) return passes;
  const arrow::BooleanArray& holds = *rows_.rows.masks[static_cast<size_t>(mask)];
  for (size_t i = 0; i < passes.size(); ++i) {
    const int64_t row = order_.items[i];
    passes[i] = holds.IsValid(row) && holds.Value(row) ? 1 : 0;
  }
  return passes;
}

arrow::Result<SweepColumn*> ViewSweep::ColumnOf(const state::Slot& slot) {
  auto& column = columns_[{slot.value, slot.mask}];
  if (column == nullptr) {
    column = std::make_unique<SweepColumn>();
    column->usable = MaskAt(slot.mask);
    if (slot.value >= 0) {
      const arrow::Array& values = *rows_.rows.values[static_cast<size_t>(slot.value)];
      const state::ValueCodec& codec = *plan_.codecs[static_cast<size_t>(slot.value)];
      for (size_t i = 0; i < column->usable.size(); ++i) {
        if (!codec.Usable(values, order_.items[i])) column->usable[i] = 0;
      }
    }
  }
  const state::StateKind kind = state::StateKindOf(slot.maker->spec().kind);
  if (slot.value < 0 || kind == state::StateKind::kCount || kind == state::StateKind::kFirst ||
      kind == state::StateKind::kLast) {
    return column.get();
  }
  const arrow::Array& values = *rows_.rows.values[static_cast<size_t>(slot.value)];
  const state::ValueCodec& codec = *plan_.codecs[static_cast<size_t>(slot.value)];
  if (codec.form() == state::ValueForm::kNarrow) {
    auto& shared = narrow_[slot.value];
    if (shared == nullptr) {
      auto narrow = std::make_shared<std::vector<uint64_t>>(order_.items.size());
      for (size_t i = 0; i < narrow->size(); ++i) {
        if (values.IsValid(order_.items[i])) (*narrow)[i] = codec.Narrow(values, order_.items[i]);
      }
      shared = std::move(narrow);
    }
    column->narrow = shared;
    return column.get();
  }
  auto& shared = wide_[slot.value];
  if (shared == nullptr) {
    auto wide = std::make_shared<std::vector<std::string>>(order_.items.size());
    for (size_t i = 0; i < wide->size(); ++i) {
      if (values.IsNull(order_.items[i])) continue;
      ARROW_RETURN_NOT_OK(codec.Wide(values, order_.items[i], &(*wide)[i]));
    }
    shared = std::move(wide);
  }
  column->wide = shared;
  return column.get();
}

arrow::Status ViewSweep::MakeOutputs() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const state::FeatureLayout& feature = plan_.layout.features[i];
    if (feature.kind == state::FeatureLayout::Kind::kAsOf) continue;
    SweepOutput& output = outputs_[i];
    output.form = FormOf(feature.aggregate);
    const bool counts = feature.aggregate.kind == state::AggregateKind::kCount ||
                        feature.aggregate.kind == state::AggregateKind::kCountDistinct;
    switch (output.form) {
      case SweepOutput::Form::kPosition:
        output.integers.assign(label_count(), -1);
        break;
      case SweepOutput::Form::kInt64:
        output.integers.assign(label_count(), 0);
        output.valid.assign(label_count(), counts ? 1 : 0);
        break;
      case SweepOutput::Form::kDouble:
        output.doubles.assign(label_count(), 0);
        output.valid.assign(label_count(), 0);
        break;
      case SweepOutput::Form::kBuilt: {
        ARROW_ASSIGN_OR_RAISE(output.builder, arrow::MakeBuilder(plan_.output_types[i]));
        break;
      }
    }
  }
  for (const state::AsOfSet& set : plan_.as_of) {
    AsOfOutput output;
    if (set.mask >= 0) output.passes = MaskAt(set.mask);
    output.positions.assign(label_count(), -1);
    output.expired.assign(label_count(), 0);
    as_of_.push_back(std::move(output));
  }
  return arrow::Status::OK();
}

arrow::Status ViewSweep::MakeColumns() {
  for (const state::TileGroup& group : plan_.groups) {
    for (const state::WindowRead& read : group.reads) {
      const state::Slot& slot = group.slots[static_cast<size_t>(read.slot)];
      ARROW_ASSIGN_OR_RAISE(SweepColumn * column, ColumnOf(slot));
      ARROW_ASSIGN_OR_RAISE(auto window,
                            MakeSweepWindow(plan_, slot, read, column, ends(), &outputs_));
      auto clock = std::find_if(clocks_.begin(), clocks_.end(), [&](const Clock& c) {
        return c.length_us == read.length_us && c.hop_us == group.hop_us;
      });
      if (clock == clocks_.end()) {
        clocks_.push_back({read.length_us, group.hop_us, 0, {}});
        clock = std::prev(clocks_.end());
      }
      clock->windows.push_back(std::move(window));
    }
  }
  return arrow::Status::OK();
}

void ViewSweep::Enter(int64_t position) {
  const auto at = static_cast<size_t>(position);
  entered_[at] = 1;
  for (AsOfOutput& set : as_of_) {
    if (!set.passes.empty() && set.passes[at] == 0) continue;
    set.best = std::max(set.best, position);
    if (ends()) set.present.insert(position);
  }
  for (Clock& clock : clocks_) {
    if (position < clock.tail_position) continue;
    for (auto& window : clock.windows) window->Enter(position);
  }
}

void ViewSweep::End(int64_t position) {
  entered_[static_cast<size_t>(position)] = 0;
  for (AsOfOutput& set : as_of_) {
    set.present.erase(position);
    set.best = set.present.empty() ? -1 : *set.present.rbegin();
  }
  for (Clock& clock : clocks_) {
    if (position < clock.tail_position) continue;  // has left already
    for (auto& window : clock.windows) window->Leave(position);
  }
}

void ViewSweep::EnterUpTo(int64_t t) {
  while (next_entry_ < by_activation_.size()) {
    const int64_t position = by_activation_[next_entry_];
    if (activations_[static_cast<size_t>(position)] > t) return;
    ++next_entry_;
    if (t < UntilOf(position)) Enter(position);
  }
}

void ViewSweep::EndUpTo(int64_t t) {
  while (next_end_ < by_until_.size() && UntilOf(by_until_[next_end_]) <= t) {
    const int64_t position = by_until_[next_end_++];
    if (entered_[static_cast<size_t>(position)] != 0) End(position);
  }
}

arrow::Status ViewSweep::Answer(int64_t label, int64_t t) {
  const auto at = static_cast<size_t>(label);
  for (AsOfOutput& set : as_of_) {
    if (set.best < 0) continue;
    const int64_t event_time = event_times_[static_cast<size_t>(set.best)];
    int64_t age = 0;
    const bool expired =
        plan_.layout.ttl_us && !plan_.layout.always &&
        (__builtin_sub_overflow(t, event_time, &age) || age > *plan_.layout.ttl_us);
    if (expired) {
      set.expired[at] = 1;
    } else {
      set.positions[at] = set.best;
    }
  }
  for (Clock& clock : clocks_) {
    for (auto& window : clock.windows) ARROW_RETURN_NOT_OK(window->Answer(label));
  }
  return arrow::Status::OK();
}

void ViewSweep::SortEnds(int64_t begin, int64_t end) {
  by_until_.clear();
  for (int64_t position = begin; ends() && position < end; ++position) {
    if (UntilOf(position) != state::kForever) by_until_.push_back(position);
  }
  std::sort(by_until_.begin(), by_until_.end(),
            [this](int64_t a, int64_t b) { return UntilOf(a) < UntilOf(b); });
}

arrow::Status ViewSweep::SweepKey(int64_t begin, int64_t end, const int64_t* labels,
                                  int64_t label_count) {
  by_activation_.resize(static_cast<size_t>(end - begin));
  std::iota(by_activation_.begin(), by_activation_.end(), begin);
  auto earlier = [this](int64_t a, int64_t b) {
    return activations_[static_cast<size_t>(a)] < activations_[static_cast<size_t>(b)];
  };
  if (!std::is_sorted(by_activation_.begin(), by_activation_.end(), earlier)) {
    std::stable_sort(by_activation_.begin(), by_activation_.end(), earlier);
  }
  SortEnds(begin, end);
  for (AsOfOutput& set : as_of_) {
    set.best = -1;
    set.present.clear();
  }
  for (Clock& clock : clocks_) {
    clock.tail_position = begin;
    for (auto& window : clock.windows) window->StartKey(begin, end);
  }
  next_entry_ = next_end_ = 0;
  for (int64_t i = 0; i < label_count; ++i) {
    const int64_t t = labels_.times[static_cast<size_t>(labels[i])];
    for (Clock& clock : clocks_) {
      const int64_t tail = state::WindowTail(t, clock.length_us, clock.hop_us);
      int64_t& at = clock.tail_position;
      for (; at < end && event_times_[static_cast<size_t>(at)] < tail; ++at) {
        if (entered_[static_cast<size_t>(at)] == 0) continue;
        for (auto& window : clock.windows) window->Leave(at);
      }
    }
    EndUpTo(t);
    EnterUpTo(t);
    ARROW_RETURN_NOT_OK(Answer(labels[i], t));
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Array>> ViewSweep::Gather(
    const arrow::Array& values, const std::vector<int64_t>& positions) const {
  arrow::Int64Builder indices;
  ARROW_RETURN_NOT_OK(indices.Reserve(static_cast<int64_t>(positions.size())));
  for (const int64_t position : positions) {
    if (position < 0) {
      indices.UnsafeAppendNull();
    } else {
      indices.UnsafeAppend(order_.items[static_cast<size_t>(position)]);
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto taken, indices.Finish());
  return arrow::compute::Take(values, *taken, arrow::compute::TakeOptions::NoBoundsCheck());
}

arrow::Result<Column> ViewSweep::FinishAsOf(const state::AsOfSet& set, const AsOfOutput& chosen,
                                            int place) const {
  Column column;
  const auto value = static_cast<size_t>(set.values[static_cast<size_t>(place)]);
  ARROW_ASSIGN_OR_RAISE(column.values, Gather(*rows_.rows.values[value], chosen.positions));
  column.statuses.resize(label_count());
  for (size_t i = 0; i < label_count(); ++i) {
    if (chosen.expired[i] != 0) {
      column.statuses[i] = ValueStatus::kExpired;
    } else if (chosen.positions[i] < 0) {
      column.statuses[i] = ValueStatus::kNotFound;
    } else {
      column.statuses[i] = column.values->IsNull(static_cast<int64_t>(i)) ? ValueStatus::kNull
                                                                          : ValueStatus::kPresent;
    }
  }
  return column;
}

arrow::Result<Column> ViewSweep::FinishWindow(size_t feature) {
  const state::FeatureLayout& layout = plan_.layout.features[feature];
  SweepOutput& output = outputs_[feature];
  const auto count = static_cast<int64_t>(label_count());
  Column column;
  if (output.form == SweepOutput::Form::kPosition) {
    ARROW_ASSIGN_OR_RAISE(
        column.values,
        Gather(*rows_.rows.values[static_cast<size_t>(layout.value)], output.integers));
  } else if (output.form == SweepOutput::Form::kInt64) {
    arrow::Int64Builder builder;
    if (count > 0) {  // an empty vector has no address to copy from
      ARROW_RETURN_NOT_OK(builder.AppendValues(output.integers.data(), count, output.valid.data()));
    }
    ARROW_ASSIGN_OR_RAISE(column.values, builder.Finish());
  } else if (output.form == SweepOutput::Form::kDouble) {
    arrow::DoubleBuilder builder;
    if (count > 0) {
      ARROW_RETURN_NOT_OK(builder.AppendValues(output.doubles.data(), count, output.valid.data()));
    }
    ARROW_ASSIGN_OR_RAISE(column.values, builder.Finish());
  } else {
    ARROW_ASSIGN_OR_RAISE(const auto built, output.builder->Finish());
    std::vector<int64_t> places(label_count(), -1);
    for (size_t i = 0; i < output.labels.size(); ++i) {
      places[static_cast<size_t>(output.labels[i])] = static_cast<int64_t>(i);
    }
    arrow::Int64Builder indices;
    for (const int64_t place : places) {
      ARROW_RETURN_NOT_OK(place < 0 ? indices.AppendNull() : indices.Append(place));
    }
    ARROW_ASSIGN_OR_RAISE(const auto taken, indices.Finish());
    ARROW_ASSIGN_OR_RAISE(column.values, arrow::compute::Take(*built, *taken));
  }
  column.statuses.resize(label_count());
  for (int64_t i = 0; i < count; ++i) {
    column.statuses[static_cast<size_t>(i)] =
        column.values->IsNull(i) ? ValueStatus::kNull : ValueStatus::kPresent;
  }
  return column;
}

arrow::Result<std::vector<Column>> ViewSweep::Run(int64_t key_count) {
  SortRows(key_count);
  ARROW_RETURN_NOT_OK(MakeOutputs());
  ARROW_RETURN_NOT_OK(MakeColumns());
  ByKey labels = GroupByKey(labels_.keys, key_count);
  SortGroups(&labels, [this](int64_t a, int64_t b) {
    return labels_.times[static_cast<size_t>(a)] < labels_.times[static_cast<size_t>(b)];
  });
  for (size_t key = 0; key + 1 < labels.starts.size(); ++key) {
    const int64_t from = labels.starts[key];
    const int64_t count = labels.starts[key + 1] - from;
    if (count == 0 || order_.starts[key] == order_.starts[key + 1]) continue;
    ARROW_RETURN_NOT_OK(
        SweepKey(order_.starts[key], order_.starts[key + 1], labels.items.data() + from, count));
  }
  std::vector<Column> columns(plan_.layout.features.size());
  for (size_t s = 0; s < plan_.as_of.size(); ++s) {
    for (const state::AsOfSet::Member& member : plan_.as_of[s].members) {
      ARROW_ASSIGN_OR_RAISE(columns[static_cast<size_t>(member.feature)],
                            FinishAsOf(plan_.as_of[s], as_of_[s], member.place));
    }
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (plan_.layout.features[i].kind != state::FeatureLayout::Kind::kWindow) continue;
    ARROW_ASSIGN_OR_RAISE(columns[i], FinishWindow(i));
  }
  return columns;
}

}  // namespace

arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count) {
  return ViewSweep(plan, rows, labels).Run(key_count);
}

}  // namespace icecore::feature
