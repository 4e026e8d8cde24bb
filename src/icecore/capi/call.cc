#include <arrow/util/config.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "icecore/base/error.h"
#include "icecore/capi/call_internal.h"

struct icecore_error {
  int32_t code;
  std::string message;
};

namespace icecore::capi {
namespace {

constexpr base::ErrorCode kCodes[] = {
    base::ErrorCode::kInvalidDefinition,
    base::ErrorCode::kInvalidArgument,
    base::ErrorCode::kContractViolation,
    base::ErrorCode::kBadInput,
    base::ErrorCode::kNotFound,
    base::ErrorCode::kConflict,
    base::ErrorCode::kOutcomeUnknown,
    base::ErrorCode::kUnavailable,
    base::ErrorCode::kDenied,
    base::ErrorCode::kCorrupt,
    base::ErrorCode::kUnsupported,
    base::ErrorCode::kLimit,
    base::ErrorCode::kInternal,
};

// Codes are numbered for good, whatever order the enum of base has.
int32_t NumberOf(base::ErrorCode code) {
  for (size_t i = 0; i < std::size(kCodes); ++i) {
    if (kCodes[i] == code) {
      return static_cast<int32_t>(i) + 1;
    }
  }
  return ICECORE_INTERNAL;
}

}  // namespace

int32_t Report(const arrow::Status& status, icecore_error** error) noexcept {
  if (status.ok()) {
    return ICECORE_OK;
  }
  const int32_t code = NumberOf(base::CodeOf(status));
  if (error != nullptr) {
    try {
      *error = new icecore_error{code, status.message()};
    } catch (const std::bad_alloc&) {
      *error = nullptr;
    }
  }
  return code;
}

arrow::Status Missing(const char* argument) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         std::string("the argument '") + argument + "' is NULL");
}

arrow::Result<char*> NewText(const std::string& text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) {
    return base::MakeError(base::ErrorCode::kLimit, "no memory for the answer");
  }
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace icecore::capi

const char* icecore_version(void) { return ICECORE_VERSION; }
const char* icecore_arrow_version(void) { return ARROW_VERSION_STRING; }

const char* icecore_code_name(int32_t code) {
  if (code == ICECORE_OK) {
    return "ok";
  }
  const bool known = code > 0 && code <= ICECORE_INTERNAL;
  return known ? icecore::base::ErrorCodeName(icecore::capi::kCodes[code - 1]).data() : "internal";
}

int32_t icecore_error_code(const icecore_error* error) {
  return error == nullptr ? ICECORE_OK : error->code;
}

const char* icecore_error_message(const icecore_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void icecore_error_free(icecore_error* error) { delete error; }

void icecore_text_free(char* text) { std::free(text); }
