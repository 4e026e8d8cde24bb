#include "icecore/lake/scan.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/column_source_internal.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/file_rows_internal.h"
#include "icecore/lake/read_ahead_internal.h"
#include "icecore/lake/schema.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMostDecoders = 8;

bool Meets(const SeqRange& range, const DataFile::Range& values) {
  return values.max > range.after && values.min <= range.up_to;
}

class ScanReader : public arrow::RecordBatchReader {
 public:
  ScanReader(RowRequest request, std::vector<DataFile> files)
      : request_(std::move(request)), files_(std::move(files)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return request_.columns; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    *out = nullptr;
    while (rows_ != nullptr || next_file_ < files_.size()) {
      if (rows_ == nullptr) {
        ARROW_ASSIGN_OR_RAISE(rows_,
                              FileRows::Open(request_, {files_[next_file_++], std::nullopt}));
      }
      ARROW_ASSIGN_OR_RAISE(*out, rows_->Next());
      if (*out != nullptr) {
        return arrow::Status::OK();
      }
      rows_.reset();
    }
    return arrow::Status::OK();
  }

 private:
  const RowRequest request_;
  const std::vector<DataFile> files_;
  size_t next_file_ = 0;
  std::unique_ptr<FileRows> rows_;  // of files_[next_file_ - 1]
};

// How many threads decode; 1: the caller's own.
size_t Decoders(ObjectStore& store, const Snapshot& snapshot, const ScanOptions& options,
                const std::vector<DataFile>& files) {
  int64_t bytes = 0;
  for (const DataFile& file : files) {
    bytes += file.size;
  }
  if (!options.use_threads || options.share.count > 1 || bytes < options.ahead_from_bytes ||
      !store.LocalPath(snapshot.table_path).has_value()) {
    return 1;
  }
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMostDecoders);
}

// The table's own _seq, by which ranges go.
std::shared_ptr<arrow::Field> SeqField(const Snapshot& snapshot) {
  return snapshot.schema->GetFieldByName(std::string(kSeq));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> ProjectColumns(
    const Snapshot& snapshot, const std::optional<std::vector<std::string>>& columns) {
  if (!columns.has_value()) {
    return snapshot.schema;
  }
  arrow::FieldVector fields;
  for (const std::string& name : *columns) {
    auto field = snapshot.schema->GetFieldByName(name);
    if (field == nullptr) {
      return MakeError(ErrorCode::kNotFound,
                       "table " + snapshot.table_path + " has no column '" + name + "'" +
                           base::DidYouMean(name, snapshot.schema->field_names()));
    }
    fields.push_back(std::move(field));
  }
  return arrow::schema(std::move(fields));
}

arrow::Status CheckRead(const Snapshot& snapshot, const arrow::Schema& schema,
                        const ReadAccess& access) {
  const std::vector<std::string> columns = schema.field_names();
  const ReadRequest request{
      .table = snapshot.table_path, .version = snapshot.version, .columns = columns};
  const arrow::Status decision = access.policy->Check(access.context, request);
  access.audit->OnRead(access.context, request, decision);
  return decision;
}

RowRequest RequestFor(ObjectStore& store, const Snapshot& snapshot,
                      std::shared_ptr<arrow::Schema> columns) {
  return {.store = &store,
          .table_path = snapshot.table_path,
          .mapping = snapshot.column_mapping,
          .partition_columns = snapshot.partition_columns,
          .columns = std::move(columns),
          .seq_field = SeqField(snapshot),
          .seq = std::nullopt,
          .batch_rows = 1 << 16,
          .pruner = nullptr,
          .share = {},
          .use_threads = true};
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(ObjectStore& store,
                                                              const Snapshot& snapshot,
                                                              const ScanOptions& options,
                                                              const ReadAccess& access) {
  if (!snapshot.exists()) {
    return MakeError(ErrorCode::kNotFound, "no table at " + snapshot.table_path);
  }
  ARROW_ASSIGN_OR_RAISE(auto schema, ProjectColumns(snapshot, options.columns));
  ARROW_RETURN_NOT_OK(CheckRead(snapshot, *schema, access));
  if (options.seq.has_value() && SeqField(snapshot) == nullptr) {
    return MakeError(ErrorCode::kNotFound, "table " + snapshot.table_path + " has no column _seq");
  }
  RowRequest request = RequestFor(store, snapshot, std::move(schema));
  request.seq = options.seq;
  request.batch_rows = options.batch_rows;
  request.share = options.share;
  request.use_threads = options.use_threads;
  std::vector<DataFile> files = FilesInRange(snapshot, options.seq);
  if (!options.predicates.empty()) {
    ARROW_ASSIGN_OR_RAISE(Pruner pruner, Pruner::Make(snapshot, options.predicates));
    std::vector<DataFile> kept;
    for (DataFile& file : files) {
      ARROW_ASSIGN_OR_RAISE(const bool may_match, pruner.MayMatch(file));
      if (may_match) {
        kept.push_back(std::move(file));
      }
    }
    files = std::move(kept);
    request.pruner = std::make_shared<const Pruner>(std::move(pruner));
  }
  const size_t decoders = Decoders(store, snapshot, options, files);
  if (decoders > 1) {
    return ReadAhead(std::move(request), std::move(files), {.threads = decoders});
  }
  return std::make_shared<ScanReader>(std::move(request), std::move(files));
}

std::vector<DataFile> FilesInRange(const Snapshot& snapshot, const std::optional<SeqRange>& seq) {
  if (!seq.has_value()) {
    return snapshot.files;
  }
  const auto field = SeqField(snapshot);
  const auto seq_name = field == nullptr
                            ? std::nullopt
                            : std::optional(PhysicalName(*field, snapshot.column_mapping));
  std::vector<DataFile> files;
  for (const DataFile& file : snapshot.files) {
    const auto range = seq_name.has_value() ? file.IntRange(*seq_name) : std::nullopt;
    if (!range.has_value() || Meets(*seq, *range)) {
      files.push_back(file);
    }
  }
  return files;
}

bool FilesHoldRows(const Snapshot& snapshot) {
  if (!snapshot.exists() || !snapshot.partition_columns.empty() ||
      snapshot.column_mapping != ColumnMapping::kNone) {
    return false;
  }
  const auto& fields = snapshot.schema->fields();
  return std::all_of(fields.begin(), fields.end(),
                     [](const auto& field) {
                       return field->HasMetadata() &&
                              field->metadata()->Contains(std::string(kFieldId));
                     }) &&
         std::none_of(snapshot.files.begin(), snapshot.files.end(),
                      [](const DataFile& file) { return file.deletion_vector.has_value(); });
}

std::optional<std::vector<std::string>> LocalFiles(const ObjectStore& store,
                                                   const Snapshot& snapshot) {
  if (!FilesHoldRows(snapshot)) {
    return std::nullopt;
  }
  const auto storage = StorageSchema(*snapshot.schema);
  if (!storage.ok() || !(*storage)->Equals(*snapshot.schema, /*check_metadata=*/false)) {
    return std::nullopt;
  }
  std::vector<std::string> paths;
  for (const DataFile& file : snapshot.files) {
    auto path = store.LocalPath(snapshot.table_path + "/" + file.path);
    if (!path.has_value()) {
      return std::nullopt;
    }
    paths.push_back(*std::move(path));
  }
  return paths;
}

}  // namespace icecore::lake
