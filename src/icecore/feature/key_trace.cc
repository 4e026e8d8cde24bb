#include "icecore/feature/key_trace.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/state/answers.h"
#include "icecore/state/slot_state.h"
#include "icecore/state/version_chain.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using state::AggregateKind;

// A row of the key, without its values.
struct KeptRow {
  std::optional<int64_t> event_time;
  std::optional<int64_t> known_at;
  int64_t seq = 0;
  int64_t activation = 0;
  int64_t until = state::kForever;
  bool passes = true;
  bool deleted = false;

  state::RowOrder order() const { return {event_time.value_or(0), known_at.value_or(0), seq}; }
};

std::optional<int64_t> ValueAt(const arrow::Int64Array& array, int64_t row) {
  return array.IsNull(row) ? std::nullopt : std::optional<int64_t>(array.Value(row));
}

class KeyTraceImpl final : public KeyTrace {
 public:
  arrow::Status Init(std::shared_ptr<const BoundView> view, const Arrays& key) {
    ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
    view_ = std::move(view);
    engine_ = view_->engine();
    ARROW_ASSIGN_OR_RAISE(keys_, KeyDictionary::Make(view_->key_types()));
    ARROW_RETURN_NOT_OK(keys_->AddAll(key).status());
    values_.resize(layout().value_types.size());
    masks_.resize(static_cast<size_t>(layout().mask_count));
    return arrow::Status::OK();
  }

