#include "icecore/feature/swept_view.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/feature/label_range.h"
#include "icecore/feature/loose_rows.h"
#include "icecore/feature/reached_rows.h"
#include "icecore/feature/run_rows.h"
#include "icecore/feature/sweep.h"

namespace icecore::feature {
namespace {

// One label's rows may take this much, whatever the bounds.
constexpr int64_t kLeastLabelBytes = int64_t{1} << 20;
// A range is cut so that it takes this part of what it may, since weights are estimates.
constexpr double kFill = 0.8;
// The sweep cuts a key of so many rows by time, and each thread lays out what its part reaches.
constexpr int64_t kRowsOfHotKey = int64_t{1} << 18;
// Of such a row, per thread: its times, its values, and what each kind of state keeps of it.
constexpr int64_t kLaidOutBytes = 32;
constexpr int64_t kLaidOutBytesOfValue = 24;
constexpr int64_t kLaidOutBytesOfState = 8;
// Of a label while its range is swept, beside its answers.
constexpr int64_t kLabelBytes = 48;
// So few labels of one key are not cut for what a thread lays out, which nearly all of them reach.
constexpr size_t kFewLabels = 256;

LogQuery QueryFor(const BoundView& view, const RowNeeds& needs, const LabelSet& labels,
                  const ClusteredLog* clustered) {
  LogQuery query;
  if (clustered != nullptr) query.seq_after = clustered->seq_up_to;
  query.columns = view.columns();
  const state::ViewLayout& layout = needs.layout();
  // A version beyond the bounds may still end one within.
  if (!layout.always && !layout.versioned) {
    query.earliest_us = labels.times().empty() ? 0 : needs.OldestFor(labels.earliest());
    query.latest_us = labels.latest();
  }
  return query;
}

// The range's labels by place; of the last range then one that matches nothing: what all those
// without a place get.
SweepLabels LabelsByPlace(const LabelSet& labels, const LabelRange& range) {
  SweepLabels by_place;
  by_place.times.assign(labels.times().begin() + static_cast<std::ptrdiff_t>(range.first),
                        labels.times().begin() + static_cast<std::ptrdiff_t>(range.end));
  by_place.keys.resize(by_place.times.size());
  for (int32_t key = range.first_key; key < range.end_key; ++key) {
    std::fill(by_place.keys.begin() +
                  static_cast<std::ptrdiff_t>(FirstOf(labels, range, key) - range.first),
              by_place.keys.begin() +
                  static_cast<std::ptrdiff_t>(EndOf(labels, range, key) - range.first),
              static_cast<int64_t>(key - range.first_key));
  }
  if (range.end == labels.times().size()) {
    by_place.keys.push_back(-1);
    by_place.times.push_back(0);
  }
  return by_place;
}

class ViewSweeper {
 public:
  ViewSweeper(const state::ViewPlan& plan, const RowNeeds& needs, const LabelSet& labels,
              const KnowledgeCut& cut, const ClusteredLog* runs, const SweepBounds& bounds,
              SweepUse* use)
      : plan_(plan),
        needs_(needs),
        labels_(labels),
        cut_(cut),
        runs_(runs),
        bounds_(bounds),
        use_(use),
        loose_(needs, labels, cut, bounds.row_bytes, bounds.scratch_dir),
        values_(plan.layout.features.size()),
        statuses_(plan.layout.features.size()) {
    if (runs_ != nullptr) run_row_bytes_ = RowBytesIn(needs_, *runs_);
    int64_t laid_out = kLaidOutBytes;
    laid_out += static_cast<int64_t>(plan.columns.size()) * kLaidOutBytesOfValue;
    for (const state::TileGroup& group : plan.groups) {
      laid_out += static_cast<int64_t>(group.slots.size()) * kLaidOutBytesOfState;
    }
    hot_row_bytes_ = static_cast<int64_t>(base::ParallelPieces()) * laid_out;
  }

  arrow::Result<ViewAnswers> Run(
      const BoundView& view, const std::vector<std::shared_ptr<arrow::RecordBatchReader>>& parts) {
    ARROW_RETURN_NOT_OK(loose_.Read(view, parts));
    Note(loose_.peak_bytes());
    const LabelRange all = AllOf(labels_);
    if (all.size() == 0 || FitsAtOnce()) {
      std::vector<RowChunk> chunks;
      if (runs_ != nullptr && all.size() > 0) {
        ARROW_ASSIGN_OR_RAISE(chunks, CollectFromRuns(needs_, *runs_, labels_, all, cut_));
      }
      std::vector<RowChunk> loose = loose_.TakeHeld();
      std::move(loose.begin(), loose.end(), std::back_inserter(chunks));
      ARROW_RETURN_NOT_OK(SweepRange(all, std::move(chunks)));
    } else {
      // What is held takes from every range.
      if (loose_.held_bytes() > bounds_.row_bytes / 4 && !bounds_.scratch_dir.empty()) {
        ARROW_RETURN_NOT_OK(loose_.Spill());
      }
      ARROW_RETURN_NOT_OK(AnswerRange(RangeOf(labels_, 0, labels_.times().size())));
    }
    use_->scratch_bytes = loose_.scratch_bytes();
    return Finish();
  }

