#pragma once
// JSON text -> nested Arrow values.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <string_view>

namespace icecore::quality {

// Appends the value that `text` is to the builder, exactly or not at all; null is null. Of structs
// missing members are null and unknown ones are passed over; maps are objects (keys of type
// string), or lists of [key, value]. Timestamps are instants, UTC where naive. False: not JSON, or
// not of the type; the builder is then left with a half value, so give a fresh one to every try
// (`scratch` below).
bool AppendJson(std::string_view text, arrow::ArrayBuilder* builder);

}  // namespace icecore::quality
