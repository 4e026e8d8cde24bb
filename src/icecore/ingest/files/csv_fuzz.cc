#include <cstddef>
#include <cstdint>

#include "icecore/ingest/files/fuzz_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  icecore::ingest::CheckCsv({reinterpret_cast<const char*>(data), size});
  return 0;
}
