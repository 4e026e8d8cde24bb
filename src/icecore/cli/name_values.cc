#include "icecore/cli/name_values.h"

#include "icecore/base/error.h"

namespace icecore::cli {

arrow::Result<NameValues> SplitNameValues(const std::vector<std::string>& words) {
  NameValues pairs;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return base::MakeError(base::ErrorCode::kInvalidArgument,
                             "'" + word + "': expected name=value");
    }
    pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return pairs;
}

}  // namespace icecore::cli
