#include "icecore/quality/reason.h"

namespace icecore::quality {

std::string RuleKey(const std::string& rule, const std::string& column) {
  return column.empty() ? rule : rule + "(" + column + ")";
}

}  // namespace icecore::quality
