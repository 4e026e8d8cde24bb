#include "icecore/feature/label_set.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"

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

namespace {

struct Label {
  int64_t t = 0;
  uint32_t label = 0;
};

bool IsEarlier(const Label& a, const Label& b) {
  return a.t != b.t ? a.t < b.t : a.label < b.label;
}

constexpr size_t kLeastKeysOfPiece = 4096;

}  // namespace

void LabelSet::Sort(const std::vector<int32_t>& keys, const arrow::Int64Array& times) {
  const auto key_count = static_cast<size_t>(keys_->size());
  starts_.assign(key_count + 1, 0);
  for (const int32_t key : keys) {
    if (key >= 0) ++starts_[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  std::vector<Label> labels(starts_.back());
  {
    std::vector<uint32_t> next = starts_;
    const auto rows = static_cast<size_t>(times.length());
    const int64_t* values = times.raw_values();
    for (size_t first = 0; first < keys.size(); first += rows) {  // use after use
      for (size_t row = 0; row < rows; ++row) {
        const int32_t key = keys[first + row];
        if (key < 0) continue;
        labels[next[static_cast<size_t>(key)]++] = {values[row],
                                                    static_cast<uint32_t>(first + row)};
        earliest_ = std::min(earliest_, values[row]);
        latest_ = std::max(latest_, values[row]);
      }
    }
  }
  times_.resize(labels.size());
  places_.assign(keys.size(), kNowhere);
  const size_t pieces = key_count / kLeastKeysOfPiece + 1;
  const arrow::Status status = base::RunParallel(pieces, [&](size_t piece) {
    const size_t first_key = key_count * piece / pieces;
    const size_t end_key = key_count * (piece + 1) / pieces;
    for (size_t key = first_key; key < end_key; ++key) {
      const auto begin = labels.begin() + starts_[key];
      const auto end = labels.begin() + starts_[key + 1];
      // Spines mostly come in the order of time.
      if (!std::is_sorted(begin, end, IsEarlier)) std::sort(begin, end, IsEarlier);
    }
    for (uint32_t place = starts_[first_key]; place < starts_[end_key]; ++place) {
      times_[place] = labels[place].t;
      places_[labels[place].label] = place;
    }
    return arrow::Status::OK();
  });
  static_cast<void>(status.ok());  // pieces do not fail
}

}  // namespace icecore::feature
