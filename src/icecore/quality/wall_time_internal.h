#pragma once
// Wall times of a zone -> instants, by the machine's time zone database (Debian: tzdata).

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/spec/model.h"

namespace icecore::quality {

// Must have run before functions of arrow::compute are called. Thread safe.
arrow::Status InitializeCompute();

// micros: wall times in, instants out. bad[i] = 1 where the wall time does not exist or is doubled
// and `ambiguous` is kError. Otherwise kEarlier and kLater choose between the two instants; of a
// wall time that does not exist, those that the offsets behind and before the gap give (02:30 in
// New York's spring: 01:30 EST or 03:30 EDT), as ECMAScript's Temporal does.
arrow::Status ResolveWallTimes(const std::string& zone, spec::ColumnContract::Ambiguous ambiguous,
                               std::vector<int64_t>* micros, std::vector<uint8_t>* bad);

}  // namespace icecore::quality
