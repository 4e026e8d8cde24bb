#pragma once
// The bodies of POST /push and POST /write-to-online-store. docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

enum class PushForm {
  kOurs,        // {"source": NAME, "rows": [{…}, …]}
  kFeast,       // {"push_source_name": NAME, "df": {COLUMN: [..]}, "to": …}
  kFeastWrite,  // {"feature_view_name": NAME, "df": {COLUMN: [..]}}
};

struct ParsedPush {
  PushForm form = PushForm::kOurs;
  PushedRows rows;
};

// `write`: the body of /write-to-online-store. A FieldError names what is wrong; bodies and rows
// above the bounds are kLimit. Thread safe.
arrow::Result<ParsedPush> ParsePush(const std::string& body, bool write, int64_t max_body_bytes,
                                    int64_t max_rows);

}  // namespace icecore::server
