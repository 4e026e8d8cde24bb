#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/io/caching.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/column_source_internal.h"
#include "icecore/lake/deletion_vector.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/file_rows_internal.h"
#include "icecore/lake/legacy_calendar_internal.h"
#include "icecore/lake/partition_value.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/schema_types_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

bool Covers(const SeqRange& range, const DataFile::Range& values) {
  return values.min > range.after && values.max <= range.up_to;
}

// The _seq values of a row group by Parquet's own statistics.
std::optional<DataFile::Range> SeqRangeOf(const parquet::RowGroupMetaData& group, int leaf) {
  const auto statistics = group.ColumnChunk(leaf)->statistics();
  if (statistics == nullptr || !statistics->HasMinMax() ||
      statistics->physical_type() != parquet::Type::INT64) {
    return std::nullopt;
  }
  const auto& range = static_cast<const parquet::Int64Statistics&>(*statistics);
  return DataFile::Range{.min = range.min(), .max = range.max()};
}

// Rows whose mask is set; the batch itself where all are.
arrow::Result<BatchPtr> Filtered(const BatchPtr& batch, const std::vector<bool>& mask) {
  const auto first = std::find(mask.begin(), mask.end(), true);
  const auto last = std::find(mask.rbegin(), mask.rend(), true);
  const int64_t begin = first - mask.begin();
  const int64_t end = mask.rend() - last;
  if (first == mask.end()) {
    return batch->Slice(0, 0);
  }
  if (std::find(first, mask.begin() + end, false) == mask.begin() + end) {
    return batch->Slice(begin, end - begin);
  }
  arrow::BooleanBuilder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(mask));
  ARROW_ASSIGN_OR_RAISE(const auto kept, builder.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto filtered,
                        arrow::compute::Filter(arrow::Datum(batch), arrow::Datum(kept),
                                               arrow::compute::FilterOptions::Defaults()));
  return filtered.record_batch();
}

arrow::Result<std::vector<bool>> SeqMask(const arrow::Array& column, const SeqRange& range) {
  if (column.type_id() != arrow::Type::INT64) {
    return MakeError(ErrorCode::kCorrupt, "a column _seq that is no int64");
  }
  const auto& seq = static_cast<const arrow::Int64Array&>(column);
  std::vector<bool> mask(static_cast<size_t>(seq.length()));
  for (int64_t i = 0; i < seq.length(); ++i) {
    mask[static_cast<size_t>(i)] =
        seq.IsValid(i) && seq.Value(i) > range.after && seq.Value(i) <= range.up_to;
  }
  return mask;
}

// A wanted column of one file.
struct WantedColumn {
  std::shared_ptr<arrow::Field> storage;
  ColumnSource source;                       // source.index counts the columns that are read
  std::shared_ptr<arrow::Scalar> partition;  // the value of all rows; nullptr: look at `source`
};

class ParquetRows : public FileRows {
 public:
  ParquetRows(const RowRequest& request, FilePart part)
      : request_(request), part_(std::move(part)) {}

  arrow::Status Open() {
    const DataFile& file = part_.file;
    RowRanges deleted;
    if (file.deletion_vector.has_value()) {
      ARROW_ASSIGN_OR_RAISE(
          deleted, ReadDeletionVector(*request_.store, request_.table_path, *file.deletion_vector));
    }
    ARROW_RETURN_NOT_OK(OpenParquet(nullptr));
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    return Select(deleted);
    END_PARQUET_CATCH_EXCEPTIONS
  }

  arrow::Result<BatchPtr> Next() override {
    while (true) {
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(Named(ReadNext(&batch)));
      if (batch == nullptr) {
        return nullptr;
      }
      auto rows = Convert(std::move(batch));
      ARROW_RETURN_NOT_OK(Named(rows.status()));
      if ((*rows)->num_rows() > 0) {
        return rows;
      }
    }
  }

  const std::vector<int64_t>& group_rows() const override { return group_rows_; }

