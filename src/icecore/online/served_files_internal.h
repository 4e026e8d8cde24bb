#pragma once
// The files of the served log: one that grows, and older ones of bounded number.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::online {

// One thread; any number of processes may append to one folder.
class ServedFiles {
 public:
  // `max_bytes`: of all files together; an eighth of it is where a file ends.
  ServedFiles(std::string folder, int64_t max_bytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  // Whole records, in one write. kUnavailable where the disk takes no more; what was written of
  // them then is a torn record for readers.
  arrow::Status Append(std::string_view records);

  // Paths, oldest first; none where there is no folder.
  static arrow::Result<std::vector<std::string>> List(const std::string& folder);

 private:
  arrow::Status Rotate();

  const std::string folder_;
  const int64_t max_bytes_;
};

}  // namespace icecore::online
