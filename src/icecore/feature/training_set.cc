#include "icecore/feature/training_set.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/base/suggest.h"
#include "icecore/feature/as_of_scan.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/label_set.h"
#include "icecore/feature/spilled_answers.h"
#include "icecore/feature/swept_view.h"
#include "icecore/feature/time_column.h"
#include "icecore/feature/view_answers.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {

namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using base::ErrorCode;
using base::MakeError;

// Of a block, about: few enough that the blocks under way are a small part of the memory.
constexpr int64_t kBlockBytes = int64_t{32} << 20;
constexpr int64_t kLeastBlockRows = 1024;
constexpr size_t kJobsAtOnce = 2;
constexpr int64_t kLeastRowBytes = int64_t{1} << 20;

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

arrow::Status CheckNames(const BoundService& service, const arrow::Schema& spine) {
  for (const OutputFeature& output : service.outputs()) {
    if (spine.GetAllFieldIndices(output.name).empty()) continue;
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

// The uses of one view: their labels are answered together.
struct ViewJob {
  std::shared_ptr<const BoundView> view;
  state::ViewPlan plan;          // of `features`
  std::vector<size_t> features;  // places among the view's
  std::vector<size_t> uses;
  std::string labels;  // what makes its labels; jobs of the same share them
};

// What a view gave for the piece at hand, in memory or on disk.
struct JobAnswers {
  std::unique_ptr<ViewAnswers> held;
  std::unique_ptr<SpilledAnswers> spilled;
};

// Rows of the spine that are answered together, and written block by block.
struct Piece {
  std::shared_ptr<arrow::Table> spine;
  std::vector<std::shared_ptr<arrow::RecordBatch>> blocks;
  int64_t spine_bytes = 0;
  std::vector<int64_t> starts;  // first row of each block
  Arrays request;
  std::shared_ptr<arrow::Array> event_timestamp;
  std::vector<JobAnswers> answers;  // by job
  size_t next = 0;                  // block
};

// As-of features need no rows held, windows those of their length: apart, neither pays for the
// other. Over versions both need the rows that are held.
std::vector<std::vector<size_t>> FeaturesByJob(const state::ViewLayout& layout) {
  std::vector<size_t> all(layout.features.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::vector<size_t> as_of;
  std::vector<size_t> windows;
  for (const size_t i : all) {
    const bool chosen = layout.features[i].kind == state::FeatureLayout::Kind::kAsOf;
    (chosen ? as_of : windows).push_back(i);
  }
  if (layout.versioned || as_of.empty() || windows.empty()) return {all};
  return {as_of, windows};
}

arrow::Result<ViewJob> MakeJob(const std::shared_ptr<const BoundView>& view,
                               std::vector<size_t> features) {
  ViewJob job;
  job.view = view;
  state::ViewLayout layout = view->engine()->layout();
  std::vector<state::FeatureLayout> asked;
  asked.reserve(features.size());
  for (const size_t i : features) asked.push_back(layout.features[i]);
  layout.features = std::move(asked);
  ARROW_ASSIGN_OR_RAISE(job.plan, state::ViewPlan::Make(std::move(layout)));
  job.features = std::move(features);
  for (const auto& type : view->key_types()) job.labels += type->ToString() + "\n";
  return job;
}

arrow::Result<std::vector<ViewJob>> MakeJobs(const BoundService& service) {
  std::vector<ViewJob> jobs;
  for (size_t i = 0; i < service.uses().size(); ++i) {
    const ViewUse& use = service.uses()[i];
    const auto is_of_view = [&](const ViewJob& job) { return job.view == use.view; };
    if (std::none_of(jobs.begin(), jobs.end(), is_of_view)) {
      for (auto& features : FeaturesByJob(use.view->engine()->layout())) {
        ARROW_ASSIGN_OR_RAISE(jobs.emplace_back(), MakeJob(use.view, std::move(features)));
      }
    }
    for (ViewJob& job : jobs) {
      if (!is_of_view(job)) continue;
      job.uses.push_back(i);
      job.labels += "\n";
      for (const std::string& column : use.key_columns) job.labels += column + "\n";
    }
  }
  return jobs;
}

arrow::Result<std::unique_ptr<LabelSet>> LabelsOf(const BoundService& service, const ViewJob& job,
                                                  const arrow::Table& spine,
                                                  const arrow::Int64Array& times) {
  std::vector<Arrays> uses;
  for (const size_t u : job.uses) {
    Arrays& columns = uses.emplace_back();
    const ViewUse& use = service.uses()[u];
    for (size_t i = 0; i < use.key_columns.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            KeyColumn(spine, use.key_columns[i], job.view->key_types()[i]));
    }
  }
  return LabelSet::Make(job.view->key_types(), uses, times);
}

// How often a feature was null or expired, before defaults.
void Count(const state::VectorSink::Column& column, FeatureReport* report) {
  report->rows += column.values->length();
  for (const state::ValueStatus status : column.statuses) {
    if (status != state::ValueStatus::kPresent) ++report->nulls;
    if (status == state::ValueStatus::kExpired) ++report->expired;
  }
}

// A log that views may ask from several threads. What it gives is read outside the lock.
class LockedLog final : public FeatureLog {
 public:
  explicit LockedLog(FeatureLog* log) : log_(log) {}
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const BoundView& view) override {
    const std::lock_guard lock(mutex_);
    return log_->Scan(view);
  }
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> ScanParts(
      const BoundView& view, const LogQuery& query) override {
    const std::lock_guard lock(mutex_);
    return log_->ScanParts(view, query);
  }
  arrow::Result<std::shared_ptr<const ClusteredLog>> Clustered(const BoundView& view) override {
    const std::lock_guard lock(mutex_);
    return log_->Clustered(view);
  }

 private:
  std::mutex mutex_;
  FeatureLog* const log_;
};

using Statuses = std::vector<std::vector<state::ValueStatus>>;  // by feature, by row

struct MadeBlock {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<FeatureReport> reports;
  Statuses statuses;
};

class StreamedTrainingSet final : public TrainingSetReader {
 public:
  StreamedTrainingSet(const BoundService& service, std::shared_ptr<arrow::RecordBatchReader> spine,
                      const KnowledgeCut& cut, FeatureLog* log, TrainingSetOptions options)
      : service_(service),
        spine_(std::move(spine)),
        cut_(cut),
        log_(log),
        options_(std::move(options)) {}

  arrow::Status Init();
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override;
  const std::vector<FeatureReport>& features() const override { return reports_; }
  const Statuses& statuses() const override { return statuses_; }

 private:
  arrow::Result<int64_t> PieceRows(const arrow::RecordBatch& first) const;
  arrow::Result<bool> NextPiece();
  arrow::Result<arrow::RecordBatchVector> ReadPiece();
  arrow::Status Cut(const arrow::RecordBatchVector& batches);
  arrow::Status AnswerPiece(const arrow::Int64Array& times);
  arrow::Status AnswerInto(const ViewJob& job, const LabelSet& labels, JobAnswers* answers);
  arrow::Result<std::unique_ptr<ViewAnswers>> AnswerJob(const ViewJob& job, const LabelSet& labels);
  SweepBounds BoundsOf(const ViewJob& job, const LabelSet& labels) const;
  std::string NameOf(const ViewJob& job, int64_t label) const;
  arrow::Result<std::unique_ptr<SpilledAnswers>> Spill(const ViewJob& job,
                                                       const ViewAnswers& answers) const;
  arrow::Result<UseValues> ValuesOf(const JobAnswers& answers, size_t use, size_t block) const;
  arrow::Result<MadeBlock> MakeBlock(size_t block) const;
  void MakeAhead();

  const BoundService& service_;
  std::shared_ptr<arrow::RecordBatchReader> spine_;  // null once it has ended
  const KnowledgeCut cut_;
  LockedLog log_;
  const TrainingSetOptions options_;
  std::shared_ptr<arrow::Schema> spine_schema_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<ViewJob> jobs_;
  std::shared_ptr<arrow::RecordBatch> pending_;  // read, and not yet in a piece
  int64_t piece_rows_ = 0;
  int64_t block_rows_ = 0;
  std::atomic<int64_t> held_bytes_ = 0;  // of the piece's answers
  std::vector<FeatureReport> reports_;
  Statuses statuses_;  // of the batch read last
  Piece piece_;
  std::deque<std::future<arrow::Result<MadeBlock>>> making_;  // last: they use all the others
};

arrow::Status StreamedTrainingSet::Init() {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  spine_schema_ = spine_->schema();
  ARROW_RETURN_NOT_OK(CheckNames(service_, *spine_schema_));
  ARROW_ASSIGN_OR_RAISE(jobs_, MakeJobs(service_));
  // All that does not depend on values is found before anything is read.
  ARROW_ASSIGN_OR_RAISE(const auto empty, arrow::Table::MakeEmpty(spine_schema_));
  ARROW_ASSIGN_OR_RAISE(const auto times, SpineTimes(*empty));
  ARROW_RETURN_NOT_OK(RequestColumns(service_, *empty).status());
  for (const ViewJob& job : jobs_) {
    ARROW_RETURN_NOT_OK(LabelsOf(service_, job, *empty, *times).status());
  }
  arrow::FieldVector fields = spine_schema_->fields();
  for (const OutputFeature& output : service_.outputs()) {
    fields.push_back(arrow::field(output.name, output.type));
    reports_.push_back({output.name, 0, 0, 0});
  }
  const auto row_bytes = static_cast<int64_t>(fields.size()) * 9;
  block_rows_ = std::min(options_.block_rows, std::max(kBlockBytes / row_bytes, kLeastBlockRows));
  schema_ = arrow::schema(std::move(fields), spine_schema_->metadata());
  return arrow::Status::OK();
}

// Three quarters of the memory are the piece's: its rows, their labels, and what is found for them.
arrow::Result<int64_t> StreamedTrainingSet::PieceRows(const arrow::RecordBatch& first) const {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(first));
  int64_t row_bytes = 2 * bytes / first.num_rows();
  int64_t answers = 0;
  int64_t widest = 0;
  std::set<std::string_view> labels;
  for (const ViewJob& job : jobs_) {
    const auto uses = static_cast<int64_t>(job.uses.size());
    const auto features = static_cast<int64_t>(job.plan.layout.features.size());
    const int64_t values = uses * features * 9;
    if (labels.insert(job.labels).second) row_bytes += uses * 24;
    answers += values;
    widest = std::max(widest, uses * 96 + 2 * values);
  }
  widest *= static_cast<int64_t>(std::min(kJobsAtOnce, jobs_.size()));
  // Without a place to spill to, all views' values are held.
  row_bytes += options_.scratch_dir.empty() ? answers + widest : widest;
  return std::clamp(options_.memory_bytes / 4 * 3 / std::max<int64_t>(row_bytes, 1), block_rows_,
                    int64_t{1} << 30);
}

