#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/file_audit_internal.h"
#include "icecore/lake/stats_internal.h"

namespace icecore::lake {
namespace {

constexpr int64_t kAuditRows = 1 << 16;

// The store does not answer: no verdict about the file.
bool IsOfTheStore(const arrow::Status& status) {
  if (status.detail() == nullptr) {
    return false;
  }
  const base::ErrorCode code = base::CodeOf(status);
  return code == base::ErrorCode::kUnavailable || code == base::ErrorCode::kDenied;
}

class FileAuditor {
 public:
  FileAuditor(ObjectStore& store, const std::string& path, const DataFile& file,
              const FileAuditOptions& options)
      : store_(store), path_(path), file_(file), options_(options) {}

  arrow::Status Run() {
    ARROW_ASSIGN_OR_RAISE(const auto input, store_.OpenInput(path_));
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    parquet::ReaderProperties reader_properties;
    reader_properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kAuditRows);
    properties.set_use_threads(false);
    properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(input, reader_properties));
    ARROW_ASSIGN_OR_RAISE(parquet_, builder.properties(properties)->Build());
    CompareRows(parquet_->parquet_reader()->metadata()->num_rows(), "its footer");
    return options_.deep ? ReadAll() : arrow::Status::OK();
    END_PARQUET_CATCH_EXCEPTIONS
  }

  std::vector<FileProblem> TakeProblems() { return std::move(problems_); }

 private:
  void CompareRows(int64_t rows, const std::string& where) {
    if (file_.num_records.has_value() && rows != *file_.num_records) {
      problems_.push_back({"row_count", std::to_string(rows) + " rows in " + where,
                           std::to_string(*file_.num_records) + " rows, as the log says"});
    }
  }

  arrow::Status ReadAll() {
    std::shared_ptr<arrow::Schema> schema;
    ARROW_RETURN_NOT_OK(parquet_->GetSchema(&schema));
    FileStats stats(*schema);
    ARROW_ASSIGN_OR_RAISE(const auto batches, parquet_->GetRecordBatchReader());
    int64_t rows = 0;
    while (true) {
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
      if (batch == nullptr) {
        break;
      }
      ARROW_RETURN_NOT_OK(batch->ValidateFull());
      rows += batch->num_rows();
      stats.Update(*batch);
      LookAtSeq(*batch);
    }
    CompareRows(rows, "its pages");
    if (options_.our_statistics && !file_.stats_json.empty() &&
        stats.ToJson() != file_.stats_json) {
      problems_.push_back({"statistics", "values give statistics " + stats.ToJson(),
                           "those of the log, " + file_.stats_json});
    }
    return arrow::Status::OK();
  }

  void LookAtSeq(const arrow::RecordBatch& batch) {
    const auto column = batch.GetColumnByName(std::string(kSeq));
    if (column == nullptr || column->type_id() != arrow::Type::INT64) {
      return;
    }
    const auto& seqs = static_cast<const arrow::Int64Array&>(*column);
    for (int64_t i = 0; i < seqs.length(); ++i) {
      const int64_t seq = seqs.Value(i);
      if (options_.seq_ascends && seq <= last_seq_ && !told_order_) {
        told_order_ = true;
        problems_.push_back({"seq_order",
                             "_seq " + std::to_string(seq) + " behind " + std::to_string(last_seq_),
                             "_seq ascending within the file"});
      }
      last_seq_ = seq;
      if (options_.seqs != nullptr && !options_.seqs->Insert(seq) && !told_twice_) {
        told_twice_ = true;
        problems_.push_back({"seq_twice", "_seq " + std::to_string(seq) + " is on two rows",
                             "each _seq once in the table"});
      }
    }
  }

  ObjectStore& store_;
  const std::string& path_;
  const DataFile& file_;
  const FileAuditOptions& options_;
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::vector<FileProblem> problems_;
  int64_t last_seq_ = INT64_MIN;
  bool told_order_ = false;
  bool told_twice_ = false;
};

}  // namespace

bool SeqSet::Insert(int64_t seq) {
  std::vector<uint64_t>& page = pages_[seq / kPageBits];
  page.resize(kPageBits / 64);
  const auto bit = static_cast<size_t>(static_cast<uint64_t>(seq) % kPageBits);
  const uint64_t mask = uint64_t{1} << (bit % 64);
  const bool is_new = (page[bit / 64] & mask) == 0;
  page[bit / 64] |= mask;
  return is_new;
}

arrow::Result<std::vector<FileProblem>> AuditFile(ObjectStore& store, const std::string& path,
                                                  const DataFile& file,
                                                  const FileAuditOptions& options) {
  FileAuditor auditor(store, path, file, options);
  const arrow::Status status = auditor.Run();
  if (!status.ok() && IsOfTheStore(status)) {
    return status;
  }
  std::vector<FileProblem> problems = auditor.TakeProblems();
  if (!status.ok()) {
    problems.push_back({"corrupt_file", status.message(), "a Parquet file that can be read"});
  }
  return problems;
}

}  // namespace icecore::lake
