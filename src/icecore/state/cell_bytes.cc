#include "icecore/state/cell_bytes.h"

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/wire.h"

namespace icecore::state {

using base::ErrorCode;
using base::MakeError;

std::string OpenCell(std::string_view magic, uint8_t version) {
  std::string out(magic);
  wire::PutByte(version, &out);
  return out;
}

void SealCell(std::string* bytes) { wire::PutFixed64(base::Hash64(*bytes), bytes); }

arrow::Status CorruptCell(std::string_view what) {
  return MakeError(ErrorCode::kCorrupt,
                   "the stored state of a key is damaged: " + std::string(what));
}

arrow::Result<std::string_view> UnsealCell(std::string_view bytes, std::string_view magic,
                                           uint8_t version) {
  if (bytes.size() < magic.size() + 9) return CorruptCell("a cell is too short");
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  std::string_view tail = bytes.substr(body.size());
  uint64_t checksum = 0;
  wire::GetFixed64(&tail, &checksum);
  if (!body.starts_with(magic)) return CorruptCell("a cell is not of the kind its name says");
  if (body[magic.size()] != static_cast<char>(version)) {
    return MakeError(ErrorCode::kUnsupported,
                     "the stored state has format version " +
                         std::to_string(static_cast<uint8_t>(body[magic.size()])) +
                         ", this program reads " + std::to_string(version) +
                         "; run `icecore materialize --full`");
  }
  if (checksum != base::Hash64(body)) return CorruptCell("a cell's checksum does not match");
  return body.substr(magic.size() + 1);
}

void PutOrder(const RowOrder& order, std::string* out) {
  wire::PutInt64(order.event_time, out);
  wire::PutInt64(order.known_at, out);
  wire::PutInt64(order.seq, out);
}

bool GetOrder(std::string_view* in, RowOrder* order) {
  return wire::GetInt64(in, &order->event_time) && wire::GetInt64(in, &order->known_at) &&
         wire::GetInt64(in, &order->seq);
}

bool TakeElement(const ValueCodec& codec, std::string_view* in, std::string* element) {
  const std::string_view before = *in;
  if (!codec.Skip(in)) return false;
  *element = before.substr(0, before.size() - in->size());
  return true;
}

void PutSortable(int64_t value, std::string* out) {
  const uint64_t ordered = static_cast<uint64_t>(value) ^ (uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(ordered >> shift));
}

int64_t GetSortable(std::string_view bytes) {
  uint64_t ordered = 0;
  for (size_t i = 0; i < 8; ++i) ordered = ordered << 8 | static_cast<uint8_t>(bytes[i]);
  return static_cast<int64_t>(ordered ^ (uint64_t{1} << 63));
}

}  // namespace icecore::state
