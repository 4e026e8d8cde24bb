#pragma once
// The rows of a view's log that rest in no sorted run and that some label can reach: in memory as
// long as they fit, else in a scratch file by ranges of their keys.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "icecore/feature/reached_rows.h"
#include "icecore/feature/row_scratch.h"
#include "icecore/feature/version_ends.h"

namespace icecore::feature {

class LooseRows {
 public:
  // `most_bytes`: what they may take in memory, about, if there is a `scratch_dir`.
  LooseRows(const RowNeeds& needs, const LabelSet& labels, const KnowledgeCut& cut,
            int64_t most_bytes, std::string scratch_dir);

  // Reads the parts, on all cores.
  arrow::Status Read(const BoundView& view,
                     const std::vector<std::shared_ptr<arrow::RecordBatchReader>>& parts);

  // What follows: after Read.
  bool is_held() const { return scratch_ == nullptr; }
  int64_t held_bytes() const { return is_held() ? taken_bytes_.load() : 0; }
  int64_t peak_bytes() const { return peak_bytes_; }
  int64_t scratch_bytes() const;

  const std::vector<RowChunk>& held() const { return held_; }
  // Takes what is held away from here.
  std::vector<RowChunk> TakeHeld() { return std::move(held_); }
  // Puts what is held into the scratch file.
  arrow::Status Spill();
  // Adds to `weights` about how many bytes the rows of each key of the range take.
  void Weigh(const LabelRange& range, std::vector<int64_t>* weights) const;
  // Appends the rows that labels of the range can reach. False: they take more than `most_bytes`,
  // and not all were taken.
  arrow::Result<bool> Collect(const LabelRange& range, int64_t most_bytes,
                              std::vector<RowChunk>* chunks) const;

 private:
  arrow::Status ReadPart(const BoundView& view, arrow::RecordBatchReader* reader,
                         RowCollector* collector);
  // What a collector has come to hold; true: it has to write it.
  bool Note(int64_t more_bytes, int64_t all_of_collector);
  arrow::Status Write(std::vector<RowChunk> chunks);
  arrow::Status WriteByKey(const RowChunk& chunk);
  arrow::Status OpenScratch();
  arrow::Status EndVersions();

  const RowNeeds& needs_;
  const LabelSet& labels_;
  const KnowledgeCut& cut_;
  const int64_t most_bytes_;
  const std::string scratch_dir_;
  const LabelRange all_;
  std::vector<RowChunk> held_;
  std::atomic<int64_t> taken_bytes_ = 0;
  std::atomic<int64_t> peak_bytes_ = 0;
  std::atomic<bool> is_full_ = false;
  std::mutex mutex_;            // guards opening
  std::vector<size_t> bounds_;  // places where the parts of `scratch_` begin, and the end
  std::vector<uint32_t> part_of_key_;
  std::unique_ptr<RowScratch> scratch_;
  std::unique_ptr<VersionScratch> versions_;  // while rows come
};

}  // namespace icecore::feature
