#pragma once
// Errors of Icecore: arrow::Status with a closed set of codes, carried as a StatusDetail.

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace icecore::base {

// What went wrong. A code decides exit code, HTTP status and whether a retry can help.
enum class ErrorCode {
  kInvalidDefinition,  // a YAML file, SQL text or expression of the project is wrong
  kInvalidArgument,    // a command's or request's argument is wrong
  kContractViolation,  // data broke a contract or check that stops the run
  kBadInput,           // a source's bytes cannot be read as what they are declared to be
  kNotFound,           // the thing named does not exist
  kConflict,           // somebody else changed the same thing first; a retry can help
  kOutcomeUnknown,     // a commit may or may not have happened; never success
  kUnavailable,        // a service, a lock or a resource is not there now; a retry can help
  kDenied,             // a policy or the file system forbids it
  kCorrupt,            // stored bytes are not what was written
  kUnsupported,        // a valid thing that this version cannot do, named
  kLimit,              // a limit on size, time or count was reached
  kInternal,           // a bug of ours
};

// The code's name as users see it in JSON, e.g. "invalid_definition".
std::string_view ErrorCodeName(ErrorCode code);

// 2: the command or a definition is wrong. 1: it ran and failed.
int ExitCodeOf(ErrorCode code);
int HttpStatusOf(ErrorCode code);
bool IsRetryable(ErrorCode code);

// A place in a file that a user wrote. line and column count from 1; 0 = unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  // "definitions/tables.yaml:12", or "definitions/tables.yaml" without a line.
  std::string ToString() const;
};

arrow::Status MakeError(ErrorCode code, std::string message);
// As above, with the place in front: "FILE:LINE: message".
arrow::Status MakeErrorAt(ErrorCode code, const Location& location, std::string_view message);

// The code that rides on the status; plain Arrow statuses are mapped (IOError -> kUnavailable,
// Invalid -> kInvalidArgument, KeyError -> kNotFound, NotImplemented -> kUnsupported, else
// kInternal). Must not be called with an OK status.
ErrorCode CodeOf(const arrow::Status& status);

// The same error with "context: " in front of its message; an OK status stays OK.
arrow::Status WithContext(const arrow::Status& status, std::string_view context);

// Collects every error of a pass, so that a user sees them all at once.
class Diagnostics {
 public:
  void Error(const Location& location, std::string message);
  void Warning(const Location& location, std::string message);
  void Note(const Location& location, std::string message);

  struct Entry {
    enum class Severity { kError, kWarning, kNote } severity;
    Location location;
    std::string message;
    // "definitions/tables.yaml:12: error: message"
    std::string ToString() const;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  bool has_errors() const { return error_count_ > 0; }
  int error_count() const { return error_count_; }
  void Append(const Diagnostics& other);

  // OK without errors; else one kInvalidDefinition status whose message holds every error, a line
  // each.
  arrow::Status ToStatus() const;

 private:
  std::vector<Entry> entries_;
  int error_count_ = 0;
};

}  // namespace icecore::base
