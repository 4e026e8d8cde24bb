#include "icecore/server/flight_command.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"

namespace icecore::server {
namespace {

using Json = nlohmann::json;

// A name of the path; a client that gives none is told what the descriptor may be.
arrow::Result<std::string> NameOf(const FlightTarget& target, const std::string& of,
                                  const std::string& example) {
  if (target.path.size() == 1 && !target.path.front().empty()) {
    return target.path.front();
  }
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "the descriptor is neither a path of one name, that of a " + of +
                             ", nor a command as " + example);
}

arrow::Result<Json> ParseFlat(const std::string& text, int64_t max_bytes) {
  if (static_cast<int64_t>(text.size()) > max_bytes) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the descriptor is longer than " + std::to_string(max_bytes) + " bytes");
  }
  bool flat = true;
  const auto look = [&](int depth, Json::parse_event_t event, Json&) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    flat = flat && (depth == 0 || !opens);
    return flat;
  };
  Json document = Json::parse(text, look, /*allow_exceptions=*/false);
  if (!flat || document.is_discarded() || !document.is_object()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "the descriptor is no JSON object of texts, e.g. {\"source\": "
                           "\"clicks\", \"idempotency_key\": \"4711\"}");
  }
  return document;
}

}  // namespace

arrow::Result<FlightRead> ParseFlightRead(const FlightTarget& target,
                                          const FeatureRequestParser& parser) {
  FlightRead read;
  if (target.command.empty()) {
    ARROW_ASSIGN_OR_RAISE(read.request.service,
                          NameOf(target, "feature service", "{\"service\": \"delay_model\"}"));
    return read;
  }
  ARROW_ASSIGN_OR_RAISE(read.request, parser.ParseTicket(target.command, &read.options));
  return read;
}

arrow::Result<PushedRows> ParseFlightPush(const FlightTarget& target, int64_t max_bytes) {
  PushedRows rows;
  if (target.command.empty()) {
    ARROW_ASSIGN_OR_RAISE(rows.source,
                          NameOf(target, "source of pushes", "{\"source\": \"clicks\"}"));
    return rows;
  }
  ARROW_ASSIGN_OR_RAISE(const Json document, ParseFlat(target.command, max_bytes));
  for (const auto& [name, value] : document.items()) {
    std::string* const place = name == "source"            ? &rows.source
                               : name == "view"            ? &rows.view
                               : name == "idempotency_key" ? &rows.key
                                                           : nullptr;
    if (place == nullptr) {
      return FieldError(
          name, "unknown field" + base::DidYouMean(name, {"source", "view", "idempotency_key"}));
    }
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      return FieldError(name, "expected a text that is not empty");
    }
    *place = value.get<std::string>();
  }
  if (rows.source.empty() == rows.view.empty()) {
    return FieldError("source", rows.source.empty()
                                    ? "missing; name a source of pushes, or a view with \"view\""
                                    : "stands beside 'view'; name one of them");
  }
  return rows;
}

}  // namespace icecore::server
