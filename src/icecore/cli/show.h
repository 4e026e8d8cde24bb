#pragma once
// `icecore list` and `icecore show`.

#include <arrow/status.h>

#include <string>

namespace icecore::cli {

struct Context;

arrow::Status List(Context* context, const std::string& what);
arrow::Status Show(Context* context, const std::string& name);

}  // namespace icecore::cli
