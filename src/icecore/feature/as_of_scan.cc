#include "icecore/feature/as_of_scan.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/feature/as_of_join.h"
#include "icecore/feature/chosen_values.h"
#include "icecore/feature/run_scan.h"

namespace icecore::feature {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using Part = std::shared_ptr<arrow::RecordBatchReader>;
using Parts = std::vector<Part>;

// Rows are named by part and place in it while they are read, and numbered through afterwards.
constexpr int kPlaceBits = 40;

constexpr size_t kLeastLabelsOfPiece = size_t{1} << 16;

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
      : view_(view), plan_(plan), labels_(labels), cut_(cut), log_(log) {
    std::set<int> asked;
    for (const state::AsOfSet& set : plan.as_of) asked.insert(set.values.begin(), set.values.end());
    asked_.assign(asked.begin(), asked.end());
  }

  arrow::Result<ViewAnswers> Run() {
    ARROW_RETURN_NOT_OK(FindRows());
    ARROW_RETURN_NOT_OK(ChooseRows());
    ARROW_RETURN_NOT_OK(TakeValues());
    for (size_t s = 0; s < plan_.as_of.size(); ++s) {
      for (const state::AsOfSet::Member& member : plan_.as_of[s].members) {
        const int value = plan_.as_of[s].values[static_cast<size_t>(member.place)];
        const auto at = std::lower_bound(asked_.begin(), asked_.end(), value) - asked_.begin();
        answers_.features[static_cast<size_t>(member.feature)] = {
            values_[static_cast<size_t>(at)], s, {}};
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

  arrow::Status FindRows() {
    for (size_t s = 0; s < plan_.as_of.size(); ++s) {
      joins_.push_back(std::make_unique<AsOfJoin>(labels_));
    }
    ARROW_ASSIGN_OR_RAISE(clustered_, log_->Clustered(view_));
    ARROW_ASSIGN_OR_RAISE(Parts parts, log_->ScanParts(view_, Query(view_.row_columns())));
    part_rows_.assign(run_count() + parts.size(), 0);
    if (labels_.times().empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(FindInRuns(run_count() == 1 && parts.empty()));
    return RunParts(parts.size(), [&](size_t part) {
      const Part open =
          std::move(parts[part]);  // closed when it is done with: it holds a row group
      return FindIn(open.get(), run_count() + part);
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
                                      joins_[s].get())
                                .status());
      }
    }
    return arrow::Status::OK();
  }

  // One part is read on this thread, so that Arrow's can help with its columns.
  static arrow::Status RunParts(size_t count, const std::function<arrow::Status(size_t)>& work) {
    return count == 1 ? work(0) : base::RunParallel(count, work);
  }

  arrow::Status FindIn(arrow::RecordBatchReader* reader, size_t part) {
    std::vector<std::vector<AsOfRow>> found(joins_.size());  // a few, by as-of set
    for (auto& rows : found) rows.reserve(AsOfJoin::kRowsAtOnce);
    std::vector<int32_t> taken;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(const auto rows, view_.PrepareRows(*batch, &taken));
      const int64_t first = (static_cast<int64_t>(part) << kPlaceBits) + part_rows_[part];
      ARROW_RETURN_NOT_OK(AddRows(rows, taken, first, &found));
      part_rows_[part] += batch->num_rows();
    }
    for (size_t s = 0; s < joins_.size(); ++s) joins_[s]->Add(&found[s]);
    return arrow::Status::OK();
  }

  arrow::Status AddRows(const state::PreparedRows& rows, const std::vector<int32_t>& taken,
                        int64_t first, std::vector<std::vector<AsOfRow>>* found) {
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
      for (size_t s = 0; s < found->size(); ++s) {
        const int mask = plan_.as_of[s].mask;
        if (mask >= 0) {
          const arrow::BooleanArray& holds = *rows.masks[static_cast<size_t>(mask)];
          if (holds.IsNull(i) || !holds.Value(i)) continue;
        }
        std::vector<AsOfRow>& of_set = (*found)[s];
        of_set.push_back(row);
        if (of_set.size() == AsOfJoin::kRowsAtOnce) joins_[s]->Add(&of_set);
      }
    }
    return arrow::Status::OK();
  }

