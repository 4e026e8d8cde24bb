#pragma once
// The bytes of a push journal's segments (docs/formats/journal.md).

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace icecore::ingest {

// What one push brought.
struct JournalEntry {
  int64_t number = 0;     // from 1 within the journal, without gaps
  int64_t time_us = 0;    // when it was taken
  int64_t first_row = 0;  // rows of all entries before it
  int64_t row_count = 0;
  uint32_t place = 0;  // among the entries that were synced together, from 0
  std::string key;     // the idempotency key; "" where there is none
  std::string rows;    // JSON objects, each ended by '\n'; "" once they have landed
};

// Where a segment begins.
struct SegmentHeader {
  int64_t first_number = 1;
  int64_t first_row = 0;
};

inline constexpr size_t kSegmentHeaderBytes = 32;
inline constexpr int64_t kMaxEntryBytes = int64_t{64} << 20;  // of `rows`
inline constexpr size_t kMaxIdempotencyKeyBytes = 256;

std::string EncodeHeader(const SegmentHeader& header);
// kCorrupt for anything that EncodeHeader did not give; what lies behind the header is not looked
// at.
arrow::Result<SegmentHeader> DecodeHeader(std::string_view bytes);

void AppendEntry(const JournalEntry& entry, std::string* out);
// Takes one entry from the front of *bytes. nullopt, with *bytes as it was: what is left is the
// beginning of an entry, or an entry that was not written whole. kCorrupt: bytes with a right
// checksum that are no entry.
arrow::Result<std::optional<JournalEntry>> TakeEntry(std::string_view* bytes);
// The same without its rows, which are *row_bytes long.
arrow::Result<std::optional<JournalEntry>> TakeEntryHead(std::string_view* bytes,
                                                         size_t* row_bytes);

}  // namespace icecore::ingest
