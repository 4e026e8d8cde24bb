#pragma once
// Bytes of a cell in LMDB: its key and its value. docs/formats/online.md.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace icecore::online::lmdb {

// Where a view's cells lie.
struct CellSpace {
  uint32_t entity_id = 0;
  uint32_t view_id = 0;     // below 2^24, so that its first byte ends the entity key
  uint32_t generation = 0;  // 0: every generation (for deleting)
};

inline constexpr uint32_t kMaxViewId = (1u << 24) - 1;
// LMDB takes keys of 511 bytes; 480 stay for all but the suffix.
inline constexpr size_t kMaxPrefixBytes = 480;
inline constexpr size_t kMaxSuffixBytes = 31;

// The front that all cells of one entity key in one space share.
class CellPrefix {
 public:
  // `key`: from EncodeKeys, not empty. Reuses its memory.
  void Assign(const CellSpace& space, std::string_view key);
  std::string_view bytes() const { return bytes_; }
  // The key did not fit: its tail is a hash, and values carry it whole.
  bool shortened() const { return shortened_; }

 private:
  std::string bytes_;
  bool shortened_ = false;
};

// The front of all keys of an entity.
std::string EntityPrefix(uint32_t entity_id);

// Length of the part of a cell's key that names entity and key; nullopt when it is no cell's key.
std::optional<size_t> EntityKeyLength(std::string_view cell_key);

// Appends the value of a cell: header with checksum over the cell's key and all that follows, the
// whole entity key where the prefix is shortened, then the state's bytes.
void AppendCellValue(std::string_view cell_key, std::string_view full_key, bool shortened,
                     std::string_view state, std::string* out);

struct CellValue {
  std::string_view state;
  // False when the value belongs to another entity key with the same hash.
  bool same_key = true;
};
// kCorrupt when the bytes are not what was written under this key.
arrow::Result<CellValue> DecodeCellValue(std::string_view cell_key, std::string_view full_key,
                                         std::string_view value);

// Big endian, as in keys.
void AppendBigEndian32(uint32_t value, std::string* out);

}  // namespace icecore::online::lmdb