arrow::Result<arrow::RecordBatchVector> StreamedTrainingSet::ReadPiece() {
  arrow::RecordBatchVector batches;
  int64_t rows = 0;
  while (spine_ != nullptr && (piece_rows_ == 0 || rows < piece_rows_)) {
    if (pending_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(pending_, spine_->Next());
      if (pending_ == nullptr) {
        spine_.reset();
        break;
      }
    }
    if (piece_rows_ == 0 && pending_->num_rows() > 0) {
      ARROW_ASSIGN_OR_RAISE(piece_rows_, PieceRows(*pending_));
    }
    const int64_t taken = piece_rows_ == 0 ? 0 : std::min(piece_rows_ - rows, pending_->num_rows());
    if (taken > 0) batches.push_back(pending_->Slice(0, taken));
    rows += taken;
    pending_ = taken < pending_->num_rows() ? pending_->Slice(taken) : nullptr;
  }
  return batches;
}

arrow::Status StreamedTrainingSet::Cut(const arrow::RecordBatchVector& batches) {
  int64_t start = 0;
  for (const auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*batch));
    piece_.spine_bytes += bytes;
    for (int64_t at = 0; at < batch->num_rows(); at += block_rows_) {
      piece_.blocks.push_back(batch->Slice(at, block_rows_));
      piece_.starts.push_back(start + at);
    }
    start += batch->num_rows();
  }
  return arrow::Table::FromRecordBatches(spine_schema_, batches).Value(&piece_.spine);
}

