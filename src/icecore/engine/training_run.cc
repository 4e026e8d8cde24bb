#include "icecore/engine/training_run.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/engine/row_files.h"
#include "icecore/feature/leakage.h"
#include "icecore/feature/spine_label.h"
#include "icecore/feature/spine_sample.h"
#include "icecore/feature/spine_split.h"
#include "icecore/feature/table_digest.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/service_binding.h"
#include "icecore/pipeline/training_spine.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using feature::KnowledgeCut;

arrow::Result<std::string> DigestOf(const arrow::Table& rows) {
  feature::TableDigest digest(rows.schema());
  ARROW_RETURN_NOT_OK(digest.Add(rows));
  return digest.Finish();
}

bool IsJson(const std::string& card) { return card.starts_with('{'); }

// As messages name it.
std::string CardName(const std::string& card) { return IsJson(card) ? "the card" : card; }

// `given`: a card's JSON, or the path of one.
arrow::Result<pipeline::TrainingCard> ReadCard(const std::string& given) {
  std::string text = given;
  if (!IsJson(given)) {
    std::ifstream in(given, std::ios::binary);
    if (!in) {
      return MakeError(ErrorCode::kNotFound, given + ": there is no such card");
    }
    std::ostringstream bytes;
    bytes << in.rdbuf();
    text = bytes.str();
  }
  auto card = pipeline::CardFromJson(text);
  return card.ok() ? card : base::WithContext(card.status(), CardName(given));
}

// Beside it first, then renamed.
arrow::Status WriteCard(const pipeline::TrainingCard& card, const std::string& path) {
  const std::string beside = path + ".writing";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << pipeline::ToJson(card);
    out.flush();
    if (!out) {
      std::remove(beside.c_str());
      return MakeError(ErrorCode::kUnavailable, path + ": cannot be written");
    }
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) {
    return MakeError(ErrorCode::kUnavailable, path + ": cannot be renamed from " + beside);
  }
  return arrow::Status::OK();
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

bool HasDigest(const arrow::Schema& schema) {
  return std::ranges::all_of(schema.fields(), [](const auto& field) {
    return feature::TableDigest::Takes(*field->type());
  });
}

// Rows on their way to whoever reads them, their number, and their digest where that is wanted.
class MeasuredReader final : public arrow::RecordBatchReader {
 public:
  MeasuredReader(std::shared_ptr<arrow::RecordBatchReader> rows, bool digested)
      : rows_(std::move(rows)) {
    if (digested) digest_.emplace(rows_->schema());
  }

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    count_ += (*batch)->num_rows();
    return digest_ ? digest_->Add(**batch) : arrow::Status::OK();
  }

  int64_t rows() const { return count_; }
  // After the last row; "" where none was wanted. The second is of the first columns alone.
  std::string Digest() { return digest_ ? digest_->Finish() : std::string(); }
  std::string DigestOfFirst(int columns) {
    return digest_ ? digest_->FinishFirst(static_cast<size_t>(columns)) : std::string();
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::optional<feature::TableDigest> digest_;
  int64_t count_ = 0;
};

// The rows of a set with everything known, beside those that were known: what a set made without
// known times would have held.
class LatestRows {
 public:
  // `features`: the columns that are compared, the last of both.
  LatestRows(std::shared_ptr<arrow::RecordBatchReader> rows, size_t features)
      : rows_(std::move(rows)), meters_(features) {}

