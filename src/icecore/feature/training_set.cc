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
#include <deque>
#include <map>
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
  state::ViewPlan plan;
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
  std::vector<int64_t> starts;  // first row of each block
  Arrays request;
  std::shared_ptr<arrow::Array> event_timestamp;
  std::vector<JobAnswers> answers;  // by job
  size_t next = 0;                  // block
};

arrow::Result<std::vector<ViewJob>> MakeJobs(const BoundService& service) {
  std::vector<ViewJob> jobs;
  for (size_t i = 0; i < service.uses().size(); ++i) {
    const ViewUse& use = service.uses()[i];
    auto job = std::find_if(jobs.begin(), jobs.end(),
                            [&](const ViewJob& known) { return known.view == use.view; });
    if (job == jobs.end()) {
      jobs.emplace_back();
      job = std::prev(jobs.end());
      job->view = use.view;
      ARROW_ASSIGN_OR_RAISE(job->plan, state::ViewPlan::Make(use.view->engine()->layout()));
      for (const auto& type : use.view->key_types()) job->labels += type->ToString() + "\n";
    }
    job->uses.push_back(i);
    job->labels += "\n";
    for (const std::string& column : use.key_columns) job->labels += column + "\n";
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

 private:
  arrow::Result<int64_t> PieceRows(const arrow::RecordBatch& first) const;
  arrow::Result<bool> NextPiece();
  arrow::Result<arrow::RecordBatchVector> ReadPiece();
  arrow::Status Cut(arrow::RecordBatchVector batches);
  arrow::Status AnswerPiece(const arrow::Int64Array& times);
  arrow::Result<JobAnswers> AnswerJob(const ViewJob& job, const LabelSet& labels);
  arrow::Result<UseValues> ValuesOf(const JobAnswers& answers, size_t use, size_t block) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> MakeBlock(
      size_t block, std::vector<FeatureReport>* reports) const;
  arrow::Status MakeBlocks();

  const BoundService& service_;
  std::shared_ptr<arrow::RecordBatchReader> spine_;  // null once it has ended
  const KnowledgeCut cut_;
  FeatureLog* log_;
  const TrainingSetOptions options_;
  std::shared_ptr<arrow::Schema> spine_schema_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<ViewJob> jobs_;
  std::shared_ptr<arrow::RecordBatch> pending_;  // read, and not yet in a piece
  int64_t piece_rows_ = 0;
  int64_t held_bytes_ = 0;
  Piece piece_;
  std::deque<std::shared_ptr<arrow::RecordBatch>> ready_;
  std::vector<FeatureReport> reports_;
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
  schema_ = arrow::schema(std::move(fields), spine_schema_->metadata());
  return arrow::Status::OK();
}

// Half of the memory is the piece's: its rows, their labels, and what is found for them.
arrow::Result<int64_t> StreamedTrainingSet::PieceRows(const arrow::RecordBatch& first) const {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(first));
  int64_t row_bytes = 2 * bytes / first.num_rows();
  int64_t answers = 0;
  int64_t widest = 0;
  for (const ViewJob& job : jobs_) {
    const auto uses = static_cast<int64_t>(job.uses.size());
    const auto features = static_cast<int64_t>(job.plan.layout.features.size());
    const int64_t values = uses * features * 9;
    row_bytes += uses * 24;
    answers += values;
    widest = std::max(widest, uses * 96 + 2 * values);
  }
  // Without a place to spill to, all views' values are held.
  row_bytes += options_.scratch_dir.empty() ? answers + widest : widest;
  return std::clamp(options_.memory_bytes / 2 / std::max<int64_t>(row_bytes, 1),
                    options_.block_rows, int64_t{1} << 30);
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

arrow::Status StreamedTrainingSet::Cut(arrow::RecordBatchVector batches) {
  int64_t start = 0;
  for (const auto& batch : batches) {
    for (int64_t at = 0; at < batch->num_rows(); at += options_.block_rows) {
      piece_.blocks.push_back(batch->Slice(at, options_.block_rows));
      piece_.starts.push_back(start + at);
    }
    start += batch->num_rows();
  }
  return arrow::Table::FromRecordBatches(spine_schema_, std::move(batches)).Value(&piece_.spine);
}

arrow::Result<JobAnswers> StreamedTrainingSet::AnswerJob(const ViewJob& job,
                                                         const LabelSet& labels) {
  JobAnswers answers;
  answers.held = std::make_unique<ViewAnswers>();
  if (IsAsOfOnly(job.plan)) {
    ARROW_ASSIGN_OR_RAISE(*answers.held, AnswerAsOf(*job.view, job.plan, labels, cut_,
                                                    options_.memory_bytes / 4, log_));
  } else {
    ARROW_ASSIGN_OR_RAISE(*answers.held, AnswerBySweep(*job.view, job.plan, labels, cut_, log_));
  }
  held_bytes_ += answers.held->byte_count();
  if (held_bytes_ <= options_.memory_bytes / 4 || options_.scratch_dir.empty()) return answers;
  held_bytes_ -= answers.held->byte_count();
  std::vector<std::pair<int64_t, int64_t>> blocks;  // of all uses, use after use
  for (size_t u = 0; u < job.uses.size(); ++u) {
    const int64_t first = static_cast<int64_t>(u) * piece_.spine->num_rows();
    for (size_t b = 0; b < piece_.blocks.size(); ++b) {
      blocks.emplace_back(first + piece_.starts[b], piece_.blocks[b]->num_rows());
    }
  }
  ARROW_ASSIGN_OR_RAISE(answers.spilled,
                        SpilledAnswers::Write(*answers.held, blocks, options_.scratch_dir));
  answers.held.reset();
  return answers;
}

arrow::Status StreamedTrainingSet::AnswerPiece(const arrow::Int64Array& times) {
  std::map<std::string, size_t> left;  // how many jobs still need the labels
  for (const ViewJob& job : jobs_) ++left[job.labels];
  std::map<std::string, std::unique_ptr<LabelSet>> sets;
  held_bytes_ = 0;
  for (const ViewJob& job : jobs_) {
    std::unique_ptr<LabelSet>& labels = sets[job.labels];
    if (labels == nullptr) {
      ARROW_ASSIGN_OR_RAISE(labels, LabelsOf(service_, job, *piece_.spine, times));
    }
    auto answers = AnswerJob(job, *labels);
    if (!answers.ok()) {
      return base::WithContext(answers.status(), "feature_view '" + job.view->name() + "'");
    }
    piece_.answers.push_back(*std::move(answers));
    if (--left[job.labels] == 0) labels.reset();
  }
  return arrow::Status::OK();
}

// false: the spine has ended.
arrow::Result<bool> StreamedTrainingSet::NextPiece() {
  piece_ = {};
  ARROW_ASSIGN_OR_RAISE(auto batches, ReadPiece());
  if (batches.empty()) {
    // Also a spine of no rows names the logs that it asks, and finds what is wrong with them.
    for (const ViewJob& job : jobs_) {
      if (piece_rows_ == 0) ARROW_RETURN_NOT_OK(log_->Scan(*job.view).status());
    }
    return false;
  }
  ARROW_RETURN_NOT_OK(Cut(std::move(batches)));
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

arrow::Result<std::shared_ptr<arrow::RecordBatch>> StreamedTrainingSet::MakeBlock(
    size_t block, std::vector<FeatureReport>* reports) const {
  const auto& spine = piece_.blocks[block];
  const int64_t start = piece_.starts[block];
  std::vector<UseValues> uses(service_.uses().size());
  for (size_t j = 0; j < jobs_.size(); ++j) {
    for (size_t u = 0; u < jobs_[j].uses.size(); ++u) {
      ARROW_ASSIGN_OR_RAISE(uses[jobs_[j].uses[u]], ValuesOf(piece_.answers[j], u, block));
    }
  }
  Arrays request;
  for (const auto& column : piece_.request) {
    request.push_back(column->Slice(start, spine->num_rows()));
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto columns,
      service_.Assemble(uses, request, piece_.event_timestamp->Slice(start, spine->num_rows())));
  Arrays arrays = spine->columns();
  reports->resize(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    Count(columns[i], &(*reports)[i]);
    arrays.push_back(columns[i].values);
  }
  return arrow::RecordBatch::Make(schema_, spine->num_rows(), std::move(arrays));
}

// One block per core.
arrow::Status StreamedTrainingSet::MakeBlocks() {
  const size_t count = std::min(base::ParallelPieces(), piece_.blocks.size() - piece_.next);
  std::vector<std::shared_ptr<arrow::RecordBatch>> made(count);
  std::vector<std::vector<FeatureReport>> reports(count);
  ARROW_RETURN_NOT_OK(base::RunParallel(
      count, [&](size_t i) { return MakeBlock(piece_.next + i, &reports[i]).Value(&made[i]); }));
  piece_.next += count;
  for (size_t i = 0; i < count; ++i) {
    ready_.push_back(std::move(made[i]));
    for (size_t f = 0; f < reports_.size(); ++f) {
      reports_[f].rows += reports[i][f].rows;
      reports_[f].nulls += reports[i][f].nulls;
      reports_[f].expired += reports[i][f].expired;
    }
  }
  return arrow::Status::OK();
}

arrow::Status StreamedTrainingSet::ReadNext(std::shared_ptr<arrow::RecordBatch>* out) {
  *out = nullptr;
  if (ready_.empty() && piece_.next == piece_.blocks.size()) {
    ARROW_ASSIGN_OR_RAISE(const bool more, NextPiece());
    if (!more) return arrow::Status::OK();
  }
  if (ready_.empty()) ARROW_RETURN_NOT_OK(MakeBlocks());
  *out = std::move(ready_.front());
  ready_.pop_front();
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
  ARROW_ASSIGN_OR_RAISE(set.table, reader->ToTable());
  set.features = reader->features();
  return set;
}

}  // namespace icecore::feature