 private:
  void Note(int64_t bytes) { use_->peak_row_bytes = std::max(use_->peak_row_bytes, bytes); }
  int64_t MostBytes() const {
    return std::max(bounds_.row_bytes - loose_.held_bytes(), bounds_.row_bytes / 2);
  }

  // As it is seen without looking at runs: maybe they do fit where it says no.
  bool FitsAtOnce() const {
    if (!loose_.is_held()) return false;
    int64_t bytes = loose_.held_bytes();
    for (const RowChunk& chunk : loose_.held()) bytes += chunk.rows * hot_row_bytes_;
    if (bytes > bounds_.row_bytes) {
      bytes = loose_.held_bytes() + HotBytes(CountByKey(AllOf(labels_), loose_.held()));
    }
    if (runs_ == nullptr) return bytes <= bounds_.row_bytes;
    for (const auto& run : runs_->runs) {
      bytes += run->facts().rows * (run_row_bytes_ + hot_row_bytes_);
    }
    return bytes <= bounds_.row_bytes;
  }

  static bool IsSmall(const LabelRange& range) {
    return range.end_key - range.first_key == 1 && range.size() <= kFewLabels;
  }

  int64_t HotBytes(const std::vector<int64_t>& rows_by_key) const {
    int64_t bytes = 0;
    for (const int64_t rows : rows_by_key) {
      if (rows >= kRowsOfHotKey) bytes += rows * hot_row_bytes_;
    }
    return bytes;
  }

  // About what the rows and labels of each key of the range take.
  arrow::Result<std::vector<int64_t>> Weigh(const LabelRange& range) const {
    std::vector<int64_t> weights(static_cast<size_t>(range.end_key - range.first_key), 0);
    if (runs_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(weights, CountInRuns(needs_, *runs_, labels_, range));
      for (int64_t& weight : weights) {
        const bool is_hot = weight >= kRowsOfHotKey && !IsSmall(range);
        weight *= run_row_bytes_ + (is_hot ? hot_row_bytes_ : 0);
      }
    }
    loose_.Weigh(range, &weights);
    for (int32_t key = range.first_key; key < range.end_key; ++key) {
      const size_t own = EndOf(labels_, range, key) - FirstOf(labels_, range, key);
      weights[static_cast<size_t>(key - range.first_key)] +=
          static_cast<int64_t>(own) * kLabelBytes;
    }
    return weights;
  }

  arrow::Status AnswerRange(const LabelRange& range) {
    const int64_t most = std::max(MostBytes(), range.size() == 1 ? kLeastLabelBytes : 0);
    ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> weights, Weigh(range));
    const int64_t expected = std::accumulate(weights.begin(), weights.end(), int64_t{0});
    if (expected > most && range.size() > 1) {
      const double share = std::max(static_cast<double>(most) * kFill, 1.0);
      const double count = static_cast<double>(expected) / share + 1;
      return AnswerPieces(range, weights, static_cast<size_t>(std::min(count, 1e6)));
    }
    std::vector<RowChunk> chunks;
    ARROW_ASSIGN_OR_RAISE(const bool fits, Collect(range, most, &chunks));
    if (fits) return SweepRange(range, std::move(chunks));
    if (range.size() == 1) return TooMuch(range, most);
    // Weights were wrong: by what is known now.
    WeighChunks(range, chunks, &weights);
    chunks.clear();
    return AnswerPieces(range, weights, 2);
  }

  arrow::Status AnswerPieces(const LabelRange& range, const std::vector<int64_t>& weights,
                             size_t count) {
    for (const LabelRange& piece : CutRange(labels_, range, weights, std::max<size_t>(count, 2))) {
      ARROW_RETURN_NOT_OK(AnswerRange(piece));
    }
    return arrow::Status::OK();
  }

  // False: the rows take more than `most`; then some may be missing.
  arrow::Result<bool> Collect(const LabelRange& range, int64_t most,
                              std::vector<RowChunk>* chunks) {
    if (runs_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(*chunks, CollectFromRuns(needs_, *runs_, labels_, range, cut_));
    }
    ARROW_ASSIGN_OR_RAISE(int64_t bytes, BytesOf(*chunks));
    ARROW_ASSIGN_OR_RAISE(const bool fits, loose_.Collect(range, most - bytes, chunks));
    if (!fits || IsSmall(range)) return fits;
    ARROW_ASSIGN_OR_RAISE(bytes, BytesOf(*chunks));
    return bytes + HotBytes(CountByKey(range, *chunks)) <= most;
  }

  static arrow::Result<int64_t> BytesOf(const std::vector<RowChunk>& chunks) {
    int64_t bytes = 0;
    for (const RowChunk& chunk : chunks) {
      ARROW_ASSIGN_OR_RAISE(const int64_t of_chunk, chunk.ByteCount());
      bytes += of_chunk;
    }
    return bytes;
  }

