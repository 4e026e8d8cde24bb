#include "icecore/server/feature_service_api.h"

#include <set>

#include "icecore/base/error.h"

namespace icecore::server {

arrow::Status FieldError(std::string field, std::string_view message) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "'" + std::move(field) + "': " + std::string(message));
}

bool IsAnyRowWhole(const FeatureResponse& response) {
  if (response.errors.empty()) return true;
  std::set<int64_t> damaged;
  for (const AnswerError& error : response.errors) {
    damaged.insert(error.rows.begin(), error.rows.end());
  }
  return static_cast<int64_t>(damaged.size()) < response.num_rows;
}

arrow::Status ErrorOf(const FeatureResponse& response) {
  std::string message;
  for (const AnswerError& error : response.errors) {
    message += (message.empty() ? "" : "; ") + error.message;
  }
  return base::MakeError(base::ErrorCode::kCorrupt, std::move(message));
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
