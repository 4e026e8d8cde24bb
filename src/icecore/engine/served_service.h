#pragma once
// Online answers as the served log keeps them.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/engine/engine.h"
#include "icecore/online/served_log.h"
#include "icecore/spec/model.h"

namespace icecore::engine {

// Folder of a project's served log.
std::string ServedLogFolder(const spec::Project& project);

arrow::Result<std::shared_ptr<const online::ServedService>> DescribeServed(
    const spec::Project& project, const feature::BoundService& service, int64_t catalog_version);

// An answer to these keys and request columns. Nothing is copied.
online::ServedVectors AsServed(std::shared_ptr<const online::ServedService> service,
                               const std::vector<std::shared_ptr<arrow::Array>>& keys,
                               const std::vector<std::shared_ptr<arrow::Array>>& request,
                               int64_t rows, const Vectors& vectors);

}  // namespace icecore::engine
