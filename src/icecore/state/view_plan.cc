#include "icecore/state/view_plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::state {

namespace {

// Time enough that sums of a time and a window cannot leave int64: 100,000 years either way.
constexpr int64_t kMostMicros = int64_t{1} << 61;

using SlotKey = std::tuple<StateKind, int64_t, int, int>;  // kind, n, value, mask

SlotKey KeyOf(const FeatureLayout& feature) {
  const StateKind kind = StateKindOf(feature.aggregate.kind);
  const bool sized = kind == StateKind::kLastN || kind == StateKind::kTopN;
  return {kind, sized ? feature.aggregate.n : 0, feature.value, feature.mask};
}

arrow::Status CheckFeature(const ViewLayout& layout, const FeatureLayout& feature) {
  const int value_count = static_cast<int>(layout.value_types.size());
  const bool counted = feature.kind == FeatureLayout::Kind::kWindow &&
                       feature.aggregate.kind == AggregateKind::kCount;
  if (feature.value >= value_count || feature.value < (counted ? -1 : 0) ||
      feature.mask >= layout.mask_count || feature.mask < -1) {
    return base::MakeError(base::ErrorCode::kInternal, "a feature's value or mask is out of range");
  }
  if (feature.kind == FeatureLayout::Kind::kAsOf) return arrow::Status::OK();
  if (layout.always) {
    return base::MakeError(base::ErrorCode::kInvalidDefinition,
                           "windows need an event_time; `always` has none");
  }
  if (feature.length_us <= 0 || feature.length_us > kMostMicros || feature.hop_us < 0 ||
      feature.hop_us > kMostMicros) {
    return base::MakeError(base::ErrorCode::kInvalidDefinition,
                           "a window's length must be above zero and its hop not below");
  }
  return arrow::Status::OK();
}

// `index`: below 0 of one that is only kept.
void AddAsOf(const FeatureLayout& feature, int index, std::vector<AsOfSet>* sets) {
  auto set = std::find_if(sets->begin(), sets->end(),
                          [&](const AsOfSet& s) { return s.mask == feature.mask; });
  if (set == sets->end()) {
    sets->push_back({feature.mask, {}, {}});
    set = std::prev(sets->end());
  }
  auto value = std::find(set->values.begin(), set->values.end(), feature.value);
  if (value == set->values.end()) value = set->values.insert(value, feature.value);
  if (index < 0) return;
  set->members.push_back({index, static_cast<int>(value - set->values.begin())});
}

int64_t RollOf(const TileGroup& group) {
  // Of fewer, the roll-ups would cost each row more than they save a read.
  constexpr int64_t kLeastTiles = 16;
  if (group.hop_us == 0) return 0;
  const int64_t tiles = group.longest_us / group.hop_us + 1;
  if (tiles < kLeastTiles) return 0;
  int64_t many = 4;
  while (many * many < tiles) ++many;
  return many * group.tile_us;
}

// The windows of one hop. `indices` are the features that have it.
arrow::Result<TileGroup> MakeGroup(const ViewLayout& layout, int64_t hop_us,
                                   const std::vector<int>& indices) {
  TileGroup group;
  group.hop_us = hop_us;
  group.tile_us = std::max<int64_t>(hop_us, 1);
  std::map<SlotKey, bool> squares;
  for (const int index : indices) {
    const FeatureLayout& feature = layout.features[static_cast<size_t>(index)];
    squares[KeyOf(feature)] |= NeedsSquares(feature.aggregate.kind);
    group.longest_us = std::max(group.longest_us, feature.length_us);
  }
  std::map<SlotKey, int> slots;
  std::map<std::pair<int, int64_t>, size_t> reads;
  for (const int index : indices) {
    const FeatureLayout& feature = layout.features[static_cast<size_t>(index)];
    const SlotKey key = KeyOf(feature);
    const auto [slot, added] = slots.try_emplace(key, static_cast<int>(group.slots.size()));
    if (added) {
      ARROW_ASSIGN_OR_RAISE(auto maker, StateMaker::Make(feature.aggregate, squares[key]));
      group.slots.push_back({std::move(maker), feature.value, feature.mask, -1});
    }
    if (index < layout.kept) continue;
    const auto [read, fresh] =
        reads.try_emplace({slot->second, feature.length_us}, group.reads.size());
    if (fresh) group.reads.push_back({slot->second, feature.length_us, {}});
    group.reads[read->second].features.push_back(index - layout.kept);
  }
  group.roll_us = RollOf(group);
  group.tile_bytes = (group.slots.size() * sizeof(void*) + 15) / 16 * 16;
  for (const Slot& slot : group.slots) {
    group.slot_offsets.push_back(group.tile_bytes);
    group.tile_bytes += slot.maker->state_bytes();
  }
  return group;
}

// Numbers the values that windows read.
void SetColumns(ViewPlan* plan) {
  std::vector<WindowColumn>& columns = plan->columns;
  for (TileGroup& group : plan->groups) {
    for (Slot& slot : group.slots) {
      if (slot.value < 0) continue;
      auto at = std::find_if(columns.begin(), columns.end(),
                             [&](const WindowColumn& c) { return c.value == slot.value; });
      if (at == columns.end()) at = columns.insert(at, {slot.value, true});
      at->only_counted &= slot.maker->spec().kind == AggregateKind::kCount;
      slot.column = static_cast<int>(at - columns.begin());
    }
  }
}

bool IsSameSlot(const Slot& a, const Slot& b) {
  const auto key = [](const Slot& slot) {
    return KeyOf({.value = slot.value, .mask = slot.mask, .aggregate = slot.maker->spec()});
  };
  return key(a) == key(b) && a.maker->with_squares() == b.maker->with_squares();
}

bool HaveSameCells(const ViewPlan& a, const ViewPlan& b) {
  return std::equal(a.as_of.begin(), a.as_of.end(), b.as_of.begin(), b.as_of.end(),
                    [](const AsOfSet& x, const AsOfSet& y) {
                      return x.mask == y.mask && x.values == y.values;
                    }) &&
         std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(),
                    [](const TileGroup& x, const TileGroup& y) {
                      return x.hop_us == y.hop_us && x.longest_us == y.longest_us &&
                             std::equal(x.slots.begin(), x.slots.end(), y.slots.begin(),
                                        y.slots.end(), IsSameSlot);
                    });
}

}  // namespace

