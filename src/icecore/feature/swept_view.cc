#include "icecore/feature/swept_view.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "icecore/base/parallel.h"
#include "icecore/feature/gather.h"
#include "icecore/feature/run_scan.h"
#include "icecore/feature/sweep.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

// What the features asked for need of the view's rows: maybe less than all of the view's do.
struct Needs {
  std::unique_ptr<const state::ViewEngine> engine;
  std::vector<bool> values;  // by place in the layout

  static arrow::Result<Needs> Of(const state::ViewPlan& plan) {
    Needs needs;
    ARROW_ASSIGN_OR_RAISE(needs.engine, state::ViewEngine::Make(plan.layout));
    needs.values.resize(plan.layout.value_types.size());
    for (const state::WindowColumn& column : plan.columns) {
      needs.values[static_cast<size_t>(column.value)] = true;
    }
    for (const state::AsOfSet& set : plan.as_of) {
      for (const int value : set.values) needs.values[static_cast<size_t>(value)] = true;
    }
    return needs;
  }
  const state::ViewLayout& layout() const { return engine->layout(); }
  // The least event time that a label can reach.
  int64_t OldestFor(const LabelSet& labels) const {
    return labels.times().empty() ? 0 : engine->OldestRelevant(labels.earliest());
  }
};

// The rows of a view's log that some label can see, gathered batch by batch.
class RowCollector {
 public:
  RowCollector(const Needs& needs, const LabelSet& labels, const KnowledgeCut& cut)
      : labels_(labels),
        cut_(cut),
        needs_(needs),
        engine_(*needs.engine),
        always_(engine_.layout().always),
        versioned_(engine_.layout().versioned),
        oldest_(needs.OldestFor(labels)),
        values_(engine_.layout().value_types.size()),
        masks_(static_cast<size_t>(engine_.layout().mask_count)) {}

