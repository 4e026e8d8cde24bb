#include "icecore/ingest/files/file_error.h"

#include <cerrno>
#include <system_error>

namespace icecore::ingest {

using base::ErrorCode;
using base::MakeError;

arrow::Status BadInput(std::string_view file, int64_t line, std::string_view message) {
  std::string text(file);
  if (line > 0) {
    text += ":" + std::to_string(line);
  }
  return MakeError(ErrorCode::kBadInput, text + ": " + std::string(message));
}

arrow::Status DecodeError(const arrow::Status& status, std::string_view file) {
  if (status.ok() || status.detail() != nullptr) {
    return base::WithContext(status, file);
  }
  return BadInput(file, 0, status.message());
}

arrow::Status Stopped(std::string_view file) {
  return MakeError(ErrorCode::kUnavailable, std::string(file) + ": stopped while reading");
}

arrow::Status SystemError(int error, std::string_view action, std::string_view file) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (error == ENOENT || error == ENOTDIR) {
    code = ErrorCode::kNotFound;
  } else if (error == EACCES || error == EPERM) {
    code = ErrorCode::kDenied;
  }
  return MakeError(code, std::string(file) + ": cannot " + std::string(action) + ": " +
                             std::generic_category().message(error));
}

}  // namespace icecore::ingest