  static std::vector<int64_t> CountByKey(const LabelRange& range,
                                         const std::vector<RowChunk>& chunks) {
    std::vector<int64_t> counts(static_cast<size_t>(range.end_key - range.first_key), 0);
    for (const RowChunk& chunk : chunks) {
      const int32_t* keys =
          arrow::internal::checked_cast<const arrow::Int32Array&>(*chunk.columns[0]).raw_values();
      for (int64_t row = 0; row < chunk.rows; ++row) {
        ++counts[static_cast<size_t>(keys[row] - range.first_key)];
      }
    }
    return counts;
  }

  void WeighChunks(const LabelRange& range, const std::vector<RowChunk>& chunks,
                   std::vector<int64_t>* weights) const {
    const std::vector<int64_t> counts = CountByKey(range, chunks);
    for (size_t key = 0; key < counts.size(); ++key) {
      const int64_t each = run_row_bytes_ + (counts[key] >= kRowsOfHotKey ? hot_row_bytes_ : 64);
      (*weights)[key] = std::max((*weights)[key], counts[key] * each);
    }
  }

  arrow::Status TooMuch(const LabelRange& range, int64_t most) const {
    const auto at = std::find(labels_.places().begin(), labels_.places().end(), range.first);
    const auto label = at - labels_.places().begin();
    const std::string name =
        bounds_.name_of ? bounds_.name_of(label) : "label " + std::to_string(label);
    return base::MakeError(base::ErrorCode::kLimit,
                           "the rows that " + name + " reaches take more than the " +
                               std::to_string(most >> 20) +
                               " MB that `memory` leaves for them: raise it in icecore.yaml");
  }

  arrow::Status SweepRange(const LabelRange& range, std::vector<RowChunk> chunks) {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, BytesOf(chunks));
    Note(bytes + (loose_.held().empty() ? 0 : loose_.held_bytes()));
    ++use_->ranges;
    ARROW_ASSIGN_OR_RAISE(const SweepRows rows, LayOut(needs_, range.first_key, std::move(chunks)));
    SweepOptions options;
    if (!IsSmall(range) || range.size() == labels_.times().size()) {
      options.pieces_of_hot_key = static_cast<int64_t>(base::ParallelPieces());
    }
    ARROW_ASSIGN_OR_RAISE(auto columns, Sweep(plan_, rows, LabelsByPlace(labels_, range),
                                              range.end_key - range.first_key, options));
    for (size_t i = 0; i < columns.size(); ++i) {
      values_[i].push_back(std::move(columns[i].values));
      if (statuses_[i].empty()) {
        statuses_[i] = std::move(columns[i].statuses);
      } else {
        statuses_[i].insert(statuses_[i].end(), columns[i].statuses.begin(),
                            columns[i].statuses.end());
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<ViewAnswers> Finish() {
    ViewAnswers answers;
    for (size_t i = 0; i < values_.size(); ++i) {
      const arrow::ArrayVector parts = std::move(values_[i]);
      ViewAnswers::Feature& feature = answers.features.emplace_back();
      if (parts.size() == 1) {
        feature.values = parts[0];
      } else {
        ARROW_ASSIGN_OR_RAISE(feature.values, arrow::Concatenate(parts));
      }
      feature.statuses = std::move(statuses_[i]);
    }
    std::vector<int32_t>& index = answers.indexes.emplace_back(labels_.places().size());
    const auto nothing = static_cast<int32_t>(labels_.times().size());
    for (size_t label = 0; label < index.size(); ++label) {
      const uint32_t place = labels_.places()[label];
      index[label] = place == LabelSet::kNowhere ? nothing : static_cast<int32_t>(place);
    }
    return answers;
  }

  const state::ViewPlan& plan_;
  const RowNeeds& needs_;
  const LabelSet& labels_;
  const KnowledgeCut& cut_;
  const ClusteredLog* const runs_;  // or null
  const SweepBounds& bounds_;
  SweepUse* const use_;
  LooseRows loose_;
  int64_t run_row_bytes_ = 0;
  int64_t hot_row_bytes_ = 0;  // of a key with many rows, beside what all rows take
  // By feature: what was found, range after range, by place.
  std::vector<arrow::ArrayVector> values_;
  std::vector<std::vector<state::ValueStatus>> statuses_;
};

}  // namespace

arrow::Result<ViewAnswers> AnswerBySweep(const BoundView& view, const state::ViewPlan& plan,
                                         const LabelSet& labels, const KnowledgeCut& cut,
                                         FeatureLog* log, const SweepBounds& bounds,
                                         SweepUse* use) {
  ARROW_ASSIGN_OR_RAISE(const RowNeeds needs, RowNeeds::Of(plan));
  ARROW_ASSIGN_OR_RAISE(const auto clustered, log->Clustered(view));
  ARROW_ASSIGN_OR_RAISE(auto parts,
                        log->ScanParts(view, QueryFor(view, needs, labels, clustered.get())));
  if (labels.times().empty()) parts.clear();
  return ViewSweeper(plan, needs, labels, cut, clustered.get(), bounds, use).Run(view, parts);
}

}  // namespace icecore::feature
