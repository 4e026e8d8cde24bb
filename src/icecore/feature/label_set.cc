#include "icecore/feature/label_set.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <cstddef>
#include <functional>
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

constexpr size_t kMostPieces = 64;
constexpr size_t kLeastPieceLabels = 1024;

// Bounds of the sorted parts of one key.
using PartBounds = std::vector<size_t>;

// Every other part joined to the one before.
PartBounds Halved(const PartBounds& parts) {
  PartBounds halved;
  for (size_t i = 0; i < parts.size(); i += 2) halved.push_back(parts[i]);
  if (parts.size() % 2 == 0) halved.push_back(parts.back());
  return halved;
}

}  // namespace

std::vector<size_t> CutPlaces(size_t count) {
  const size_t pieces = std::clamp(count / kLeastPieceLabels, size_t{1}, kMostPieces);
  std::vector<size_t> bounds;
  for (size_t piece = 0; piece <= pieces; ++piece) bounds.push_back(count * piece / pieces);
  return bounds;
}

int64_t LabelSet::byte_count() const {
  return keys_->byte_count() +
         static_cast<int64_t>(times_.size() * sizeof(int64_t) +
                              (starts_.size() + places_.size()) * sizeof(uint32_t));
}

int32_t LabelSet::KeyAt(size_t place) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), static_cast<uint32_t>(place));
  return static_cast<int32_t>(after - starts_.begin() - 1);
}

std::vector<LabelSet::Label> LabelSet::GroupByKey(const std::vector<int32_t>& keys,
                                                  const arrow::Int64Array& times) {
  starts_.assign(static_cast<size_t>(keys_->size()) + 1, 0);
  for (const int32_t key : keys) {
    if (key >= 0) ++starts_[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  std::vector<Label> labels(starts_.back());
  std::vector<uint32_t> next = starts_;
  const auto rows = static_cast<size_t>(times.length());
  const int64_t* values = times.raw_values();
  for (size_t first = 0; first < keys.size(); first += rows) {  // use after use
    for (size_t row = 0; row < rows; ++row) {
      const int32_t key = keys[first + row];
      if (key < 0) continue;
      labels[next[static_cast<size_t>(key)]++] = {values[row], static_cast<uint32_t>(first + row)};
      earliest_ = std::min(earliest_, values[row]);
      latest_ = std::max(latest_, values[row]);
    }
  }
  return labels;
}

// Key by key; of a key that goes beyond the piece what lies in it.
void LabelSet::SortPiece(size_t begin, size_t end, std::vector<Label>* labels) const {
  for (auto key = static_cast<size_t>(KeyAt(begin)); begin < end; ++key) {
    const size_t stop = std::min<size_t>(end, starts_[key + 1]);
    const auto first = labels->begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = labels->begin() + static_cast<std::ptrdiff_t>(stop);
    // Spines mostly come in the order of time.
    if (!std::is_sorted(first, last)) std::sort(first, last);
    begin = stop;
  }
}

// Joins the sorted parts of the keys that the pieces cut, two and two.
void LabelSet::MergeCutKeys(const std::vector<size_t>& bounds, std::vector<Label>* labels) const {
  std::vector<PartBounds> cut;
  for (size_t i = 1; i + 1 < bounds.size(); ++i) {
    const auto key = static_cast<size_t>(KeyAt(bounds[i]));
    if (starts_[key] == bounds[i]) continue;
    if (cut.empty() || cut.back().back() != starts_[key + 1]) {
      cut.push_back({starts_[key], starts_[key + 1]});
    }
    cut.back().insert(cut.back().end() - 1, bounds[i]);
  }
  while (!cut.empty()) {
    struct Pair {
      size_t begin, middle, end;
    };
    std::vector<Pair> pairs;
    for (PartBounds& parts : cut) {
      for (size_t i = 0; i + 2 < parts.size(); i += 2) {
        pairs.push_back({parts[i], parts[i + 1], parts[i + 2]});
      }
      parts = Halved(parts);
    }
    const arrow::Status status = base::RunParallel(pairs.size(), [&](size_t i) {
      Label* const all = labels->data();
      if (all[pairs[i].middle] < all[pairs[i].middle - 1]) {
        std::inplace_merge(all + pairs[i].begin, all + pairs[i].middle, all + pairs[i].end);
      }
      return arrow::Status::OK();
    });
    static_cast<void>(status.ok());  // merging does not fail
    std::erase_if(cut, [](const PartBounds& parts) { return parts.size() == 2; });
  }
}

void LabelSet::Sort(const std::vector<int32_t>& keys, const arrow::Int64Array& times) {
  std::vector<Label> labels = GroupByKey(keys, times);
  const std::vector<size_t> bounds = CutPlaces(labels.size());
  const auto each_piece = [&](const std::function<void(size_t, size_t)>& work) {
    const arrow::Status status = base::RunParallel(bounds.size() - 1, [&](size_t piece) {
      work(bounds[piece], bounds[piece + 1]);
      return arrow::Status::OK();
    });
    static_cast<void>(status.ok());  // pieces do not fail
  };
  each_piece([&](size_t begin, size_t end) { SortPiece(begin, end, &labels); });
  MergeCutKeys(bounds, &labels);
  times_.resize(labels.size());
  places_.assign(keys.size(), kNowhere);
  each_piece([&](size_t begin, size_t end) {
    for (size_t place = begin; place < end; ++place) {
      times_[place] = labels[place].t;
      places_[labels[place].label] = static_cast<uint32_t>(place);
    }
  });
}

}  // namespace icecore::feature
