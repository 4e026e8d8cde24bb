#include "icecore/feature/as_of_scan.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/feature/as_of_join.h"
#include "icecore/feature/gather.h"
#include "icecore/feature/run_scan.h"

namespace icecore::feature {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using Parts = std::vector<std::shared_ptr<arrow::RecordBatchReader>>;

// Rows are named by part and place in it while they are read, and numbered through afterwards.
constexpr int kPlaceBits = 40;

constexpr int64_t kLeastPieceRows = int64_t{1} << 16;
constexpr int64_t kMostPieceRows = int64_t{1} << 26;
// A row in a piece: itself, its place in the order, and the room a growing vector takes beside it.
constexpr int64_t kPieceRowBytes = 2 * sizeof(AsOfRow) + 2 * sizeof(uint32_t);

struct Winner {
  uint64_t row = 0;
  uint32_t place = 0;
  uint32_t set = 0;
};

// By row: least significant digits first.
void SortByRow(uint64_t row_count, std::vector<Winner>* winners) {
  constexpr int kDigitBits = 11;
  constexpr uint64_t kDigits = uint64_t{1} << kDigitBits;
  std::vector<Winner> sorted(winners->size());
  for (int shift = 0; shift < 64 && (row_count >> shift) > 0; shift += kDigitBits) {
    std::array<size_t, kDigits> next{};
    for (const Winner& winner : *winners) ++next[(winner.row >> shift) % kDigits];
    std::exclusive_scan(next.begin(), next.end(), next.begin(), size_t{0});
    for (const Winner& winner : *winners) sorted[next[(winner.row >> shift) % kDigits]++] = winner;
    winners->swap(sorted);
  }
}

class AsOfScan {
 public:
  AsOfScan(const BoundView& view, const state::ViewPlan& plan, const LabelSet& labels,
           const KnowledgeCut& cut, FeatureLog* log)
      : view_(view), plan_(plan), labels_(labels), cut_(cut), log_(log) {}

  arrow::Result<ViewAnswers> Run(int64_t memory_bytes) {
    ARROW_RETURN_NOT_OK(FindRows(memory_bytes));
    ChooseRows();
    ARROW_RETURN_NOT_OK(TakeValues());
    for (size_t s = 0; s < plan_.as_of.size(); ++s) {
      for (const state::AsOfSet::Member& member : plan_.as_of[s].members) {
        const auto value =
            static_cast<size_t>(plan_.as_of[s].values[static_cast<size_t>(member.place)]);
        answers_.features[static_cast<size_t>(member.feature)] = {values_[value], s, {}};
      }
    }
    return std::move(answers_);
  }

 private:
  LogQuery Query(const std::vector<std::string>& columns) const {
    LogQuery query;
    query.columns = columns;
    if (!plan_.layout.always) query.latest_us = labels_.latest();
    if (clustered_ != nullptr) query.seq_after = clustered_->seq_up_to;
    return query;
  }

  arrow::Status FindRows(int64_t memory_bytes) {
    for (size_t s = 0; s < plan_.as_of.size(); ++s) {
      joins_.push_back(std::make_unique<AsOfJoin>(labels_));
    }
    ARROW_ASSIGN_OR_RAISE(clustered_, log_->Clustered(view_));
    ARROW_ASSIGN_OR_RAISE(const Parts parts, log_->ScanParts(view_, Query(view_.row_columns())));
    part_rows_.assign(run_count() + parts.size(), 0);
    if (labels_.times().empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(FindInRuns(run_count() == 1 && parts.empty()));
    const auto pieces =
        static_cast<int64_t>(std::min(base::ParallelPieces(), parts.size()) * joins_.size());
    const int64_t piece_rows =
        std::clamp(memory_bytes / std::max<int64_t>(pieces, 1) / kPieceRowBytes, kLeastPieceRows,
                   kMostPieceRows);
    return RunParts(parts.size(), [&](size_t part) {
      return FindIn(parts[part].get(), run_count() + part, piece_rows);
    });
  }

  // The runs of a clustered log are the first parts.
  size_t run_count() const { return clustered_ == nullptr ? 0 : clustered_->runs.size(); }

  arrow::Status FindInRuns(bool alone) {
    for (size_t part = 0; part < run_count(); ++part) {
      const ClusteredRun& run = *clustered_->runs[part];
      part_rows_[part] = run.facts().rows;
      for (size_t s = 0; s < joins_.size(); ++s) {
        ARROW_RETURN_NOT_OK(FindInRun(run, plan_, s, cut_, labels_,
                                      static_cast<int64_t>(part) << kPlaceBits, alone,
                                      joins_[s].get()));
      }
    }
    return arrow::Status::OK();
  }

  // One part is read on this thread, so that Arrow's can help with its columns.
  static arrow::Status RunParts(size_t count, const std::function<arrow::Status(size_t)>& work) {
    return count == 1 ? work(0) : base::RunParallel(count, work);
  }

  arrow::Status FindIn(arrow::RecordBatchReader* reader, size_t part, int64_t piece_rows) {
    std::vector<std::vector<AsOfRow>> pieces(joins_.size());
    std::vector<int32_t> taken;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(const auto rows, view_.PrepareRows(*batch, &taken));
      const int64_t first = (static_cast<int64_t>(part) << kPlaceBits) + part_rows_[part];
      ARROW_RETURN_NOT_OK(AddRows(rows, taken, first, &pieces));
      part_rows_[part] += batch->num_rows();
      for (size_t s = 0; s < joins_.size(); ++s) {
        if (static_cast<int64_t>(pieces[s].size()) >= piece_rows) joins_[s]->Add(&pieces[s]);
      }
    }
    for (size_t s = 0; s < joins_.size(); ++s) joins_[s]->Add(&pieces[s]);
    return arrow::Status::OK();
  }

