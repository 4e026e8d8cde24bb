#pragma once

#include <arrow/status.h>

namespace icecore::net {

// libcurl's own set-up, once in a process. Thread safe.
arrow::Status StartCurl();

}  // namespace icecore::net
