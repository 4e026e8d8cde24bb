#include "icecore/feature/label_set.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "icecore/base/error.h"

namespace icecore::feature {

arrow::Result<std::unique_ptr<LabelSet>> LabelSet::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types,
    const std::vector<std::vector<std::shared_ptr<arrow::Array>>>& uses,
    const arrow::Int64Array& times) {
  const auto rows = static_cast<uint64_t>(times.length());
  if (rows * uses.size() >= kNowhere / 2) {
    return base::MakeError(base::ErrorCode::kLimit,
                           std::to_string(rows * uses.size()) + " labels at once");
  }
  auto set = std::make_unique<LabelSet>();
  ARROW_ASSIGN_OR_RAISE(set->keys_, KeyDictionary::Make(types));
  std::vector<int32_t> keys;
  for (const auto& columns : uses) {
    ARROW_ASSIGN_OR_RAISE(auto numbers, set->keys_->AddAll(columns));
    if (times.null_count() > 0) {
      for (int64_t row = 0; row < times.length(); ++row) {
        if (times.IsNull(row)) numbers[static_cast<size_t>(row)] = KeyDictionary::kNone;
      }
    }
    if (uses.size() == 1) {
      keys = std::move(numbers);
    } else {
      keys.insert(keys.end(), numbers.begin(), numbers.end());
    }
  }
  const std::vector<int32_t> numbers = set->keys_->SortByWord();
  for (int32_t& key : keys) {
    if (key >= 0) key = numbers[static_cast<size_t>(key)];
  }
  set->Sort(keys, times);
  return set;
}

void LabelSet::Sort(const std::vector<int32_t>& keys, const arrow::Int64Array& times) {
  starts_.assign(static_cast<size_t>(keys_->size()) + 1, 0);
  for (const int32_t key : keys) {
    if (key >= 0) ++starts_[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  std::vector<uint32_t> labels(starts_.back());
  {
    std::vector<uint32_t> next = starts_;
    for (size_t label = 0; label < keys.size(); ++label) {
      if (keys[label] < 0) continue;
      labels[next[static_cast<size_t>(keys[label])]++] = static_cast<uint32_t>(label);
    }
  }
  const auto rows = static_cast<uint32_t>(std::max<int64_t>(times.length(), 1));
  const int64_t* values = times.raw_values();
  times_.resize(labels.size());
  for (size_t place = 0; place < labels.size(); ++place) {
    times_[place] = values[labels[place] % rows];
    earliest_ = std::min(earliest_, times_[place]);
    latest_ = std::max(latest_, times_[place]);
  }
  const auto earlier = [&](uint32_t a, uint32_t b) { return values[a % rows] < values[b % rows]; };
  for (size_t key = 0; key + 1 < starts_.size(); ++key) {
    const auto begin = times_.begin() + starts_[key];
    const auto end = times_.begin() + starts_[key + 1];
    // Spines mostly come in the order of time.
    if (std::is_sorted(begin, end)) continue;
    std::stable_sort(labels.begin() + starts_[key], labels.begin() + starts_[key + 1], earlier);
    std::sort(begin, end);
  }
  places_.assign(keys.size(), kNowhere);
  for (size_t place = 0; place < labels.size(); ++place) {
    places_[labels[place]] = static_cast<uint32_t>(place);
  }
}

}  // namespace icecore::feature
