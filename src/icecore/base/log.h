#pragma once
// Logging to stderr. Never log values of data or secrets.

#include <string>

namespace icecore::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Lines below the level are dropped. Default: kWarning.
void SetLogLevel(LogLevel level);

// One line: time, level, message. Thread safe.
void Log(LogLevel level, const std::string& message);

}  // namespace icecore::base
