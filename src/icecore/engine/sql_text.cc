#include "icecore/engine/sql_text.h"

namespace icecore::engine {

size_t SkippedLength(std::string_view text) {
  const auto through = [&](std::string_view end, size_t from) {
    const size_t found = text.find(end, from);
    return found == std::string_view::npos ? text.size() : found + end.size();
  };
  if (text.starts_with("--")) {
    return through("\n", 2);
  }
  if (text.starts_with("/*")) {
    return through("*/", 2);
  }
  if (text.starts_with("'") || text.starts_with("\"")) {
    return through(text.substr(0, 1), 1);
  }
  return 0;
}

}  // namespace icecore::engine
