#pragma once
// Why a row did not pass.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "icecore/spec/model.h"

namespace icecore::quality {

// `observed` is cut to this many bytes, at a code point, with "…" behind it.
inline constexpr int64_t kObservedBytes = 200;

struct Reason {
  std::string rule;     // unreadable, type, zone, length, required, matches, between, in, or a name
  std::string version;  // fingerprint of the definition that holds the rule
  std::string column;   // "" where the rule is about the whole row
  std::string observed;  // the value as received, as text; "null" for null
  std::string expected;  // what the rule asks, as a user would write it
  spec::Severity severity = spec::Severity::kError;
  bool own_name = false;  // `rule` is the name of a check, which tells it from all others
};

// The name under which counts of rules are kept: "required(user_id)", or the rule's own name.
std::string RuleKey(const std::string& rule, const std::string& column);
std::string RuleKey(const Reason& reason);

// Rows by RuleKey.
using RuleCounts = std::map<std::string, int64_t>;
// Adds `part` to `total`, rule by rule.
void AddCounts(const RuleCounts& part, RuleCounts* total);

// Rows that go to quarantine: reasons[i] belongs to row i, is never empty and keeps the order of
// the definition.
struct RejectedRows {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<std::vector<Reason>> reasons;
};

}  // namespace icecore::quality
