#pragma once

#include <string_view>

namespace icecore::server {

// The OpenAPI 3.0 document of the HTTP interface, as JSON text.
std::string_view OpenApiDocument();

}  // namespace icecore::server
