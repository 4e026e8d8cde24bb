#include "icecore/lake/change_feed.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/deletion_vector.h"
#include "icecore/lake/file_rows_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/replay_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr char kEnabled[] = "delta.enableChangeDataFeed";

std::shared_ptr<arrow::DataType> TimestampType() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

std::shared_ptr<arrow::Field> ChangeTypeField() {
  return arrow::field(std::string(kChangeType), arrow::utf8());
}

// Rows of one file that changed in one version.
struct ChangedFile {
  DataFile file;
  std::string change_type;  // "": the file says it row by row
  int64_t version = 0;
  int64_t timestamp_us = 0;
  // The same data file with another deletion vector, or with none: only rows that this one takes
  // away and `file` does not.
  struct Counterpart {
    std::optional<DeletionVector> deletion_vector;
  };
  std::optional<Counterpart> counterpart;
};

bool IsEnabled(const std::map<std::string, std::string>& configuration) {
  const auto setting = configuration.find(kEnabled);
  return setting != configuration.end() && setting->second == "true";
}

arrow::Status NotEnabled(const std::string& table, int64_t version) {
  return MakeError(ErrorCode::kDenied, "table " + table + ": no change data feed at version " +
                                           std::to_string(version) + " (" + kEnabled +
                                           " was not true)");
}

// Collects the changed files of versions.
class ChangePlanner {
 public:
  explicit ChangePlanner(Table& table) : table_(table) {}

  arrow::Status AddVersion(int64_t version) {
    const std::string path = CommitPath(table_.path(), version);
    auto bytes = table_.store().Get(path);
    if (!bytes.ok() && base::CodeOf(bytes.status()) == ErrorCode::kNotFound) {
      return MakeError(ErrorCode::kNotFound, "table " + table_.path() +
                                                 ": the log entry of version " +
                                                 std::to_string(version) + " is gone");
    }
    ARROW_RETURN_NOT_OK(bytes.status());
    ARROW_ASSIGN_OR_RAISE(auto actions, ParseLogEntry(*bytes, path));
    if (actions.metadata.has_value() && !IsEnabled(actions.metadata->configuration)) {
      return NotEnabled(table_.path(), version);
    }
    version_ = version;
    ARROW_ASSIGN_OR_RAISE(timestamp_us_, TimestampOfCommit(actions, path));
    if (!actions.changes.empty()) {
      for (ChangeFile& change : actions.changes) {
        DataFile file;
        file.path = std::move(change.path);
        file.size = change.size;
        file.partition_values = std::move(change.partition_values);
        Add(std::move(file), "");
      }
      return arrow::Status::OK();
    }
    return AddFiles(std::move(actions));
  }

  std::vector<ChangedFile> Take() && { return std::move(changed_); }

 private:
  // In-commit time, else the time of the log's file, in milliseconds as other readers give it.
  arrow::Result<int64_t> TimestampOfCommit(const LogActions& actions, const std::string& path) {
    if (actions.info.has_value() && actions.info->in_commit_timestamp_ms.has_value()) {
      return TimestampOf(*actions.info);
    }
    ARROW_ASSIGN_OR_RAISE(const ObjectInfo info, table_.store().Stat(path));
    return info.modified_us / 1000 * 1000;
  }

  ChangedFile& Add(DataFile file, std::string change_type) {
    changed_.push_back({.file = std::move(file),
                        .change_type = std::move(change_type),
                        .version = version_,
                        .timestamp_us = timestamp_us_,
                        .counterpart = std::nullopt});
    return changed_.back();
  }

  arrow::Status AddFiles(LogActions actions) {
    std::map<std::string, const DataFile*> added;
    for (const DataFile& file : actions.adds) {
      added[file.path] = &file;
    }
    std::map<std::string, std::optional<DeletionVector>> before;
    for (RemovedFile& removed : actions.removes) {
      if (!removed.data_change) {
        continue;
      }
      before[removed.path] = removed.deletion_vector;
      ARROW_ASSIGN_OR_RAISE(DataFile file, FileThatWent(removed));
      const auto stays = added.find(removed.path);
      auto& change = Add(std::move(file), "delete");
      if (stays != added.end()) {
        change.counterpart = {stays->second->deletion_vector};
      }
    }
    for (DataFile& file : actions.adds) {
      if (!file.data_change) {
        continue;
      }
      const auto was = before.find(file.path);
      auto& change = Add(std::move(file), "insert");
      if (was != before.end()) {
        change.counterpart = {was->second};
      }
    }
    return arrow::Status::OK();
  }

  // A remove action need not repeat what the add action said.
  arrow::Result<DataFile> FileThatWent(const RemovedFile& removed) {
    DataFile file;
    file.path = removed.path;
    file.size = removed.size;
    if (removed.deletion_vector) file.deletion_vector.emplace(*removed.deletion_vector);
    file.partition_values = removed.partition_values;
    if (!file.partition_values.empty()) {
      return file;
    }
    ARROW_ASSIGN_OR_RAISE(const auto before, table_.Load(version_ - 1));
    if (before->partition_columns.empty()) {
      return file;
    }
    for (const DataFile& was : before->files) {
      if (was.Key() == removed.Key()) {
        return was;
      }
    }
    return MakeError(ErrorCode::kCorrupt, CommitPath(table_.path(), version_) + ": file " +
                                              removed.path + " is removed and was not there");
  }

