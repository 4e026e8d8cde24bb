#pragma once
// Little-endian fields of the state formats (docs/formats/state.md): written by appending, read
// from the front of a view. A reader returns false, and leaves the rest undefined, when the bytes
// do not hold the field.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace icecore::state::wire {

inline void PutByte(uint8_t value, std::string* out) { out->push_back(static_cast<char>(value)); }

inline void PutFixed64(uint64_t value, std::string* out) {
  char bytes[8];
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(bytes, &value, 8);
  } else {
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  }
  out->append(bytes, 8);
}

inline void PutInt64(int64_t value, std::string* out) {
  PutFixed64(static_cast<uint64_t>(value), out);
}

// LEB128.
inline void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    PutByte(static_cast<uint8_t>(value | 0x80), out);
    value >>= 7;
  }
  PutByte(static_cast<uint8_t>(value), out);
}

// Small magnitudes of either sign are short.
inline void PutSigned(int64_t value, std::string* out) {
  PutVarint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63), out);
}

// A length and the bytes.
inline void PutBytes(std::string_view bytes, std::string* out) {
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

inline bool GetByte(std::string_view* in, uint8_t* value) {
  if (in->empty()) return false;
  *value = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  return true;
}

inline bool GetFixed64(std::string_view* in, uint64_t* value) {
  if (in->size() < 8) return false;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(value, in->data(), 8);
  } else {
    *value = 0;
    for (size_t i = 0; i < 8; ++i) {
      *value |= static_cast<uint64_t>(static_cast<uint8_t>((*in)[i])) << (8 * i);
    }
  }
  in->remove_prefix(8);
  return true;
}

inline bool GetInt64(std::string_view* in, int64_t* value) {
  uint64_t bits = 0;
  if (!GetFixed64(in, &bits)) return false;
  *value = static_cast<int64_t>(bits);
  return true;
}

// Only the shortest form is accepted, so that equal values have equal bytes.
inline bool GetVarint(std::string_view* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t byte = 0;
    if (!GetByte(in, &byte)) return false;
    if (shift == 63 && byte > 1) return false;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return byte != 0 || shift == 0;
  }
  return false;
}

inline bool GetSigned(std::string_view* in, int64_t* value) {
  uint64_t bits = 0;
  if (!GetVarint(in, &bits)) return false;
  *value = static_cast<int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  return true;
}

inline bool GetBytes(std::string_view* in, std::string_view* value) {
  uint64_t size = 0;
  if (!GetVarint(in, &size) || size > in->size()) return false;
  *value = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

}  // namespace icecore::state::wire
