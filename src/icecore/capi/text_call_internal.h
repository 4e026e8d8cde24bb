#pragma once
// Functions that ask a project something and give its answer out as a text.

#include <mutex>
#include <string>

#include "icecore/capi/call_internal.h"
#include "icecore/capi/project_internal.h"

namespace icecore::capi {

// Runs `body(engine)` under the project's lock and gives its text out. `reload`: the definitions
// are read anew first.
template <typename Body>
int32_t TextCall(icecore_project* project, bool reload, char** json, icecore_error** error,
                 const Body& body) noexcept {
  return Call(error, [&]() -> arrow::Status {
    if (project == nullptr || json == nullptr) {
      return Missing(project == nullptr ? "project" : "json");
    }
    const std::lock_guard lock(project->project->mutex);
    if (reload) {
      ARROW_RETURN_NOT_OK(project->project->Open());
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text, body(project->project->engine.get()));
    return NewText(text).Value(json);
  });
}

}  // namespace icecore::capi
