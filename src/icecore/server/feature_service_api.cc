#include "icecore/server/feature_service_api.h"

#include "icecore/base/error.h"

namespace icecore::server {

arrow::Status FieldError(std::string field, std::string_view message) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "'" + std::move(field) + "': " + std::string(message));
}

std::string FieldOf(const arrow::Status& status) {
  const std::string& message = status.message();
  const size_t end = message.find("': ");
  if (message.empty() || message[0] != '\'' || end == std::string::npos ||
      base::CodeOf(status) != base::ErrorCode::kInvalidArgument) {
    return "";
  }
  return message.substr(1, end - 1);
}

}  // namespace icecore::server
