#include "icecore/pipeline/landing.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/manifest.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/type_widening.h"
#include "icecore/pipeline/delta_landing.h"
#include "icecore/pipeline/landing_rows.h"
#include "icecore/pipeline/landing_writer.h"
#include "icecore/pipeline/push_landing.h"
#include "icecore/quality/inference.h"
#include "icecore/spec/references.h"

namespace icecore::pipeline {
namespace {

constexpr int64_t kCommitBytes = int64_t{256} << 20;  // stored bytes of the files of one commit
constexpr int kMaxAttempts = 20;

using base::ErrorCode;
using base::MakeError;

// `accepted` with the types of `raw` where those are wider; raw may be null.
std::shared_ptr<arrow::Schema> Widened(const arrow::Schema& accepted, const arrow::Schema* raw) {
  arrow::FieldVector fields;
  for (const auto& field : accepted.fields()) {
    const auto landed = raw == nullptr ? nullptr : raw->GetFieldByName(field->name());
    const auto wider = landed == nullptr ? nullptr : lake::WiderType(field->type(), landed->type());
    fields.push_back(wider == nullptr ? field : field->WithType(wider));
  }
  return arrow::schema(std::move(fields), accepted.metadata());
}

// Names of the columns of text without a header: those that rest, else the contract's in its order.
std::vector<std::string> HeaderlessNames(const spec::Source& source, const lake::Snapshot& landed) {
  std::vector<std::string> names;
  if (source.files.header) {
    return names;
  }
  if (landed.exists()) {
    return UserSchema(*landed.schema)->field_names();
  }
  for (const spec::ColumnContract& column : source.contract.columns) {
    names.push_back(column.name);
  }
  return names;
}

// The files of one commit.
class LandingCommit {
 public:
  LandingCommit(const Workspace& workspace, const spec::Source& source, std::string run_id,
                std::shared_ptr<const lake::Snapshot> before, ingest::Manifest manifest)
      : workspace_(workspace),
        source_(source),
        writer_(workspace, source, std::move(run_id), std::move(before)),
        manifest_(std::move(manifest)) {
    manifest_.BeginBatch();
  }

  // All rows of the file; after an error nothing of this commit may be used but what
  // CommitComplete() takes: the files added before.
  arrow::Status AddFile(const ingest::PlannedFile& file, const std::stop_token& stop) {
    ingest::FileReadOptions context;
    context.store = workspace_.store;
    context.table_path = TablePath(RawTableName(source_));
    context.progress = [this](const ingest::FileProgress& progress) {
      workspace_.Tell({Event::Kind::kProgress, AcceptedTableName(source_), "ingest",
                       std::string(progress.path), rows_ + progress.rows, progress.bytes, 0});
    };
    context.column_names = HeaderlessNames(source_, *writer_.before());
    ARROW_ASSIGN_OR_RAISE(auto rows, ingest::OpenFile(source_, file, context, stop));
    const int64_t first_seq = writer_.next_seq();
    ARROW_RETURN_NOT_OK(base::WithContext(writer_.UseColumns(*rows->schema()), file.path));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, rows->Next());
      if (!batch) {
        break;
      }
      ARROW_RETURN_NOT_OK(base::WithContext(writer_.Write(*batch), file.path));
      rows_ += batch->num_rows();
    }
    ARROW_RETURN_NOT_OK(writer_.EndPart(1));
    ingest::KnownFile facts = rows->facts();
    facts.first_seq = facts.rows > 0 ? first_seq : 0;
    bytes_ += facts.size;
    if (facts.rows == 0 && source_.files.load == spec::FilesConnector::Load::kSnapshot) {
      empty_.push_back(file.path);
    }
    manifest_.Add(std::move(facts));
    landed_ = manifest_;
    return arrow::Status::OK();
  }

  int64_t bytes() const { return bytes_; }
  int64_t files() const { return writer_.files(); }
  // Snapshots without a row: they land and change nothing.
  const std::vector<std::string>& empty() const { return empty_; }

  // Commits the files that were added whole.
  arrow::Status CommitComplete(lake::Table* table, StepReport* report) {
    if (!landed_) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto ref,
                          ingest::WriteManifest(*workspace_.store, table->path(), *landed_));
    return writer_.Commit(table, ref.Serialize(), report);
  }

 private:
  const Workspace& workspace_;
  const spec::Source& source_;
  LandingWriter writer_;
  ingest::Manifest manifest_;
  std::optional<ingest::Manifest> landed_;  // with the files that were added whole
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  std::vector<std::string> empty_;
};

