#include "icecore/lake/rewrite.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/data_file_reader_internal.h"
#include "icecore/lake/key_index_internal.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using KeyIndexPtr = std::shared_ptr<const KeyIndex>;
using Hit = KeyIndex::Hit;

arrow::Result<std::shared_ptr<arrow::Schema>> FieldsOf(const Snapshot& snapshot,
                                                       const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  for (const std::string& name : names) {
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

// The rows of the batch that begins at row `first` of the file and are among the hits from *next
// on, which are in order; moves *next behind them.
arrow::Result<BatchPtr> TakeHits(const BatchPtr& batch, int64_t first, const std::vector<Hit>& hits,
                                 size_t* next) {
  arrow::Int64Builder rows;
  for (; *next < hits.size() && hits[*next].row < first + batch->num_rows(); ++*next) {
    ARROW_RETURN_NOT_OK(rows.Append(hits[*next].row - first));
  }
  ARROW_ASSIGN_OR_RAISE(const auto places, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto taken,
                        arrow::compute::Take(arrow::Datum(batch), arrow::Datum(places)));
  return taken.record_batch();
}

// The batch without the rows from *next on, as above.
arrow::Result<BatchPtr> WithoutRows(const BatchPtr& batch, int64_t first,
                                    const std::vector<int64_t>& rows, size_t* next) {
  if (*next == rows.size() || rows[*next] >= first + batch->num_rows()) {
    return batch;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateEmptyBitmap(batch->num_rows()));
  std::memset(bits->mutable_data(), 0xff, static_cast<size_t>(bits->size()));
  for (; *next < rows.size() && rows[*next] < first + batch->num_rows(); ++*next) {
    arrow::bit_util::ClearBit(bits->mutable_data(), rows[*next] - first);
  }
  const auto kept = std::make_shared<arrow::BooleanArray>(batch->num_rows(), std::move(bits));
  ARROW_ASSIGN_OR_RAISE(const auto filtered,
                        arrow::compute::Filter(arrow::Datum(batch), arrow::Datum(kept),
                                               arrow::compute::FilterOptions::Defaults()));
  return filtered.record_batch();
}

// What one part of a file has.
struct PartHits {
  int64_t file = 0;
  std::vector<Hit> hits;
  std::vector<BatchPtr> rows;
};

class CopyOnWrite : public TableRewrite {
 public:
  CopyOnWrite(ObjectStore& store, std::shared_ptr<const Snapshot> snapshot,
              const base::Clock& clock, base::Random& random, const WriterOptions& options)
      : store_(store),
        snapshot_(std::move(snapshot)),
        clock_(clock),
        random_(random),
        options_(options) {
    options_.partition_columns = snapshot_->partition_columns;
  }

  ~CopyOnWrite() override {
    if (!is_finished_) {
      for (const DataFile& file : written_) {
        static_cast<void>(store_.Delete(snapshot_->table_path + "/" + file.path));
      }
    }
  }

  arrow::Result<FoundRows> Find(const std::shared_ptr<arrow::Table>& keys,
                                const std::vector<std::string>& key_columns,
                                const std::vector<std::string>& columns) override {
    ARROW_ASSIGN_OR_RAISE(const auto fields, FieldsOf(*snapshot_, columns));
    ARROW_ASSIGN_OR_RAISE(const KeyIndexPtr index,
                          KeyIndex::Build(keys, key_columns, *snapshot_->schema));
    ARROW_ASSIGN_OR_RAISE(auto parts, FindHits(*index, fields));
    NoteKeys(index);
    FoundRows found;
    std::vector<BatchPtr> batches;
    for (PartHits& part : parts) {
      for (const Hit& hit : part.hits) {
        found.keys.push_back(hit.key);
        found.places.push_back({.file = part.file, .row = hit.row});
      }
      std::move(part.rows.begin(), part.rows.end(), std::back_inserter(batches));
    }
    ARROW_ASSIGN_OR_RAISE(found.rows, arrow::Table::FromRecordBatches(fields, batches));
    return found;
  }

  arrow::Status Remove(const std::vector<RowPlace>& places) override {
    for (const RowPlace& place : places) {
      const bool is_file =
          place.file >= 0 && place.file < static_cast<int64_t>(snapshot_->files.size());
      const auto rows = is_file ? snapshot_->files[static_cast<size_t>(place.file)].num_records
                                : std::optional<int64_t>(0);
      if (place.row < 0 || place.row >= rows.value_or(INT64_MAX)) {
        return MakeError(ErrorCode::kInvalidArgument, "row " + std::to_string(place.row) +
                                                          " of file " + std::to_string(place.file) +
                                                          " is not in the snapshot");
      }
    }
    for (const RowPlace& place : places) {
      gone_[place.file].push_back(place.row);
      read_.insert(place.file);
    }
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> RemoveKeys(const std::shared_ptr<arrow::Table>& keys,
                                    const std::vector<std::string>& key_columns) override {
    ARROW_ASSIGN_OR_RAISE(const KeyIndexPtr index,
                          KeyIndex::Build(keys, key_columns, *snapshot_->schema));
    ARROW_ASSIGN_OR_RAISE(const auto parts, FindHits(*index, nullptr));
    NoteKeys(index);
    int64_t removed = 0;
    for (const PartHits& part : parts) {
      std::vector<int64_t>& rows = gone_[part.file];
      for (const Hit& hit : part.hits) {
        rows.push_back(hit.row);
      }
      removed += static_cast<int64_t>(part.hits.size());
    }
    return removed;
  }

  arrow::Result<int64_t> RemoveWhere(
      const std::vector<std::string>& columns, const RowPredicate& predicate,
      const std::function<bool(const DataFile&)>& may_match) override {
    ARROW_ASSIGN_OR_RAISE(const auto fields, FieldsOf(*snapshot_, columns));
    int64_t removed = 0;
    for (size_t i = 0; i < snapshot_->files.size(); ++i) {
      const DataFile& file = snapshot_->files[i];
      if (may_match && !may_match(file)) {
        continue;
      }
      read_.insert(static_cast<int64_t>(i));
      ARROW_ASSIGN_OR_RAISE(const auto reader, DataFileReader::Open(store_, *snapshot_, file,
                                                                    /*use_threads=*/true));
      std::vector<int64_t> rows;
      int64_t first_row = 0;
      for (int group = 0; group < reader->row_groups(); ++group) {
        ARROW_RETURN_NOT_OK(
            CollectMatches(reader.get(), group, fields, predicate, first_row, &rows));
        first_row += reader->rows_of(group);
      }
      removed += static_cast<int64_t>(rows.size());
      if (!rows.empty()) {
        std::vector<int64_t>& gone = gone_[static_cast<int64_t>(i)];
        gone.insert(gone.end(), rows.begin(), rows.end());
      }
    }
    interests_.push_back(may_match ? may_match : [](const DataFile&) { return true; });
    return removed;
  }

  arrow::Status Append(const BatchPtr& batch) override {
    if (appended_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(
          appended_, DataWriter::Open(store_, snapshot_->table_path, snapshot_->schema, clock_,
                                      random_, options_));
    }
    return appended_->Write(batch);
  }

  arrow::Result<RewriteCounts> Finish(Commit* commit) override {
    if (is_finished_) {
      return MakeError(ErrorCode::kInternal, "a rewrite finished twice");
    }
    RewriteCounts counts{.files_read = static_cast<int64_t>(read_.size())};
    ARROW_RETURN_NOT_OK(RewriteFiles(&counts, commit));
    if (appended_ != nullptr) {
      counts.rows_added = appended_->rows();
      ARROW_ASSIGN_OR_RAISE(auto files, appended_->Finish());
      written_.insert(written_.end(), files.begin(), files.end());
    }
    commit->adds.insert(commit->adds.end(), written_.begin(), written_.end());
    for (const int64_t file : read_) {
      commit->reads.push_back(snapshot_->files[static_cast<size_t>(file)].path);
    }
    if (!interests_.empty()) {
      commit->reads_rows_of = [interests = interests_](const DataFile& file) {
        return std::any_of(interests.begin(), interests.end(),
                           [&](const auto& may_match) { return may_match(file); });
      };
    }
    is_finished_ = true;
    return counts;
  }

 private:
  void NoteKeys(const KeyIndexPtr& index) {
    interests_.emplace_back([index](const DataFile& file) { return index->MayMatch(file); });
  }

  // The rows that have one of the keys, in order; their columns where `columns` is given.
  arrow::Result<std::vector<PartHits>> FindHits(const KeyIndex& index,
                                                const std::shared_ptr<arrow::Schema>& columns) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, FieldsOf(*snapshot_, index.columns()));
    std::vector<int64_t> files;
    for (size_t i = 0; i < snapshot_->files.size(); ++i) {
      if (index.MayMatch(snapshot_->files[i])) {
        files.push_back(static_cast<int64_t>(i));
      }
    }
    read_.insert(files.begin(), files.end());
    const std::vector<FilePart> parts = PartsOf(files, 1);
    std::vector<PartHits> found(parts.size());
    ARROW_RETURN_NOT_OK(base::RunParallel(parts.size(), [&](size_t i) -> arrow::Status {
      found[i].file = parts[i].file;
      ARROW_ASSIGN_OR_RAISE(const auto reader, Open(parts[i], parts.size() == 1));
      const GroupRange range = RangeOf(*reader, parts[i]);
      int64_t first_row = range.first_row;
      for (int group = range.begin; group < range.end; ++group) {
        if (reader->MayMatch(group, index)) {
          ARROW_ASSIGN_OR_RAISE(const auto hits,
                                HitsIn(reader.get(), group, keys, first_row, index));
          if (!hits.empty() && columns != nullptr) {
            ARROW_RETURN_NOT_OK(
                CollectRows(reader.get(), group, first_row, hits, columns, &found[i].rows));
          }
          found[i].hits.insert(found[i].hits.end(), hits.begin(), hits.end());
        }
        first_row += reader->rows_of(group);
      }
      return arrow::Status::OK();
    }));
    return found;
  }

  // Row groups of one file, about as many in each of the file's parts.
  struct FilePart {
    int64_t file = 0;
    size_t part = 0;
    size_t parts = 1;
  };

  // So many parts that every core has one, but none of fewer than `least_bytes`.
  std::vector<FilePart> PartsOf(const std::vector<int64_t>& files, int64_t least_bytes) const {
    std::vector<FilePart> all;
    for (const int64_t file : files) {
      const int64_t most = snapshot_->files[static_cast<size_t>(file)].size / least_bytes;
      const size_t wanted = (base::ParallelPieces() + files.size() - 1) / files.size();
      const size_t parts = std::clamp<size_t>(static_cast<size_t>(most), 1, wanted);
      for (size_t part = 0; part < parts; ++part) {
        all.push_back({.file = file, .part = part, .parts = parts});
      }
    }
    return all;
  }

  struct GroupRange {
    int begin = 0;
    int end = 0;
    int64_t first_row = 0;
  };

  static GroupRange RangeOf(const DataFileReader& reader, const FilePart& part) {
    const auto groups = static_cast<size_t>(reader.row_groups());
    GroupRange range{.begin = static_cast<int>(groups * part.part / part.parts),
                     .end = static_cast<int>(groups * (part.part + 1) / part.parts)};
    for (int group = 0; group < range.begin; ++group) {
      range.first_row += reader.rows_of(group);
    }
    return range;
  }

  // `is_alone`: no other part is at work, so that this one may use Arrow's threads.
  arrow::Result<std::unique_ptr<DataFileReader>> Open(const FilePart& part, bool is_alone) const {
    return DataFileReader::Open(store_, *snapshot_,
                                snapshot_->files[static_cast<size_t>(part.file)], is_alone);
  }

  static arrow::Result<std::vector<Hit>> HitsIn(DataFileReader* reader, int group,
                                                const std::shared_ptr<arrow::Schema>& fields,
                                                int64_t first_row, const KeyIndex& index) {
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader->Read(group, fields));
    std::vector<Hit> hits;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const BatchPtr batch, batches->Next());
      if (batch == nullptr) {
        return hits;
      }
      ARROW_RETURN_NOT_OK(index.Probe(*batch, first_row, &hits));
      first_row += batch->num_rows();
    }
  }

  static arrow::Status CollectRows(DataFileReader* reader, int group, int64_t first_row,
                                   const std::vector<Hit>& hits,
                                   const std::shared_ptr<arrow::Schema>& fields,
                                   std::vector<BatchPtr>* out) {
    if (fields->num_fields() == 0) {
      out->push_back(arrow::RecordBatch::Make(fields, static_cast<int64_t>(hits.size()),
                                              arrow::ArrayVector()));
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader->Read(group, fields));
    size_t next = 0;
    while (next < hits.size()) {
      ARROW_ASSIGN_OR_RAISE(const BatchPtr batch, batches->Next());
      if (batch == nullptr) {
        return MakeError(ErrorCode::kInternal, "a row group with fewer rows than it had");
      }
      ARROW_ASSIGN_OR_RAISE(auto rows, TakeHits(batch, first_row, hits, &next));
      if (rows->num_rows() > 0) {
        out->push_back(std::move(rows));
      }
      first_row += batch->num_rows();
    }
    return arrow::Status::OK();
  }

  static arrow::Status CollectMatches(DataFileReader* reader, int group,
                                      const std::shared_ptr<arrow::Schema>& fields,
                                      const RowPredicate& predicate, int64_t first_row,
                                      std::vector<int64_t>* rows) {
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader->Read(group, fields));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const BatchPtr batch, batches->Next());
      if (batch == nullptr) {
        return arrow::Status::OK();
      }
      ARROW_ASSIGN_OR_RAISE(const auto mask, predicate(*batch));
      if (mask == nullptr || mask->length() != batch->num_rows()) {
        return MakeError(ErrorCode::kInternal, "a predicate that does not answer for every row");
      }
      for (int64_t i = 0; i < mask->length(); ++i) {
        if (mask->IsValid(i) && mask->Value(i)) {
          rows->push_back(first_row + i);
        }
      }
      first_row += batch->num_rows();
    }
  }

  // Writes every file that loses rows anew without them.
  arrow::Status RewriteFiles(RewriteCounts* counts, Commit* commit) {
    constexpr int64_t kLeastBytes = int64_t{32} << 20;
    std::vector<int64_t> files;
    for (auto& [file, rows] : gone_) {
      if (rows.empty()) {
        continue;
      }
      std::sort(rows.begin(), rows.end());
      rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
      const DataFile& known = snapshot_->files[static_cast<size_t>(file)];
      ++counts->files_removed;
      counts->rows_removed += static_cast<int64_t>(rows.size());
      commit->removes.push_back(known.path);
      if (known.num_records != static_cast<int64_t>(rows.size())) {
        files.push_back(file);
      }
    }
    if (files.empty()) {
      return arrow::Status::OK();
    }
    const std::vector<FilePart> parts = PartsOf(files, kLeastBytes);
    std::vector<std::vector<DataFile>> written(parts.size());
    const arrow::Status status = base::RunParallel(parts.size(), [&](size_t i) {
      return RewritePart(parts[i], parts.size() == 1, gone_.at(parts[i].file)).Value(&written[i]);
    });
    for (std::vector<DataFile>& part : written) {
      for (DataFile& file : part) {
        counts->rows_copied += file.num_records.value_or(0);
        written_.push_back(std::move(file));
      }
    }
    return status;
  }

  // `rows`: what goes, in order.
  arrow::Result<std::vector<DataFile>> RewritePart(const FilePart& part, bool is_alone,
                                                   const std::vector<int64_t>& rows) {
    const DataFile& file = snapshot_->files[static_cast<size_t>(part.file)];
    ARROW_ASSIGN_OR_RAISE(const auto reader, Open(part, is_alone));
    // The file's own partition stays: its values need not be looked at.
    std::vector<std::string> names;
    for (const auto& field : snapshot_->schema->fields()) {
      if (!file.partition_values.contains(field->name())) {
        names.push_back(field->name());
      }
    }
    ARROW_ASSIGN_OR_RAISE(const auto fields, FieldsOf(*snapshot_, names));
    WriterOptions options = options_;
    options.partition_columns.clear();
    options.use_threads = is_alone;
    options.plain_columns = reader->PlainColumns();
    ARROW_ASSIGN_OR_RAISE(const auto writer, DataWriter::Open(store_, snapshot_->table_path, fields,
                                                              clock_, random_, options));
    const GroupRange range = RangeOf(*reader, part);
    int64_t first_row = range.first_row;
    auto next =
        static_cast<size_t>(std::lower_bound(rows.begin(), rows.end(), first_row) - rows.begin());
    for (int group = range.begin; group < range.end; ++group) {
      ARROW_ASSIGN_OR_RAISE(const auto batches, reader->Read(group, fields));
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const BatchPtr batch, batches->Next());
        if (batch == nullptr) {
          break;
        }
        ARROW_ASSIGN_OR_RAISE(const BatchPtr kept, WithoutRows(batch, first_row, rows, &next));
        ARROW_RETURN_NOT_OK(writer->Write(kept));
        first_row += batch->num_rows();
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto files, writer->Finish());
    for (DataFile& written : files) {
      written.partition_values = file.partition_values;
    }
    return files;
  }

  ObjectStore& store_;
  const std::shared_ptr<const Snapshot> snapshot_;
  const base::Clock& clock_;
  base::SharedRandom random_;
  WriterOptions options_;
  std::map<int64_t, std::vector<int64_t>> gone_;  // file -> rows, in any order, perhaps twice
  std::set<int64_t> read_;
  std::vector<std::function<bool(const DataFile&)>> interests_;
  std::unique_ptr<DataWriter> appended_;
  std::vector<DataFile> written_;
  bool is_finished_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<TableRewrite>> TableRewrite::Open(
    ObjectStore& store, std::shared_ptr<const Snapshot> snapshot, const base::Clock& clock,
    base::Random& random, const WriterOptions& options, const ReadAccess& access) {
  if (!snapshot->exists()) {
    return MakeError(ErrorCode::kNotFound, "no table at " + snapshot->table_path);
  }
  Commit like_ours;
  if (!snapshot->files.empty()) {
    like_ours.removes.push_back(snapshot->files.front().path);
  }
  const arrow::Status writable = CheckWritable(*snapshot, like_ours);
  if (!writable.ok()) {
    return base::WithContext(writable, "table " + snapshot->table_path);
  }
  const std::vector<std::string> columns = snapshot->schema->field_names();
  const ReadRequest request{
      .table = snapshot->table_path, .version = snapshot->version, .columns = columns};
  const arrow::Status decision = access.policy->Check(access.context, request);
  access.audit->OnRead(access.context, request, decision);
  ARROW_RETURN_NOT_OK(decision);
  return std::make_unique<CopyOnWrite>(store, std::move(snapshot), clock, random, options);
}

}  // namespace icecore::lake