  arrow::Status Add(const state::PreparedRows& batch) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, labels_.keys().FindAll(batch.keys));
    return Add(batch, keys);
  }

  // `keys` by their numbers; those of the batch are not looked at.
  arrow::Status Add(const state::PreparedRows& batch, const std::vector<int32_t>& keys) {
    arrow::Int64Builder kept;
    for (int64_t row = 0; row < batch.num_rows; ++row) {
      int64_t key = keys[static_cast<size_t>(row)];
      if (versioned_ && !batch.live->Value(row)) key = -1;
      if ((key < 0 && !versioned_) || batch.event_time->IsNull(row) || batch.known_at->IsNull(row))
        continue;
      const int64_t event_time = batch.event_time->Value(row);
      const int64_t known_at = std::max(batch.known_at->Value(row), event_time);
      if (!always_ && cut_.kind == KnowledgeCut::Kind::kTime && known_at > cut_.time_us) continue;
      const int64_t activation = engine_.ActivationOf(
          event_time, cut_.kind == KnowledgeCut::Kind::kLabel ? known_at : event_time);
      if (activation > labels_.latest()) continue;
      const bool reached = key >= 0 && (always_ || event_time >= oldest_);
      if (versioned_) {
        // Whatever it is, it ends its predecessors.
        marks_.push_back({batch.table_key->GetView(row), batch.version_order->GetView(row),
                          batch.seq->Value(row), activation,
                          reached ? static_cast<int64_t>(out_.keys.size()) : -1, state::kForever});
      }
      if (!reached) continue;
      out_.keys.push_back(key);
      out_.activations.push_back(activation);
      ARROW_RETURN_NOT_OK(kept.Append(row));
    }
    if (versioned_) marked_.insert(marked_.end(), {batch.table_key, batch.version_order});
    ARROW_ASSIGN_OR_RAISE(const auto indices, kept.Finish());
    if (indices->length() == 0) return arrow::Status::OK();
    out_.rows.num_rows += indices->length();
    ARROW_RETURN_NOT_OK(Keep(batch.event_time, *indices, &event_times_));
    ARROW_RETURN_NOT_OK(Keep(batch.known_at, *indices, &known_ats_));
    ARROW_RETURN_NOT_OK(Keep(batch.seq, *indices, &seqs_));
    for (size_t i = 0; i < values_.size(); ++i) {
      if (needs_.values[i]) ARROW_RETURN_NOT_OK(Keep(batch.values[i], *indices, &values_[i]));
    }
    for (size_t i = 0; i < masks_.size(); ++i) {
      ARROW_RETURN_NOT_OK(Keep(batch.masks[i], *indices, &masks_[i]));
    }
    return arrow::Status::OK();
  }

  // Takes over what another one has; not of a table with versions, whose rows end one another.
  void Append(RowCollector* other) {
    out_.rows.num_rows += other->out_.rows.num_rows;
    Move(&other->out_.keys, &out_.keys);
    Move(&other->out_.activations, &out_.activations);
    Move(&other->event_times_, &event_times_);
    Move(&other->known_ats_, &known_ats_);
    Move(&other->seqs_, &seqs_);
    for (size_t i = 0; i < values_.size(); ++i) Move(&other->values_[i], &values_[i]);
    for (size_t i = 0; i < masks_.size(); ++i) Move(&other->masks_[i], &masks_[i]);
  }

  arrow::Result<SweepRows> Finish() {
    if (versioned_) {
      out_.untils.assign(out_.keys.size(), state::kForever);
      state::FindEnds(&marks_);
      for (const state::VersionMark& mark : marks_) {
        if (mark.place >= 0) out_.untils[static_cast<size_t>(mark.place)] = mark.until;
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto event_time, Join(event_times_, arrow::int64()));
    ARROW_ASSIGN_OR_RAISE(auto known_at, Join(known_ats_, arrow::int64()));
    ARROW_ASSIGN_OR_RAISE(auto seq, Join(seqs_, arrow::int64()));
    out_.rows.event_time = std::static_pointer_cast<arrow::Int64Array>(event_time);
    out_.rows.known_at = std::static_pointer_cast<arrow::Int64Array>(known_at);
    out_.rows.seq = std::static_pointer_cast<arrow::Int64Array>(seq);
    for (size_t i = 0; i < values_.size(); ++i) {
      std::shared_ptr<arrow::Array>& values = out_.rows.values.emplace_back();
      if (!needs_.values[i]) continue;
      ARROW_ASSIGN_OR_RAISE(values, Join(values_[i], engine_.layout().value_types[i]));
    }
    for (const Arrays& parts : masks_) {
      ARROW_ASSIGN_OR_RAISE(auto mask, Join(parts, arrow::boolean()));
      out_.rows.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(mask));
    }
    return std::move(out_);
  }

 private:
  template <typename T>
  static void Move(std::vector<T>* from, std::vector<T>* to) {
    to->insert(to->end(), from->begin(), from->end());
    *from = {};
  }
  static arrow::Status Keep(const std::shared_ptr<arrow::Array>& values,
                            const arrow::Array& indices, Arrays* parts) {
    if (indices.length() == values->length()) {
      parts->push_back(values);
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(*values, indices));
    parts->push_back(std::move(taken));
    return arrow::Status::OK();
  }
  static arrow::Result<std::shared_ptr<arrow::Array>> Join(
      const Arrays& parts, const std::shared_ptr<arrow::DataType>& type) {
    if (parts.empty()) return arrow::MakeEmptyArray(type);
    return parts.size() == 1 ? parts[0] : arrow::Concatenate(parts);
  }

  const LabelSet& labels_;
  const KnowledgeCut& cut_;
  const Needs& needs_;
  const state::ViewEngine& engine_;
  bool always_;
  bool versioned_;
  int64_t oldest_;
  SweepRows out_;
  std::vector<state::VersionMark> marks_;  // of every version, also of keys that no label has
  Arrays marked_;                          // whose bytes the marks point to
  Arrays event_times_;
  Arrays known_ats_;
  Arrays seqs_;
  std::vector<Arrays> values_;
  std::vector<Arrays> masks_;
};

