#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/lake/partition_values_internal.h"
#include "icecore/lake/partitioned_writer_internal.h"
#include "icecore/lake/schema.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// Files of one partition hold fewer rows at once than files of a whole table.
constexpr int64_t kPartitionGroupBytes = int64_t{32} << 20;

struct OpenPartition {
  std::unique_ptr<DataWriter> writer;
  int64_t last_use = 0;
};

class PartitionedDataWriter : public DataWriter {
 public:
  PartitionedDataWriter(ObjectStore& store, std::string table_path,
                        std::shared_ptr<arrow::Schema> declared,
                        std::shared_ptr<arrow::Schema> storage, const base::Clock& clock,
                        base::Random& random, const WriterOptions& options)
      : store_(store),
        table_path_(std::move(table_path)),
        declared_(std::move(declared)),
        storage_(std::move(storage)),
        clock_(clock),
        random_(random),
        columns_(options.partition_columns),
        options_(options) {
    options_.partition_columns.clear();
    options_.row_group_bytes = std::min(options_.row_group_bytes, kPartitionGroupBytes);
  }

  ~PartitionedDataWriter() override {
    if (!is_finished_) {
      for (const DataFile& file : files_) {
        static_cast<void>(store_.Delete(table_path_ + "/" + file.path));
      }
    }
  }

  arrow::Status Write(const BatchPtr& batch) override {
    if (batch->num_rows() == 0) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto stored, ToStorage(batch, storage_));
    ARROW_ASSIGN_OR_RAISE(const auto parts, Part(*stored));
    const BatchPtr rest = WithoutPartitionColumns(batch);
    for (const auto& [values, rows] : parts) {
      BatchPtr rows_of_part = rest;
      if (parts.size() > 1) {
        ARROW_ASSIGN_OR_RAISE(const auto taken,
                              arrow::compute::Take(arrow::Datum(rest), arrow::Datum(rows)));
        rows_of_part = taken.record_batch();
      }
      ARROW_ASSIGN_OR_RAISE(DataWriter* const writer, WriterOf(values));
      ARROW_RETURN_NOT_OK(writer->Write(rows_of_part));
    }
    rows_ += batch->num_rows();
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<DataFile>> Finish() override {
    while (!open_.empty()) {
      ARROW_RETURN_NOT_OK(Close(open_.begin()));
    }
    is_finished_ = true;
    return files_;
  }

  int64_t rows() const override { return rows_; }

 private:
  using Parts = std::map<PartitionValues, std::shared_ptr<arrow::Array>>;

  // The batch's rows by the values they have, in their order.
  arrow::Result<Parts> Part(const arrow::RecordBatch& stored) const {
    std::map<PartitionValues, arrow::Int64Builder> builders;
    PartitionValues values;
    arrow::Int64Builder* rows = nullptr;
    for (int64_t i = 0; i < stored.num_rows(); ++i) {
      if (i == 0 || !IsSamePartition(stored, i - 1, i)) {
        for (const std::string& name : columns_) {
          auto text = FormatPartitionValue(*stored.GetColumnByName(name), i);
          if (!text.ok()) {
            return base::WithContext(text.status(), "column '" + name + "' of " + table_path_);
          }
          values[name] = *std::move(text);
        }
        rows = &builders[values];
      }
      ARROW_RETURN_NOT_OK(rows->Append(i));
    }
    Parts parts;
    for (auto& [key, builder] : builders) {
      ARROW_ASSIGN_OR_RAISE(parts[key], builder.Finish());
    }
    return parts;
  }

  bool IsSamePartition(const arrow::RecordBatch& stored, int64_t a, int64_t b) const {
    return std::all_of(columns_.begin(), columns_.end(), [&](const std::string& name) {
      const auto column = stored.GetColumnByName(name);
      return column->RangeEquals(*column, a, a + 1, b);
    });
  }

  BatchPtr WithoutPartitionColumns(const BatchPtr& batch) const {
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (!IsPartitionColumn(declared_->field(i)->name())) {
        fields.push_back(batch->schema()->field(i));
        columns.push_back(batch->column(i));
      }
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(),
                                    std::move(columns));
  }

  bool IsPartitionColumn(const std::string& name) const {
    return std::find(columns_.begin(), columns_.end(), name) != columns_.end();
  }

  arrow::Result<DataWriter*> WriterOf(const PartitionValues& values) {
    auto place = open_.find(values);
    if (place == open_.end()) {
      if (open_.size() >= kOpenPartitions) {
        ARROW_RETURN_NOT_OK(
            Close(std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) {
              return a.second.last_use < b.second.last_use;
            })));
      }
      arrow::FieldVector fields;
      for (const auto& field : declared_->fields()) {
        if (!IsPartitionColumn(field->name())) {
          fields.push_back(field);
        }
      }
      ARROW_ASSIGN_OR_RAISE(auto writer,
                            DataWriter::Open(store_, table_path_, arrow::schema(std::move(fields)),
                                             clock_, random_, options_));
      place = open_.emplace(values, OpenPartition{.writer = std::move(writer)}).first;
    }
    place->second.last_use = ++uses_;
    return place->second.writer.get();
  }

  arrow::Status Close(std::map<PartitionValues, OpenPartition>::iterator place) {
    auto files = place->second.writer->Finish();
    if (!files.ok()) {
      return files.status();
    }
    for (DataFile& file : *files) {
      file.partition_values = place->first;
      files_.push_back(std::move(file));
    }
    open_.erase(place);
    return arrow::Status::OK();
  }

  ObjectStore& store_;
  const std::string table_path_;
  const std::shared_ptr<arrow::Schema> declared_;
  const std::shared_ptr<arrow::Schema> storage_;
  const base::Clock& clock_;
  base::Random& random_;
  const std::vector<std::string> columns_;
  WriterOptions options_;
  std::map<PartitionValues, OpenPartition> open_;
  std::vector<DataFile> files_;
  int64_t uses_ = 0;
  int64_t rows_ = 0;
  bool is_finished_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<DataWriter>> OpenPartitionedWriter(
    ObjectStore& store, std::string table_path, const std::shared_ptr<arrow::Schema>& schema,
    const base::Clock& clock, base::Random& random, const WriterOptions& options) {
  ARROW_RETURN_NOT_OK(CheckPartitionColumns(*schema, options.partition_columns));
  ARROW_ASSIGN_OR_RAISE(auto storage, StorageSchema(*schema));
  return std::make_unique<PartitionedDataWriter>(store, std::move(table_path), schema,
                                                 std::move(storage), clock, random, options);
}

}  // namespace icecore::lake
