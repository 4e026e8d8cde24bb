#pragma once
// ${NAME}, ${NAME:-default} and ${file:path}: references to the surroundings, resolved when a value
// is used. Definitions keep them as written, so secrets are never stored, logged or shown.

#include <arrow/result.h>

#include <functional>
#include <optional>
#include <string>

#include "icecore/base/error.h"

namespace icecore::spec {

struct ReferenceSources {
  // The value of an environment variable; nullopt when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // The text of a file, `path` as written (relative to the project).
  std::function<arrow::Result<std::string>(const std::string& path)> read_file;
};

// The process's environment, and files under `root`; one newline at a file's end is dropped.
ReferenceSources MakeSystemReferences(const std::string& root);

// Every reference in `text` replaced, once (what comes in is not looked at again). "$$" before "{"
// is a plain "$". `:-` also stands in for an empty variable, as in a shell. A variable that is not
// set and has no default, a file that cannot be read, or a reference without its end is
// kInvalidDefinition at `location`; messages name the reference, never a value.
arrow::Result<std::string> ResolveReferences(const std::string& text,
                                             const base::Location& location,
                                             const ReferenceSources& sources);

}  // namespace icecore::spec
