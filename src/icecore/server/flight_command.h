#pragma once
// What a Flight descriptor or ticket asks for. docs/flight.md.

#include <arrow/result.h>

#include "icecore/server/feature_service_api.h"
#include "icecore/server/flight_calls.h"
#include "icecore/server/request_json.h"

namespace icecore::server {

// Vectors of a service, whose name is never empty.
struct FlightRead {
  FeatureRequest request;  // of no rows where the keys come in batches
  TicketOptions options;
};

// A path of the service's name, or a command: a ticket as FeatureRequestParser reads it. A
// FieldError names what is wrong; limits are those of the parser.
arrow::Result<FlightRead> ParseFlightRead(const FlightTarget& target,
                                          const FeatureRequestParser& parser);

// A path of the source's name, or a command: {"source": …} or {"view": …}, and "idempotency_key".
// Source or view and key, without rows. A FieldError names what is wrong.
arrow::Result<PushedRows> ParseFlightPush(const FlightTarget& target, int64_t max_bytes);

}  // namespace icecore::server
