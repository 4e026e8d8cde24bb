#pragma once
// Entity keys: columns of any width brought to the entity's type, and keys of several parts as
// small numbers.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "icecore/state/value_codec.h"

namespace icecore::feature {

// Whether columns of type `from` can be keys of type `to`: integers of any width, strings and
// binary of any offset width, else the same type (timestamps of any unit). Floats and nested types
// never.
bool KeyTypesMatch(const arrow::DataType& from, const arrow::DataType& to);

// The column in the key's type. A value that the key's type cannot hold matches nothing: null.
arrow::Result<std::shared_ptr<arrow::Array>> CastKey(std::shared_ptr<arrow::Array> column,
                                                     const std::shared_ptr<arrow::DataType>& to);

// Gives every distinct key a number from 0. Parts are encoded self-delimiting, so keys whose texts
// run together ("1","23" and "12","3") stay apart. Not thread safe.
class KeyDictionary {
 public:
  static arrow::Result<std::unique_ptr<KeyDictionary>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types);

  // One number per row, -1 where a part is null. `columns` are of the types given to Make.
  arrow::Result<std::vector<int64_t>> AddAll(
      const std::vector<std::shared_ptr<arrow::Array>>& columns);
  // As AddAll, but keys not yet known get -1.
  arrow::Result<std::vector<int64_t>> FindAll(
      const std::vector<std::shared_ptr<arrow::Array>>& columns) const;

  int64_t size() const { return size_; }

 private:
  struct TextHash {
    size_t operator()(const std::string& text) const;
  };
  template <typename Visit>
  arrow::Status ForEach(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                        const Visit& visit) const;

  std::vector<std::unique_ptr<state::ValueCodec>> codecs_;
  bool narrow_ = false;  // one part of at most 64 bits
  std::unordered_map<uint64_t, int64_t> numbers_;
  std::unordered_map<std::string, int64_t, TextHash> texts_;
  int64_t size_ = 0;
};

}  // namespace icecore::feature
