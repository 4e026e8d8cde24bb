// The bytes of a push journal, and of what it says of closed batches: whatever they are, nothing is
// made up, and what was taken encodes to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "icecore/ingest/push/closed_batches.h"
#include "icecore/ingest/push/journal_format.h"

namespace {

void ParseClosed(std::string_view text) {
  const auto closed = icecore::ingest::ParseClosedBatches(text);
  if (!closed.ok()) return;
  std::string again = icecore::ingest::EncodeClosedFrom(closed->from);
  for (const auto& batch : closed->batches) again += icecore::ingest::EncodeClosedBatch(batch);
  if (again != text.substr(0, closed->bytes)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using icecore::ingest::AppendEntry;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ParseClosed(bytes);
  if (const auto header = icecore::ingest::DecodeHeader(bytes); header.ok()) {
    if (!bytes.starts_with(icecore::ingest::EncodeHeader(*header))) std::abort();
    bytes.remove_prefix(icecore::ingest::kSegmentHeaderBytes);
  }
  while (true) {
    const std::string_view before = bytes;
    const auto entry = icecore::ingest::TakeEntry(&bytes);
    if (!entry.ok() || !*entry) return 0;
    std::string again;
    AppendEntry(**entry, &again);
    if (!before.starts_with(again) || bytes.size() + again.size() != before.size()) std::abort();
  }
}