// One pass: plans, lands, commits. *more: there were files beyond this commit's size.
arrow::Status LandOnce(const Workspace& workspace, const spec::Source& source,
                       const std::string& run_id, const std::stop_token& stop, StepReport* report,
                       bool* more) {
  *more = false;
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, RawTableName(source)));
  ARROW_ASSIGN_OR_RAISE(auto before, table->LoadOrEmpty());
  ARROW_ASSIGN_OR_RAISE(auto known, ManifestOf(workspace, *before));
  ARROW_ASSIGN_OR_RAISE(auto plan, PlanSource(workspace, source, known));
  for (const std::string& path : plan.waiting) {
    report->warnings.push_back(path + " is still changing and waits for the next run");
  }
  if (plan.files.empty()) {
    return arrow::Status::OK();
  }
  LandingCommit commit(workspace, source, run_id, before, std::move(plan.manifest));
  arrow::Status failure;
  for (const ingest::PlannedFile& file : plan.files) {
    if (commit.files() > 0 && commit.bytes() >= kCommitBytes) {
      *more = true;
      break;
    }
    failure = commit.AddFile(file, stop);
    if (!failure.ok()) {
      failure = base::WithContext(failure, "source " + source.name);
      break;
    }
  }
  ARROW_RETURN_NOT_OK(commit.CommitComplete(table.get(), report));
  for (const std::string& path : commit.empty()) {
    report->warnings.push_back(path + " has no rows: a snapshot of nothing is passed over");
  }
  return failure;
}

}  // namespace

arrow::Result<ingest::Manifest> ManifestOf(const Workspace& workspace, const lake::Snapshot& raw) {
  const auto domain = raw.Domain(lake::kPositionDomain);
  if (!domain) {
    return ingest::Manifest();
  }
  ARROW_ASSIGN_OR_RAISE(auto ref, ingest::ManifestRef::Parse(*domain));
  return ingest::ReadManifest(*workspace.store, raw.table_path, ref);
}

std::string AcceptedTableName(const spec::Source& source) { return "landing." + source.name; }
std::string RawTableName(const spec::Source& source) {
  return AcceptedTableName(source) + kRawSuffix;
}
std::string QuarantineName(const std::string& short_name) { return "quarantine." + short_name; }

bool IsTextSource(const spec::Source& source) {
  using Format = spec::FilesConnector::Format;
  const Format format = source.files.format;
  return format == Format::kCsv || format == Format::kTsv || format == Format::kJson;
}

arrow::Result<std::unique_ptr<quality::ContractChecker>> MakeContractChecker(
    const spec::Source& source, const std::shared_ptr<arrow::Schema>& raw,
    const std::shared_ptr<arrow::Schema>& inferred) {
  quality::ContractSettings settings;
  settings.source = source.name;
  settings.version = spec::Fingerprint(source);
  settings.text_source = IsTextSource(source);
  settings.json = source.files.format == spec::FilesConnector::Format::kJson;
  if (!settings.json) {
    settings.null_values = source.files.null_values;
  }
  return quality::ContractChecker::Make(source.contract, settings, raw, inferred);
}

arrow::Status LandSource(const Workspace& workspace, const spec::Source& source,
                         const std::string& run_id, const std::stop_token& stop,
                         StepReport* report) {
  const auto land = source.is_push                                                ? LandPushOnce
                    : source.files.format == spec::FilesConnector::Format::kDelta ? LandDeltaOnce
                                                                                  : LandOnce;
  bool more = true;
  for (int conflicts = 0; more;) {
    const arrow::Status status = land(workspace, source, run_id, stop, report, &more);
    if (!status.ok() && base::CodeOf(status) == ErrorCode::kConflict &&
        ++conflicts < kMaxAttempts) {
      more = true;  // somebody else landed first: look again at what is known now
      continue;
    }
    ARROW_RETURN_NOT_OK(status);
  }
  return arrow::Status::OK();
}

arrow::Result<ingest::FilePlan> PlanSource(const Workspace& workspace, const spec::Source& source,
                                           const ingest::Manifest& known) {
  spec::Source resolved = source;
  ARROW_ASSIGN_OR_RAISE(
      resolved.files.path,
      spec::ResolveReferences(source.files.path, source.files.location,
                              spec::MakeSystemReferences(workspace.project->root)));
  const auto machine_clock = base::MakeSystemClock();
  return ingest::PlanFiles(resolved, workspace.project->root, known, *machine_clock);
}

