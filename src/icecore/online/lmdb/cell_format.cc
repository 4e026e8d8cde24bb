#include "icecore/online/lmdb/cell_format.h"

#include <algorithm>
#include <cstring>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/online/key_encoding.h"

namespace icecore::online::lmdb {
namespace {

constexpr char kFullForm = 0x01;
constexpr char kShortenedForm = 0x02;
constexpr size_t kHashBytes = 16;
constexpr size_t kKeyStart = 4 + 1;  // behind entity id and form
// Entity id and form before the key, view id and generation after it.
constexpr size_t kMaxKeyBytes = kMaxPrefixBytes - 4 - 1 - 4 - 4;

constexpr char kMagic = static_cast<char>(0xC1);  // cell, version 1
constexpr uint8_t kHasFullKey = 1;
constexpr size_t kHeaderBytes = 2 + 8;

uint64_t Checksum(std::string_view cell_key, uint8_t flags, std::string_view body) {
  const uint64_t parts[3] = {base::Hash64(cell_key), flags, base::Hash64(body)};
  return base::Hash64(std::string_view(reinterpret_cast<const char*>(parts), sizeof parts));
}

char* PutBigEndian32(uint32_t value, char* out) {
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<char>(value >> shift & 0xff);
  return out;
}

arrow::Status Damaged(std::string_view what) {
  return base::MakeError(base::ErrorCode::kCorrupt,
                         "a cell of the online store is damaged (" + std::string(what) + ")");
}

}  // namespace

void AppendBigEndian32(uint32_t value, std::string* out) {
  char bytes[4];
  out->append(bytes, PutBigEndian32(value, bytes));
}

std::string EntityPrefix(uint32_t entity_id) {
  std::string bytes;
  AppendBigEndian32(entity_id, &bytes);
  return bytes;
}

// A read makes one for each key and view, so bytes are put in one piece.
void CellPrefix::Assign(const CellSpace& space, std::string_view key) {
  shortened_ = key.size() > kMaxKeyBytes;
  const size_t plain = shortened_ ? kMaxKeyBytes - kHashBytes : key.size();
  const size_t hashed = shortened_ ? kHashBytes : 0;
  const bool has_generation = space.generation != 0;
  bytes_.resize(kKeyStart + plain + hashed + 4 + (has_generation ? 4 : 0));
  char* out = PutBigEndian32(space.entity_id, bytes_.data());
  *out++ = shortened_ ? kShortenedForm : kFullForm;
  out = std::copy_n(key.begin(), plain, out);
  if (shortened_) {
    const std::string hash = base::Hash128(key.substr(plain));
    out = std::copy_n(hash.data(), kHashBytes, out);
  }
  out = PutBigEndian32(space.view_id, out);
  if (has_generation) PutBigEndian32(space.generation, out);
}

std::optional<size_t> EntityKeyLength(std::string_view cell_key) {
  if (cell_key.size() < kKeyStart) {
    return std::nullopt;
  }
  if (cell_key[4] == kShortenedForm) {
    const size_t length = kKeyStart + kMaxKeyBytes;
    return cell_key.size() >= length ? std::optional<size_t>(length) : std::nullopt;
  }
  const std::optional<size_t> length = EncodedKeyLength(cell_key.substr(kKeyStart));
  return length.has_value() ? std::optional<size_t>(kKeyStart + *length) : std::nullopt;
}

void AppendCellValue(std::string_view cell_key, std::string_view full_key, bool shortened,
                     std::string_view state, std::string* out) {
  const uint8_t flags = shortened ? kHasFullKey : 0;
  const size_t begin = out->size();
  const char header[kHeaderBytes] = {kMagic, static_cast<char>(flags)};
  out->append(header, kHeaderBytes);
  if (shortened) {
    AppendBigEndian32(static_cast<uint32_t>(full_key.size()), out);
    out->append(full_key);
  }
  out->append(state);
  const std::string_view body = std::string_view(*out).substr(begin + kHeaderBytes);
  const uint64_t checksum = Checksum(cell_key, flags, body);
  std::memcpy(out->data() + begin + 2, &checksum, sizeof checksum);
}

arrow::Result<CellValue> DecodeCellValue(std::string_view cell_key, std::string_view full_key,
                                         std::string_view value) {
  if (value.size() < kHeaderBytes || value[0] != kMagic) {
    return Damaged("no header of version 1");
  }
  const uint8_t flags = static_cast<uint8_t>(value[1]);
  std::string_view body = value.substr(kHeaderBytes);
  uint64_t checksum = 0;
  std::memcpy(&checksum, value.data() + 2, sizeof checksum);
  if (checksum != Checksum(cell_key, flags, body)) {
    return Damaged("wrong checksum");
  }
  CellValue cell;
  if ((flags & kHasFullKey) != 0) {
    if (body.size() < 4) {
      return Damaged("short key");
    }
    uint32_t length = 0;
    for (int i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<uint8_t>(body[static_cast<size_t>(i)]);
    }
    body.remove_prefix(4);
    if (body.size() < length) {
      return Damaged("short key");
    }
    cell.same_key = body.substr(0, length) == full_key;
    body.remove_prefix(length);
  }
  cell.state = body;
  return cell;
}

}  // namespace icecore::online::lmdb