  arrow::Status Add(const arrow::RecordBatch& batch) override {
    ARROW_ASSIGN_OR_RAISE(const InspectedRows inspected, view_->Inspect(batch));
    const state::PreparedRows& rows = inspected.rows;
    ARROW_ASSIGN_OR_RAISE(const auto keys, keys_->FindAll(rows.keys));
    arrow::Int64Builder picked;
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      const auto at = static_cast<size_t>(row);
      KeptRow kept;
      kept.event_time = ValueAt(*rows.event_time, row);
      kept.known_at = ValueAt(*rows.known_at, row);
      kept.seq = rows.seq->Value(row);
      kept.passes = inspected.passes[at];
      kept.deleted = inspected.deleted[at];
      const bool timed = kept.event_time.has_value() && kept.known_at.has_value();
      if (timed) {
        kept.known_at = std::max(*kept.known_at, *kept.event_time);
        kept.activation = engine_->ActivationOf(*kept.event_time, *kept.known_at);
      }
      const bool is_mine = keys[at] >= 0;
      if (layout().versioned && timed) {
        // Whoever owns it, it ends its predecessors.
        marks_.push_back({rows.table_key->GetView(row), rows.version_order->GetView(row), kept.seq,
                          kept.activation, is_mine ? static_cast<int64_t>(kept_.size()) : -1,
                          state::kForever});
      }
      if (is_mine) {
        kept_.push_back(kept);
        ARROW_RETURN_NOT_OK(picked.Append(row));
      }
    }
    if (layout().versioned) {
      marked_.insert(marked_.end(), {rows.table_key, rows.version_order});
    }
    ARROW_ASSIGN_OR_RAISE(const auto indices, picked.Finish());
    return indices->length() == 0 ? arrow::Status::OK() : KeepValues(rows, *indices);
  }

  arrow::Result<FeatureTrace> Explain(int feature, int64_t t) override {
    if (layout().versioned) {
      state::FindEnds(&marks_);
      for (const state::VersionMark& mark : marks_) {
        if (mark.place >= 0) kept_[static_cast<size_t>(mark.place)].until = mark.until;
      }
    }
    const state::FeatureLayout& asked = layout().features[static_cast<size_t>(feature)];
    std::shared_ptr<arrow::Array> values;
    if (asked.value >= 0) {
      ARROW_ASSIGN_OR_RAISE(values, Join(values_[static_cast<size_t>(asked.value)],
                                         layout().value_types[static_cast<size_t>(asked.value)]));
    }
    std::shared_ptr<arrow::Array> mask;
    if (asked.mask >= 0) {
      ARROW_ASSIGN_OR_RAISE(mask, Join(masks_[static_cast<size_t>(asked.mask)], arrow::boolean()));
    }
    FeatureTrace trace;
    trace.is_window = asked.kind == state::FeatureLayout::Kind::kWindow;
    if (trace.is_window) {
      trace.begin = state::WindowTail(t, asked.length_us, asked.hop_us);
    }
    std::vector<RowVerdict> verdicts;
    verdicts.reserve(kept_.size());
    for (size_t row = 0; row < kept_.size(); ++row) {
      verdicts.push_back(VerdictOf(static_cast<int64_t>(row), asked, t, mask.get(), trace.begin));
    }
    ARROW_RETURN_NOT_OK(trace.is_window ? Aggregate(asked, values.get(), &verdicts, &trace)
                                        : Choose(feature, t, *values, &verdicts, &trace));
    return Show(values.get(), verdicts, std::move(trace));
  }

 private:
  const state::ViewLayout& layout() const { return engine_->layout(); }

  arrow::Status KeepValues(const state::PreparedRows& rows, const arrow::Array& indices) {
    for (size_t i = 0; i < values_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(*rows.values[i], indices));
      values_[i].push_back(std::move(taken));
    }
    for (size_t i = 0; i < masks_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(*rows.masks[i], indices));
      masks_[i].push_back(std::move(taken));
    }
    return arrow::Status::OK();
  }

  static arrow::Result<std::shared_ptr<arrow::Array>> Join(
      const Arrays& parts, const std::shared_ptr<arrow::DataType>& type) {
    if (parts.empty()) return arrow::MakeEmptyArray(type);
    return parts.size() == 1 ? parts[0] : arrow::Concatenate(parts);
  }

  // In the order in which docs/time.md lets rows drop out. What is left is kCounted of a window;
  // of as-of kSuperseded, until Choose finds the greatest.
  RowVerdict VerdictOf(int64_t row, const state::FeatureLayout& asked, int64_t t,
                       const arrow::Array* mask, int64_t begin) const {
    const KeptRow& kept = kept_[static_cast<size_t>(row)];
    if (!kept.event_time || !kept.known_at) return RowVerdict::kWithoutTime;
    if (kept.activation > t) {
      const bool happened = layout().exclude_at ? *kept.event_time < t : *kept.event_time <= t;
      return happened ? RowVerdict::kKnownLater : RowVerdict::kAfter;
    }
    if (kept.until <= t) return RowVerdict::kReplaced;
    if (kept.deleted) return RowVerdict::kDelete;
    if (!kept.passes) return RowVerdict::kFiltered;
    if (mask != nullptr) {
      const auto& holds = static_cast<const arrow::BooleanArray&>(*mask);
      if (holds.IsNull(row) || !holds.Value(row)) return RowVerdict::kFiltered;
    }
    if (asked.kind == state::FeatureLayout::Kind::kAsOf) return RowVerdict::kSuperseded;
    return *kept.event_time < begin ? RowVerdict::kBeforeWindow : RowVerdict::kCounted;
  }

  bool Less(size_t a, size_t b) const {
    if (layout().always) return kept_[a].seq < kept_[b].seq;
    return kept_[a].order() < kept_[b].order();
  }

  // As-of: the greatest of the rows left.
  arrow::Status Choose(int feature, int64_t t, const arrow::Array& values,
                       std::vector<RowVerdict>* verdicts, FeatureTrace* trace) const {
    std::optional<size_t> chosen;
    for (size_t row = 0; row < kept_.size(); ++row) {
      if ((*verdicts)[row] == RowVerdict::kSuperseded && (!chosen || Less(*chosen, row))) {
        chosen = row;
      }
    }
    const auto& type = engine_->output_types()[static_cast<size_t>(feature)];
    if (!chosen || state::IsExpired(layout(), *kept_[*chosen].event_time, t)) {
      trace->status = chosen ? state::ValueStatus::kExpired : state::ValueStatus::kNotFound;
      if (chosen) (*verdicts)[*chosen] = RowVerdict::kExpired;
      ARROW_ASSIGN_OR_RAISE(trace->value, arrow::MakeArrayOfNull(type, 1));
      return arrow::Status::OK();
    }
    (*verdicts)[*chosen] = RowVerdict::kChosen;
    trace->value = values.Slice(static_cast<int64_t>(*chosen), 1);
    trace->status =
        trace->value->IsNull(0) ? state::ValueStatus::kNull : state::ValueStatus::kPresent;
    return arrow::Status::OK();
  }

  // The aggregate of the given rows as an array of one element.
  arrow::Result<std::shared_ptr<arrow::Array>> ResultOf(state::AggregateSpec spec,
                                                        const arrow::Array* values,
                                                        const std::vector<size_t>& rows) const {
    spec.input = values == nullptr ? nullptr : values->type();
    ARROW_ASSIGN_OR_RAISE(const auto maker, state::StateMaker::Make(spec, false));
    const auto state = maker->New();
    for (const size_t row : rows) {
      ARROW_RETURN_NOT_OK(state->Add(values, static_cast<int64_t>(row), kept_[row].order()));
    }
    ARROW_ASSIGN_OR_RAISE(const auto type, state::OutputType(spec));
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), type, &builder));
    ARROW_RETURN_NOT_OK(state->AppendResult(builder.get()));
    return builder->Finish();
  }

  arrow::Status Aggregate(const state::FeatureLayout& asked, const arrow::Array* values,
                          std::vector<RowVerdict>* verdicts, FeatureTrace* trace) const {
    std::unique_ptr<state::ValueCodec> codec;
    if (values != nullptr) {
      ARROW_ASSIGN_OR_RAISE(codec, state::ValueCodec::Make(values->type()));
    }
    std::vector<size_t> rows;
    for (size_t row = 0; row < kept_.size(); ++row) {
      if ((*verdicts)[row] != RowVerdict::kCounted) continue;
      if (codec && !codec->Usable(*values, static_cast<int64_t>(row))) {
        (*verdicts)[row] = RowVerdict::kNoValue;
        continue;
      }
      rows.push_back(row);
    }
    ARROW_ASSIGN_OR_RAISE(trace->value, ResultOf(asked.aggregate, values, rows));
    trace->status =
        trace->value->IsNull(0) ? state::ValueStatus::kNull : state::ValueStatus::kPresent;
    ARROW_ASSIGN_OR_RAISE(trace->arithmetic, Arithmetic(asked.aggregate, values, rows));
    return asked.hop_us > 0 ? Tiles(asked, values, rows, trace) : arrow::Status::OK();
  }

  // What of a tile is worth showing: its part of a sum, or its extreme.
  static std::optional<AggregateKind> PartialOf(AggregateKind kind) {
    switch (kind) {
      case AggregateKind::kSum:
      case AggregateKind::kMean:
      case AggregateKind::kStddev:
      case AggregateKind::kVariance:
        return AggregateKind::kSum;
      case AggregateKind::kMin:
      case AggregateKind::kMax:
        return kind;
      default:
        return std::nullopt;
    }
  }

  arrow::Result<std::string> Partial(const state::AggregateSpec& spec, const arrow::Array* values,
                                     const std::vector<size_t>& rows) const {
    const auto kind = PartialOf(spec.kind);
    if (!kind || values == nullptr) return std::string();
    state::AggregateSpec part = spec;
    part.kind = *kind;
    const auto result = ResultOf(part, values, rows);
    if (!result.ok()) return std::string("overflow");  // the total alone decides
    return base::ValueText(**result, 0);
  }

  arrow::Status Tiles(const state::FeatureLayout& asked, const arrow::Array* values,
                      const std::vector<size_t>& rows, FeatureTrace* trace) const {
    std::map<int64_t, std::vector<size_t>> tiles;
    for (const size_t row : rows) {
      tiles[base::FloorTo(*kept_[row].event_time, asked.hop_us)].push_back(row);
    }
    for (const auto& [begin, members] : tiles) {
      ARROW_ASSIGN_OR_RAISE(auto partial, Partial(asked.aggregate, values, members));
      trace->tiles.push_back({begin, base::SaturatingAdd(begin, asked.hop_us),
                              static_cast<int64_t>(members.size()), std::move(partial)});
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::string> Arithmetic(const state::AggregateSpec& spec,
                                        const arrow::Array* values,
                                        const std::vector<size_t>& rows) const {
    const std::string n = std::to_string(rows.size());
    ARROW_ASSIGN_OR_RAISE(const std::string partial, Partial(spec, values, rows));
    switch (spec.kind) {
      case AggregateKind::kCount:
        return n + (values == nullptr ? " rows" : " values");
      case AggregateKind::kCountDistinct:
        return "the distinct ones of " + n + " values";
      case AggregateKind::kSum:
        return "the sum of " + n + " values";
      case AggregateKind::kMean:
        return rows.empty() ? "no values" : partial + " / " + n;
      case AggregateKind::kStddev:
      case AggregateKind::kVariance:
        return n + " values with the sum " + partial + "; of the sample, by " + n + " - 1";
      case AggregateKind::kMin:
        return "the least of " + n + " values";
      case AggregateKind::kMax:
        return "the greatest of " + n + " values";
      case AggregateKind::kQuantile: {
        const auto rank =
            static_cast<int64_t>(std::ceil(spec.q * static_cast<double>(rows.size())));
        return "rank " + std::to_string(std::max<int64_t>(rank, rows.empty() ? 0 : 1)) + " of " +
               n + " values, within 1 %";
      }
      case AggregateKind::kFirst:
      case AggregateKind::kLast:
      case AggregateKind::kLastN:
        return "of " + n + " values by (event time, known time, seq)";
      case AggregateKind::kTopN:
        return "the greatest of " + n + " values, repeats kept";
    }
    return std::string();
  }

  arrow::Result<FeatureTrace> Show(const arrow::Array* values,
                                   const std::vector<RowVerdict>& verdicts,
                                   FeatureTrace trace) const {
    std::vector<size_t> order(kept_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) { return Less(b, a); });
    for (const size_t row : order) {
      const KeptRow& kept = kept_[row];
      TracedRow shown;
      if (!layout().always) {
        shown.event_time = kept.event_time;
        shown.known_at = kept.known_at;
      }
      shown.seq = kept.seq;
      shown.verdict = verdicts[row];
      if (shown.verdict == RowVerdict::kReplaced) shown.until = kept.until;
      if (values != nullptr) {
        ARROW_ASSIGN_OR_RAISE(shown.value, base::ValueText(*values, static_cast<int64_t>(row)));
      }
      trace.rows.push_back(std::move(shown));
    }
    return trace;
  }

  std::shared_ptr<const BoundView> view_;
  std::shared_ptr<const state::ViewEngine> engine_;
  std::unique_ptr<KeyDictionary> keys_;
  std::vector<KeptRow> kept_;
  std::vector<Arrays> values_;  // of kept_, by value and in pieces
  std::vector<Arrays> masks_;
  std::vector<state::VersionMark> marks_;  // of every version, also of other keys
  Arrays marked_;                          // whose bytes the marks point to
};

}  // namespace

std::string_view RowVerdictName(RowVerdict verdict) {
  switch (verdict) {
    case RowVerdict::kChosen:
      return "chosen";
    case RowVerdict::kCounted:
      return "counted";
    case RowVerdict::kSuperseded:
      return "superseded";
    case RowVerdict::kExpired:
      return "expired";
    case RowVerdict::kNoValue:
      return "no_value";
    case RowVerdict::kFiltered:
      return "filtered";
    case RowVerdict::kReplaced:
      return "replaced";
    case RowVerdict::kDelete:
      return "delete";
    case RowVerdict::kKnownLater:
      return "known_later";
    case RowVerdict::kAfter:
      return "after";
    case RowVerdict::kBeforeWindow:
      return "before_window";
    case RowVerdict::kWithoutTime:
      return "without_time";
  }
  return "";
}

arrow::Result<std::unique_ptr<KeyTrace>> KeyTrace::Make(std::shared_ptr<const BoundView> view,
                                                        const Arrays& key) {
  auto trace = std::make_unique<KeyTraceImpl>();
  ARROW_RETURN_NOT_OK(trace->Init(std::move(view), key));
  return trace;
}

}  // namespace icecore::feature
