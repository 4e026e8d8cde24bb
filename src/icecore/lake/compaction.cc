#include "icecore/lake/compaction.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/lake/clusters.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/ordered_scan.h"
#include "icecore/lake/row_sorter.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/writer.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using ReaderPtr = std::shared_ptr<arrow::RecordBatchReader>;

constexpr int kMaxConflicts = 20;
constexpr size_t kRunsOfATier = 4;      // so many runs of about one size are merged
constexpr int64_t kTierFactor = 4;      // sizes of one tier differ by less
constexpr size_t kFilesWorthAMove = 8;  // so many small files are packed whatever stands before
constexpr int64_t kMaxRatio = 4;        // else a file is at most this much larger than the rest

int64_t BytesOf(const std::vector<DataFile>& files) {
  return std::accumulate(files.begin(), files.end(), int64_t{0},
                         [](int64_t sum, const DataFile& file) { return sum + file.size; });
}

// Rows that a reader of the file sees.
int64_t LiveRowsOf(const DataFile& file) {
  return file.num_records.value_or(0) -
         (file.deletion_vector.has_value() ? file.deletion_vector->cardinality : 0);
}

bool HasSeq(const Snapshot& snapshot) {
  return snapshot.schema->GetFieldIndex(std::string(kSeq)) >= 0;
}

// Files by _seq, those without statistics as they come.
void SortBySeq(std::vector<DataFile>* files) {
  std::vector<std::pair<int64_t, DataFile>> placed;
  int64_t last = INT64_MIN;
  for (DataFile& file : *files) {
    const auto range = file.IntRange(kSeq);
    last = range.has_value() ? range->min : last;
    placed.emplace_back(last, std::move(file));
  }
  std::stable_sort(placed.begin(), placed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < placed.size(); ++i) {
    (*files)[i] = std::move(placed[i].second);
  }
}

// A bin without the files in front that are too large to be moved for the few that follow.
void DropLargeFronts(std::vector<DataFile>* bin) {
  while (bin->size() >= 2 && bin->size() <= kFilesWorthAMove &&
         bin->front().size > kMaxRatio * (BytesOf(*bin) - bin->front().size) &&
         !bin->front().deletion_vector.has_value()) {
    bin->erase(bin->begin());
  }
}

class Compactor {
 public:
  Compactor(Table& table, const base::Clock& clock, base::Random& random,
            const CompactionOptions& options, const ReadAccess& access, std::stop_token stop)
      : table_(table),
        clock_(clock),
        random_(random),
        options_(options),
        access_(access),
        stop_(std::move(stop)) {}

  arrow::Result<CompactionReport> Run() {
    ARROW_ASSIGN_OR_RAISE(snapshot_, table_.Load());
    for (const DataFile& file : snapshot_->files) mine_.insert(file.path);
    bool more = true;
    for (int conflicts = 0; more && !stop_.stop_requested();) {
      const auto stepped = Step();
      if (!stepped.ok() && base::CodeOf(stepped.status()) == ErrorCode::kConflict &&
          ++conflicts < kMaxConflicts) {
        // Others changed these files: look again at what is left.
      } else {
        ARROW_ASSIGN_OR_RAISE(more, stepped);
        conflicts = 0;
      }
      ARROW_ASSIGN_OR_RAISE(snapshot_, table_.Load());
    }
    ARROW_ASSIGN_OR_RAISE(const Clusters clusters, ClustersOf(*snapshot_));
    report_.cluster_columns = clusters.columns;
    report_.sorted_runs = static_cast<int64_t>(clusters.runs.size());
    return report_;
  }

 private:
  // One commit. false: there is nothing left to do.
  arrow::Result<bool> Step() {
    ARROW_ASSIGN_OR_RAISE(Clusters clusters, ClustersOf(*snapshot_));
    std::vector<std::string> columns = options_.cluster_columns;
    if (!columns.empty() && columns.back() != kSeq && HasSeq(*snapshot_)) {
      columns.emplace_back(kSeq);
    }
    if (columns.empty() && clusters.columns.empty()) {
      return PackOne();
    }
    if (!snapshot_->partition_columns.empty()) {
      return MakeError(ErrorCode::kUnsupported,
                       "table " + table_.path() + " has partition columns: it is not clustered");
    }
    if (!columns.empty() && columns != clusters.columns) {
      clusters = Clusters{.columns = columns, .runs = {}};
    }
    ARROW_ASSIGN_OR_RAISE(const bool sorted, SortNew(clusters));
    return sorted ? true : MergeTier(clusters);
  }

