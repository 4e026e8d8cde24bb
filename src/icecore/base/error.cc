#include "icecore/base/error.h"

#include <memory>
#include <utility>

namespace icecore::base {
namespace {

constexpr char kDetailType[] = "icecore::base::ErrorDetail";

class ErrorDetail : public arrow::StatusDetail {
 public:
  explicit ErrorDetail(ErrorCode code) : code_(code) {}
  const char* type_id() const override { return kDetailType; }
  std::string ToString() const override { return std::string(ErrorCodeName(code_)); }
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

arrow::StatusCode ArrowCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return arrow::StatusCode::KeyError;
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kCorrupt:
      return arrow::StatusCode::IOError;
    case ErrorCode::kUnsupported:
      return arrow::StatusCode::NotImplemented;
    case ErrorCode::kLimit:
      return arrow::StatusCode::CapacityError;
    case ErrorCode::kInternal:
      return arrow::StatusCode::UnknownError;
    default:
      return arrow::StatusCode::Invalid;
  }
}

}  // namespace

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidDefinition:
      return "invalid_definition";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kContractViolation:
      return "contract_violation";
    case ErrorCode::kBadInput:
      return "bad_input";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kOutcomeUnknown:
      return "outcome_unknown";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

int ExitCodeOf(ErrorCode code) {
  return code == ErrorCode::kInvalidDefinition || code == ErrorCode::kInvalidArgument ||
                 code == ErrorCode::kNotFound
             ? 2
             : 1;
}

int HttpStatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidDefinition:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kContractViolation:
    case ErrorCode::kBadInput:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kDenied:
      return 403;
    case ErrorCode::kLimit:
      return 413;
    case ErrorCode::kUnsupported:
      return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutcomeUnknown:
      return 503;
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

bool IsRetryable(ErrorCode code) {
  return code == ErrorCode::kConflict || code == ErrorCode::kUnavailable;
}

std::string Location::ToString() const {
  return line > 0 ? file + ":" + std::to_string(line) : file;
}

arrow::Status MakeError(ErrorCode code, std::string message) {
  return arrow::Status(ArrowCodeOf(code), std::move(message), std::make_shared<ErrorDetail>(code));
}

arrow::Status MakeErrorAt(ErrorCode code, const Location& location, std::string_view message) {
  return MakeError(code, location.ToString() + ": " + std::string(message));
}

ErrorCode CodeOf(const arrow::Status& status) {
  if (const auto& detail = status.detail();
      detail && detail->type_id() == std::string_view(kDetailType)) {
    return static_cast<const ErrorDetail&>(*detail).code();
  }
  switch (status.code()) {
    case arrow::StatusCode::IOError:
      return ErrorCode::kUnavailable;
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
      return ErrorCode::kInvalidArgument;
    case arrow::StatusCode::KeyError:
      return ErrorCode::kNotFound;
    case arrow::StatusCode::NotImplemented:
      return ErrorCode::kUnsupported;
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return ErrorCode::kLimit;
    default:
      return ErrorCode::kInternal;
  }
}

arrow::Status WithContext(const arrow::Status& status, std::string_view context) {
  if (status.ok()) {
    return status;
  }
  return status.WithMessage(std::string(context) + ": " + status.message());
}

void Diagnostics::Error(const Location& location, std::string message) {
  entries_.push_back({Entry::Severity::kError, location, std::move(message)});
  ++error_count_;
}

void Diagnostics::Warning(const Location& location, std::string message) {
  entries_.push_back({Entry::Severity::kWarning, location, std::move(message)});
}

void Diagnostics::Note(const Location& location, std::string message) {
  entries_.push_back({Entry::Severity::kNote, location, std::move(message)});
}

std::string Diagnostics::Entry::ToString() const {
  const char* word = severity == Severity::kError     ? "error"
                     : severity == Severity::kWarning ? "warning"
                                                      : "note";
  return location.ToString() + ": " + word + ": " + message;
}

void Diagnostics::Append(const Diagnostics& other) {
  entries_.insert(entries_.end(), other.entries_.begin(), other.entries_.end());
  error_count_ += other.error_count_;
}

arrow::Status Diagnostics::ToStatus() const {
  if (!has_errors()) {
    return arrow::Status::OK();
  }
  std::string message;
  for (const Entry& entry : entries_) {
    if (entry.severity == Entry::Severity::kError) {
      message += (message.empty() ? "" : "\n") + entry.ToString();
    }
  }
  return MakeError(ErrorCode::kInvalidDefinition, std::move(message));
}

}  // namespace icecore::base