// Rows of one batch of a run, with their keys.
struct PickedRows {
  std::vector<int32_t> places;
  std::vector<int32_t> keys;
};

arrow::Status AddPicked(const ClusteredRun& run, int64_t batch, const Needs& needs,
                        const PickedRows& picked, RowCollector* collector) {
  const arrow::RecordBatch& rows = run.Batch(batch);
  const auto first = 3 + static_cast<size_t>(needs.layout().mask_count);  // of the values
  Arrays columns(static_cast<size_t>(rows.num_columns()));
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i >= first && !needs.values[i - first]) continue;
    ARROW_ASSIGN_OR_RAISE(columns[i],
                          Gather(*rows.column(static_cast<int>(i)), picked.places.data(),
                                 static_cast<int64_t>(picked.places.size())));
  }
  state::PreparedRows prepared;
  prepared.num_rows = static_cast<int64_t>(picked.places.size());
  prepared.event_time = std::static_pointer_cast<arrow::Int64Array>(columns[0]);
  prepared.known_at = std::static_pointer_cast<arrow::Int64Array>(columns[1]);
  prepared.seq = std::static_pointer_cast<arrow::Int64Array>(columns[2]);
  const auto first_value = columns.begin() + static_cast<std::ptrdiff_t>(first);
  for (auto mask = columns.begin() + 3; mask != first_value; ++mask) {
    prepared.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(*mask));
  }
  prepared.values.assign(first_value, columns.end());
  return collector->Add(prepared, picked.keys);
}

// The rows of keys [first_key, end_key) that some label can reach, in the run's order.
arrow::Status CollectFromRun(const Needs& needs, const ClusteredRun& run, const LabelSet& labels,
                             size_t first_label, size_t end_label, RowCollector* collector) {
  const state::ViewLayout& layout = needs.layout();
  const int64_t oldest =
      layout.always ? std::numeric_limits<int64_t>::min() : needs.OldestFor(labels);
  PickedRows picked;
  int64_t batch = 0;
  const auto flush = [&]() -> arrow::Status {
    if (picked.places.empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(AddPicked(run, batch, needs, picked, collector));
    run.Release(batch * ClusteredRun::kBatchRows,
                std::min((batch + 1) * ClusteredRun::kBatchRows, run.facts().rows));
    picked = {};
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(
      VisitKeys(run, labels, first_label, end_label, [&](const KeyRange& range) -> arrow::Status {
        int64_t low = range.first_row;
        int64_t high = range.end_row;
        while (low < high) {
          const int64_t middle = low + (high - low) / 2;
          if (run.event_time(middle) < oldest) {
            low = middle + 1;
          } else {
            high = middle;
          }
        }
        for (int64_t row = low; row < range.end_row; ++row) {
          if (run.event_time(row) > labels.latest() && !layout.always) break;
          if (row / ClusteredRun::kBatchRows != batch) {
            ARROW_RETURN_NOT_OK(flush());
            batch = row / ClusteredRun::kBatchRows;
          }
          picked.places.push_back(static_cast<int32_t>(row % ClusteredRun::kBatchRows));
          picked.keys.push_back(range.key);
        }
        return arrow::Status::OK();
      }));
  return flush();
}

// Keys cut into pieces for all cores.
arrow::Status CollectFromRuns(const Needs& needs, const ClusteredLog& log, const LabelSet& labels,
                              const KnowledgeCut& cut, RowCollector* all) {
  std::vector<size_t> bounds = CutPlaces(labels.times().size());
  for (size_t& bound : bounds) {  // whole keys
    bound = *std::lower_bound(labels.starts().begin(), labels.starts().end(), bound);
  }
  for (const auto& run : log.runs) {
    std::vector<std::unique_ptr<RowCollector>> pieces;
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      pieces.push_back(std::make_unique<RowCollector>(needs, labels, cut));
    }
    ARROW_RETURN_NOT_OK(base::RunParallel(pieces.size(), [&](size_t i) {
      return CollectFromRun(needs, *run, labels, bounds[i], bounds[i + 1], pieces[i].get());
    }));
    for (const auto& piece : pieces) all->Append(piece.get());
  }
  return arrow::Status::OK();
}

LogQuery QueryFor(const BoundView& view, const Needs& needs, const LabelSet& labels,
                  const ClusteredLog* clustered) {
  LogQuery query;
  if (clustered != nullptr) query.seq_after = clustered->seq_up_to;
  query.columns = view.columns();
  const state::ViewLayout& layout = needs.layout();
  // A version beyond the bounds may still end one within.
  if (!layout.always && !layout.versioned) {
    query.earliest_us = needs.OldestFor(labels);
    query.latest_us = labels.latest();
  }
  return query;
}

arrow::Status Collect(const BoundView& view, arrow::RecordBatchReader* reader,
                      RowCollector* collector) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto prepared, view.Prepare(*batch));
    ARROW_RETURN_NOT_OK(collector->Add(prepared));
  }
}