  // The rows that were chosen, each once, ascending; and per label which of them.
  arrow::Status ChooseRows() {
    part_starts_.assign(part_rows_.size() + 1, 0);
    std::partial_sum(part_rows_.begin(), part_rows_.end(), part_starts_.begin() + 1);
    std::vector<Winner> winners;
    std::vector<std::vector<int32_t>> by_place(joins_.size());
    bool ascends = true;
    for (size_t s = 0; s < joins_.size(); ++s) {
      const std::vector<int64_t> chosen = joins_[s]->Chosen(plan_.layout.ttl_us);
      joins_[s].reset();
      winners.reserve(winners.size() + chosen.size());
      by_place[s].assign(chosen.size(), ViewAnswers::kNone);
      for (size_t place = 0; place < chosen.size(); ++place) {
        const int64_t name = chosen[place];
        if (name == AsOfJoin::kExpired) by_place[s][place] = ViewAnswers::kExpired;
        if (name < 0) continue;
        const Winner winner{
            static_cast<uint64_t>(part_starts_[static_cast<size_t>(name >> kPlaceBits)] +
                                  (name & ((int64_t{1} << kPlaceBits) - 1))),
            static_cast<uint32_t>(place), static_cast<uint32_t>(s)};
        ascends = ascends && (winners.empty() || winners.back().row <= winner.row);
        winners.push_back(winner);
      }
    }
    // A run's rows lie in the order of places: then nothing is left to do.
    if (!ascends) SortByRow(static_cast<uint64_t>(part_starts_.back()), &winners);
    rows_.reserve(winners.size());
    for (const Winner& winner : winners) {
      const auto row = static_cast<int64_t>(winner.row);
      if (rows_.empty() || rows_.back() != row) rows_.push_back(row);
      by_place[winner.set][winner.place] = static_cast<int32_t>(rows_.size()) - 1;
    }
    for (const auto& places : by_place) ARROW_RETURN_NOT_OK(IndexByLabel(places));
    answers_.features.resize(plan_.layout.features.size());
    return arrow::Status::OK();
  }

  arrow::Status IndexByLabel(const std::vector<int32_t>& by_place) {
    const std::vector<uint32_t>& places = labels_.places();
    std::vector<int32_t>& index = answers_.indexes.emplace_back(places.size());
    const size_t pieces = places.size() / kLeastLabelsOfPiece + 1;
    return base::RunParallel(pieces, [&](size_t piece) {
      const size_t end = places.size() * (piece + 1) / pieces;
      for (size_t label = places.size() * piece / pieces; label < end; ++label) {
        const uint32_t place = places[label];
        index[label] = place == LabelSet::kNowhere ? ViewAnswers::kNone : by_place[place];
      }
      return arrow::Status::OK();
    });
  }

  arrow::Status TakeValues() {
    std::vector<std::shared_ptr<arrow::DataType>> types;
    types.reserve(asked_.size());
    for (const int value : asked_) {
      types.push_back(plan_.layout.value_types[static_cast<size_t>(value)]);
    }
    ARROW_ASSIGN_OR_RAISE(chosen_, ChosenValues::Make(types, static_cast<int64_t>(rows_.size())));
    for (size_t part = 0; part < run_count(); ++part) {
      ARROW_RETURN_NOT_OK(TakeFromRun(part));
    }
    if (!rows_.empty() && rows_.back() >= part_starts_[run_count()]) {
      ARROW_ASSIGN_OR_RAISE(Parts parts, log_->ScanParts(view_, Query(view_.value_columns())));
      if (run_count() + parts.size() != part_rows_.size()) {
        return base::MakeError(base::ErrorCode::kInternal, "a log changed while it was read");
      }
      ARROW_RETURN_NOT_OK(RunParts(parts.size(), [&](size_t part) {
        const Part open = std::move(parts[part]);
        return TakeIn(open.get(), run_count() + part);
      }));
    }
    return chosen_->Finish().Value(&values_);
  }

