// Any bytes as a Flight descriptor or ticket: an error or what it asks for, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "icecore/server/flight_command.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const icecore::server::FeatureRequestParser parser(1 << 20, 100);
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const bool is_path : {false, true}) {
    icecore::server::FlightTarget target;
    if (is_path) {
      target.path = {text};
    } else {
      target.command = text;
    }
    const auto read = icecore::server::ParseFlightRead(target, parser);
    if (read.ok()) {
      const bool no_keys = !read->options.has_entities;
      if (read->request.service.empty() || read->request.num_rows > 100) std::abort();
      if (no_keys && (read->request.num_rows != 0 || !read->request.request.empty())) std::abort();
    }
    const auto push = icecore::server::ParseFlightPush(target, 1 << 20);
    if (push.ok() && push->source.empty() == push->view.empty()) std::abort();
  }
  return 0;
}