arrow::Result<SweepRows> RowsFor(const BoundView& view, const Needs& needs, const LabelSet& labels,
                                 const KnowledgeCut& cut, FeatureLog* log) {
  ARROW_ASSIGN_OR_RAISE(const auto clustered, log->Clustered(view));
  ARROW_ASSIGN_OR_RAISE(const auto parts,
                        log->ScanParts(view, QueryFor(view, needs, labels, clustered.get())));
  RowCollector all(needs, labels, cut);
  if (labels.times().empty()) return all.Finish();
  if (clustered != nullptr) {
    ARROW_RETURN_NOT_OK(CollectFromRuns(needs, *clustered, labels, cut, &all));
  }
  if (parts.size() == 1 || needs.layout().versioned) {
    for (const auto& part : parts) ARROW_RETURN_NOT_OK(Collect(view, part.get(), &all));
    return all.Finish();
  }
  std::vector<std::unique_ptr<RowCollector>> collectors;
  collectors.reserve(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    collectors.push_back(std::make_unique<RowCollector>(needs, labels, cut));
  }
  ARROW_RETURN_NOT_OK(base::RunParallel(parts.size(), [&](size_t part) {
    return Collect(view, parts[part].get(), collectors[part].get());
  }));
  for (const auto& collector : collectors) all.Append(collector.get());
  return all.Finish();
}

// The labels by place, then one that matches nothing: what all those without a place get.
SweepLabels LabelsByPlace(const LabelSet& labels) {
  SweepLabels by_place;
  by_place.times = labels.times();
  by_place.keys.resize(labels.times().size());
  for (size_t key = 0; key + 1 < labels.starts().size(); ++key) {
    std::fill(by_place.keys.begin() + labels.starts()[key],
              by_place.keys.begin() + labels.starts()[key + 1], static_cast<int64_t>(key));
  }
  by_place.keys.push_back(-1);
  by_place.times.push_back(0);
  return by_place;
}

}  // namespace

arrow::Result<ViewAnswers> AnswerBySweep(const BoundView& view, const state::ViewPlan& plan,
                                         const LabelSet& labels, const KnowledgeCut& cut,
                                         FeatureLog* log) {
  ARROW_ASSIGN_OR_RAISE(const Needs needs, Needs::Of(plan));
  ARROW_ASSIGN_OR_RAISE(const SweepRows rows, RowsFor(view, needs, labels, cut, log));
  ARROW_ASSIGN_OR_RAISE(auto columns,
                        Sweep(plan, rows, LabelsByPlace(labels), labels.keys().size()));
  ViewAnswers answers;
  for (auto& column : columns) {
    answers.features.push_back({std::move(column.values), 0, std::move(column.statuses)});
  }
  std::vector<int32_t>& index = answers.indexes.emplace_back(labels.places().size());
  const auto nothing = static_cast<int32_t>(labels.times().size());
  for (size_t label = 0; label < index.size(); ++label) {
    const uint32_t place = labels.places()[label];
    index[label] = place == LabelSet::kNowhere ? nothing : static_cast<int32_t>(place);
  }
  return answers;
}

}  // namespace icecore::feature
