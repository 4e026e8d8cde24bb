#pragma once
// Errors about an input file.

#include <arrow/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "icecore/base/error.h"

namespace icecore::ingest {

// kBadInput "FILE:LINE: message"; line 0: without one.
arrow::Status BadInput(std::string_view file, int64_t line, std::string_view message);

// What a decoder of outside bytes said: kBadInput with the file's name, but for errors that carry a
// code or a system error, which keep it.
arrow::Status DecodeError(const arrow::Status& status, std::string_view file);

// kUnavailable, for a requested stop.
arrow::Status Stopped(std::string_view file);

// kNotFound, kDenied or kUnavailable for an errno of a system call on the file.
arrow::Status SystemError(int error, std::string_view action, std::string_view file);

}  // namespace icecore::ingest
