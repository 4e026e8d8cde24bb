#pragma once
// Who uses a view or a service, as `icecore show` tells it.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/catalog/catalog.h"

namespace icecore::engine {

// Of "view.V" or "service.S", one JSON object: requests and rows of the last 7 and 30 days (UTC,
// today included) and the last use, in all, by caller, and of a view by feature; the most used
// first. `features`: that the view has, listed though nobody used them; of a service none.
// `now_us`: of the machine's clock, as the counts are.
arrow::Result<std::string> UsageDocument(catalog::UsageBook* book, const std::string& name,
                                         const std::vector<std::string>& features, int64_t now_us);

}  // namespace icecore::engine
