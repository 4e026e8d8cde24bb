#pragma once
// Progress of long work: one moving line on a terminal, nothing elsewhere.

#include <cstdint>

#include "icecore/pipeline/workspace.h"

namespace icecore::cli {

// To stderr; safe where stderr is no terminal.
pipeline::EventListener MakeProgress(bool enabled);

}  // namespace icecore::cli
