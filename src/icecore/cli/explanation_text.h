#pragma once
// An explanation for people; for programs: engine/evidence_documents.h.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/engine/explain.h"

namespace icecore::cli {

// At most `max_rows` rows and tiles of each feature are listed; all are counted.
arrow::Result<std::string> ExplanationText(const engine::Explanation& explanation,
                                           int64_t max_rows);

}  // namespace icecore::cli
