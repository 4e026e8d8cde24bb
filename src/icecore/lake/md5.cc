#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "icecore/lake/md5_internal.h"

namespace icecore::lake {
namespace {

using State = std::array<uint32_t, 4>;

// floor(2^32 * |sin(i + 1)|), RFC 1321 section 3.4.
const std::array<uint32_t, 64>& Sines() {
  static const std::array<uint32_t, 64> sines = [] {
    std::array<uint32_t, 64> values{};
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<uint32_t>(
          std::floor(std::ldexp(std::fabs(std::sin(static_cast<double>(i + 1))), 32)));
    }
    return values;
  }();
  return sines;
}

uint32_t WordAt(const unsigned char* block, size_t word) {
  const unsigned char* const bytes = block + 4 * word;
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

void AddBlock(const unsigned char* block, State* state) {
  static constexpr int kShifts[4][4] = {
      {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  auto [a, b, c, d] = *state;
  for (size_t i = 0; i < 64; ++i) {
    uint32_t mixed = 0;
    size_t word = 0;
    switch (i / 16) {
      case 0:
        mixed = (b & c) | (~b & d);
        word = i;
        break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = (5 * i + 1) % 16;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = (3 * i + 5) % 16;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = 7 * i % 16;
    }
    const uint32_t sum = a + mixed + Sines()[i] + WordAt(block, word);
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kShifts[i / 16][i % 4]);
  }
  (*state)[0] += a;
  (*state)[1] += b;
  (*state)[2] += c;
  (*state)[3] += d;
}

}  // namespace

std::string Md5Hex(std::string_view bytes) {
  std::string padded(bytes);
  padded += '\x80';
  padded.append((120 - padded.size() % 64) % 64, '\0');
  const uint64_t bits = static_cast<uint64_t>(bytes.size()) * 8;
  for (int shift = 0; shift < 64; shift += 8) {
    padded += static_cast<char>(bits >> shift & 0xff);
  }
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  for (size_t i = 0; i < padded.size(); i += 64) {
    AddBlock(reinterpret_cast<const unsigned char*>(padded.data()) + i, &state);
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const uint32_t word : state) {
    for (int shift = 0; shift < 32; shift += 8) {
      const uint32_t byte = word >> shift & 0xff;
      hex += kHex[byte >> 4];
      hex += kHex[byte & 15];
    }
  }
  return hex;
}

}  // namespace icecore::lake