// What the piece, its labels, what is held for them, and what is to be found leave of the memory; a
// quarter is for row groups that are being read and for what threads lay out.
SweepBounds StreamedTrainingSet::BoundsOf(const ViewJob& job, const LabelSet& labels) const {
  SweepBounds bounds;
  bounds.name_of = [this, &job](int64_t label) { return NameOf(job, label); };
  if (options_.scratch_dir.empty()) return bounds;
  bounds.scratch_dir = options_.scratch_dir;
  const auto features = static_cast<int64_t>(job.plan.layout.features.size());
  const int64_t taken = piece_.spine_bytes + labels.byte_count() + held_bytes_ +
                        labels.label_count() * (4 + 9 * (features + 1));
  bounds.row_bytes =
      std::max({options_.memory_bytes / 4 * 3 - taken, options_.memory_bytes / 8, kLeastRowBytes});
  return bounds;
}

// As messages name it.
std::string StreamedTrainingSet::NameOf(const ViewJob& job, int64_t label) const {
  const int64_t rows = piece_.spine->num_rows();
  std::vector<std::string> columns =
      service_.uses()[job.uses[static_cast<size_t>(label / rows)]].key_columns;
  columns.emplace_back(kEventTimestamp);
  std::string name = "the spine row of";
  for (const std::string& column : columns) {
    const auto value = piece_.spine->GetColumnByName(column)->GetScalar(label % rows);
    name += " " + column + " " + (value.ok() ? (*value)->ToString() : "?");
  }
  return name;
}

