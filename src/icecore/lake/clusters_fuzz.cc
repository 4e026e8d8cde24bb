// Any bytes as the runs of a clustered table: what is taken is written back and read equal.

#include <cstdlib>
#include <string>

#include "icecore/lake/clusters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto clusters = icecore::lake::ClustersFromJson(text);
  if (clusters.ok()) {
    const std::string written = icecore::lake::ToJson(*clusters);
    const auto again = icecore::lake::ClustersFromJson(written);
    if (!again.ok() || icecore::lake::ToJson(*again) != written) {
      std::abort();
    }
  }
  return 0;
}
