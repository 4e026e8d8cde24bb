#include "icecore/quality/reason.h"

namespace icecore::quality {

std::string RuleKey(const std::string& rule, const std::string& column) {
  return column.empty() ? rule : rule + "(" + column + ")";
}

std::string RuleKey(const Reason& reason) {
  return reason.own_name ? reason.rule : RuleKey(reason.rule, reason.column);
}

void AddCounts(const RuleCounts& part, RuleCounts* total) {
  for (const auto& [rule, count] : part) {
    (*total)[rule] += count;
  }
}

}  // namespace icecore::quality
