#include "icecore/feature/view_answers.h"

#include <arrow/array/array_base.h>
#include <arrow/util/byte_size.h>

#include <utility>

#include "icecore/feature/gather.h"

namespace icecore::feature {

using state::ValueStatus;

namespace {

// What all features that share an index have in common.
struct SharedPlaces {
  PlaceBits bits;
  std::vector<ValueStatus> statuses;

  static arrow::Result<SharedPlaces> Of(const int32_t* places, int64_t rows) {
    SharedPlaces shared;
    ARROW_ASSIGN_OR_RAISE(shared.bits, PlaceBits::Of(places, rows));
    shared.statuses.assign(static_cast<size_t>(rows), ValueStatus::kPresent);
    if (shared.bits.nulls == 0) return shared;
    for (int64_t row = 0; row < rows; ++row) {
      if (places[row] >= 0) continue;
      shared.statuses[static_cast<size_t>(row)] =
          places[row] == ViewAnswers::kExpired ? ValueStatus::kExpired : ValueStatus::kNotFound;
    }
    return shared;
  }
};

// Of rows that have a place: as the feature has it.
void TakeStatuses(const ViewAnswers::Feature& feature, const int32_t* places,
                  const arrow::Array& values, std::vector<ValueStatus>* statuses) {
  if (feature.statuses.empty() && feature.values->null_count() == 0) return;
  for (int64_t row = 0; row < values.length(); ++row) {
    if (places[row] < 0) continue;
    ValueStatus& status = (*statuses)[static_cast<size_t>(row)];
    if (!feature.statuses.empty()) {
      status = feature.statuses[static_cast<size_t>(places[row])];
    } else if (values.IsNull(row)) {
      status = ValueStatus::kNull;
    }
  }
}

}  // namespace

arrow::Result<UseValues> ViewAnswers::Block(int64_t from, int64_t rows) const {
  std::vector<SharedPlaces> shared;  // by index
  for (const auto& index : indexes) {
    ARROW_ASSIGN_OR_RAISE(shared.emplace_back(), SharedPlaces::Of(index.data() + from, rows));
  }
  UseValues block;
  for (const Feature& feature : features) {
    const int32_t* places = indexes[feature.index].data() + from;
    const SharedPlaces& common = shared[feature.index];
    state::VectorSink::Column column;
    ARROW_ASSIGN_OR_RAISE(column.values, Gather(*feature.values, places, rows, common.bits));
    column.statuses = common.statuses;
    TakeStatuses(feature, places, *column.values, &column.statuses);
    block.push_back(std::move(column));
  }
  return block;
}

int64_t ViewAnswers::byte_count() const {
  int64_t bytes = 0;
  for (const Feature& feature : features) {
    bytes += arrow::util::TotalBufferSize(*feature.values);
    bytes += static_cast<int64_t>(feature.statuses.size() * sizeof(ValueStatus));
  }
  for (const auto& index : indexes) bytes += static_cast<int64_t>(index.size() * sizeof(int32_t));
  return bytes;
}

}  // namespace icecore::feature
