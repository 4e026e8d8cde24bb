#include "icecore/ingest/push/journal_format.h"

#include <cstring>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kMagic = "ICPJ";
constexpr uint32_t kVersion = 1;
constexpr size_t kFrameBytes = 12;     // length, checksum
constexpr size_t kBodyHeadBytes = 40;  // number, time, first row, row count, key's length, place
constexpr size_t kMaxBodyBytes = kBodyHeadBytes + kMaxIdempotencyKeyBytes + kMaxEntryBytes;

// Integers are little-endian, as the machines are that this runs on.
template <typename T>
void Put(T value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof value);
}

template <typename T>
T Get(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// *rows: where the entry's are among the bytes.
arrow::Result<std::optional<JournalEntry>> TakeHead(std::string_view* bytes,
                                                    std::string_view* rows) {
  if (bytes->size() < kFrameBytes) {
    return std::optional<JournalEntry>();
  }
  const size_t length = Get<uint32_t>(*bytes, 0);
  if (length < kBodyHeadBytes || length > kMaxBodyBytes || length > bytes->size() - kFrameBytes) {
    return std::optional<JournalEntry>();
  }
  const std::string_view body = bytes->substr(kFrameBytes, length);
  if (Get<uint64_t>(*bytes, 4) != base::Hash64(body)) {
    return std::optional<JournalEntry>();
  }
  JournalEntry entry;
  entry.number = Get<int64_t>(body, 0);
  entry.time_us = Get<int64_t>(body, 8);
  entry.first_row = Get<int64_t>(body, 16);
  entry.row_count = Get<int64_t>(body, 24);
  const size_t key_bytes = Get<uint32_t>(body, 32);
  entry.place = Get<uint32_t>(body, 36);
  if (entry.number < 1 || entry.place >= entry.number || entry.first_row < 0 ||
      entry.row_count < 1 || key_bytes > kMaxIdempotencyKeyBytes ||
      key_bytes > body.size() - kBodyHeadBytes) {
    return MakeError(ErrorCode::kCorrupt, "entry of a push journal with values that cannot be");
  }
  entry.key = body.substr(kBodyHeadBytes, key_bytes);
  *rows = body.substr(kBodyHeadBytes + key_bytes);
  bytes->remove_prefix(kFrameBytes + length);
  return std::optional<JournalEntry>(std::move(entry));
}

}  // namespace

std::string EncodeHeader(const SegmentHeader& header) {
  std::string out(kMagic);
  Put(kVersion, &out);
  Put(header.first_number, &out);
  Put(header.first_row, &out);
  Put(base::Hash64(out), &out);
  return out;
}

arrow::Result<SegmentHeader> DecodeHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return MakeError(ErrorCode::kCorrupt, "not a push journal");
  }
  if (const auto version = Get<uint32_t>(bytes, 4); version != kVersion) {
    return MakeError(ErrorCode::kCorrupt, "push journal of version " + std::to_string(version) +
                                              ", expected " + std::to_string(kVersion));
  }
  SegmentHeader header{Get<int64_t>(bytes, 8), Get<int64_t>(bytes, 16)};
  if (Get<uint64_t>(bytes, 24) != base::Hash64(bytes.substr(0, 24)) || header.first_number < 1 ||
      header.first_row < 0) {
    return MakeError(ErrorCode::kCorrupt, "damaged header of a push journal");
  }
  return header;
}

void AppendEntry(const JournalEntry& entry, std::string* out) {
  std::string body;
  body.reserve(kBodyHeadBytes + entry.key.size() + entry.rows.size());
  Put(entry.number, &body);
  Put(entry.time_us, &body);
  Put(entry.first_row, &body);
  Put(entry.row_count, &body);
  Put(static_cast<uint32_t>(entry.key.size()), &body);
  Put(entry.place, &body);
  body += entry.key;
  body += entry.rows;
  Put(static_cast<uint32_t>(body.size()), out);
  Put(base::Hash64(body), out);
  *out += body;
}

arrow::Result<std::optional<JournalEntry>> TakeEntry(std::string_view* bytes) {
  std::string_view rows;
  ARROW_ASSIGN_OR_RAISE(auto entry, TakeHead(bytes, &rows));
  if (entry) entry->rows = rows;
  return entry;
}

arrow::Result<std::optional<JournalEntry>> TakeEntryHead(std::string_view* bytes,
                                                         size_t* row_bytes) {
  std::string_view rows;
  ARROW_ASSIGN_OR_RAISE(auto entry, TakeHead(bytes, &rows));
  *row_bytes = rows.size();
  return entry;
}

}  // namespace icecore::ingest