  arrow::Status AddRows(const state::PreparedRows& rows, const std::vector<int32_t>& taken,
                        int64_t first, std::vector<std::vector<AsOfRow>>* pieces) const {
    ARROW_ASSIGN_OR_RAISE(const auto keys, labels_.keys().FindAll(rows.keys));
    const bool at_label = cut_.kind == KnowledgeCut::Kind::kLabel;
    const bool always = plan_.layout.always;
    AsOfRow row;
    for (int64_t i = 0; i < rows.num_rows; ++i) {
      row.key = keys[static_cast<size_t>(i)];
      if (row.key < 0 || rows.event_time->IsNull(i) || rows.known_at->IsNull(i)) continue;
      row.event_time = rows.event_time->Value(i);
      row.known_at = std::max(rows.known_at->Value(i), row.event_time);
      if (!always && cut_.kind == KnowledgeCut::Kind::kTime && row.known_at > cut_.time_us) {
        continue;
      }
      row.activation = plan_.ActivationOf(row.event_time, at_label ? row.known_at : row.event_time);
      if (row.activation > labels_.latest()) continue;
      row.seq = rows.seq->Value(i);
      row.row = first + (taken.empty() ? i : taken[static_cast<size_t>(i)]);
      for (size_t s = 0; s < pieces->size(); ++s) {
        const int mask = plan_.as_of[s].mask;
        if (mask >= 0) {
          const arrow::BooleanArray& holds = *rows.masks[static_cast<size_t>(mask)];
          if (holds.IsNull(i) || !holds.Value(i)) continue;
        }
        (*pieces)[s].push_back(row);
      }
    }
    return arrow::Status::OK();
  }

  // The rows that were chosen, each once, ascending; and per label which of them.
  void ChooseRows() {
    part_starts_.assign(part_rows_.size() + 1, 0);
    std::partial_sum(part_rows_.begin(), part_rows_.end(), part_starts_.begin() + 1);
    std::vector<Winner> winners;
    std::vector<std::vector<int32_t>> by_place(joins_.size());
    for (size_t s = 0; s < joins_.size(); ++s) {
      const std::vector<int64_t> chosen = joins_[s]->Chosen(plan_.layout.ttl_us);
      joins_[s].reset();
      by_place[s].assign(chosen.size(), ViewAnswers::kNone);
      for (size_t place = 0; place < chosen.size(); ++place) {
        const int64_t name = chosen[place];
        if (name == AsOfJoin::kExpired) by_place[s][place] = ViewAnswers::kExpired;
        if (name < 0) continue;
        const int64_t row = part_starts_[static_cast<size_t>(name >> kPlaceBits)] +
                            (name & ((int64_t{1} << kPlaceBits) - 1));
        winners.push_back(
            {static_cast<uint64_t>(row), static_cast<uint32_t>(place), static_cast<uint32_t>(s)});
      }
    }
    SortByRow(static_cast<uint64_t>(part_starts_.back()), &winners);
    for (const Winner& winner : winners) {
      const auto row = static_cast<int64_t>(winner.row);
      if (rows_.empty() || rows_.back() != row) rows_.push_back(row);
      by_place[winner.set][winner.place] = static_cast<int32_t>(rows_.size()) - 1;
    }
    for (const auto& places : by_place) {
      std::vector<int32_t>& index = answers_.indexes.emplace_back(labels_.places().size());
      for (size_t label = 0; label < index.size(); ++label) {
        const uint32_t place = labels_.places()[label];
        index[label] = place == LabelSet::kNowhere ? ViewAnswers::kNone : places[place];
      }
    }
    answers_.features.resize(plan_.layout.features.size());
  }

