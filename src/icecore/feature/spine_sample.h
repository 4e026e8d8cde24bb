#pragma once
// `sample` of a training set: which rows of a spine are taken. The same rows every time, whatever
// their order, since a row's key alone decides.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

#include "icecore/spec/training_set.h"

namespace icecore::feature {

// The rows whose hash h (docs/formats/training-card.md, "Sampling") is below fraction * 2^64, in
// their order. Rows equal in `by` are taken or left together. A column that the spine lacks, or of
// a type that is no key (floats, nested), is kInvalidDefinition at the rule.
arrow::Result<std::shared_ptr<arrow::Table>> SampleSpine(
    const spec::SampleRule& rule, const std::shared_ptr<arrow::Table>& spine);

}  // namespace icecore::feature
