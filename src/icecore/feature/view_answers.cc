#include "icecore/feature/view_answers.h"

#include <arrow/array/array_base.h>
#include <arrow/util/byte_size.h>

#include "icecore/feature/gather.h"

namespace icecore::feature {

using state::ValueStatus;

arrow::Result<UseValues> ViewAnswers::Block(int64_t from, int64_t rows) const {
  UseValues block;
  for (const Feature& feature : features) {
    const int32_t* places = indexes[feature.index].data() + from;
    state::VectorSink::Column column;
    ARROW_ASSIGN_OR_RAISE(column.values, Gather(*feature.values, places, rows));
    column.statuses.resize(static_cast<size_t>(rows));
    const bool has_nulls = column.values->null_count() > 0;
    for (int64_t row = 0; row < rows; ++row) {
      ValueStatus& status = column.statuses[static_cast<size_t>(row)];
      if (places[row] == kNone) {
        status = ValueStatus::kNotFound;
      } else if (places[row] == kExpired) {
        status = ValueStatus::kExpired;
      } else if (!feature.statuses.empty()) {
        status = feature.statuses[static_cast<size_t>(places[row])];
      } else {
        status =
            has_nulls && column.values->IsNull(row) ? ValueStatus::kNull : ValueStatus::kPresent;
      }
    }
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