arrow::Result<int> FeaturesNotKept(const ViewLayout& layout) {
  ViewLayout kept = layout;
  kept.features.resize(static_cast<size_t>(layout.kept));
  kept.kept = 0;
  ARROW_ASSIGN_OR_RAISE(const ViewPlan plan, ViewPlan::Make(kept));
  int missing = 0;
  for (size_t i = kept.features.size(); i < layout.features.size(); ++i) {
    ViewLayout with = kept;
    with.features.push_back(layout.features[i]);
    ARROW_ASSIGN_OR_RAISE(const ViewPlan more, ViewPlan::Make(std::move(with)));
    missing += HaveSameCells(plan, more) ? 0 : 1;
  }
  return missing;
}

int64_t WindowTail(int64_t t, int64_t length_us, int64_t hop_us) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  if (t < kLeast + length_us) return kLeast;
  const int64_t from = t - length_us;
  if (hop_us == 0) return from + 1;
  if (from < kLeast + hop_us) return kLeast;
  return base::FloorTo(from, hop_us);
}

int64_t TileStart(int64_t event_time, int64_t span_us) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  return event_time < kLeast + span_us ? kLeast : base::FloorTo(event_time, span_us);
}

WindowTiles TilesOf(const TileGroup& group, int64_t length_us, int64_t t) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t tail = WindowTail(t, length_us, group.hop_us);
  // Without roll-ups, and so near the begin of time that they are cut short.
  if (group.roll_us == 0 || tail < std::numeric_limits<int64_t>::min() + 2 * group.roll_us) {
    return {tail, kMost, kMost};
  }
  const int64_t rest = tail - TileStart(tail, group.roll_us);
  const int64_t roll = rest == 0 ? tail : base::SaturatingAdd(tail - rest, group.roll_us);
  return {tail, roll, roll};
}

int64_t ViewPlan::ActivationOf(int64_t event_time, int64_t known_at) const {
  if (layout.always) return std::numeric_limits<int64_t>::min();
  const int64_t visible_from = layout.exclude_at ? base::SaturatingAdd(event_time, 1) : event_time;
  return std::max(known_at, visible_from);
}

int64_t ViewPlan::OldestInWindows(int64_t t) const {
  int64_t oldest = std::numeric_limits<int64_t>::max();
  for (const TileGroup& group : groups) {
    oldest = std::min(oldest, WindowTail(t, group.longest_us, group.hop_us));
  }
  return oldest;
}

arrow::Result<ViewPlan> ViewPlan::Make(ViewLayout layout) {
  ViewPlan plan;
  std::map<int64_t, std::vector<int>> by_hop;
  for (auto& type : layout.value_types) {
    ARROW_ASSIGN_OR_RAISE(auto codec, ValueCodec::Make(type));
    plan.codecs.push_back(std::move(codec));
  }
  for (size_t i = 0; i < layout.features.size(); ++i) {
    FeatureLayout& feature = layout.features[i];
    ARROW_RETURN_NOT_OK(CheckFeature(layout, feature));
    const int index = static_cast<int>(i);
    if (feature.value >= 0) {
      feature.aggregate.input = layout.value_types[static_cast<size_t>(feature.value)];
    }
    auto type = feature.aggregate.input;
    if (feature.kind == FeatureLayout::Kind::kAsOf) {
      AddAsOf(feature, index - layout.kept, &plan.as_of);
    } else {
      ARROW_ASSIGN_OR_RAISE(type, OutputType(feature.aggregate));
      by_hop[feature.hop_us].push_back(index);
    }
    if (index >= layout.kept) plan.output_types.push_back(std::move(type));
  }
  for (AsOfSet& set : plan.as_of) {
    std::stable_sort(
        set.members.begin(), set.members.end(),
        [](const AsOfSet::Member& a, const AsOfSet::Member& b) { return a.place < b.place; });
  }
  for (const auto& [hop_us, indices] : by_hop) {
    ARROW_ASSIGN_OR_RAISE(auto group, MakeGroup(layout, hop_us, indices));
    plan.groups.push_back(std::move(group));
  }
  SetColumns(&plan);
  plan.layout = std::move(layout);
  return plan;
}

}  // namespace icecore::state
