// Any bytes as the text of /metrics: an error or samples, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/cli/prometheus_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto samples = icecore::cli::ParsePrometheusText(text);
  if (!samples.ok()) return 0;
  icecore::cli::Buckets buckets;
  for (const auto& sample : *samples) {
    if (sample.name.empty()) std::abort();
    if (sample.value == sample.value) buckets[sample.value] = sample.value;
  }
  icecore::cli::QuantileBetween({}, buckets, 0.5);
  return 0;
}
