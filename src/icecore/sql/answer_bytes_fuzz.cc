// Any bytes as a kept answer: no crash; what is taken for one is written and read back as it is.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/sql/answer_bytes_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto analysis = icecore::sql::AnalysisOfBytes(bytes)) {
    const auto again = icecore::sql::BytesOfAnalysis(*analysis);
    if (again && icecore::sql::BytesOfAnalysis(*icecore::sql::AnalysisOfBytes(*again)) != again) {
      std::abort();
    }
  }
  if (const auto names = icecore::sql::NamesOfBytes(bytes)) {
    if (icecore::sql::NamesOfBytes(icecore::sql::BytesOfNames(*names)) != names) std::abort();
  }
  return 0;
}
