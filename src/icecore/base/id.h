#pragma once
// Ids and digests.

#include <cstdint>
#include <string>
#include <string_view>

namespace icecore::base {

// Randomness as an injected interface.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
};

// The operating system's randomness; a process-wide instance, thread safe.
Random& SystemRandom();

// A seeded sequence (SplitMix64), for tests.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override;

 private:
  uint64_t state_;
};

// A version 4 UUID, lower case with hyphens.
std::string NewUuid(Random& random);

// SHA-256 as 64 lower-case hex digits.
std::string Sha256Hex(std::string_view bytes);

// HMAC with SHA-256 as 32 raw bytes.
std::string HmacSha256(std::string_view key, std::string_view bytes);

// Lower-case hex digits of the bytes.
std::string HexOf(std::string_view bytes);

// SHA-256 over parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::string_view bytes);
  // May be called once.
  std::string FinishHex();

 private:
  void* context_;
};

// XXH64 of the bytes, seed 0.
uint64_t Hash64(std::string_view bytes);
// The same as 16 hex digits.
std::string Hash64Hex(std::string_view bytes);

// XXH128 of the bytes, seed 0, as 16 bytes, high half first, big endian.
std::string Hash128(std::string_view bytes);

}  // namespace icecore::base