  arrow::Result<std::unique_ptr<FileRows>> OfGroups(size_t first, size_t end) const override {
    auto rows = std::make_unique<ParquetRows>(request_, part_);
    rows->calendar_ = calendar_;
    rows->alive_ = alive_;
    rows->wanted_ = wanted_;
    rows->seq_ = seq_;
    rows->leaves_ = leaves_;
    for (size_t i = first; i < end; ++i) {
      rows->TakeGroup(groups_[i], group_first_[i], group_rows_[i]);
    }
    ARROW_RETURN_NOT_OK(Named(rows->OpenParquet(parquet_->parquet_reader()->metadata())));
    return rows;
  }

  // What goes wrong with a file that the log names is corruption, unless the store is not there.
  arrow::Status Named(const arrow::Status& status) const {
    if (status.ok()) {
      return status;
    }
    const std::string file = request_.table_path + "/" + part_.file.path;
    const bool is_ours = status.detail() != nullptr;
    const ErrorCode code = is_ours ? base::CodeOf(status) : ErrorCode::kCorrupt;
    return MakeError(code == ErrorCode::kNotFound ? ErrorCode::kCorrupt : code,
                     "data file " + file + ": " + status.message());
  }

 private:
  // With the footer as it is, or nullptr to read it.
  arrow::Status OpenParquet(std::shared_ptr<parquet::FileMetaData> footer) {
    ARROW_ASSIGN_OR_RAISE(const auto input,
                          request_.store->OpenInput(request_.table_path + "/" + part_.file.path));
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(request_.batch_rows);
    properties.set_use_threads(request_.use_threads);
    // Column chunks of a file elsewhere are read together, some requests ahead.
    const bool is_remote = !request_.store->LocalPath(request_.table_path).has_value();
    properties.set_pre_buffer(is_remote);
    properties.set_cache_options(arrow::io::CacheOptions::LazyDefaults());
    // Nanoseconds in 64 bits would not reach the years that INT96 holds.
    properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    parquet::arrow::FileReaderBuilder builder;
    parquet::ReaderProperties checked;
    checked.set_page_checksum_verification(true);
    ARROW_RETURN_NOT_OK(builder.Open(input, checked, std::move(footer)));
    return builder.properties(properties)->Build().Value(&parquet_);
    END_PARQUET_CATCH_EXCEPTIONS
  }

  arrow::Status ReadNext(BatchPtr* batch) {
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    if (batches_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(batches_, parquet_->GetRecordBatchReader(groups_, leaves_));
    }
    return batches_->ReadNext(batch);
    END_PARQUET_CATCH_EXCEPTIONS
  }

  // Chooses columns and row groups.
  arrow::Status Select(const RowRanges& deleted) {
    const auto metadata = parquet_->parquet_reader()->metadata();
    const int64_t rows = metadata->num_rows();
    if (part_.file.num_records.value_or(rows) != rows) {
      return MakeError(ErrorCode::kCorrupt, std::to_string(rows) + " rows where the log says " +
                                                std::to_string(*part_.file.num_records));
    }
    if (deleted.end() > rows) {
      return MakeError(ErrorCode::kCorrupt, "its deletion vector names row " +
                                                std::to_string(deleted.end() - 1) + " of " +
                                                std::to_string(rows));
    }
    calendar_ = LegacyCalendarOf(metadata->key_value_metadata().get());
    const auto& fields = parquet_->manifest().schema_fields;
    if (request_.mapping == ColumnMapping::kId) {
      ARROW_RETURN_NOT_OK(CheckHasIds(fields));
    }
    for (const auto& field : request_.columns->fields()) {
      ARROW_RETURN_NOT_OK(
          base::WithContext(Want(*field, &wanted_), "column '" + field->name() + "'"));
    }
    int seq_leaf = -1;
    if (request_.seq.has_value()) {
      const auto range = part_.file.IntRange(PhysicalName(*request_.seq_field, request_.mapping));
      if (!range.has_value() || !Covers(*request_.seq, *range)) {
        ARROW_RETURN_NOT_OK(Want(*request_.seq_field, &seq_));
        if (seq_[0].source.index < 0) {
          return MakeError(ErrorCode::kCorrupt, "no column _seq");
        }
        seq_leaf = fields[static_cast<size_t>(seq_[0].source.index)].column_index;
      }
    }
    leaves_ = PlaceColumns();
    ChooseGroups(*metadata, seq_leaf, deleted);
    return arrow::Status::OK();
  }