  Table& table_;
  int64_t version_ = 0;
  int64_t timestamp_us_ = 0;
  std::vector<ChangedFile> changed_;
};

class ChangeReader : public arrow::RecordBatchReader {
 public:
  // `plain` asks for the table's columns, `typed` for _change_type behind them too.
  ChangeReader(RowRequest plain, RowRequest typed, std::shared_ptr<arrow::Schema> schema,
               std::vector<ChangedFile> changed)
      : plain_(std::move(plain)),
        typed_(std::move(typed)),
        schema_(std::move(schema)),
        changed_(std::move(changed)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    *out = nullptr;
    while (rows_ != nullptr || next_ < changed_.size()) {
      if (rows_ == nullptr) {
        ARROW_RETURN_NOT_OK(OpenNext());
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const BatchPtr batch, rows_->Next());
      if (batch != nullptr) {
        return Finish(*batch, changed_[next_ - 1]).Value(out);
      }
      rows_.reset();
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Result<RowRanges> DeletedBy(const std::optional<DeletionVector>& vector) const {
    return vector.has_value() ? ReadDeletionVector(*plain_.store, plain_.table_path, *vector)
                              : RowRanges();
  }

  arrow::Status OpenNext() {
    const ChangedFile& change = changed_[next_++];
    FilePart part{.file = change.file, .only = std::nullopt};
    if (change.counterpart.has_value()) {
      ARROW_ASSIGN_OR_RAISE(const auto here, DeletedBy(change.file.deletion_vector));
      ARROW_ASSIGN_OR_RAISE(const auto there, DeletedBy(change.counterpart->deletion_vector));
      part.only = there.Minus(here);
      if (part.only->empty()) {
        return arrow::Status::OK();
      }
    }
    return FileRows::Open(change.change_type.empty() ? typed_ : plain_, std::move(part))
        .Value(&rows_);
  }

  arrow::Result<BatchPtr> Finish(const arrow::RecordBatch& batch, const ChangedFile& change) const {
    arrow::ArrayVector columns = batch.columns();
    const auto add = [&](const std::shared_ptr<arrow::Scalar>& value) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto column, arrow::MakeArrayFromScalar(*value, batch.num_rows()));
      columns.push_back(std::move(column));
      return arrow::Status::OK();
    };
    if (!change.change_type.empty()) {
      ARROW_RETURN_NOT_OK(add(arrow::MakeScalar(change.change_type)));
    }
    ARROW_RETURN_NOT_OK(add(arrow::MakeScalar(change.version)));
    ARROW_RETURN_NOT_OK(
        add(std::make_shared<arrow::TimestampScalar>(change.timestamp_us, TimestampType())));
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  const RowRequest plain_;
  const RowRequest typed_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<ChangedFile> changed_;
  size_t next_ = 0;
  std::unique_ptr<FileRows> rows_;  // of changed_[next_ - 1]
};

}  // namespace

std::shared_ptr<arrow::Schema> WithChangeColumns(const arrow::Schema& columns) {
  arrow::FieldVector fields = columns.fields();
  fields.push_back(ChangeTypeField());
  fields.push_back(arrow::field(std::string(kCommitVersion), arrow::int64()));
  fields.push_back(arrow::field(std::string(kCommitTimestamp), TimestampType()));
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ReadChanges(Table& table,
                                                                     const ChangeOptions& options,
                                                                     const ReadAccess& access) {
  ARROW_ASSIGN_OR_RAISE(const auto last, table.Load(options.last_version));
  const int64_t first_version = options.first_version;
  if (first_version < 0 || first_version > last->version) {
    return MakeError(ErrorCode::kNotFound, "table " + table.path() + ": no versions from " +
                                               std::to_string(first_version) + " to " +
                                               std::to_string(last->version));
  }
  ARROW_ASSIGN_OR_RAISE(const auto first, table.Load(first_version));
  if (!IsEnabled(first->configuration)) {
    return NotEnabled(table.path(), first_version);
  }
  ARROW_ASSIGN_OR_RAISE(auto columns, ProjectColumns(*last, options.columns));
  ARROW_RETURN_NOT_OK(CheckRead(*last, *columns, access));
  ChangePlanner planner(table);
  for (int64_t version = first_version; version <= last->version; ++version) {
    ARROW_RETURN_NOT_OK(planner.AddVersion(version));
  }
  auto schema = WithChangeColumns(*columns);
  ARROW_ASSIGN_OR_RAISE(auto with_type,
                        columns->AddField(columns->num_fields(), ChangeTypeField()));
  RowRequest plain = RequestFor(table.store(), *last, std::move(columns));
  RowRequest typed = RequestFor(table.store(), *last, std::move(with_type));
  plain.batch_rows = typed.batch_rows = options.batch_rows;
  return std::make_shared<ChangeReader>(std::move(plain), std::move(typed), std::move(schema),
                                        std::move(planner).Take());
}

}  // namespace icecore::lake
