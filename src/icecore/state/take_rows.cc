#include "icecore/state/take_rows.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>

#include <memory>

namespace icecore::state {
namespace {

template <typename Array>
arrow::Status Take(const arrow::Int64Array& indices, std::shared_ptr<Array>* column) {
  if (*column == nullptr) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(**column, indices));
  *column = std::static_pointer_cast<Array>(taken);
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<PreparedRows> TakeRows(const PreparedRows& rows, const arrow::Int64Array& indices) {
  PreparedRows out = rows;
  out.num_rows = indices.length();
  for (auto& key : out.keys) ARROW_RETURN_NOT_OK(Take(indices, &key));
  for (auto& value : out.values) ARROW_RETURN_NOT_OK(Take(indices, &value));
  for (auto& mask : out.masks) ARROW_RETURN_NOT_OK(Take(indices, &mask));
  ARROW_RETURN_NOT_OK(Take(indices, &out.event_time));
  ARROW_RETURN_NOT_OK(Take(indices, &out.known_at));
  ARROW_RETURN_NOT_OK(Take(indices, &out.seq));
  ARROW_RETURN_NOT_OK(Take(indices, &out.table_key));
  ARROW_RETURN_NOT_OK(Take(indices, &out.version_order));
  ARROW_RETURN_NOT_OK(Take(indices, &out.live));
  return out;
}

}  // namespace icecore::state
