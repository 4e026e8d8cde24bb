// Any bytes as one definitions file: no crash, and what parses without errors flattens.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/spec/parse.h"
#include "icecore/spec/service_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  icecore::base::Diagnostics diagnostics;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const icecore::spec::Project project =
      icecore::spec::ParseText("definitions/fuzz.yaml", bytes, &diagnostics);
  if (diagnostics.has_errors()) {
    return 0;
  }
  for (const icecore::spec::FeatureService& service : project.services) {
    if (!icecore::spec::FlattenService(project, service).ok()) {
      std::abort();
    }
  }
  return 0;
}