arrow::Result<std::unique_ptr<ViewAnswers>> StreamedTrainingSet::AnswerJob(const ViewJob& job,
                                                                           const LabelSet& labels) {
  auto answers = std::make_unique<ViewAnswers>();
  if (IsAsOfOnly(job.plan)) {
    ARROW_ASSIGN_OR_RAISE(*answers, AnswerAsOf(*job.view, job.plan, labels, cut_, &log_));
  } else {
    SweepUse use;
    ARROW_ASSIGN_OR_RAISE(*answers, AnswerBySweep(*job.view, job.plan, labels, cut_, &log_,
                                                  BoundsOf(job, labels), &use));
  }
  return answers;
}

arrow::Result<std::unique_ptr<SpilledAnswers>> StreamedTrainingSet::Spill(
    const ViewJob& job, const ViewAnswers& answers) const {
  std::vector<std::pair<int64_t, int64_t>> blocks;  // of all uses, use after use
  for (size_t u = 0; u < job.uses.size(); ++u) {
    const int64_t first = static_cast<int64_t>(u) * piece_.spine->num_rows();
    for (size_t b = 0; b < piece_.blocks.size(); ++b) {
      blocks.emplace_back(first + piece_.starts[b], piece_.blocks[b]->num_rows());
    }
  }
  return SpilledAnswers::Write(answers, blocks, options_.scratch_dir);
}