  arrow::Result<bool> PackOne() {
    const auto bins = PlanBins(*snapshot_, options_.target_bytes, &mine_);
    if (bins.empty()) {
      return false;
    }
    const std::vector<DataFile>& bin = bins.front();
    Snapshot part = *snapshot_;
    part.files = bin;
    ReaderPtr rows;
    if (HasSeq(part)) {
      const OrderOptions order{.memory_bytes = options_.memory_bytes,
                               .scratch_dir = options_.scratch_dir};
      ARROW_ASSIGN_OR_RAISE(
          rows, ScanInOrder(table_.store(), part, ScanOptions(), access_, order, random_));
    } else {
      ARROW_ASSIGN_OR_RAISE(rows, Scan(table_.store(), part, ScanOptions(), access_));
    }
    const int64_t added_before = report_.files_added;
    ARROW_RETURN_NOT_OK(Replace(bin, rows, nullptr));
    // Rows that pack no better would be packed for ever.
    const int64_t added = report_.files_added - added_before;
    return bin.size() == 1 || added < static_cast<int64_t>(bin.size());
  }

  // Files that are in no run become one.
  arrow::Result<bool> SortNew(const Clusters& clusters) {
    std::set<std::string> in_runs;
    for (const SortedRun& run : clusters.runs) {
      in_runs.insert(run.files.begin(), run.files.end());
    }
    Snapshot part = *snapshot_;
    std::erase_if(part.files, [&](const DataFile& file) {
      return in_runs.contains(file.path) || !mine_.contains(file.path);
    });
    if (part.files.empty()) {
      return false;
    }
    ARROW_ASSIGN_OR_RAISE(const auto rows, Scan(table_.store(), part, ScanOptions(), access_));
    SortOptions sort;
    sort.columns = clusters.columns;
    sort.memory_bytes = options_.memory_bytes;
    sort.scratch_dir = options_.scratch_dir;
    ARROW_ASSIGN_OR_RAISE(const auto sorter, RowSorter::Open(rows->schema(), sort, random_));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) {
        break;
      }
      ARROW_RETURN_NOT_OK(sorter->Write(batch));
    }
    ARROW_ASSIGN_OR_RAISE(const auto sorted, sorter->Finish());
    Clusters next = clusters;
    ARROW_RETURN_NOT_OK(Replace(part.files, sorted, &next));
    return true;
  }

  // The youngest kRunsOfATier neighbours of about one size become one run.
  arrow::Result<bool> MergeTier(const Clusters& clusters) {
    std::map<std::string, DataFile> live;
    for (const DataFile& file : snapshot_->files) {
      live.emplace(file.path, file);
    }
    std::vector<int64_t> sizes;
    for (const SortedRun& run : clusters.runs) {
      int64_t bytes = 0;
      for (const std::string& path : run.files) {
        bytes += live.at(path).size;
      }
      sizes.push_back(std::max<int64_t>(bytes, 1));
    }
    for (size_t end = sizes.size(); end >= kRunsOfATier; --end) {
      const auto first = sizes.begin() + static_cast<std::ptrdiff_t>(end - kRunsOfATier);
      const auto [least, greatest] =
          std::minmax_element(first, first + static_cast<std::ptrdiff_t>(kRunsOfATier));
      if (*greatest / kTierFactor < *least) {
        return MergeRuns(clusters, end - kRunsOfATier, live);
      }
    }
    return false;
  }

  arrow::Result<bool> MergeRuns(const Clusters& clusters, size_t begin,
                                const std::map<std::string, DataFile>& live) {
    std::vector<ReaderPtr> readers;
    std::vector<DataFile> files;
    Clusters next = clusters;
    for (size_t i = begin; i < begin + kRunsOfATier; ++i) {
      Snapshot run = *snapshot_;
      run.files.clear();
      for (const std::string& path : clusters.runs[i].files) {
        run.files.push_back(live.at(path));
        files.push_back(live.at(path));
      }
      ScanOptions options;
      options.batch_rows = 1 << 13;  // of every run one batch is held
      ARROW_ASSIGN_OR_RAISE(auto reader, Scan(table_.store(), run, options, access_));
      readers.push_back(std::move(reader));
    }
    const auto schema = readers.front()->schema();
    ARROW_ASSIGN_OR_RAISE(const auto merged, MergeSorted(schema, std::move(readers),
                                                         clusters.columns, int64_t{1} << 15));
    const auto first = next.runs.begin() + static_cast<std::ptrdiff_t>(begin);
    next.runs.erase(first, first + static_cast<std::ptrdiff_t>(kRunsOfATier));
    ARROW_RETURN_NOT_OK(Replace(files, merged, &next));
    return true;
  }

  // Writes the rows to new files and commits them in the place of `files`. `clusters`, where given,
  // gets the new files as its youngest run.
  arrow::Status Replace(const std::vector<DataFile>& files, const ReaderPtr& rows,
                        Clusters* clusters) {
    WriterOptions writer_options;
    writer_options.file_bytes = options_.target_bytes;
    writer_options.partition_columns = snapshot_->partition_columns;
    ARROW_ASSIGN_OR_RAISE(const auto writer,
                          DataWriter::Open(table_.store(), table_.path(), snapshot_->schema, clock_,
                                           random_, writer_options));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) {
        break;
      }
      ARROW_RETURN_NOT_OK(writer->Write(batch));
    }
    Commit commit;
    ARROW_ASSIGN_OR_RAISE(commit.adds, writer->Finish());
    const arrow::Status status = CommitMoved(files, clusters, writer->rows(), &commit);
    // A commit that may have happened keeps its files.
    if (!status.ok() && base::CodeOf(status) != ErrorCode::kOutcomeUnknown) {
      for (const DataFile& file : commit.adds) {
        static_cast<void>(table_.store().Delete(table_.path() + "/" + file.path));
      }
    }
    return status;
  }

  arrow::Status CommitMoved(const std::vector<DataFile>& files, Clusters* clusters, int64_t rows,
                            Commit* commit) {
    int64_t expected = 0;
    bool is_exact = true;
    for (const DataFile& file : files) {
      commit->removes.push_back(file.path);
      expected += LiveRowsOf(file);
      is_exact = is_exact && file.num_records.has_value();
    }
    if (is_exact && rows != expected) {
      return MakeError(ErrorCode::kCorrupt, "compaction of " + table_.path() + ": " +
                                                std::to_string(rows) +
                                                " rows read where the log "
                                                "says " +
                                                std::to_string(expected));
    }
    if (clusters != nullptr) {
      SortedRun run;
      for (const DataFile& file : commit->adds) {
        run.files.push_back(file.path);
      }
      if (!run.files.empty()) {
        clusters->runs.push_back(std::move(run));
      }
      commit->domains[std::string(kClustersDomain)] = ToJson(*clusters);
      commit->parameters["clusterBy"] = ClusterText(clusters->columns);
    }
    commit->data_change = false;
    commit->operation = "OPTIMIZE";
    commit->counts = {{"rows_moved", rows},
                      {"files_removed", static_cast<int64_t>(files.size())},
                      {"files_added", static_cast<int64_t>(commit->adds.size())}};
    ARROW_ASSIGN_OR_RAISE(report_.version, table_.CommitTo(*snapshot_, *commit));
    for (const DataFile& file : commit->adds) mine_.insert(file.path);
    ++report_.commits;
    report_.rows += rows;
    report_.files_removed += static_cast<int64_t>(files.size());
    report_.files_added += static_cast<int64_t>(commit->adds.size());
    report_.bytes_removed += BytesOf(files);
    report_.bytes_added += BytesOf(commit->adds);
    return arrow::Status::OK();
  }

  static std::string ClusterText(const std::vector<std::string>& columns) {
    std::string text;
    for (const std::string& column : columns) {
      text += (text.empty() ? "" : ",") + column;
    }
    return text;
  }

  Table& table_;
  const base::Clock& clock_;
  base::Random& random_;
  const CompactionOptions& options_;
  const ReadAccess& access_;
  const std::stop_token stop_;
  // The files that were there at the beginning, and those that it made of them: what others write
  // meanwhile would keep it at work for ever.
  std::set<std::string> mine_;
  std::shared_ptr<const Snapshot> snapshot_;
  CompactionReport report_;
};

}  // namespace

