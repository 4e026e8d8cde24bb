#pragma once
// `label` of a training set: which labels may be learned from at the cut.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

#include "icecore/spec/training_set.h"

namespace icecore::feature {

inline constexpr char kLabelStatusColumn[] = "label_status";

struct LabelCounts {
  int64_t known = 0;
  int64_t missing = 0;
  int64_t pending = 0;
  // Known labels whose known time is not later than the row's event_timestamp: the answer was there
  // when the question was asked, so a feature may hold it.
  int64_t known_when_asked = 0;
};

struct LabelledSpine {
  std::shared_ptr<arrow::Table> table;  // the spine, and `label_status` behind it
  LabelCounts counts;
};

// `known`: the row is mature at the cut (event_timestamp + mature_after <= cut), the label is not
// null and its known time is not later than the cut. `missing`: mature, and there is no label: it
// is null, or has no known time. `pending`: not mature, or known later than the cut; the label and
// its known time are then null, since at the cut nobody had them. Without `known_at` a label is
// known when it is mature. A row without event_timestamp is `missing`.
//
// A column that the spine lacks, a known time that is no instant, or a spine column of the name
// `label_status` is kInvalidDefinition at the rule.
arrow::Result<LabelledSpine> JudgeLabels(const spec::LabelColumn& rule, int64_t cut_us,
                                         const std::shared_ptr<arrow::Table>& spine);

}  // namespace icecore::feature
