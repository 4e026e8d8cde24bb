#pragma once
// An explanation for people, and for programs.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/engine/explain.h"

namespace icecore::cli {

// At most `max_rows` rows and tiles of each feature are listed; all are counted.
arrow::Result<std::string> ExplanationText(const engine::Explanation& explanation,
                                           int64_t max_rows);
arrow::Result<std::string> ExplanationJson(const engine::Explanation& explanation,
                                           int64_t max_rows);

}  // namespace icecore::cli
