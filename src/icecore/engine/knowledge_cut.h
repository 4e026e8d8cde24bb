#pragma once
// `--known-at` as users write it.

#include <arrow/result.h>

#include <string>

#include "icecore/feature/training_set.h"

namespace icecore::engine {

// "label", "latest" or a time in RFC 3339; else kInvalidArgument saying so.
arrow::Result<feature::KnowledgeCut> ParseKnowledgeCut(const std::string& text);

}  // namespace icecore::engine
