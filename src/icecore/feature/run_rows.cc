#include "icecore/feature/run_rows.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "icecore/base/parallel.h"
#include "icecore/feature/gather.h"
#include "icecore/feature/run_scan.h"

namespace icecore::feature {
namespace {

// Of a row beside its values: as it is collected, and what the sweep needs of it.
constexpr int64_t kBytesBesideValues = 68;
constexpr size_t kPiecesOfRange = 64;

struct RowStretch {
  int64_t first = 0;
  int64_t end = 0;
};

// The first row in [low, high) with an event time not below `time`.
int64_t FirstFrom(const ClusteredRun& run, int64_t low, int64_t high, int64_t time) {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (run.event_time(middle) < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

RowStretch ReachOf(const RowNeeds& needs, const ClusteredRun& run, const LabelSet& labels,
                   const KeyRange& key) {
  if (needs.layout().always) return {key.first_row, key.end_row};
  const int64_t oldest = needs.OldestFor(labels.times()[key.first_label]);
  const int64_t latest = labels.times()[key.end_label - 1];
  const int64_t first = FirstFrom(run, key.first_row, key.end_row, oldest);
  if (latest == std::numeric_limits<int64_t>::max()) return {first, key.end_row};
  return {first, FirstFrom(run, first, key.end_row, latest + 1)};
}

// Rows of one batch of a run, with their keys.
struct PickedRows {
  std::vector<int32_t> places;
  std::vector<int32_t> keys;
};

arrow::Status AddPicked(const ClusteredRun& run, int64_t batch, const RowNeeds& needs,
                        const PickedRows& picked, RowCollector* collector) {
  const arrow::RecordBatch& rows = run.Batch(batch);
  const auto first = 3 + static_cast<size_t>(needs.layout().mask_count);  // of the values
  arrow::ArrayVector columns(static_cast<size_t>(rows.num_columns()));
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i >= first && !needs.values[i - first]) continue;
    ARROW_ASSIGN_OR_RAISE(columns[i],
                          Gather(*rows.column(static_cast<int>(i)), picked.places.data(),
                                 static_cast<int64_t>(picked.places.size())));
  }
  state::PreparedRows prepared;
  prepared.num_rows = static_cast<int64_t>(picked.places.size());
  prepared.event_time = std::static_pointer_cast<arrow::Int64Array>(columns[0]);
  prepared.known_at = std::static_pointer_cast<arrow::Int64Array>(columns[1]);
  prepared.seq = std::static_pointer_cast<arrow::Int64Array>(columns[2]);
  const auto first_value = columns.begin() + static_cast<std::ptrdiff_t>(first);
  for (auto mask = columns.begin() + 3; mask != first_value; ++mask) {
    prepared.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(*mask));
  }
  prepared.values.assign(first_value, columns.end());
  return collector->Add(prepared, picked.keys);
}

// The rows that labels [first_label, end_label) can reach, in the run's order.
arrow::Status CollectFromRun(const RowNeeds& needs, const ClusteredRun& run, const LabelSet& labels,
                             size_t first_label, size_t end_label, RowCollector* collector) {
  PickedRows picked;
  int64_t batch = 0;
  const auto flush = [&]() -> arrow::Status {
    if (picked.places.empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(AddPicked(run, batch, needs, picked, collector));
    run.Release(batch * ClusteredRun::kBatchRows,
                std::min((batch + 1) * ClusteredRun::kBatchRows, run.facts().rows));
    picked = {};
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(
      VisitKeys(run, labels, first_label, end_label, [&](const KeyRange& key) -> arrow::Status {
        const RowStretch reach = ReachOf(needs, run, labels, key);
        for (int64_t row = reach.first; row < reach.end; ++row) {
          if (row / ClusteredRun::kBatchRows != batch) {
            ARROW_RETURN_NOT_OK(flush());
            batch = row / ClusteredRun::kBatchRows;
          }
          picked.places.push_back(static_cast<int32_t>(row % ClusteredRun::kBatchRows));
          picked.keys.push_back(key.key);
        }
        return arrow::Status::OK();
      }));
  return flush();
}

}  // namespace

arrow::Result<std::vector<int64_t>> CountInRuns(const RowNeeds& needs, const ClusteredLog& log,
                                                const LabelSet& labels, const LabelRange& range) {
  std::vector<int64_t> counts(static_cast<size_t>(range.end_key - range.first_key), 0);
  const std::vector<size_t> bounds = KeyBounds(labels, range, kPiecesOfRange);
  ARROW_RETURN_NOT_OK(base::RunParallel(bounds.size() - 1, [&](size_t piece) -> arrow::Status {
    for (const auto& run : log.runs) {
      ARROW_RETURN_NOT_OK(
          VisitKeys(*run, labels, bounds[piece], bounds[piece + 1], [&](const KeyRange& key) {
            const RowStretch reach = ReachOf(needs, *run, labels, key);
            counts[static_cast<size_t>(key.key - range.first_key)] += reach.end - reach.first;
            return arrow::Status::OK();
          }));
    }
    return arrow::Status::OK();
  }));
  return counts;
}

int64_t RowBytesIn(const RowNeeds& needs, const ClusteredLog& log) {
  const auto first = 3 + static_cast<size_t>(needs.layout().mask_count);
  int64_t rows = 0;
  int64_t bytes = 0;
  for (const auto& run : log.runs) {
    rows += run->facts().rows;
    for (int64_t batch = 0; batch < run->batch_count(); ++batch) {
      for (size_t value = 0; value < needs.values.size(); ++value) {
        if (!needs.values[value]) continue;
        bytes += arrow::util::TotalBufferSize(
            *run->Batch(batch).column(static_cast<int>(first + value)));
      }
    }
  }
  return kBytesBesideValues + needs.layout().mask_count + bytes / std::max<int64_t>(rows, 1);
}

arrow::Result<std::vector<RowChunk>> CollectFromRuns(const RowNeeds& needs, const ClusteredLog& log,
                                                     const LabelSet& labels,
                                                     const LabelRange& range,
                                                     const KnowledgeCut& cut) {
  std::vector<RowChunk> all;
  const std::vector<size_t> bounds = KeyBounds(labels, range, kPiecesOfRange);
  for (const auto& run : log.runs) {
    std::vector<std::unique_ptr<RowCollector>> pieces;
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      pieces.push_back(std::make_unique<RowCollector>(needs, labels, range, cut));
    }
    ARROW_RETURN_NOT_OK(base::RunParallel(pieces.size(), [&](size_t i) {
      return CollectFromRun(needs, *run, labels, bounds[i], bounds[i + 1], pieces[i].get());
    }));
    for (const auto& piece : pieces) {
      std::vector<RowChunk> chunks = piece->Take();
      std::move(chunks.begin(), chunks.end(), std::back_inserter(all));
    }
  }
  return all;
}

}  // namespace icecore::feature
