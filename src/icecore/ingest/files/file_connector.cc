#include "icecore/ingest/files/file_connector.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/files/manifest.h"

namespace icecore::ingest {
namespace {

// Yields the batches of the planned files; the last of each file carries the position.
class FileReader : public Reader {
 public:
  FileReader(const spec::Source& source, const FileReadOptions& options, FilePlan plan,
             std::stop_token stop)
      : source_(source), options_(options), plan_(std::move(plan)), stop_(std::move(stop)) {}

  arrow::Result<std::optional<Batch>> Next() override {
    arrow::Result<std::optional<Batch>> batch = failed_ ? std::optional<Batch>() : Advance();
    failed_ = failed_ || !batch.ok();
    return batch;
  }

 private:
  arrow::Result<std::optional<Batch>> Advance() {
    ARROW_ASSIGN_OR_RAISE(const bool open, OpenNext());
    if (!open) {
      return std::nullopt;
    }
    Batch batch;
    batch.rows = std::move(ahead_);
    ARROW_ASSIGN_OR_RAISE(ahead_, rows_->Next());
    if (batch.rows == nullptr) {
      ARROW_ASSIGN_OR_RAISE(batch.rows, arrow::RecordBatch::MakeEmpty(rows_->schema()));
    }
    const auto& schema = batch.rows->schema();
    batch.schema_changed = last_schema_ != nullptr && !schema->Equals(*last_schema_);
    last_schema_ = schema;
    if (ahead_ == nullptr) {
      plan_.manifest.BeginBatch();
      plan_.manifest.Add(rows_->facts());
      batch.position_after = plan_.manifest.Serialize();
      batch.transaction_end = true;
      rows_.reset();
    }
    return batch;
  }

  // Makes rows_ and ahead_ those of a file; false when there are no more files. A file that changes
  // at this moment waits for the next Read.
  arrow::Result<bool> OpenNext() {
    while (rows_ == nullptr) {
      if (next_file_ == plan_.files.size()) {
        return false;
      }
      auto opened = OpenFile(source_, plan_.files[next_file_++], options_, stop_);
      if (!opened.ok() && base::CodeOf(opened.status()) == base::ErrorCode::kConflict) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(rows_, std::move(opened));
      ARROW_ASSIGN_OR_RAISE(ahead_, rows_->Next());
    }
    return true;
  }

  const spec::Source& source_;
  const FileReadOptions& options_;
  FilePlan plan_;
  const std::stop_token stop_;
  size_t next_file_ = 0;
  std::unique_ptr<FileRows> rows_;
  std::shared_ptr<arrow::RecordBatch> ahead_;  // nullptr beside rows_: the file has no rows
  std::shared_ptr<arrow::Schema> last_schema_;
  bool failed_ = false;
};

}  // namespace

FileConnector::FileConnector(spec::Source source, std::string root, FileReadOptions options,
                             const base::Clock* clock)
    : source_(std::move(source)),
      root_(std::move(root)),
      options_(std::move(options)),
      clock_(clock) {}

Capabilities FileConnector::capabilities() const {
  return {
      .replayable = true, .ordered = true, .deletes = false, .schema_changes = true, .push = false};
}

arrow::Result<std::vector<Partition>> FileConnector::Partitions() {
  return std::vector<Partition>{{.id = "files", .description = source_.files.path}};
}

arrow::Result<std::unique_ptr<Reader>> FileConnector::Read(const Partition& /*partition*/,
                                                           const std::string& position,
                                                           std::stop_token stop) {
  ARROW_ASSIGN_OR_RAISE(const Manifest known, Manifest::Parse(position));
  ARROW_ASSIGN_OR_RAISE(FilePlan plan, PlanFiles(source_, root_, known, *clock_));
  return std::make_unique<FileReader>(source_, options_, std::move(plan), std::move(stop));
}

arrow::Status FileConnector::Committed(const Partition& /*partition*/,
                                       const std::string& /*position*/) {
  return arrow::Status::OK();  // files stay where they are
}

std::string FileConnector::PrintPosition(const std::string& position) const {
  if (position.empty()) {
    return "the beginning";
  }
  const arrow::Result<Manifest> manifest = Manifest::Parse(position);
  if (!manifest.ok()) {
    return "not a position of files";
  }
  std::string text = "batch " + std::to_string(manifest->batch()) + ", " +
                     std::to_string(manifest->files().size()) + " files";
  if (!manifest->files().empty()) {
    text += ", last " + manifest->files().back().path;
  }
  return text;
}

}  // namespace icecore::ingest