  arrow::Status Want(const arrow::Field& field, std::vector<WantedColumn>* wanted) const {
    ARROW_ASSIGN_OR_RAISE(const auto canonical, CanonicalType(field.type()));
    ARROW_ASSIGN_OR_RAISE(const auto type, StorageType(canonical));
    WantedColumn column{.storage = field.WithType(type), .source = {}, .partition = nullptr};
    const auto& partitions = request_.partition_columns;
    if (std::find(partitions.begin(), partitions.end(), field.name()) != partitions.end()) {
      const auto& values = part_.file.partition_values;
      const auto value = values.find(PhysicalName(field, request_.mapping));
      ARROW_ASSIGN_OR_RAISE(
          column.partition,
          ParsePartitionValue(value == values.end() ? std::nullopt : value->second,
                              column.storage->type()));
    } else {
      ARROW_ASSIGN_OR_RAISE(
          column.source,
          FindColumn(*column.storage, parquet_->manifest().schema_fields, request_.mapping));
    }
    wanted->push_back(std::move(column));
    return arrow::Status::OK();
  }

  // The leaves to read; the wanted columns' indices become those of the batches.
  std::vector<int> PlaceColumns() {
    const auto& fields = parquet_->manifest().schema_fields;
    std::vector<int> place(fields.size(), -1);
    for (const auto* columns : {&wanted_, &seq_}) {
      for (const WantedColumn& column : *columns) {
        if (column.source.index >= 0) {
          place[static_cast<size_t>(column.source.index)] = 0;
        }
      }
    }
    std::vector<int> leaves;
    int next = 0;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (place[i] == 0) {
        place[i] = next++;
        CollectLeaves(fields[i], &leaves);
      }
    }
    for (auto* columns : {&wanted_, &seq_}) {
      for (WantedColumn& column : *columns) {
        if (column.source.index >= 0) {
          column.source.index = place[static_cast<size_t>(column.source.index)];
        }
      }
    }
    return leaves;
  }

  // The leaf that alone is the column of that name; -1 where it cannot be told by name.
  int LeafOf(const std::string& physical_name) const {
    if (request_.mapping == ColumnMapping::kId) {
      return -1;
    }
    for (const auto& field : parquet_->manifest().schema_fields) {
      if (field.field->name() == physical_name && field.is_leaf()) {
        return field.column_index;
      }
    }
    return -1;
  }

  void TakeGroup(int group, int64_t first, int64_t rows) {
    groups_.push_back(group);
    group_first_.push_back(first);
    group_rows_.push_back(rows);
    physical_.Append(first, first + rows);
  }

  // Takes the row groups that may hold wanted rows.
  void ChooseGroups(const parquet::FileMetaData& metadata, int seq_leaf, const RowRanges& deleted) {
    int64_t first = 0;
    const RowGroupShare& share = request_.share;
    const int64_t count = metadata.num_row_groups();
    const int64_t first_shared = count * share.index / share.count;
    const int64_t end_shared = count * (share.index + 1) / share.count;
    for (int i = 0; i < count; ++i) {
      const auto group = metadata.RowGroup(i);
      const int64_t end = first + group->num_rows();
      const bool is_shared = i >= first_shared && i < end_shared;
      const auto seqs = seq_leaf >= 0 ? SeqRangeOf(*group, seq_leaf) : std::nullopt;
      const bool may_match = !seqs.has_value() ||
                             (seqs->max > request_.seq->after && seqs->min <= request_.seq->up_to);
      const bool may_hold = request_.pruner == nullptr ||
                            request_.pruner->RowGroupMayMatch(
                                *group, [&](const std::string& name) { return LeafOf(name); });
      const bool has_rows = deleted.CountIn(first, end) < end - first &&
                            (!part_.only.has_value() || part_.only->CountIn(first, end) > 0);
      if (is_shared && may_match && may_hold && has_rows) {
        TakeGroup(i, first, end - first);
      }
      first = end;
    }
    if (part_.only.has_value() || !deleted.empty()) {
      alive_ = std::make_shared<const RowRanges>(
          (part_.only.has_value() ? *part_.only : physical_).Minus(deleted));
    }
  }

  // The rows of the batch, the next ones of `physical_`, that the log leaves alive.
  arrow::Result<BatchPtr> KeepAlive(const BatchPtr& batch) {
    if (alive_ == nullptr) {
      return batch;
    }
    std::vector<bool> mask(static_cast<size_t>(batch->num_rows()), false);
    for (int64_t done = 0; done < batch->num_rows();) {
      if (range_ == physical_.ranges().size()) {
        return MakeError(ErrorCode::kCorrupt, "more rows than its row groups tell");
      }
      const RowRange& range = physical_.ranges()[range_];
      const int64_t first = std::max(row_, range.first);
      const int64_t end = std::min(range.end, first + batch->num_rows() - done);
      for (const RowRange& alive : alive_->In(first, end)) {
        std::fill(mask.begin() + (alive.first - first + done),
                  mask.begin() + (alive.end - first + done), true);
      }
      done += end - first;
      row_ = end;
      range_ += end == range.end ? 1 : 0;
    }
    return Filtered(batch, mask);
  }

  arrow::Result<std::shared_ptr<arrow::Array>> ColumnOf(const WantedColumn& wanted,
                                                        const BatchPtr& batch) const {
    const auto& type = wanted.storage->type();
    if (wanted.partition != nullptr) {
      return arrow::MakeArrayFromScalar(*wanted.partition, batch->num_rows());
    }
    if (wanted.source.index < 0) {
      return arrow::MakeArrayOfNull(type, batch->num_rows());
    }
    auto column = ToStorageType(batch->column(wanted.source.index), type, wanted.source);
    arrow::Status status = column.status();
    if (status.ok() && calendar_.times) {
      status = CheckCalendar(calendar_, **column);
    }
    if (!status.ok()) {
      return base::WithContext(status, "column '" + wanted.storage->name() + "'");
    }
    return column;
  }

  arrow::Result<BatchPtr> Convert(BatchPtr batch) {
    ARROW_ASSIGN_OR_RAISE(batch, KeepAlive(batch));
    if (!seq_.empty() && batch->num_rows() > 0) {
      ARROW_ASSIGN_OR_RAISE(const auto seqs, ColumnOf(seq_[0], batch));
      ARROW_ASSIGN_OR_RAISE(const auto mask, SeqMask(*seqs, *request_.seq));
      ARROW_ASSIGN_OR_RAISE(batch, Filtered(batch, mask));
    }
    arrow::ArrayVector columns;
    arrow::FieldVector fields;
    for (const WantedColumn& wanted : wanted_) {
      ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(wanted, batch));
      fields.push_back(wanted.storage);
      columns.push_back(std::move(column));
    }
    return FromStorage(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(),
                                                std::move(columns)),
                       request_.columns);
  }

  const RowRequest& request_;
  const FilePart part_;
  LegacyCalendar calendar_;
  std::vector<int> groups_;           // row groups that are read
  std::vector<int64_t> group_first_;  // their first rows
  std::vector<int64_t> group_rows_;
  RowRanges physical_;                      // their rows
  std::shared_ptr<const RowRanges> alive_;  // rows that are wanted; nullptr: all
  size_t range_ = 0;                        // of physical_, with the next row
  int64_t row_ = 0;                         // the next row, or one before it
  std::vector<WantedColumn> wanted_;
  std::vector<WantedColumn> seq_;  // the column to filter by; empty: rows need no look
  std::vector<int> leaves_;        // columns that are read
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
};

}  // namespace

arrow::Result<std::unique_ptr<FileRows>> FileRows::Open(const RowRequest& request, FilePart part) {
  auto rows = std::make_unique<ParquetRows>(request, std::move(part));
  ARROW_RETURN_NOT_OK(rows->Named(rows->Open()));
  return rows;
}

}  // namespace icecore::lake
