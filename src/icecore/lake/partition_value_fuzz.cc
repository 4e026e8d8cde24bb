#include <cstddef>
#include <cstdint>

#include "icecore/lake/log_fuzz_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  icecore::lake::CheckPath(bytes);
  icecore::lake::CheckPartitionValue(bytes);
  return 0;
}
