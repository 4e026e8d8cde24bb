#pragma once
// One record of the served log as bytes, and the records of a file. docs/formats/served.md.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "icecore/online/served_log.h"

namespace icecore::online {

// Magic, version, length and checksum, then an Arrow IPC stream of one batch.
arrow::Result<std::string> EncodeServed(const ServedVectors& vectors, int64_t dropped);

// The vectors of a record's payload; kCorrupt where it is not what EncodeServed gives.
arrow::Result<ServedVectors> DecodeServed(std::string_view payload, int64_t* dropped);

// Calls `visit` with every whole record's payload and counts what is torn or damaged.
arrow::Status ForEachRecord(std::string_view bytes, ServedLogSummary* summary,
                            const std::function<arrow::Status(std::string_view)>& visit);

}  // namespace icecore::online
