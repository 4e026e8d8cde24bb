#pragma once
// `default:` of a feature: a literal of YAML as a value of the feature's type.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

#include "icecore/spec/model.h"

namespace icecore::feature {

// kInvalidDefinition at the literal where it is no value of the type. A null literal is no default:
// null.
arrow::Result<std::shared_ptr<arrow::Scalar>> DefaultValue(
    const spec::Literal& literal, const std::shared_ptr<arrow::DataType>& type);

// The scalar in the place of nulls; without a scalar the values as they are.
arrow::Result<std::shared_ptr<arrow::Array>> FillNulls(
    std::shared_ptr<arrow::Array> values, const std::shared_ptr<arrow::Scalar>& scalar);

}  // namespace icecore::feature
