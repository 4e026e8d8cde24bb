#include "icecore/lake/deletion_vector.h"

#include <zlib.h>

#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr uint32_t kMagic = 1681511377;
constexpr uint8_t kFileVersion = 1;
constexpr uint32_t kCookieNoRuns = 12346;
constexpr uint32_t kCookieRuns = 12347;
constexpr uint32_t kNoOffsetThreshold = 4;  // with runs, fewer containers have no offset header
constexpr uint32_t kMaxArray = 4096;        // more values than that rest as a bitmap
constexpr size_t kBitmapBytes = 8192;
constexpr size_t kUuidText = 20;  // 16 bytes in Z85

arrow::Status Corrupt(const std::string& what) {
  return MakeError(ErrorCode::kCorrupt, "deletion vector: " + what);
}

// Little endian values from the front.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  size_t left() const { return rest_.size(); }
  template <typename T>
  arrow::Result<T> Next() {
    ARROW_ASSIGN_OR_RAISE(const std::string_view bytes, Bytes(sizeof(T)));
    T value = 0;
    for (size_t i = sizeof(T); i-- > 0;) {
      value = static_cast<T>((static_cast<uint64_t>(value) << 8) | static_cast<uint8_t>(bytes[i]));
    }
    return value;
  }
  arrow::Result<std::string_view> Bytes(size_t length) {
    if (length > rest_.size()) {
      return Corrupt("the bitmap is cut off");
    }
    const std::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return bytes;
  }

 private:
  std::string_view rest_;
};

struct Container {
  uint16_t key = 0;
  uint32_t cardinality = 0;
  bool is_run = false;
};

// Rows in ascending order, with what must hold of them.
class Collector {
 public:
  explicit Collector(int64_t max_rows) : max_rows_(max_rows) {}
  arrow::Status Add(uint64_t first, uint64_t end) {
    const auto from = static_cast<int64_t>(first);
    if (from < rows_.end()) {
      return Corrupt("values out of order");
    }
    rows_.Append(from, static_cast<int64_t>(end));
    return rows_.count() > max_rows_
               ? Corrupt("more than the " + std::to_string(max_rows_) + " rows it may have")
               : arrow::Status::OK();
  }
  int64_t count() const { return rows_.count(); }
  RowRanges Take() && { return std::move(rows_); }

 private:
  const int64_t max_rows_;
  RowRanges rows_;
};

arrow::Result<std::vector<Container>> ReadHeader(Cursor* in) {
  ARROW_ASSIGN_OR_RAISE(const auto cookie, in->Next<uint32_t>());
  uint32_t count = 0;
  std::string_view run_flags;
  const bool has_runs = (cookie & 0xFFFF) == kCookieRuns;
  if (has_runs) {
    count = (cookie >> 16) + 1;
    ARROW_ASSIGN_OR_RAISE(run_flags, in->Bytes((count + 7) / 8));
  } else if (cookie == kCookieNoRuns) {
    ARROW_ASSIGN_OR_RAISE(count, in->Next<uint32_t>());
    if (count > 65536) {
      return Corrupt("a bitmap of " + std::to_string(count) + " containers");
    }
  } else {
    return Corrupt("no Roaring bitmap");
  }
  std::vector<Container> containers;
  containers.reserve(std::min<size_t>(count, in->left() / 4));
  for (uint32_t i = 0; i < count; ++i) {
    Container container;
    ARROW_ASSIGN_OR_RAISE(container.key, in->Next<uint16_t>());
    ARROW_ASSIGN_OR_RAISE(const auto cardinality, in->Next<uint16_t>());
    container.cardinality = uint32_t{cardinality} + 1;
    container.is_run = has_runs && ((static_cast<uint8_t>(run_flags[i / 8]) >> (i % 8)) & 1) != 0;
    containers.push_back(container);
  }
  if (!has_runs || count >= kNoOffsetThreshold) {
    // Where containers lie, which their order says too.
    ARROW_RETURN_NOT_OK(in->Bytes(size_t{count} * 4).status());
  }
  return containers;
}

arrow::Status ReadRuns(Cursor* in, uint64_t base, Collector* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto runs, in->Next<uint16_t>());
  for (uint32_t i = 0; i < runs; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto start, in->Next<uint16_t>());
    ARROW_ASSIGN_OR_RAISE(const auto length, in->Next<uint16_t>());
    const uint32_t end = uint32_t{start} + length + 1;
    if (end > 65536) {
      return Corrupt("a run beyond its container");
    }
    ARROW_RETURN_NOT_OK(rows->Add(base + start, base + end));
  }
  return arrow::Status::OK();
}

arrow::Status ReadArray(Cursor* in, uint64_t base, uint32_t count, Collector* rows) {
  for (uint32_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto value, in->Next<uint16_t>());
    ARROW_RETURN_NOT_OK(rows->Add(base + value, base + value + 1));
  }
  return arrow::Status::OK();
}

