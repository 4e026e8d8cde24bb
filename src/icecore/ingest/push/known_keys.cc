#include "icecore/ingest/push/known_keys.h"

#include <cstring>
#include <string>

#include "icecore/base/id.h"

namespace icecore::ingest {

KnownKeys::Digest KnownKeys::DigestOf(std::string_view key) {
  const std::string bytes = base::HmacSha256("idempotency key", key);
  Digest digest;
  std::memcpy(&digest.high, bytes.data(), sizeof digest.high);
  std::memcpy(&digest.low, bytes.data() + sizeof digest.high, sizeof digest.low);
  return digest;
}

const KnownKey* KnownKeys::Find(std::string_view key) const {
  const auto found = known_.find(DigestOf(key));
  return found == known_.end() ? nullptr : &found->second;
}

void KnownKeys::ForgetUpTo(int64_t number) {
  std::erase_if(known_, [number](const auto& known) { return known.second.number <= number; });
}

}  // namespace icecore::ingest
