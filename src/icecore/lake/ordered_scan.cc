#include "icecore/lake/ordered_scan.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/clusters.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/row_sorter.h"

namespace icecore::lake {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using ReaderPtr = std::shared_ptr<arrow::RecordBatchReader>;

// Files whose ranges of _seq overlap; groups lie apart.
struct Group {
  std::vector<DataFile> files;
  bool must_sort = false;
};

std::vector<Group> GroupFiles(const Snapshot& snapshot, const std::optional<SeqRange>& seq) {
  struct Placed {
    DataFile::Range range;
    DataFile file;
  };
  std::vector<Placed> placed;
  for (DataFile& file : FilesInRange(snapshot, seq)) {
    const auto range = file.IntRange(kSeq);
    placed.push_back(
        {range.value_or(DataFile::Range{.min = INT64_MIN, .max = INT64_MAX}), std::move(file)});
  }
  std::stable_sort(placed.begin(), placed.end(),
                   [](const Placed& a, const Placed& b) { return a.range.min < b.range.min; });
  const std::set<std::string> clustered = ClusteredFiles(snapshot);
  std::vector<Group> groups;
  int64_t reached = INT64_MIN;
  for (Placed& next : placed) {
    if (groups.empty() || next.range.min > reached) {
      groups.emplace_back();
    }
    Group& group = groups.back();
    group.must_sort = group.must_sort || clustered.contains(next.file.path) || !group.files.empty();
    group.files.push_back(std::move(next.file));
    reached = std::max(reached, next.range.max);
  }
  return groups;
}

class OrderedReader : public arrow::RecordBatchReader {
 public:
  OrderedReader(ObjectStore& store, const Snapshot& snapshot, ScanOptions options,
                const ReadAccess& access, OrderOptions order, base::Random& random,
                std::shared_ptr<arrow::Schema> schema)
      : store_(store),
        snapshot_(snapshot),
        options_(std::move(options)),
        access_(access),
        order_(std::move(order)),
        random_(random),
        schema_(std::move(schema)),
        groups_(GroupFiles(snapshot, options_.seq)) {
    snapshot_.files.clear();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    *out = nullptr;
    while (reader_ != nullptr || next_ < groups_.size()) {
      if (reader_ == nullptr) {
        ARROW_RETURN_NOT_OK(OpenGroup(groups_[next_++]));
      }
      ARROW_RETURN_NOT_OK(reader_->ReadNext(out));
      if (*out != nullptr) {
        if ((*out)->num_columns() > schema_->num_fields()) {
          ARROW_ASSIGN_OR_RAISE(*out, (*out)->RemoveColumn((*out)->num_columns() - 1));
        }
        return arrow::Status::OK();
      }
      reader_.reset();
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Result<ReaderPtr> ScanGroup(const Group& group, const ScanOptions& options) {
    Snapshot part = snapshot_;
    part.files = group.files;
    return Scan(store_, part, options, access_);
  }

  arrow::Status OpenGroup(const Group& group) {
    bool must_sort = group.must_sort;
    if (!must_sort) {
      ARROW_ASSIGN_OR_RAISE(const bool ascends, Ascends(group));
      must_sort = !ascends;
    }
    if (!must_sort) {
      ARROW_ASSIGN_OR_RAISE(reader_, ScanGroup(group, options_));
      return arrow::Status::OK();
    }
    ScanOptions options = options_;
    if (options.columns.has_value() && std::find(options.columns->begin(), options.columns->end(),
                                                 kSeq) == options.columns->end()) {
      options.columns->emplace_back(kSeq);
    }
    ARROW_ASSIGN_OR_RAISE(const auto rows, ScanGroup(group, options));
    SortOptions sort;
    sort.columns = {std::string(kSeq)};
    sort.memory_bytes = order_.memory_bytes;
    sort.scratch_dir = order_.scratch_dir;
    ARROW_ASSIGN_OR_RAISE(const auto sorter, RowSorter::Open(rows->schema(), sort, random_));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) {
        break;
      }
      ARROW_RETURN_NOT_OK(sorter->Write(batch));
    }
    ARROW_ASSIGN_OR_RAISE(reader_, sorter->Finish());
    return arrow::Status::OK();
  }

  // A merge may have written a file's rows in another order: one narrow column tells.
  arrow::Result<bool> Ascends(const Group& group) {
    ScanOptions options = options_;
    options.columns = {std::string(kSeq)};
    ARROW_ASSIGN_OR_RAISE(const auto reader, ScanGroup(group, options));
    int64_t last = INT64_MIN;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) {
        return true;
      }
      const auto& seqs = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < seqs.length(); ++i) {
        if (seqs.Value(i) < last) {
          return false;
        }
        last = seqs.Value(i);
      }
    }
  }

  ObjectStore& store_;
  Snapshot snapshot_;  // without its files
  const ScanOptions options_;
  const ReadAccess access_;
  const OrderOptions order_;
  base::Random& random_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<Group> groups_;
  size_t next_ = 0;
  ReaderPtr reader_;
};

}  // namespace

arrow::Result<ReaderPtr> ScanInOrder(ObjectStore& store, const Snapshot& snapshot,
                                     const ScanOptions& options, const ReadAccess& access,
                                     const OrderOptions& order, base::Random& random) {
  // One scan of no files checks columns and access, and gives the schema.
  Snapshot none = snapshot;
  none.files.clear();
  ARROW_ASSIGN_OR_RAISE(const auto empty, Scan(store, none, options, access));
  if (snapshot.schema->GetFieldIndex(std::string(kSeq)) < 0) {
    return base::MakeError(base::ErrorCode::kUnsupported,
                           "table " + snapshot.table_path + " has no column _seq to order by");
  }
  return std::make_shared<OrderedReader>(store, snapshot, options, access, order, random,
                                         empty->schema());
}

}  // namespace icecore::lake