  // Batch by batch on all cores; what was read is let go of.
  arrow::Status TakeFromRun(size_t part) {
    const ClusteredRun& run = *clustered_->runs[part];
    const int first_value = 3 + plan_.layout.mask_count;
    return base::RunParallel(static_cast<size_t>(run.batch_count()), [&](size_t batch) {
      const int64_t from = static_cast<int64_t>(batch) * ClusteredRun::kBatchRows;
      const int64_t end = std::min(from + ClusteredRun::kBatchRows, run.facts().rows);
      const int64_t base = part_starts_[part];
      const auto row = std::lower_bound(rows_.begin(), rows_.end(), base + from);
      const auto last = std::lower_bound(row, rows_.end(), base + end);
      if (row == last) return arrow::Status::OK();
      std::vector<int32_t> places;
      places.reserve(static_cast<size_t>(last - row));
      for (auto it = row; it != last; ++it)
        places.push_back(static_cast<int32_t>(*it - base - from));
      const bool all = ClusteredRun::TouchAll(last - row, end - from);
      const arrow::RecordBatch& rows = run.Batch(static_cast<int64_t>(batch));
      for (size_t i = 0; i < asked_.size(); ++i) {
        const int column = first_value + asked_[i];
        if (all) run.Expect(from, end, column, column + 1);
        ARROW_RETURN_NOT_OK(chosen_->Put(i, row - rows_.begin(), *rows.column(column),
                                         places.data(), static_cast<int64_t>(places.size())));
      }
      run.Release(from, end);
      return arrow::Status::OK();
    });
  }

  arrow::Status TakeIn(arrow::RecordBatchReader* reader, size_t part) {
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
      const int64_t put = row - rows_.begin();
      for (; row != end && *row < first + batch->num_rows(); ++row) {
        places.push_back(static_cast<int32_t>(*row - first));
      }
      first += batch->num_rows();
      if (places.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(const Arrays values, view_.PrepareValues(*batch));
      for (size_t i = 0; i < asked_.size(); ++i) {
        ARROW_RETURN_NOT_OK(chosen_->Put(i, put, *values[static_cast<size_t>(asked_[i])],
                                         places.data(), static_cast<int64_t>(places.size())));
      }
    }
    return arrow::Status::OK();
  }

  const BoundView& view_;
  const state::ViewPlan& plan_;
  const LabelSet& labels_;
  const KnowledgeCut& cut_;
  FeatureLog* log_;
  std::vector<int> asked_;  // the values that the features take, ascending

  std::shared_ptr<const ClusteredLog> clustered_;  // or null
  std::vector<std::unique_ptr<AsOfJoin>> joins_;   // by as-of set
  std::vector<int64_t> part_rows_;                 // by part
  std::vector<int64_t> part_starts_;               // number of its first row; one entry more
  std::vector<int64_t> rows_;                      // those chosen, ascending
  std::unique_ptr<ChosenValues> chosen_;           // asked_ of rows_ while they are taken
  Arrays values_;                                  // asked_ of rows_
  ViewAnswers answers_;
};

}  // namespace

bool IsAsOfOnly(const state::ViewPlan& plan) {
  return !plan.layout.versioned && plan.groups.empty() && !plan.as_of.empty();
}

arrow::Result<ViewAnswers> AnswerAsOf(const BoundView& view, const state::ViewPlan& plan,
                                      const LabelSet& labels, const KnowledgeCut& cut,
                                      FeatureLog* log) {
  return AsOfScan(view, plan, labels, cut, log).Run();
}

}  // namespace icecore::feature