arrow::Status StreamedTrainingSet::AnswerInto(const ViewJob& job, const LabelSet& labels,
                                              JobAnswers* answers) {
  const arrow::Status answered = AnswerJob(job, labels).Value(&answers->held);
  if (!answered.ok()) {
    return base::WithContext(answered, "feature_view '" + job.view->name() + "'");
  }
  const int64_t bytes = answers->held->byte_count();
  if (options_.scratch_dir.empty()) {
    return arrow::Status::OK();
  }
  const int64_t all_bytes = held_bytes_.fetch_add(bytes) + bytes;
  if (all_bytes <= options_.memory_bytes / 4) {
    return arrow::Status::OK();
  }
  held_bytes_ -= bytes;
  const std::unique_ptr<ViewAnswers> held = std::move(answers->held);
  return Spill(job, *held).Value(&answers->spilled);
}

// Two at a time: while one reads or goes to the disk, the other computes. Those that hold all rows
// in reach are alone.
arrow::Status StreamedTrainingSet::AnswerPiece(const arrow::Int64Array& times) {
  std::map<std::string, size_t> left;  // how many jobs still need the labels
  for (const ViewJob& job : jobs_) ++left[job.labels];
  std::map<std::string, std::shared_ptr<const LabelSet>> sets;
  piece_.answers.resize(jobs_.size());
  held_bytes_ = 0;
  std::deque<std::future<arrow::Status>> under_way;
  const auto await = [&](size_t most) {
    arrow::Status status;
    for (; under_way.size() > most; under_way.pop_front()) status &= under_way.front().get();
    return status;
  };
  for (size_t j = 0; j < jobs_.size(); ++j) {
    const ViewJob& job = jobs_[j];
    const bool alone = !IsAsOfOnly(job.plan);
    ARROW_RETURN_NOT_OK(await(alone ? 0 : kJobsAtOnce - 1));
    std::shared_ptr<const LabelSet>& labels = sets[job.labels];
    if (labels == nullptr) {
      ARROW_ASSIGN_OR_RAISE(labels, LabelsOf(service_, job, *piece_.spine, times));
    }
    under_way.push_back(
        std::async(std::launch::async, [this, &job, labels, answers = &piece_.answers[j]] {
          return AnswerInto(job, *labels, answers);
        }));
    if (--left[job.labels] == 0) labels.reset();
    if (alone) ARROW_RETURN_NOT_OK(await(0));
  }
  return await(0);
}