std::vector<std::vector<DataFile>> PlanBins(const Snapshot& snapshot, int64_t target_bytes,
                                            const std::set<std::string>* movable) {
  std::map<std::map<std::string, std::optional<std::string>>, std::vector<DataFile>> partitions;
  for (const DataFile& file : snapshot.files) {
    partitions[file.partition_values].push_back(file);
  }
  std::vector<std::vector<DataFile>> bins;
  std::vector<DataFile> bin;
  const auto close = [&] {
    DropLargeFronts(&bin);
    if (bin.size() >= 2 || (bin.size() == 1 && bin.front().deletion_vector.has_value())) {
      bins.push_back(std::move(bin));
    }
    bin.clear();
  };
  for (auto& [values, files] : partitions) {
    SortBySeq(&files);
    for (const DataFile& file : files) {
      if (movable != nullptr && !movable->contains(file.path)) {
        close();
        continue;
      }
      // A file that is nearly full parts those before it from those behind it.
      if (file.size >= target_bytes / 4 * 3 && !file.deletion_vector.has_value()) {
        close();
        continue;
      }
      if (!bin.empty() && BytesOf(bin) + file.size > target_bytes) {
        close();
      }
      bin.push_back(file);
    }
    close();
  }
  return bins;
}

arrow::Result<CompactionReport> Compact(Table& table, const base::Clock& clock,
                                        base::Random& random, const CompactionOptions& options,
                                        const ReadAccess& access, std::stop_token stop) {
  return Compactor(table, clock, random, options, access, std::move(stop)).Run();
}

}  // namespace icecore::lake
