#pragma once
// How every function of icecore.h is run: results and exceptions become a code and an error.

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <exception>
#include <string>

#include "icecore/capi/icecore.h"

namespace icecore::capi {

// Gives `error` (may be null) the status's text; returns its code. OK gives ICECORE_OK.
int32_t Report(const arrow::Status& status, icecore_error** error) noexcept;

// kInvalidArgument that names an argument that must not be NULL.
arrow::Status Missing(const char* argument);

// A copy for icecore_text_free.
arrow::Result<char*> NewText(const std::string& text);

template <typename Body>
int32_t Call(icecore_error** error, const Body& body) noexcept {
  try {
    return Report(body(), error);
  } catch (const std::exception& exception) {
    return Report(arrow::Status::UnknownError(exception.what()), error);
  }
}

}  // namespace icecore::capi
