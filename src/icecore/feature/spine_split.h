#pragma once
// `split` of a training set: a column that says which part each row belongs to.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "icecore/spec/training_set.h"

namespace icecore::feature {

inline constexpr char kSplitColumn[] = "split";

struct SplitSpine {
  std::shared_ptr<arrow::Table> table;    // the spine, and `split` behind it
  std::map<std::string, int64_t> counts;  // rows by part
};

// A row belongs to the first part whose bound its time lies below: `train`, `valid` or `test`;
// `gap` within the rule's gap after the bound of the part before; `outside` beyond the last bound
// or without a time. A column that the spine lacks or that is no instant, or a spine column of the
// name `split`, is kInvalidDefinition at the rule.
arrow::Result<SplitSpine> AddSplit(const spec::SplitRule& rule,
                                   const std::shared_ptr<arrow::Table>& spine);

}  // namespace icecore::feature
