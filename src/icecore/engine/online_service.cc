#include "icecore/engine/online_service.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/engine/served_service.h"
#include "icecore/pipeline/training.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"
#include "icecore/state/answer_block.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

std::shared_ptr<arrow::Array> RepeatedTime(int64_t t_us, int64_t rows) {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  std::vector<int64_t> times(static_cast<size_t>(rows), t_us);
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, rows, {nullptr, arrow::Buffer::FromVector(std::move(times))}, /*null_count=*/0));
}

// A feature's default, ready to stand in the place of nulls.
struct FilledFeature {
  size_t use = 0;
  size_t feature = 0;
  std::optional<uint64_t> word;  // nullopt: the type has none
};

arrow::Result<std::shared_ptr<arrow::Array>> PickRows(const std::shared_ptr<arrow::Array>& array,
                                                      const std::vector<int64_t>& rows) {
  arrow::ArrayVector slices;
  slices.reserve(rows.size());
  for (const int64_t row : rows) slices.push_back(array->Slice(row, 1));
  return arrow::Concatenate(slices);
}

arrow::Result<arrow::ArrayVector> PickRows(const arrow::ArrayVector& arrays,
                                           const std::vector<int64_t>& rows) {
  arrow::ArrayVector picked;
  for (const auto& array : arrays) {
    ARROW_ASSIGN_OR_RAISE(picked.emplace_back(), PickRows(array, rows));
  }
  return picked;
}

// The answers of some rows, `rows` not empty.
arrow::Result<VectorRows> PickRows(const VectorRows& vectors, const std::vector<int64_t>& rows) {
  VectorRows picked;
  picked.t_us = vectors.t_us;
  picked.num_rows = static_cast<int64_t>(rows.size());
  picked.views = vectors.views;
  picked.service = vectors.service;
  for (const state::FeatureAnswers& feature : vectors.features) {
    std::vector<state::AnswerSlot> slots;
    slots.reserve(rows.size());
    for (const int64_t row : rows) slots.push_back(feature.slot(row));
    std::shared_ptr<arrow::Array> values;
    if (feature.values() != nullptr) {
      ARROW_ASSIGN_OR_RAISE(values, PickRows(feature.values(), rows));
    }
    const state::AnswerSlot* const first = slots.data();
    picked.blocks.emplace_back(nullptr, std::move(slots),
                               std::vector<std::shared_ptr<arrow::Array>>());
    picked.features.emplace_back(&feature.type(), first, 1, picked.num_rows, std::move(values));
  }
  return picked;
}

// Rows whose cells are damaged, by use.
using DamagedByUse = std::map<size_t, std::vector<int64_t>>;

// `values` with nulls at `rows`, ascending.
arrow::Result<std::shared_ptr<arrow::Array>> WithNullsAt(
    const std::shared_ptr<arrow::Array>& values, const std::vector<int64_t>& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto null, arrow::MakeArrayOfNull(values->type(), 1));
  arrow::ArrayVector pieces;
  int64_t taken = 0;
  for (const int64_t row : rows) {
    pieces.push_back(values->Slice(taken, row - taken));
    pieces.push_back(null);
    taken = row + 1;
  }
  pieces.push_back(values->Slice(taken));
  return arrow::Concatenate(pieces);
}

// An expression knows nothing where one of its inputs is damaged.
arrow::Status MarkDamaged(const feature::OutputOrigin& origin, const DamagedByUse& damaged,
                          state::VectorSink::Column* column) {
  std::set<int64_t> rows;
  for (const auto& input : origin.inputs) {
    if (input.use < 0) continue;
    const auto found = damaged.find(static_cast<size_t>(input.use));
    if (found != damaged.end()) rows.insert(found->second.begin(), found->second.end());
  }
  if (rows.empty()) return arrow::Status::OK();
  for (const int64_t row : rows) {
    column->statuses[static_cast<size_t>(row)] = state::ValueStatus::kError;
    column->event_times[static_cast<size_t>(row)] = std::nullopt;
  }
  return WithNullsAt(column->values, {rows.begin(), rows.end()}).Value(&column->values);
}

