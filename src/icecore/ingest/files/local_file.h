#pragma once
// A source's file on this machine, read with the certainty that it did not change meanwhile.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace icecore::ingest {

// How a file looks from outside; equal looks mean equal bytes.
struct FileLooks {
  int64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t inode = 0;
  bool operator==(const FileLooks&) const = default;
};

// Of a regular file; symbolic links are followed. Folders and the like are kBadInput.
arrow::Result<FileLooks> LookAt(const std::string& absolute_path);

// Passes all bytes in order to `sink`. kConflict when the file does not look like `looks` before
// and after; an error of the sink ends it.
arrow::Status ReadUnchanged(const std::string& absolute_path, const FileLooks& looks,
                            const std::function<arrow::Status(std::string_view)>& sink);

// SHA-256 of all bytes, hex. Errors as ReadUnchanged.
arrow::Result<std::string> DigestFile(const std::string& absolute_path, const FileLooks& looks);

}  // namespace icecore::ingest