arrow::Status ReadBits(Cursor* in, uint64_t base, Collector* rows) {
  ARROW_ASSIGN_OR_RAISE(const std::string_view bytes, in->Bytes(kBitmapBytes));
  for (size_t at = 0; at < kBitmapBytes; at += 8) {
    Cursor word_bytes(bytes.substr(at, 8));
    ARROW_ASSIGN_OR_RAISE(auto word, word_bytes.Next<uint64_t>());
    uint64_t row = base + at * 8;
    while (word != 0) {
      const int zeros = std::countr_zero(word);
      const int ones = std::countr_one(word >> zeros);
      row += static_cast<uint64_t>(zeros);
      ARROW_RETURN_NOT_OK(rows->Add(row, row + static_cast<uint64_t>(ones)));
      row += static_cast<uint64_t>(ones);
      word = zeros + ones >= 64 ? 0 : word >> (zeros + ones);
    }
  }
  return arrow::Status::OK();
}

// One 32-bit bitmap, whose values are added to `high`.
arrow::Status ReadBucket(Cursor* in, uint64_t high, Collector* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto containers, ReadHeader(in));
  for (const Container& container : containers) {
    const uint64_t base = high + (uint64_t{container.key} << 16);
    const int64_t before = rows->count();
    if (container.is_run) {
      ARROW_RETURN_NOT_OK(ReadRuns(in, base, rows));
    } else if (container.cardinality <= kMaxArray) {
      ARROW_RETURN_NOT_OK(ReadArray(in, base, container.cardinality, rows));
    } else {
      ARROW_RETURN_NOT_OK(ReadBits(in, base, rows));
    }
    if (rows->count() - before != container.cardinality) {
      return Corrupt("a container without the " + std::to_string(container.cardinality) +
                     " values that its header tells");
    }
  }
  return arrow::Status::OK();
}

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) {
    value = (value << 8) | static_cast<uint8_t>(c);
  }
  return value;
}

// The bitmap's bytes out of the file's frame.
arrow::Result<std::string> ReadFramed(ObjectStore& store, const std::string& path,
                                      const DeletionVector& vector) {
  const int64_t offset = vector.offset.value_or(0);
  const int64_t size = vector.size_bytes;
  if (offset < 0) {
    return Corrupt("offset " + std::to_string(offset));
  }
  ARROW_ASSIGN_OR_RAISE(const std::string version, store.GetRange(path, 0, 1));
  if (version.size() != 1 || static_cast<uint8_t>(version[0]) != kFileVersion) {
    return Corrupt("the file's format is not version 1");
  }
  ARROW_ASSIGN_OR_RAISE(std::string frame, store.GetRange(path, offset, size + 8));
  if (static_cast<int64_t>(frame.size()) != size + 8) {
    return Corrupt("the file is cut off");
  }
  if (BigEndian32(frame) != static_cast<uint32_t>(size)) {
    return Corrupt("the file tells " + std::to_string(BigEndian32(frame)) + " bytes, the log " +
                   std::to_string(size));
  }
  const std::string_view data = std::string_view(frame).substr(4, static_cast<size_t>(size));
  const uLong checksum = crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(data.data()),
                               static_cast<uInt>(data.size()));
  if (checksum != BigEndian32(std::string_view(frame).substr(static_cast<size_t>(size) + 4))) {
    return Corrupt("wrong checksum");
  }
  return std::string(data);
}

arrow::Result<std::string> BitmapBytes(ObjectStore& store, const std::string& path,
                                       const DeletionVector& vector) {
  if (vector.size_bytes < 0) {
    return Corrupt("a size of " + std::to_string(vector.size_bytes) + " bytes");
  }
  if (!path.empty()) {
    return ReadFramed(store, path, vector);
  }
  ARROW_ASSIGN_OR_RAISE(std::string bytes, DecodeZ85(vector.path_or_inline_dv));
  const auto size = static_cast<size_t>(vector.size_bytes);
  if (bytes.size() < size || bytes.size() > size + 3) {
    return Corrupt(std::to_string(bytes.size()) + " bytes where " + std::to_string(size) +
                   " are told");
  }
  bytes.resize(size);
  return bytes;
}

