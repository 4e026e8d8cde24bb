#pragma once
// Entity keys as bytes: equal keys give equal bytes on every side, whatever the width or layout of
// the Arrow type; bytes sort as the values do; no key's bytes are the front of another's. Every
// store keeps keys in this form. Bytes: docs/formats/online.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace icecore::online {

// The encoded keys of a batch of rows, in one piece of memory.
class EncodedKeys {
 public:
  EncodedKeys() = default;
  // `ends`: where each row's key ends in `bytes`.
  EncodedKeys(std::string bytes, std::vector<size_t> ends)
      : bytes_(std::move(bytes)), ends_(std::move(ends)) {}

  int64_t num_rows() const { return static_cast<int64_t>(ends_.size()); }
  // The key of a row; empty when any part is null (such a key matches nothing).
  std::string_view key(int64_t row) const {
    const size_t i = static_cast<size_t>(row);
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

// One array per key column, in the entity's order, each of num_rows elements. Integers of all
// widths, bool, strings, binary, dates, timestamps (in microseconds; finer ones are cut down),
// times, floats and decimals; any other type is kUnsupported, a wrong length kInternal.
arrow::Result<EncodedKeys> EncodeKeys(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                                      int64_t num_rows);

// The key of a cell that belongs to no entity key but to a table key (of a view over a table with
// versions), given as bytes: no entity key's bytes are these.
std::string EncodeTableKey(std::string_view bytes);

// Length of the encoded key at the front of `bytes`, which a zero byte must follow; nullopt when
// the bytes are no encoded key.
std::optional<size_t> EncodedKeyLength(std::string_view bytes);

}  // namespace icecore::online