// false: the spine has ended.
arrow::Result<bool> StreamedTrainingSet::NextPiece() {
  piece_ = {};
  ARROW_ASSIGN_OR_RAISE(auto batches, ReadPiece());
  if (batches.empty()) {
    // Also a spine of no rows names the logs that it asks, and finds what is wrong with them.
    for (const ViewJob& job : jobs_) {
      if (piece_rows_ == 0) ARROW_RETURN_NOT_OK(log_.Scan(*job.view).status());
    }
    return false;
  }
  ARROW_RETURN_NOT_OK(Cut(batches));
  ARROW_ASSIGN_OR_RAISE(const auto times, SpineTimes(*piece_.spine));
  ARROW_ASSIGN_OR_RAISE(piece_.request, RequestColumns(service_, *piece_.spine));
  ARROW_ASSIGN_OR_RAISE(piece_.event_timestamp,
                        times->View(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  ARROW_RETURN_NOT_OK(AnswerPiece(*times));
  return true;
}

arrow::Result<UseValues> StreamedTrainingSet::ValuesOf(const JobAnswers& answers, size_t use,
                                                       size_t block) const {
  if (answers.spilled != nullptr) {
    return answers.spilled->Block(static_cast<int>(use * piece_.blocks.size() + block));
  }
  const int64_t first = static_cast<int64_t>(use) * piece_.spine->num_rows();
  return answers.held->Block(first + piece_.starts[block], piece_.blocks[block]->num_rows());
}

arrow::Result<MadeBlock> StreamedTrainingSet::MakeBlock(size_t block) const {
  const auto& spine = piece_.blocks[block];
  const int64_t start = piece_.starts[block];
  std::vector<UseValues> uses(service_.uses().size());
  for (size_t j = 0; j < jobs_.size(); ++j) {
    const ViewJob& job = jobs_[j];
    for (size_t u = 0; u < job.uses.size(); ++u) {
      ARROW_ASSIGN_OR_RAISE(UseValues values, ValuesOf(piece_.answers[j], u, block));
      UseValues& whole = uses[job.uses[u]];
      whole.resize(job.view->feature_names().size());
      for (size_t f = 0; f < values.size(); ++f) whole[job.features[f]] = std::move(values[f]);
    }
  }
  Arrays request;
  for (const auto& column : piece_.request) {
    request.push_back(column->Slice(start, spine->num_rows()));
  }
  ARROW_ASSIGN_OR_RAISE(auto columns,
                        service_.Assemble(std::move(uses), request,
                                          piece_.event_timestamp->Slice(start, spine->num_rows())));
  Arrays arrays = spine->columns();
  MadeBlock made;
  made.reports.resize(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    Count(columns[i], &made.reports[i]);
    arrays.push_back(std::move(columns[i].values));
    made.statuses.push_back(std::move(columns[i].statuses));
  }
  made.rows = arrow::RecordBatch::Make(schema_, spine->num_rows(), std::move(arrays));
  return made;
}

// A block per core is on its way while the reader is busy with another.
void StreamedTrainingSet::MakeAhead() {
  while (making_.size() < base::ParallelPieces() && piece_.next < piece_.blocks.size()) {
    making_.push_back(
        std::async(std::launch::async, [this, block = piece_.next++] { return MakeBlock(block); }));
  }
}

arrow::Status StreamedTrainingSet::ReadNext(std::shared_ptr<arrow::RecordBatch>* out) {
  *out = nullptr;
  if (making_.empty() && piece_.next == piece_.blocks.size()) {
    ARROW_ASSIGN_OR_RAISE(const bool more, NextPiece());
    if (!more) return arrow::Status::OK();
  }
  MakeAhead();
  auto made = making_.front().get();
  making_.pop_front();
  ARROW_RETURN_NOT_OK(made.status());
  MakeAhead();
  for (size_t f = 0; f < reports_.size(); ++f) {
    reports_[f].rows += made->reports[f].rows;
    reports_[f].nulls += made->reports[f].nulls;
    reports_[f].expired += made->reports[f].expired;
  }
  statuses_ = std::move(made->statuses);
  *out = std::move(made->rows);
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<TrainingSetReader>> OpenTrainingSet(
    const BoundService& service, std::shared_ptr<arrow::RecordBatchReader> spine,
    const KnowledgeCut& cut, FeatureLog* log, const TrainingSetOptions& options) {
  auto set = std::make_shared<StreamedTrainingSet>(service, std::move(spine), cut, log, options);
  ARROW_RETURN_NOT_OK(set->Init());
  return set;
}

arrow::Result<TrainingSet> BuildTrainingSet(const BoundService& service,
                                            const std::shared_ptr<arrow::Table>& spine,
                                            const KnowledgeCut& cut, FeatureLog* log) {
  ARROW_ASSIGN_OR_RAISE(
      const auto reader,
      OpenTrainingSet(service, std::make_shared<arrow::TableBatchReader>(spine), cut, log, {}));
  TrainingSet set;
  set.statuses.resize(service.outputs().size());
  arrow::RecordBatchVector batches;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (batch == nullptr) break;
    for (size_t f = 0; f < set.statuses.size(); ++f) {
      const auto& of_batch = reader->statuses()[f];
      set.statuses[f].insert(set.statuses[f].end(), of_batch.begin(), of_batch.end());
    }
    batches.push_back(std::move(batch));
  }
  ARROW_ASSIGN_OR_RAISE(set.table, arrow::Table::FromRecordBatches(reader->schema(), batches));
  set.features = reader->features();
  return set;
}

}  // namespace icecore::feature