// Why the store did not answer when the service was opened. It is the answer of the read that
// follows at once: a store that throttles would be asked twice as often if that asked again.
class Refusal {
 public:
  explicit Refusal(arrow::Status status)
      : status_(std::move(status)), since_ns_(base::MonotonicNanos()), is_left_(!status_.ok()) {}

  arrow::Status Take() {
    if (!is_left_.load(std::memory_order_relaxed) || !is_left_.exchange(false)) {
      return arrow::Status::OK();
    }
    return base::MonotonicNanos() < since_ns_ + kRefusalNanos ? status_ : arrow::Status::OK();
  }

 private:
  const arrow::Status status_;
  const int64_t since_ns_;
  std::atomic<bool> is_left_;
};

class OnlineServiceImpl : public OnlineService,
                          public std::enable_shared_from_this<OnlineServiceImpl> {
 public:
  OnlineServiceImpl(std::shared_ptr<const feature::BoundService> service,
                    std::vector<online::StoredView> views, online::Store* store,
                    arrow::Status refusal, std::shared_ptr<const online::ServedService> served,
                    online::ServedLog* served_log)
      : service_(std::move(service)),
        views_(std::move(views)),
        store_(store),
        refusal_(std::move(refusal)),
        served_(std::move(served)),
        served_log_(served_log) {}

  // What does not change from request to request.
  arrow::Status Plan() {
    const auto& columns = service_->key_columns();
    for (const feature::ViewUse& use : service_->uses()) {
      std::vector<size_t>& places = key_places_.emplace_back();
      for (const std::string& name : use.key_columns) {
        const auto at = std::find_if(columns.begin(), columns.end(),
                                     [&](const auto& column) { return column.name == name; });
        places.push_back(static_cast<size_t>(at - columns.begin()));
      }
      const auto known = std::find_if(views_.begin(), views_.end(), [&](const auto& view) {
        return view.name == use.view->name();
      });
      is_first_use_.push_back(static_cast<size_t>(known - views_.begin()) + 1 ==
                              key_places_.size());
    }
    for (size_t i = 0; i < service_->outputs().size(); ++i) {
      const feature::OutputOrigin& origin = origins_.emplace_back(service_->OriginOf(i));
      if (origin.use < 0) {
        ++num_expressions_;
      } else {
        ARROW_RETURN_NOT_OK(PlanDefault(origin));
      }
    }
    return arrow::Status::OK();
  }

  const feature::BoundService& service() const override { return *service_; }

  arrow::Result<Vectors> Read(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                              const std::vector<std::shared_ptr<arrow::Array>>& request,
                              int64_t t_us) const override {
    ARROW_ASSIGN_OR_RAISE(const VectorRows rows,
                          ReadRows(keys, request, t_us, online::kNoDeadline));
    return ToVectors(rows);
  }

  arrow::Result<VectorRows> ReadRows(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                                     const std::vector<std::shared_ptr<arrow::Array>>& request,
                                     int64_t t_us, int64_t deadline_ns) const override {
    ARROW_RETURN_NOT_OK(refusal_.Take());
    ARROW_ASSIGN_OR_RAISE(auto answers, store_->Read(MakeReads(keys), t_us, deadline_ns));
    VectorRows out;
    out.service = shared_from_this();
    out.t_us = t_us;
    out.num_rows = !keys.empty()      ? keys.front()->length()
                   : !request.empty() ? request.front()->length()
                                      : 1;
    out.views.reserve(answers.size());
    out.blocks.reserve(answers.size() + num_expressions_);
    DamagedByUse damaged;
    for (size_t i = 0; i < answers.size(); ++i) {
      out.blocks.push_back(std::move(answers[i].features));
      if (!answers[i].damaged.empty()) {
        out.damages.push_back(DamageOf(i, answers[i].damaged));
        damaged[i] = out.damages.back().rows;
      }
      if (is_first_use_[i]) {
        out.views.push_back({&views_[i].name, std::move(answers[i].position), answers[i].stale});
      }
    }
    ARROW_RETURN_NOT_OK(Assemble(request, damaged, &out));
    if (served_log_ != nullptr) {
      // A vector that cannot be logged is served all the same.
      if (const arrow::Status status = Log(keys, request, out); !status.ok()) {
        base::Log(base::LogLevel::kWarning, "served log: " + status.message());
      }
    }
    return out;
  }

 private:
  // A default is what the view puts in the place of a null.
  arrow::Status PlanDefault(const feature::OutputOrigin& origin) {
    const auto use = static_cast<size_t>(origin.use);
    const auto feature = static_cast<size_t>(origin.feature);
    const feature::BoundView& view = *service_->uses()[use].view;
    ARROW_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(view.feature_types()[feature], 1));
    ARROW_ASSIGN_OR_RAISE(auto filled, view.ApplyDefault(origin.feature, std::move(null)));
    if (filled->IsNull(0)) return arrow::Status::OK();
    FilledFeature one{use, feature, std::nullopt};
    const auto block =
        state::AnswerBlock::Of({std::move(filled), {state::ValueStatus::kPresent}, {std::nullopt}});
    if (block.feature(0).values() == nullptr) one.word = block.feature(0).slot(0).word;
    filled_.push_back(one);
    return arrow::Status::OK();
  }

  // The service's features from those of its views, which stand in the first blocks. Expressions
  // get columns, and give one.
  arrow::Status Assemble(const std::vector<std::shared_ptr<arrow::Array>>& request,
                         const DamagedByUse& damaged, VectorRows* out) const {
    const size_t first_computed = out->blocks.size();
    for (size_t i = 0; i < origins_.size(); ++i) {
      if (origins_[i].use >= 0) continue;
      std::vector<feature::UseValues> uses(views_.size());
      for (const auto& input : origins_[i].inputs) {
        if (input.use < 0) continue;
        const auto use = static_cast<size_t>(input.use);
        const auto feature = static_cast<size_t>(input.feature);
        uses[use].resize(out->blocks[use].num_features());
        uses[use][feature] = out->blocks[use].feature(feature).ToColumn();
      }
      ARROW_ASSIGN_OR_RAISE(
          auto column,
          service_->AssembleOutput(i, uses, request, RepeatedTime(out->t_us, out->num_rows)));
      ARROW_RETURN_NOT_OK(MarkDamaged(origins_[i], damaged, &column));
      out->blocks.push_back(state::AnswerBlock::Of(std::move(column)));
    }
    ARROW_RETURN_NOT_OK(Fill(damaged, &out->blocks));
    out->features.reserve(origins_.size());
    size_t next_computed = first_computed;
    for (const feature::OutputOrigin& origin : origins_) {
      out->features.push_back(origin.use < 0 ? out->blocks[next_computed++].feature(0)
                                             : out->blocks[static_cast<size_t>(origin.use)].feature(
                                                   static_cast<size_t>(origin.feature)));
    }
    return arrow::Status::OK();
  }

  arrow::Status Fill(const DamagedByUse& damaged, std::vector<state::AnswerBlock>* blocks) const {
    for (const FilledFeature& filled : filled_) {
      state::AnswerBlock& block = (*blocks)[filled.use];
      if (filled.word) {
        block.FillNulls(filled.feature, *filled.word);
        continue;
      }
      const feature::BoundView& view = *service_->uses()[filled.use].view;
      ARROW_ASSIGN_OR_RAISE(auto values,
                            view.ApplyDefault(static_cast<int>(filled.feature),
                                              block.feature(filled.feature).ToArray()));
      // What is damaged has no value, and a default would look like one.
      if (const auto rows = damaged.find(filled.use); rows != damaged.end()) {
        ARROW_ASSIGN_OR_RAISE(values, WithNullsAt(values, rows->second));
      }
      block.ReplaceValues(filled.feature, std::move(values));
    }
    return arrow::Status::OK();
  }

  DamagedRows DamageOf(size_t use, const std::vector<online::DamagedKey>& keys) const {
    DamagedRows damage;
    damage.view = views_[use].name;
    for (size_t i = 0; i < origins_.size(); ++i) {
      const auto& inputs = origins_[i].inputs;
      if (origins_[i].use == static_cast<int>(use) ||
          std::any_of(inputs.begin(), inputs.end(),
                      [&](const auto& input) { return input.use == static_cast<int>(use); })) {
        damage.features.push_back(service_->outputs()[i].name);
      }
    }
    for (const online::DamagedKey& key : keys) damage.rows.push_back(key.row);
    damage.why = keys.front().why;
    return damage;
  }

  Vectors ToVectors(const VectorRows& rows) const {
    Vectors out;
    out.service = service_->name();
    out.t_us = rows.t_us;
    out.outputs = {service_, &service_->outputs()};
    out.columns.reserve(rows.features.size());
    for (const state::FeatureAnswers& feature : rows.features) {
      out.columns.push_back(feature.ToColumn());
    }
    for (const VectorRows::View& view : rows.views) {
      out.positions.emplace_back(*view.name, *view.position);
      if (view.is_stale) out.stale_views.push_back(*view.name);
    }
    out.damages = rows.damages;
    return out;
  }

  arrow::Status Log(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                    const std::vector<std::shared_ptr<arrow::Array>>& request,
                    const VectorRows& rows) const {
    ARROW_ASSIGN_OR_RAISE(auto sampled, served_log_->Sample(keys, rows.num_rows));
    if (sampled.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const VectorRows picked, PickRows(rows, sampled));
    ARROW_ASSIGN_OR_RAISE(const auto picked_keys, PickRows(keys, sampled));
    ARROW_ASSIGN_OR_RAISE(const auto picked_request, PickRows(request, sampled));
    std::iota(sampled.begin(), sampled.end(), 0);
    return served_log_->Offer(
        AsServed(served_, picked_keys, picked_request, picked.num_rows, ToVectors(picked)),
        sampled);
  }

  std::vector<online::ViewRead> MakeReads(
      const std::vector<std::shared_ptr<arrow::Array>>& keys) const {
    std::vector<online::ViewRead> reads(views_.size());
    for (size_t i = 0; i < reads.size(); ++i) {
      reads[i].view = &views_[i];
      reads[i].keys.reserve(key_places_[i].size());
      for (const size_t place : key_places_[i]) {
        reads[i].keys.push_back(keys[place]);
      }
    }
    return reads;
  }

  const std::shared_ptr<const feature::BoundService> service_;
  const std::vector<online::StoredView> views_;  // one per use
  std::vector<std::vector<size_t>> key_places_;  // of each use its keys, in key_columns()
  std::vector<bool> is_first_use_;               // of its view
  std::vector<feature::OutputOrigin> origins_;   // one per output
  size_t num_expressions_ = 0;                   // among them
  std::vector<FilledFeature> filled_;
  online::Store* const store_;
  mutable Refusal refusal_;
  const std::shared_ptr<const online::ServedService> served_;
  online::ServedLog* const served_log_;
};

}  // namespace