std::string UuidText(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    text += kHex[static_cast<uint8_t>(bytes[i]) >> 4];
    text += kHex[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return text;
}

// "/srv/lake/t/x" or "file:///srv/lake/t/x" as "t/x".
arrow::Result<std::string> InsideTable(const ObjectStore& store, const std::string& table_path,
                                       std::string_view uri) {
  std::string_view absolute = uri;
  for (const std::string_view scheme : {"file://", "file:"}) {
    if (absolute.starts_with(scheme)) {
      absolute.remove_prefix(scheme.size());
      break;
    }
  }
  const auto folder = store.LocalPath(table_path);
  if (folder.has_value() && absolute.starts_with(EncodePath(*folder) + "/")) {
    ARROW_ASSIGN_OR_RAISE(const std::string inside,
                          DecodePath(absolute.substr(EncodePath(*folder).size() + 1)));
    return table_path + "/" + inside;
  }
  return MakeError(ErrorCode::kUnsupported,
                   "deletion vector '" + std::string(uri) + "' outside the table");
}

}  // namespace

arrow::Result<std::string> DecodeZ85(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  static const std::array<int8_t, 256> digits = [] {
    std::array<int8_t, 256> table{};
    table.fill(-1);
    for (size_t i = 0; i < kAlphabet.size(); ++i) {
      table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
    }
    return table;
  }();
  if (text.size() % 5 != 0) {
    return Corrupt("Base85 text of " + std::to_string(text.size()) + " characters");
  }
  std::string bytes;
  bytes.reserve(text.size() / 5 * 4);
  for (size_t at = 0; at < text.size(); at += 5) {
    uint64_t value = 0;
    for (const char c : text.substr(at, 5)) {
      const int8_t digit = digits[static_cast<uint8_t>(c)];
      if (digit < 0) {
        return Corrupt("a character that Base85 does not have");
      }
      value = value * 85 + static_cast<uint64_t>(digit);
    }
    if (value > UINT32_MAX) {
      return Corrupt("a Base85 group that is too great");
    }
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes += static_cast<char>((value >> shift) & 0xFF);
    }
  }
  return bytes;
}

arrow::Result<RowRanges> ParseDeletionBitmap(std::string_view bytes, int64_t max_rows) {
  Cursor in(bytes);
  ARROW_ASSIGN_OR_RAISE(const auto magic, in.Next<uint32_t>());
  if (magic != kMagic) {
    return Corrupt("magic number " + std::to_string(magic));
  }
  ARROW_ASSIGN_OR_RAISE(const auto buckets, in.Next<uint64_t>());
  Collector rows(max_rows);
  int64_t last_key = -1;
  for (uint64_t i = 0; i < buckets; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto key, in.Next<uint32_t>());
    if (key > INT32_MAX || int64_t{key} <= last_key) {
      return Corrupt("bucket keys out of order");
    }
    last_key = key;
    ARROW_RETURN_NOT_OK(ReadBucket(&in, uint64_t{key} << 32, &rows));
  }
  if (in.left() != 0) {
    return Corrupt(std::to_string(in.left()) + " bytes behind the bitmap");
  }
  return std::move(rows).Take();
}

arrow::Result<std::string> DeletionVectorPath(const ObjectStore& store,
                                              const std::string& table_path,
                                              const DeletionVector& vector) {
  const std::string& text = vector.path_or_inline_dv;
  if (vector.storage_type == "p") {
    return InsideTable(store, table_path, text);
  }
  if (vector.storage_type != "u") {
    return MakeError(ErrorCode::kUnsupported,
                     "deletion vector of storage type '" + vector.storage_type + "'");
  }
  if (text.size() < kUuidText) {
    return Corrupt("'" + text + "' names no file");
  }
  const std::string prefix = text.substr(0, text.size() - kUuidText);
  ARROW_ASSIGN_OR_RAISE(const std::string uuid, DecodeZ85(text.substr(prefix.size())));
  std::string path = table_path + "/" + prefix + (prefix.empty() ? "" : "/") + "deletion_vector_" +
                     UuidText(uuid) + ".bin";
  ARROW_RETURN_NOT_OK(CheckObjectPath(path));
  return path;
}

arrow::Result<RowRanges> ReadDeletionVector(ObjectStore& store, const std::string& table_path,
                                            const DeletionVector& vector) {
  std::string path;
  if (vector.storage_type != "i") {
    ARROW_ASSIGN_OR_RAISE(path, DeletionVectorPath(store, table_path, vector));
  }
  auto rows = [&]() -> arrow::Result<RowRanges> {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, BitmapBytes(store, path, vector));
    ARROW_ASSIGN_OR_RAISE(auto parsed, ParseDeletionBitmap(bytes, vector.cardinality));
    if (parsed.count() != vector.cardinality) {
      return Corrupt(std::to_string(parsed.count()) + " rows where the log says " +
                     std::to_string(vector.cardinality));
    }
    return parsed;
  }();
  if (!rows.ok() && base::CodeOf(rows.status()) == ErrorCode::kNotFound) {
    return Corrupt("no file " + path);
  }
  return rows.ok() || path.empty() ? rows : base::WithContext(rows.status(), path);
}

}  // namespace icecore::lake