  // The next rows, as many as there are in `known`.
  arrow::Status Compare(const arrow::RecordBatch& known) {
    for (int64_t at = 0; at < known.num_rows();) {
      if (rest_ == nullptr || rest_->num_rows() == 0) ARROW_RETURN_NOT_OK(rows_->ReadNext(&rest_));
      if (rest_ == nullptr) {
        return MakeError(ErrorCode::kInternal, "a set has fewer rows with everything known");
      }
      const int64_t count = std::min(known.num_rows() - at, rest_->num_rows());
      const int first = known.num_columns() - static_cast<int>(meters_.size());
      for (size_t i = 0; i < meters_.size(); ++i) {
        const int column = first + static_cast<int>(i);
        ARROW_RETURN_NOT_OK(meters_[i].Add(*known.column(column)->Slice(at, count),
                                           *rest_->column(column)->Slice(0, count)));
      }
      rest_ = rest_->Slice(count);
      at += count;
    }
    return arrow::Status::OK();
  }
  const feature::LeakageMeter& meter(size_t feature) const { return meters_[feature]; }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::shared_ptr<arrow::RecordBatch> rest_;  // read, and not yet compared
  std::vector<feature::LeakageMeter> meters_;
};

// One training set on its way.
class TrainingRun {
 public:
  TrainingRun(const pipeline::Workspace& workspace, const pipeline::AnalysedProject& project,
              const TrainingSetRequest& request)
      : workspace_(&workspace), project_(project), request_(request) {}

  arrow::Result<TrainingSetReport> Run(int64_t definition_version) {
    const int64_t started = base::MonotonicNanos();
    ARROW_RETURN_NOT_OK(Start(definition_version, !request_.spine_path.empty()));
    card_.spine_from = set_ != nullptr ? card_.spine_from : request_.spine_path;
    card_.file = FileName(request_.out_path);
    pipeline::PinnedTables tables = Tables();
    if (set_ == nullptr) {
      ARROW_RETURN_NOT_OK(Stream(&tables));
    } else {
      ARROW_RETURN_NOT_OK(OpenSet(&tables));
      ARROW_ASSIGN_OR_RAISE(const auto writer, RowWriter::Open(rows_->schema(), request_.out_path));
      ARROW_RETURN_NOT_OK(ForEachBlock([&](const auto& block) { return writer->Write(block); }));
      ARROW_RETURN_NOT_OK(FinishSet(tables));
      ARROW_RETURN_NOT_OK(writer->Close());
      ARROW_RETURN_NOT_OK(WriteCard(card_, pipeline::CardPath(request_.out_path)));
    }
    TrainingSetReport report;
    report.card = std::move(card_);
    report.duration_us = (base::MonotonicNanos() - started) / 1000;
    return report;
  }

  // A set in memory, of a service where there is a spine; `rows` gives it then.
  arrow::Status Open(int64_t definition_version, std::shared_ptr<arrow::RecordBatchReader> spine) {
    ARROW_RETURN_NOT_OK(Start(definition_version, spine != nullptr));
    pipeline::PinnedTables tables = Tables();
    if (set_ != nullptr) {
      ARROW_RETURN_NOT_OK(OpenSet(&tables));
      arrow::RecordBatchVector blocks;
      ARROW_RETURN_NOT_OK(ForEachBlock([&](const auto& block) {
        blocks.push_back(block);
        return arrow::Status::OK();
      }));
      ARROW_RETURN_NOT_OK(FinishSet(tables));
      return arrow::RecordBatchReader::Make(std::move(blocks), rows_->schema()).Value(&computed_);
    }
    card_.spine_from = "memory";
    // A column that merely passes through may be of a type without a digest; not where the digest
    // is to be held against another.
    const bool digested = earlier_.has_value() || HasDigest(*spine->schema());
    return OpenRowsOf(std::move(spine), &tables, digested);
  }
  std::shared_ptr<arrow::RecordBatchReader> rows() const { return computed_ ? computed_ : rows_; }
  // What is known of it so far.
  const pipeline::TrainingCard& card() const { return card_; }
  // Nothing of the card waits for the last row.
  bool is_computed() const { return computed_ != nullptr; }
  // Once; of rows that stream, after the last one.
  arrow::Result<pipeline::TrainingCard> FinishedCard() {
    if (!is_computed()) {
      ARROW_RETURN_NOT_OK(FinishRows());
    }
    return std::move(card_);
  }

 private:
  std::string NameWithout(const std::string& prefix) const {
    return request_.name.starts_with(prefix) ? request_.name.substr(prefix.size()) : request_.name;
  }

