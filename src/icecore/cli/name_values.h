#pragma once
// Arguments of the form NAME=VALUE.

#include <arrow/result.h>

#include <string>
#include <utility>
#include <vector>

namespace icecore::cli {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// In the order given. kInvalidArgument for a word without '=' or without a name.
arrow::Result<NameValues> SplitNameValues(const std::vector<std::string>& words);

}  // namespace icecore::cli
