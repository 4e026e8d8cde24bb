#pragma once
// The columns of a request, as JSON scalars, in the types that a service wants.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/service.h"
#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// A FieldError at "GROUP.NAME" for a column that is given and not wanted.
arrow::Status RefuseUnknown(const std::vector<feature::RequestColumn>& wanted,
                            const std::vector<RequestValues>& given, const std::string& group);

// The columns wanted, `rows` long each, from those given; a column of one value holds it for every
// row. A FieldError names a column that is missing, or the value that is none of its type.
arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ToArrays(
    const std::vector<feature::RequestColumn>& wanted, const std::vector<RequestValues>& given,
    const std::string& group, int64_t rows);

// As both above, from a batch whose columns are keys and request-time data; a column that is of the
// type wanted is not copied. A FieldError at "NAME" for one that is not wanted, given twice,
// missing, or of a type or value that does not fit without loss.
arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ColumnsOf(
    const std::vector<feature::RequestColumn>& wanted, const arrow::RecordBatch& given);
arrow::Status RefuseUnknown(const std::vector<feature::RequestColumn>& keys,
                            const std::vector<feature::RequestColumn>& request,
                            const arrow::RecordBatch& given);

}  // namespace icecore::server