  arrow::Status TakeValues() {
    std::vector<std::vector<Arrays>> taken;  // piece after piece, by value
    for (size_t part = 0; part < run_count(); ++part) {
      ARROW_RETURN_NOT_OK(TakeFromRun(part, &taken));
    }
    if (!rows_.empty() && rows_.back() >= part_starts_[run_count()]) {
      ARROW_ASSIGN_OR_RAISE(const Parts parts,
                            log_->ScanParts(view_, Query(view_.value_columns())));
      if (run_count() + parts.size() != part_rows_.size()) {
        return base::MakeError(base::ErrorCode::kInternal, "a log changed while it was read");
      }
      const size_t first = taken.size();
      taken.resize(first + parts.size());
      ARROW_RETURN_NOT_OK(RunParts(parts.size(), [&](size_t part) {
        return TakeIn(parts[part].get(), run_count() + part, &taken[first + part]);
      }));
    }
    const auto& types = plan_.layout.value_types;
    for (size_t value = 0; value < types.size(); ++value) {
      Arrays pieces;
      for (auto& part : taken) {
        if (part.empty()) continue;
        pieces.insert(pieces.end(), part[value].begin(), part[value].end());
        part[value].clear();
      }
      if (pieces.empty()) {
        ARROW_ASSIGN_OR_RAISE(values_.emplace_back(), arrow::MakeEmptyArray(types[value]));
      } else {
        ARROW_ASSIGN_OR_RAISE(values_.emplace_back(), arrow::Concatenate(pieces));
      }
    }
    return arrow::Status::OK();
  }

  // Batch by batch on all cores; what was read is let go of.
  arrow::Status TakeFromRun(size_t part, std::vector<std::vector<Arrays>>* taken) const {
    const ClusteredRun& run = *clustered_->runs[part];
    const int first_value = 3 + plan_.layout.mask_count;
    const size_t first = taken->size();
    taken->resize(first + static_cast<size_t>(run.batch_count()));
    return base::RunParallel(static_cast<size_t>(run.batch_count()), [&](size_t batch) {
      const int64_t from = static_cast<int64_t>(batch) * ClusteredRun::kBatchRows;
      const int64_t end = std::min(from + ClusteredRun::kBatchRows, run.facts().rows);
      const int64_t base = part_starts_[part];
      const auto row = std::lower_bound(rows_.begin(), rows_.end(), base + from);
      const auto last = std::lower_bound(row, rows_.end(), base + end);
      if (row == last) return arrow::Status::OK();
      std::vector<int32_t> places;
      for (auto it = row; it != last; ++it)
        places.push_back(static_cast<int32_t>(*it - base - from));
      const arrow::RecordBatch& rows = run.Batch(static_cast<int64_t>(batch));
      for (size_t value = 0; value < plan_.layout.value_types.size(); ++value) {
        const auto column = rows.column(first_value + static_cast<int>(value));
        ARROW_ASSIGN_OR_RAISE(auto piece,
                              Gather(*column, places.data(), static_cast<int64_t>(places.size())));
        (*taken)[first + batch].push_back({std::move(piece)});
      }
      run.Release(from, end);
      return arrow::Status::OK();
    });
  }

  arrow::Status TakeIn(arrow::RecordBatchReader* reader, size_t part,
                       std::vector<Arrays>* taken) const {
    taken->resize(plan_.layout.value_types.size());
    int64_t first = part_starts_[part];
    auto row = std::lower_bound(rows_.begin(), rows_.end(), first);
    const auto end = std::lower_bound(row, rows_.end(), part_starts_[part + 1]);
    std::vector<int32_t> places;
    while (row != end) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) {
        return base::MakeError(base::ErrorCode::kInternal, "a log shrank while it was read");
      }
      places.clear();
      for (; row != end && *row < first + batch->num_rows(); ++row) {
        places.push_back(static_cast<int32_t>(*row - first));
      }
      first += batch->num_rows();
      if (places.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(const Arrays values, view_.PrepareValues(*batch));
      for (size_t value = 0; value < values.size(); ++value) {
        ARROW_ASSIGN_OR_RAISE(
            auto piece, Gather(*values[value], places.data(), static_cast<int64_t>(places.size())));
        (*taken)[value].push_back(std::move(piece));
      }
    }
    return arrow::Status::OK();
  }

  const BoundView& view_;
  const state::ViewPlan& plan_;
  const LabelSet& labels_;
  const KnowledgeCut& cut_;
  FeatureLog* log_;

  std::shared_ptr<const ClusteredLog> clustered_;  // or null
  std::vector<std::unique_ptr<AsOfJoin>> joins_;   // by as-of set
  std::vector<int64_t> part_rows_;                 // by part
  std::vector<int64_t> part_starts_;               // number of its first row; one entry more
  std::vector<int64_t> rows_;                      // those chosen, ascending
  Arrays values_;                                  // of rows_
  ViewAnswers answers_;
};

}  // namespace

bool IsAsOfOnly(const state::ViewPlan& plan) {
  return !plan.layout.versioned && plan.groups.empty() && !plan.as_of.empty();
}

arrow::Result<ViewAnswers> AnswerAsOf(const BoundView& view, const state::ViewPlan& plan,
                                      const LabelSet& labels, const KnowledgeCut& cut,
                                      int64_t memory_bytes, FeatureLog* log) {
  return AsOfScan(view, plan, labels, cut, log).Run(memory_bytes);
}

}  // namespace icecore::feature