namespace {

// Whether some of the columns have no type but what their text says.
bool NeedsInference(const spec::Source& source, const arrow::Schema& columns) {
  if (!IsTextSource(source)) return false;
  const auto& declared = source.contract.columns;
  return std::any_of(columns.fields().begin(), columns.fields().end(), [&](const auto& field) {
    return !lake::IsEnvelope(field->name()) &&
           std::none_of(declared.begin(), declared.end(), [&](const auto& column) {
             return column.name == field->name() && column.type != nullptr;
           });
  });
}

std::unique_ptr<quality::TypeInference> InferenceOf(const spec::Source& source) {
  return quality::TypeInference::Make(source.files.format == spec::FilesConnector::Format::kJson
                                          ? std::vector<std::string>{}
                                          : source.files.null_values);
}

// By the rows of the first file that landed.
arrow::Status InferFromLanded(const Workspace& workspace, const spec::Source& source,
                              const lake::Snapshot& raw, RawColumns* out) {
  ARROW_ASSIGN_OR_RAISE(auto manifest, ManifestOf(workspace, raw));
  if (!NeedsInference(source, *raw.schema) || manifest.files().empty()) {
    return arrow::Status::OK();
  }
  lake::ScanOptions options;
  const auto& first = manifest.files().front();
  options.seq = lake::SeqRange{first.first_seq - 1, first.first_seq - 1 + first.rows};
  ARROW_ASSIGN_OR_RAISE(auto reader, lake::Scan(*workspace.store, raw, options, workspace.access));
  const auto inference = InferenceOf(source);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) break;
    ARROW_RETURN_NOT_OK(inference->Add(*batch));
  }
  out->inferred = inference->Finish();
  return arrow::Status::OK();
}

// By the first file that is there to land; what is wrong with it is the `problem`, which `run`
// reports.
arrow::Status PeekFirstFile(const Workspace& workspace, const spec::Source& source,
                            const lake::Snapshot& raw, RawColumns* out) {
  const auto plan = PlanSource(workspace, source, ingest::Manifest());
  if (!plan.ok() || plan->files.empty()) {
    out->problem = plan.status();
    return arrow::Status::OK();
  }
  ingest::FileReadOptions context;  // no store: the file is read where it lies, nothing is kept
  context.column_names = HeaderlessNames(source, raw);
  const auto rows = ingest::OpenFile(source, plan->files.front(), context, std::stop_token());
  const auto merged = rows.ok() ? MergeColumns(nullptr, *(*rows)->schema()) : rows.status();
  if (!merged.ok()) {
    out->problem = merged.status();
    return arrow::Status::OK();
  }
  out->schema = *merged;
  if (!NeedsInference(source, *out->schema)) return arrow::Status::OK();
  const auto inference = InferenceOf(source);
  while (true) {
    const auto batch = (*rows)->Next();
    out->problem = batch.status();
    if (!batch.ok() || !*batch) break;
    ARROW_ASSIGN_OR_RAISE(const auto full, WithEnvelope(**batch, out->schema, 1, 0, ""));
    ARROW_RETURN_NOT_OK(inference->Add(*full));
  }
  out->inferred = inference->Finish();
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<RawColumns> PeekSource(const Workspace& workspace, const spec::Source& source) {
  if (source.files.format == spec::FilesConnector::Format::kDelta) {
    return PeekDeltaSource(workspace, source);
  }
  if (source.is_push) {
    return PeekPushSource(workspace, source);
  }
  RawColumns out;
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  if (raw->exists()) {
    out.schema = raw->schema;
  }
  ARROW_ASSIGN_OR_RAISE(const auto accepted, LoadTable(workspace, AcceptedTableName(source)));
  if (accepted->exists()) {
    // Fixed by the first file; a type that became wider since then is taken over.
    out.inferred = Widened(*UserSchema(*accepted->schema), out.schema.get());
  } else {
    ARROW_RETURN_NOT_OK(raw->exists() ? InferFromLanded(workspace, source, *raw, &out)
                                      : PeekFirstFile(workspace, source, *raw, &out));
  }
  return out;
}

}  // namespace icecore::pipeline
