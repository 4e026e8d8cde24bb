// Any bytes as a file of the served log, and as the payload of one record (whose checksum would
// hide it): an error, or vectors that can be written again; never a crash.

#include <arrow/array.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/online/served_record_internal.h"

namespace {

void Decode(std::string_view payload) {
  int64_t dropped = 0;
  const auto vectors = icecore::online::DecodeServed(payload, &dropped);
  if (!vectors.ok()) return;
  const auto& service = *vectors->service;
  if (vectors->keys.size() != service.key_names.size() ||
      vectors->request.size() != service.request_names.size() ||
      vectors->values.size() != service.feature_names.size() ||
      vectors->statuses.size() != service.feature_names.size()) {
    std::abort();
  }
  for (const auto& column : vectors->values) {
    if (column->length() != vectors->size()) std::abort();
  }
  for (const auto& statuses : vectors->statuses) {
    if (statuses.size() != vectors->times.size()) std::abort();
  }
  const auto written = icecore::online::EncodeServed(*vectors, dropped);
  if (!written.ok()) std::abort();
  icecore::online::ServedLogSummary summary;
  const auto read = [](std::string_view) { return arrow::Status::OK(); };
  if (!icecore::online::ForEachRecord(*written, &summary, read).ok() || summary.records != 1 ||
      summary.torn_bytes != 0 || summary.damaged != 0) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  icecore::online::ServedLogSummary summary;
  const auto status = icecore::online::ForEachRecord(bytes, &summary, [](std::string_view payload) {
    Decode(payload);
    return arrow::Status::OK();
  });
  if (!status.ok()) std::abort();
  Decode(bytes);
  return 0;
}