arrow::Result<std::shared_ptr<const OnlineService>> MakeOnlineService(
    const pipeline::Workspace& workspace, const pipeline::AnalysedProject& project,
    std::shared_ptr<const feature::BoundService> service, int64_t catalog_version,
    online::ServedLog* served_log) {
  std::vector<online::StoredView> views;
  arrow::Status refusal;
  for (const feature::ViewUse& use : service->uses()) {
    const spec::FeatureView* view = workspace.project->FindView(use.view->name());
    if (!view->online) {
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, view->location,
                               "view " + view->name + " is not online; say `online: true`");
    }
    ARROW_ASSIGN_OR_RAISE(auto stored, pipeline::StoredViewOf(workspace, project, *view, &refusal));
    views.push_back(std::move(stored));
  }
  std::shared_ptr<const online::ServedService> served;
  if (served_log != nullptr) {
    ARROW_ASSIGN_OR_RAISE(served, DescribeServed(*workspace.project, *service, catalog_version));
  }
  auto made =
      std::make_shared<OnlineServiceImpl>(std::move(service), std::move(views), workspace.online,
                                          std::move(refusal), std::move(served), served_log);
  ARROW_RETURN_NOT_OK(made->Plan());
  return made;
}

arrow::Result<std::shared_ptr<arrow::Array>> ParseColumn(const feature::RequestColumn& column,
                                                         const std::string& text) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Append(text));
  ARROW_ASSIGN_OR_RAISE(auto texts, builder.Finish());
  quality::ColumnTarget target;
  target.type = column.type;
  ARROW_ASSIGN_OR_RAISE(auto converted, quality::ConvertText(*texts, target, {}, /*json=*/false));
  if (!converted.bad.empty()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + column.name + "': '" + text + "' is no " + spec::TypeText(*column.type));
  }
  return converted.values;
}

}  // namespace icecore::engine