  pipeline::PinnedTables Tables() const {
    return earlier_ ? pipeline::PinnedTables(*workspace_, earlier_->inputs)
                    : pipeline::PinnedTables(*workspace_);
  }

  arrow::Status Start(int64_t definition_version, bool has_spine) {
    if (!request_.card_path.empty()) {
      ARROW_ASSIGN_OR_RAISE(earlier_, ReadCard(request_.card_path));
    }
    ARROW_RETURN_NOT_OK(Resolve(has_spine));
    ARROW_RETURN_NOT_OK(StartCard(definition_version));
    return earlier_ ? TakeCard() : arrow::Status::OK();
  }

  // Null where it is gone and there is a card, whose version of the catalog may have it.
  arrow::Status ResolveService() {
    service_name_ = set_ ? set_->set->service : NameWithout("service.");
    const auto found = project_.services.find(service_name_);
    if (found == project_.services.end()) {
      if (earlier_ && earlier_->service == service_name_) {
        return arrow::Status::OK();
      }
      std::vector<std::string> names;
      names.reserve(project_.services.size() + project_.training_sets.size());
      for (const auto& [name, bound] : project_.services) names.push_back(name);
      for (const auto& [name, set] : project_.training_sets) names.push_back(name);
      return MakeError(ErrorCode::kNotFound, "no training set or feature service '" +
                                                 request_.name + "'" +
                                                 base::DidYouMean(request_.name, names));
    }
    service_ = found->second;
    return arrow::Status::OK();
  }

