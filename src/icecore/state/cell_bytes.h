#pragma once
// What all cells of a key have in common (docs/formats/state.md): magic, version, content and a
// checksum of all before it.

#include <arrow/result.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "icecore/state/aggregate.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {

// The front of a cell.
std::string OpenCell(std::string_view magic, uint8_t version);
// Its end.
void SealCell(std::string* bytes);
// The content of a cell; kCorrupt when the bytes are not what was written, kUnsupported for another
// version.
arrow::Result<std::string_view> UnsealCell(std::string_view bytes, std::string_view magic,
                                           uint8_t version);
// "the stored state of a key is damaged: WHAT", kCorrupt.
arrow::Status CorruptCell(std::string_view what);

void PutOrder(const RowOrder& order, std::string* out);
bool GetOrder(std::string_view* in, RowOrder* order);
// One encoded element off the front, as its bytes.
bool TakeElement(const ValueCodec& codec, std::string_view* in, std::string* element);
// Big-endian with the sign turned over: sorts as the numbers do.
void PutSortable(int64_t value, std::string* out);
// Back, from the first eight bytes.
int64_t GetSortable(std::string_view bytes);

}  // namespace icecore::state
