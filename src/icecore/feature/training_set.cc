#include "icecore/feature/training_set.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/sweep.h"
#include "icecore/feature/time_column.h"
#include "icecore/spec/parse.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {

namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using base::ErrorCode;
using base::MakeError;

constexpr char kEventTimestamp[] = "event_timestamp";

// The spine's column as one array.
arrow::Result<std::shared_ptr<arrow::Array>> SpineColumn(const arrow::Table& spine,
                                                         const std::string& name,
                                                         const std::string& what) {
  const auto column = spine.GetColumnByName(name);
  if (column == nullptr) {
    return MakeError(ErrorCode::kInvalidArgument, "the spine has no column '" + name + "' (" +
                                                      what + ")" +
                                                      base::DidYouMean(name, spine.ColumnNames()));
  }
  if (column->num_chunks() == 1) return column->chunk(0);
  if (column->num_chunks() == 0) return arrow::MakeEmptyArray(column->type());
  return arrow::Concatenate(column->chunks());
}

arrow::Status CheckNames(const BoundService& service, const arrow::Table& spine) {
  for (const OutputFeature& output : service.outputs()) {
    if (spine.schema()->GetFieldIndex(output.name) < 0 &&
        spine.schema()->GetAllFieldIndices(output.name).empty()) {
      continue;
    }
    return MakeError(ErrorCode::kInvalidArgument,
                     "feature '" + output.name + "' (" + output.view + "." + output.feature +
                         ") has the name of a spine column; give it another with `prefix` or `as` "
                         "in feature_service '" +
                         service.name() + "'");
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Int64Array>> SpineTimes(const arrow::Table& spine) {
  ARROW_ASSIGN_OR_RAISE(const auto column, SpineColumn(spine, kEventTimestamp, "the time t"));
  auto times = ToMicros(*column, Rounding::kDown);
  if (!times.ok()) return base::WithContext(times.status(), "spine column 'event_timestamp'");
  return times;
}

arrow::Result<std::shared_ptr<arrow::Array>> KeyColumn(
    const arrow::Table& spine, const std::string& name,
    const std::shared_ptr<arrow::DataType>& type) {
  ARROW_ASSIGN_OR_RAISE(auto column, SpineColumn(spine, name, "a key: " + spec::TypeText(*type)));
  if (column->type_id() == arrow::Type::NA) {
    return arrow::MakeArrayOfNull(type, column->length());
  }
  if (!KeyTypesMatch(*column->type(), *type)) {
    return MakeError(ErrorCode::kInvalidArgument, "spine column '" + name + "' is " +
                                                      spec::TypeText(*column->type()) +
                                                      ", the key is " + spec::TypeText(*type));
  }
  return CastKey(std::move(column), type);
}

arrow::Result<Arrays> RequestColumns(const BoundService& service, const arrow::Table& spine) {
  Arrays columns;
  for (const RequestColumn& asked : service.request_columns()) {
    ARROW_ASSIGN_OR_RAISE(auto column, SpineColumn(spine, asked.name,
                                                   "request data: " + spec::TypeText(*asked.type)));
    if (!column->type()->Equals(*asked.type)) {
      auto cast = arrow::compute::Cast(*column, asked.type);
      if (!cast.ok()) {
        return MakeError(ErrorCode::kInvalidArgument,
                         "spine column '" + asked.name + "' is " + spec::TypeText(*column->type()) +
                             ", the request asks for " + spec::TypeText(*asked.type) + ": " +
                             cast.status().message());
      }
      column = std::move(cast).ValueUnsafe();
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// The uses of one view: their labels are swept together.
struct ViewJob {
  std::shared_ptr<const BoundView> view;
  std::vector<size_t> uses;
  std::unique_ptr<KeyDictionary> keys;
  SweepLabels labels;                                      // of each use in turn, one per spine row
  int64_t earliest = std::numeric_limits<int64_t>::max();  // label that can match
  int64_t latest = std::numeric_limits<int64_t>::min();
};

arrow::Status AddLabels(const ViewUse& use, const arrow::Table& spine,
                        const arrow::Int64Array& times, ViewJob* job) {
  Arrays columns;
  for (size_t i = 0; i < use.key_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column,
                          KeyColumn(spine, use.key_columns[i], job->view->key_types()[i]));
    columns.push_back(std::move(column));
  }
  ARROW_ASSIGN_OR_RAISE(auto keys, job->keys->AddAll(columns));
  for (int64_t row = 0; row < times.length(); ++row) {
    int64_t& key = keys[static_cast<size_t>(row)];
    if (times.IsNull(row)) key = -1;
    job->labels.times.push_back(times.IsNull(row) ? 0 : times.Value(row));
    if (key < 0) continue;
    job->earliest = std::min(job->earliest, times.Value(row));
    job->latest = std::max(job->latest, times.Value(row));
  }
  job->labels.keys.insert(job->labels.keys.end(), keys.begin(), keys.end());
  return arrow::Status::OK();
}

arrow::Result<std::vector<ViewJob>> MakeJobs(const BoundService& service, const arrow::Table& spine,
                                             const arrow::Int64Array& times) {
  std::vector<ViewJob> jobs;
  for (size_t i = 0; i < service.uses().size(); ++i) {
    const ViewUse& use = service.uses()[i];
    auto job = std::find_if(jobs.begin(), jobs.end(),
                            [&](const ViewJob& known) { return known.view == use.view; });
    if (job == jobs.end()) {
      jobs.emplace_back();
      job = std::prev(jobs.end());
      job->view = use.view;
      ARROW_ASSIGN_OR_RAISE(job->keys, KeyDictionary::Make(use.view->key_types()));
    }
    job->uses.push_back(i);
    ARROW_RETURN_NOT_OK(AddLabels(use, spine, times, &*job));
  }
  return jobs;
}

// The rows of a view's log that some label can see, gathered batch by batch.
class RowCollector {
 public:
  RowCollector(const ViewJob& job, const KnowledgeCut& cut)
      : job_(job),
        cut_(cut),
        engine_(*job.view->engine()),
        always_(engine_.layout().always),
        versioned_(engine_.layout().versioned),
        oldest_(job.latest < job.earliest ? 0 : engine_.OldestRelevant(job.earliest)),
        values_(engine_.layout().value_types.size()),
        masks_(static_cast<size_t>(engine_.layout().mask_count)) {}

  arrow::Status Add(const state::PreparedRows& batch) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, job_.keys->FindAll(batch.keys));
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
      if (activation > job_.latest) continue;
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
      ARROW_RETURN_NOT_OK(Keep(batch.values[i], *indices, &values_[i]));
    }
    for (size_t i = 0; i < masks_.size(); ++i) {
      ARROW_RETURN_NOT_OK(Keep(batch.masks[i], *indices, &masks_[i]));
    }
    return arrow::Status::OK();
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
      ARROW_ASSIGN_OR_RAISE(auto values, Join(values_[i], engine_.layout().value_types[i]));
      out_.rows.values.push_back(std::move(values));
    }
    for (const Arrays& parts : masks_) {
      ARROW_ASSIGN_OR_RAISE(auto mask, Join(parts, arrow::boolean()));
      out_.rows.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(mask));
    }
    return std::move(out_);
  }

 private:
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

  const ViewJob& job_;
  const KnowledgeCut& cut_;
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

