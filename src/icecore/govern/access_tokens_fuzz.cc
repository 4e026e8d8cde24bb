// Any bytes as a file of tokens: an error or a set, never a crash; no bytes open for a guess.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/govern/access_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tokens = icecore::govern::AccessTokens::Parse(text, "tokens");
  if (tokens.ok() && tokens->Find("ice_00000000_guess", 0) != nullptr) {
    std::abort();
  }
  return 0;
}
