// Any bytes as the index of an online store of items and as the record of a view, as they are and
// with a checksum that is right: an error, or a record that is read back as it was written.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "icecore/base/id.h"
#include "icecore/online/items/item_records.h"
#include "icecore/state/wire.h"

namespace {

namespace wire = icecore::state::wire;

void DecodeIndex(std::string_view bytes) {
  const auto index = icecore::online::DecodeIndex(bytes);
  if (!index.ok()) return;
  const std::string written = icecore::online::EncodeIndex(*index);
  const auto again = icecore::online::DecodeIndex(written);
  if (!again.ok() || again->revision != index->revision || again->views != index->views ||
      again->entities != index->entities || icecore::online::EncodeIndex(*again) != written) {
    std::abort();
  }
}

void DecodeView(std::string_view bytes) {
  const auto record = icecore::online::DecodeViewRecord(bytes, "v");
  if (!record.ok()) return;
  const std::string written = icecore::online::EncodeViewRecord(*record);
  const auto again = icecore::online::DecodeViewRecord(written, "v");
  if (!again.ok() || icecore::online::EncodeViewRecord(*again) != written) std::abort();
  icecore::online::ItemViewRecord ended = *record;
  ended.EndLease();
  if (ended.lease.has_value()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  DecodeIndex(bytes);
  DecodeView(bytes);
  if (size < 1) return 0;
  const std::string_view body = bytes.substr(1);
  std::string sealed = icecore::online::ItemVersionBytes(7);
  wire::PutByte(0xD2, &sealed);
  wire::PutFixed64(icecore::base::Hash64(body), &sealed);
  sealed.append(body);
  if ((data[0] & 1) != 0) {
    DecodeIndex(sealed);
  } else {
    DecodeView(sealed);
  }
  return 0;
}
