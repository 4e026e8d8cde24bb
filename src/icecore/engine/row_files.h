#pragma once
// Spines and results as files: Parquet, CSV or Arrow IPC, by extension.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

namespace icecore::engine {

// .parquet, .csv (types inferred, header line), .arrow (file or stream). A missing file is
// kNotFound, another extension kInvalidArgument, unreadable bytes kBadInput; each names the file.
arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(const std::string& path);

// Replaces the file in one step (written beside it, then renamed). CSV cannot hold nested values:
// kUnsupported names the column.
arrow::Status WriteRows(const arrow::Table& rows, const std::string& path);

}  // namespace icecore::engine