// Values of every use of the view, in the job's order.
arrow::Result<std::vector<UseValues>> RunJob(const ViewJob& job, const KnowledgeCut& cut,
                                             int64_t spine_rows, FeatureLog* log) {
  RowCollector collector(job, cut);
  ARROW_ASSIGN_OR_RAISE(const auto reader, log->Scan(*job.view));
  while (job.keys->size() > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(const auto prepared, job.view->Prepare(*batch));
    ARROW_RETURN_NOT_OK(collector.Add(prepared));
  }
  ARROW_ASSIGN_OR_RAISE(const SweepRows rows, collector.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto plan, state::ViewPlan::Make(job.view->engine()->layout()));
  ARROW_ASSIGN_OR_RAISE(const auto columns, Sweep(plan, rows, job.labels, job.keys->size()));
  std::vector<UseValues> values(job.uses.size());
  for (size_t u = 0; u < job.uses.size(); ++u) {
    const int64_t from = static_cast<int64_t>(u) * spine_rows;
    for (const auto& column : columns) {
      state::VectorSink::Column part;
      part.values = column.values->Slice(from, spine_rows);
      part.statuses.assign(column.statuses.begin() + from,
                           column.statuses.begin() + from + spine_rows);
      values[u].push_back(std::move(part));
    }
  }
  return values;
}

// How often features were null or expired, before defaults.
FeatureReport ReportOf(const OutputFeature& output, const state::VectorSink::Column& column) {
  FeatureReport report;
  report.name = output.name;
  report.rows = column.values->length();
  for (const state::ValueStatus status : column.statuses) {
    if (status != state::ValueStatus::kPresent) ++report.nulls;
    if (status == state::ValueStatus::kExpired) ++report.expired;
  }
  return report;
}

}  // namespace

arrow::Result<TrainingSet> BuildTrainingSet(const BoundService& service,
                                            const std::shared_ptr<arrow::Table>& spine,
                                            const KnowledgeCut& cut, FeatureLog* log) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  ARROW_RETURN_NOT_OK(CheckNames(service, *spine));
  ARROW_ASSIGN_OR_RAISE(const auto times, SpineTimes(*spine));
  ARROW_ASSIGN_OR_RAISE(const Arrays request, RequestColumns(service, *spine));
  ARROW_ASSIGN_OR_RAISE(const auto jobs, MakeJobs(service, *spine, *times));

  std::vector<UseValues> uses(service.uses().size());
  for (const ViewJob& job : jobs) {
    auto values = RunJob(job, cut, spine->num_rows(), log);
    if (!values.ok()) {
      return base::WithContext(values.status(), "feature_view '" + job.view->name() + "'");
    }
    for (size_t u = 0; u < job.uses.size(); ++u) uses[job.uses[u]] = std::move((*values)[u]);
  }
  ARROW_ASSIGN_OR_RAISE(const auto event_timestamp,
                        times->View(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  ARROW_ASSIGN_OR_RAISE(const auto columns, service.Assemble(uses, request, event_timestamp));

  TrainingSet set;
  set.table = spine;
  for (size_t i = 0; i < columns.size(); ++i) {
    const OutputFeature& output = service.outputs()[i];
    ARROW_ASSIGN_OR_RAISE(
        set.table,
        set.table->AddColumn(set.table->num_columns(), arrow::field(output.name, output.type),
                             std::make_shared<arrow::ChunkedArray>(columns[i].values)));
    set.features.push_back(ReportOf(output, columns[i]));
  }
  return set;
}

}  // namespace icecore::feature
