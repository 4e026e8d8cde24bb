#pragma once
// The online side of a service: its views as the store keeps them, read and assembled.

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/engine/engine.h"
#include "icecore/online/served_log.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

// Where the store did not answer (kUnavailable) when a service was opened, the next read is
// answered by the same error if it comes within so long; later ones ask the store.
inline constexpr int64_t kRefusalNanos = 1'000'000'000;

// Every view over a table that the service uses must be `online: true` (kInvalidDefinition names
// the others). `workspace.online` must outlive the service; the analysis is shared by it.
// `served_log`: takes what is answered of sampled keys, outlives the service; or null.
arrow::Result<std::shared_ptr<const OnlineService>> MakeOnlineService(
    const pipeline::Workspace& workspace, const pipeline::AnalysedProject& project,
    std::shared_ptr<const feature::BoundService> service, int64_t catalog_version,
    online::ServedLog* served_log);

// Text of the command line as an array of one element of the column's type. kInvalidArgument names
// the column and what it takes.
arrow::Result<std::shared_ptr<arrow::Array>> ParseColumn(const feature::RequestColumn& column,
                                                         const std::string& text);

}  // namespace icecore::engine
