#include <cstddef>
#include <cstdint>

#include "icecore/lake/log_fuzz_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  icecore::lake::CheckLogEntry({reinterpret_cast<const char*>(data), size});
  return 0;
}