  // A training set, else a service, by full or short name; a service first where a spine came
  // along.
  arrow::Status Resolve(bool has_spine) {
    const bool is_service = has_spine && project_.services.contains(NameWithout("service."));
    if (const auto set = project_.training_sets.find(NameWithout("training_set."));
        set != project_.training_sets.end() && !is_service) {
      set_ = &set->second;
    }
    ARROW_RETURN_NOT_OK(ResolveService());
    if (set_ != nullptr && has_spine) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "training_set '" + set_->set->name + "' has a spine of its own (" +
                           set_->set->spine.location.ToString() +
                           "); one that is given (--spine) goes with a feature service");
    }
    if (set_ == nullptr && !has_spine) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "feature_service '" + service_name_ + "' needs a spine (--spine FILE)");
    }
    return arrow::Status::OK();
  }

  arrow::Status StartCard(int64_t definition_version) {
    card_.icecore_version = ICECORE_VERSION;
    card_.service = service_name_;
    if (service_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(card_.service_fingerprint, FingerprintOf(*workspace_->project));
    }
    card_.definition_version = definition_version;
    card_.made_at_us = base::MakeSystemClock()->NowMicros();
    card_.now_us = workspace_->clock->NowMicros();
    card_.known_at = request_.cut;
    if (set_ != nullptr) {
      card_.training_set = set_->set->name;
      card_.definition = spec::Fingerprint(*set_->set);
      card_.spine_from = set_->set->spine.sql.empty() ? set_->set->spine.file : "sql";
      if (set_->set->label) {
        card_.cut_us = set_->set->cut_us.value_or(card_.now_us);
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::string> FingerprintOf(const spec::Project& definitions) const {
    return pipeline::ServiceFingerprint(definitions, *definitions.FindService(service_name_));
  }

  arrow::Status RefuseCard(const std::string& why) const {
    return MakeError(ErrorCode::kInvalidArgument, CardName(request_.card_path) + ": " + why);
  }

  // What an earlier card fixes.
  arrow::Status TakeCard() {
    if (earlier_->training_set != card_.training_set || earlier_->service != card_.service) {
      return RefuseCard("is the card of " +
                        (earlier_->training_set.empty()
                             ? "service '" + earlier_->service
                             : "training_set '" + earlier_->training_set) +
                        "'");
    }
    if (earlier_->definition != card_.definition) {
      return RefuseCard("training_set '" + card_.training_set +
                        "' is defined otherwise now; the definition of catalog version " +
                        std::to_string(earlier_->definition_version) + " made it");
    }
    if (service_ == nullptr || earlier_->service_fingerprint != card_.service_fingerprint) {
      ARROW_RETURN_NOT_OK(TakeDefinitions(earlier_->definition_version));
    }
    card_.known_at = earlier_->known_at;
    card_.cut_us = earlier_->cut_us;
    card_.now_us = earlier_->now_us;
    return arrow::Status::OK();
  }

  // The service as that version of the catalog had it, over today's tables. Whether it gives the
  // card's rows is for the digests to say.
  arrow::Status TakeDefinitions(int64_t version) {
    const std::string where = CardName(request_.card_path) + ": service '" + card_.service +
                              "' of catalog version " + std::to_string(version);
    auto past = pipeline::DefinitionsAt(*workspace_, version);
    if (!past.ok()) return base::WithContext(past.status(), where);
    past_ = *std::move(past);
    const spec::FeatureService* service = past_.FindService(card_.service);
    if (service == nullptr) {
      return RefuseCard("catalog version " + std::to_string(version) + " has no service '" +
                        card_.service + "'");
    }
    auto bound = pipeline::BindService(past_, project_, *service);
    if (!bound.ok()) return base::WithContext(bound.status(), where);
    service_ = *std::move(bound);
    then_ = *workspace_;
    then_.project = &past_;
    workspace_ = &then_;
    card_.definition_version = version;
    ARROW_ASSIGN_OR_RAISE(card_.service_fingerprint, FingerprintOf(past_));
    return arrow::Status::OK();
  }

  // A set by its definition: drawn, then computed block by block, beside itself with everything
  // known.
  arrow::Status OpenSet(pipeline::PinnedTables* tables) {
    ARROW_ASSIGN_OR_RAISE(auto spine, Spine(tables));
    ARROW_RETURN_NOT_OK(PinViews(tables));
    card_.inputs = tables->Inputs();
    ARROW_ASSIGN_OR_RAISE(drawn_, Drawn(std::move(spine)));
    log_ = std::make_unique<pipeline::LakeFeatureLog>(*workspace_, tables->LogPins());
    ARROW_ASSIGN_OR_RAISE(streamed_, RowsOfSet(card_.known_at, log_.get()));
    rows_ = std::make_shared<MeasuredReader>(streamed_, true);
    latest_log_ = std::make_unique<pipeline::LakeFeatureLog>(*workspace_, tables->LogPins());
    ARROW_ASSIGN_OR_RAISE(auto latest,
                          RowsOfSet({KnowledgeCut::Kind::kLatest, 0}, latest_log_.get()));
    latest_.emplace(std::move(latest), service_->outputs().size());
    return arrow::Status::OK();
  }

  // One of two that are read by turns.
  arrow::Result<std::shared_ptr<feature::TrainingSetReader>> RowsOfSet(
      const KnowledgeCut& cut, pipeline::LakeFeatureLog* log) const {
    feature::TrainingSetOptions options = Bounds();
    options.memory_bytes /= 2;
    return feature::OpenTrainingSet(*service_, std::make_shared<arrow::TableBatchReader>(drawn_),
                                    cut, log, options);
  }

  arrow::Status ForEachBlock(
      const std::function<arrow::Status(const std::shared_ptr<arrow::RecordBatch>&)>& take) {
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto block, rows_->Next());
      if (block == nullptr) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(latest_->Compare(*block));
      ARROW_RETURN_NOT_OK(take(block));
    }
  }

  arrow::Status FinishSet(const pipeline::PinnedTables& tables) {
    AddFeatures(streamed_->features());
    for (size_t i = 0; i < card_.features.size(); ++i) {
      card_.features[i].leaked = latest_->meter(i).differ();
      card_.features[i].leaked_mean_difference = latest_->meter(i).mean_difference();
    }
    ARROW_RETURN_NOT_OK(MeasureAges(drawn_, tables));
    ARROW_RETURN_NOT_OK(TakeDigest(rows_->Digest()));
    card_.rows = rows_->rows();
    card_.columns = rows_->schema()->num_fields();
    return arrow::Status::OK();
  }

  // A service's set: from the spine's file to the set's, block by block.
  arrow::Status Stream(pipeline::PinnedTables* tables) {
    ARROW_ASSIGN_OR_RAISE(auto spine, engine::OpenRows(request_.spine_path));
    ARROW_RETURN_NOT_OK(OpenRowsOf(std::move(spine), tables, true));
    ARROW_ASSIGN_OR_RAISE(const auto writer, RowWriter::Open(rows_->schema(), request_.out_path));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto block, rows_->Next());
      if (block == nullptr) break;
      ARROW_RETURN_NOT_OK(writer->Write(block));
    }
    ARROW_RETURN_NOT_OK(FinishRows());
    ARROW_RETURN_NOT_OK(writer->Close());
    return WriteCard(card_, pipeline::CardPath(request_.out_path));
  }

  arrow::Status OpenRowsOf(std::shared_ptr<arrow::RecordBatchReader> spine,
                           pipeline::PinnedTables* tables, bool digested) {
    ARROW_RETURN_NOT_OK(PinViews(tables));
    card_.inputs = tables->Inputs();
    spine_ = std::make_shared<MeasuredReader>(std::move(spine), false);
    log_ = std::make_unique<pipeline::LakeFeatureLog>(*workspace_, tables->LogPins());
    ARROW_ASSIGN_OR_RAISE(streamed_, feature::OpenTrainingSet(*service_, spine_, card_.known_at,
                                                              log_.get(), Bounds()));
    rows_ = std::make_shared<MeasuredReader>(streamed_, digested);
    return arrow::Status::OK();
  }

  arrow::Status FinishRows() {
    // The set begins with the spine's columns as they were, so they are hashed once.
    ARROW_RETURN_NOT_OK(
        TakeSpineDigest(spine_->rows(), rows_->DigestOfFirst(spine_->schema()->num_fields())));
    ARROW_RETURN_NOT_OK(TakeDigest(rows_->Digest()));
    AddFeatures(streamed_->features());
    card_.rows = rows_->rows();
    card_.columns = rows_->schema()->num_fields();
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::Table>> Spine(pipeline::PinnedTables* tables) {
    std::shared_ptr<arrow::Table> spine;
    if (set_->set->spine.sql.empty()) {
      ARROW_ASSIGN_OR_RAISE(
          spine,
          ReadRows(
              (std::filesystem::path(workspace_->project->root) / set_->set->spine.file).string()));
    } else {
      if (!set_->spine.output) {
        return MakeError(ErrorCode::kNotFound,
                         set_->set->spine.location.ToString() +
                             ": the columns of a table that the spine reads are not known yet: "
                             "run `icecore run`");
      }
      ARROW_ASSIGN_OR_RAISE(
          spine, pipeline::RunSpineSql(*workspace_, project_, *set_, card_.now_us, tables));
    }
    ARROW_ASSIGN_OR_RAISE(auto digest, DigestOf(*spine));
    ARROW_RETURN_NOT_OK(TakeSpineDigest(spine->num_rows(), std::move(digest)));
    return spine;
  }

  arrow::Status TakeSpineDigest(int64_t rows, std::string digest) {
    card_.spine_rows = rows;
    card_.spine_digest = std::move(digest);
    if (earlier_ && earlier_->spine_digest != card_.spine_digest) {
      return MakeError(ErrorCode::kNotFound, "the spine (" + card_.spine_from +
                                                 ") has other rows than when the set was "
                                                 "made: " +
                                                 std::to_string(earlier_->spine_rows) + " then, " +
                                                 std::to_string(card_.spine_rows) +
                                                 " now, digest " + earlier_->spine_digest +
                                                 " then, " + card_.spine_digest + " now");
    }
    return arrow::Status::OK();
  }

  // Every table that a view of the service reads.
  arrow::Status PinViews(pipeline::PinnedTables* tables) {
    for (const feature::ViewUse& use : service_->uses()) {
      const spec::FeatureView* view = workspace_->project->FindView(use.view->name());
      ARROW_RETURN_NOT_OK(tables->Get(pipeline::LogOf(*workspace_->project, *view)).status());
    }
    return arrow::Status::OK();
  }

  // Sampled, labelled, split.
  arrow::Result<std::shared_ptr<arrow::Table>> Drawn(std::shared_ptr<arrow::Table> spine) {
    const spec::TrainingSet& set = *set_->set;
    if (set.sample) {
      ARROW_ASSIGN_OR_RAISE(spine, feature::SampleSpine(*set.sample, spine));
      card_.sampled_out = card_.spine_rows - spine->num_rows();
    }
    if (set.label) {
      ARROW_ASSIGN_OR_RAISE(auto labelled, feature::JudgeLabels(*set.label, *card_.cut_us, spine));
      card_.labels = labelled.counts;
      spine = std::move(labelled.table);
    }
    if (set.split) {
      ARROW_ASSIGN_OR_RAISE(auto split, feature::AddSplit(*set.split, spine));
      card_.split = std::move(split.counts);
      spine = std::move(split.table);
    }
    return spine;
  }

  feature::TrainingSetOptions Bounds() const {
    feature::TrainingSetOptions options;
    options.memory_bytes = workspace_->project->memory_bytes;
    options.scratch_dir = workspace_->scratch_root;
    return options;
  }

  void AddFeatures(const std::vector<feature::FeatureReport>& reports) {
    const auto& outputs = service_->outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const feature::FeatureReport& report = reports[i];
      pipeline::FeatureCard feature;
      feature.name = outputs[i].name;
      feature.from = "view." + outputs[i].view + "." + outputs[i].feature;
      feature.type = spec::TypeText(*outputs[i].type);
      feature.rows = report.rows;
      feature.nulls = report.nulls;
      feature.expired = report.expired;
      card_.features.push_back(std::move(feature));
    }
  }

  arrow::Status MeasureAges(const std::shared_ptr<arrow::Table>& spine,
                            const pipeline::PinnedTables& tables) {
    const spec::FeatureService& service = *workspace_->project->FindService(service_->name());
    ARROW_ASSIGN_OR_RAISE(const auto ages,
                          pipeline::AgesOf(*workspace_, project_, service, spine, card_.known_at,
                                           tables.LogPins(), Bounds()));
    for (pipeline::FeatureCard& feature : card_.features) {
      if (const auto age = ages.find(feature.name); age != ages.end()) {
        feature.age = age->second;
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status TakeDigest(std::string digest) {
    card_.digest = std::move(digest);
    if (earlier_ && earlier_->digest != card_.digest) {
      return MakeError(ErrorCode::kNotFound,
                       CardName(request_.card_path) + ": the rows cannot be made again: digest " +
                           earlier_->digest + " then, " + card_.digest +
                           " now; values of the tables it was made from were changed");
    }
    return arrow::Status::OK();
  }

  const pipeline::Workspace* workspace_;  // of the definitions that make the set
  const pipeline::AnalysedProject& project_;
  const TrainingSetRequest request_;
  const pipeline::AnalysedTrainingSet* set_ = nullptr;  // null: a service with a spine
  // Of an older version of the catalog, where an earlier card asks for it.
  spec::Project past_;
  pipeline::Workspace then_;
  std::string service_name_;
  std::shared_ptr<const feature::BoundService> service_;
  std::optional<pipeline::TrainingCard> earlier_;
  pipeline::TrainingCard card_;
  // Of a set that streams; each uses those before it.
  std::shared_ptr<MeasuredReader> spine_;
  std::unique_ptr<pipeline::LakeFeatureLog> log_;
  std::shared_ptr<feature::TrainingSetReader> streamed_;
  std::shared_ptr<MeasuredReader> rows_;
  // Of one made by definition.
  std::shared_ptr<arrow::Table> drawn_;  // its spine
  std::unique_ptr<pipeline::LakeFeatureLog> latest_log_;
  std::optional<LatestRows> latest_;
  std::shared_ptr<arrow::RecordBatchReader> computed_;  // in memory
};

// A set for whoever reads it; it keeps the analysis that it needs.
class SetRows final : public arrow::RecordBatchReader {
 public:
  SetRows(const pipeline::Workspace& workspace,
          std::shared_ptr<const pipeline::AnalysedProject> project,
          const TrainingSetRequest& request)
      : project_(std::move(project)),
        run_(workspace, *project_, request),
        report_(std::make_shared<TrainingSetReport>()),
        started_(base::MonotonicNanos()) {}

  arrow::Status Open(int64_t definition_version, std::shared_ptr<arrow::RecordBatchReader> spine) {
    ARROW_RETURN_NOT_OK(run_.Open(definition_version, std::move(spine)));
    rows_ = run_.rows();
    report_->card = run_.card();
    return run_.is_computed() ? Finish() : arrow::Status::OK();
  }
  const std::shared_ptr<TrainingSetReport>& report() const { return report_; }

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    return *batch == nullptr && !finished_ ? Finish() : arrow::Status::OK();
  }

 private:
  arrow::Status Finish() {
    finished_ = true;
    ARROW_ASSIGN_OR_RAISE(report_->card, run_.FinishedCard());
    report_->duration_us = (base::MonotonicNanos() - started_) / 1000;
    return arrow::Status::OK();
  }

  const std::shared_ptr<const pipeline::AnalysedProject> project_;
  TrainingRun run_;
  std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::shared_ptr<TrainingSetReport> report_;
  const int64_t started_;
  bool finished_ = false;
};

}  // namespace

