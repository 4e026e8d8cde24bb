#pragma once
// The idempotency keys of a journal, in memory: 72 bytes each, whatever their length.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace icecore::ingest {

struct KnownKey {
  int64_t number = 0;  // of the entry that has it
  int64_t row_count = 0;
  int64_t time_us = 0;
};

// Not thread safe. A key is known by 128 bits of its SHA-256 (HMAC): nobody finds two that are one.
class KnownKeys {
 public:
  void Put(std::string_view key, const KnownKey& known) { known_[DigestOf(key)] = known; }
  // nullptr for one that is not known. Until the next change.
  const KnownKey* Find(std::string_view key) const;
  // Those of entries up to `number`.
  void ForgetUpTo(int64_t number);

 private:
  struct Digest {
    uint64_t high = 0;
    uint64_t low = 0;
    bool operator==(const Digest&) const = default;
  };
  struct Hash {
    size_t operator()(const Digest& digest) const noexcept { return digest.high; }
  };
  static Digest DigestOf(std::string_view key);

  std::unordered_map<Digest, KnownKey, Hash> known_;
};

}  // namespace icecore::ingest