arrow::Result<TrainingSetReport> RunTrainingSet(const pipeline::Workspace& workspace,
                                                const pipeline::AnalysedProject& project,
                                                int64_t definition_version,
                                                const TrainingSetRequest& request) {
  return TrainingRun(workspace, project, request).Run(definition_version);
}

arrow::Result<TrainingSetRows> OpenTrainingSetRows(
    const pipeline::Workspace& workspace, std::shared_ptr<const pipeline::AnalysedProject> project,
    int64_t definition_version, const TrainingSetRequest& request,
    std::shared_ptr<arrow::RecordBatchReader> spine) {
  auto rows = std::make_shared<SetRows>(workspace, std::move(project), request);
  ARROW_RETURN_NOT_OK(rows->Open(definition_version, std::move(spine)));
  auto report = rows->report();
  return TrainingSetRows{std::move(rows), std::move(report)};
}

arrow::Status SaveTrainingSet(const TrainingSetRows& set, const std::string& path) {
  const std::shared_ptr<arrow::Schema> schema = set.rows->schema();
  for (const auto& field : schema->fields()) {
    if (!feature::TableDigest::Takes(*field->type())) {
      return MakeError(ErrorCode::kUnsupported, "column '" + field->name() + "' is of the type " +
                                                    field->type()->ToString() +
                                                    ", which has no digest; a card holds one");
    }
  }
  MeasuredReader rows(set.rows, true);
  ARROW_ASSIGN_OR_RAISE(const auto writer, RowWriter::Open(schema, path));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows.Next());
    if (batch == nullptr) break;
    ARROW_RETURN_NOT_OK(writer->Write(batch));
  }
  pipeline::TrainingCard card = set.report->card;
  if (const std::string digest = rows.Digest(); digest != card.digest) {
    return MakeError(ErrorCode::kInvalidArgument,
                     path + ": these are not the rows of the training set: digest " + digest +
                         ", the set has " + (card.digest.empty() ? "not ended yet" : card.digest));
  }
  card.file = FileName(path);
  ARROW_RETURN_NOT_OK(writer->Close());
  return WriteCard(card, pipeline::CardPath(path));
}

}  // namespace icecore::engine
