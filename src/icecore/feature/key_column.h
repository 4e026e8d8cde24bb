#pragma once
// Entity keys: columns of any width brought to the entity's type, and keys of any parts as small
// numbers.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/huge_pages.h"
#include "icecore/state/value_codec.h"

namespace icecore::feature {

// Whether columns of type `from` can be keys of type `to`: integers of any width, strings and
// binary of any offset width, else the same type (timestamps of any unit). Floats and nested types
// never.
bool KeyTypesMatch(const arrow::DataType& from, const arrow::DataType& to);

// The column in the key's type. A value that the key's type cannot hold matches nothing: null.
arrow::Result<std::shared_ptr<arrow::Array>> CastKey(std::shared_ptr<arrow::Array> column,
                                                     const std::shared_ptr<arrow::DataType>& to);

// Keys of rows as 64-bit words: equal keys have equal words. Of keys of one part of at most 64 bits
// different ones have different words; others are told apart by their bytes, in which parts are
// self-delimiting, so that keys whose texts run together ("1","23" and "12","3") stay apart.
struct KeyWords {
  std::vector<uint64_t> words;  // per row; spread over all 64 bits
  std::vector<uint8_t> whole;   // per row: no part is null; else the word says nothing
  std::string bytes;            // of wide keys, row after row
  std::vector<uint64_t> ends;   // of wide keys, per row: one past its bytes

  int64_t size() const { return static_cast<int64_t>(words.size()); }
  std::string_view BytesOf(int64_t row) const;
};

// Immutable, thread safe.
class KeyEncoder {
 public:
  static arrow::Result<std::unique_ptr<KeyEncoder>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types);
  // `columns` are of the types given to Make, one at least.
  arrow::Result<KeyWords> Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns) const;
  bool narrow() const { return narrow_; }  // the word alone tells keys apart

 private:
  arrow::Status EncodeWide(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                           KeyWords* keys) const;
  std::vector<std::unique_ptr<state::ValueCodec>> codecs_;
  bool narrow_ = false;
};

// Gives every distinct key a number from 0, in the order in which they first come. Thread safe as
// long as nobody adds.
class KeyDictionary {
 public:
  static constexpr int32_t kNone = -1;
  static arrow::Result<std::unique_ptr<KeyDictionary>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types);

  // One number per row, kNone where a part is null. `columns` are of the types given to Make.
  // kLimit beyond 2^31 - 2 keys.
  arrow::Result<std::vector<int32_t>> AddAll(
      const std::vector<std::shared_ptr<arrow::Array>>& columns);
  // As AddAll, but keys not yet known get kNone.
  arrow::Result<std::vector<int32_t>> FindAll(
      const std::vector<std::shared_ptr<arrow::Array>>& columns) const;

  int32_t size() const { return size_; }

  // Numbers the keys anew so that they ascend by word, then by bytes: the order of clustered logs.
  // Returns the new number of each old one.
  std::vector<int32_t> SortByWord();
  // Of a key by its number.
  uint64_t WordOf(int32_t number) const { return words_[static_cast<size_t>(number)]; }
  std::string_view BytesOf(int32_t number) const;
  bool narrow() const { return encoder_->narrow(); }
  int64_t byte_count() const;  // what it takes in memory

 private:
  // A place of the hash table: the key's word and its number.
  struct Place {
    uint64_t word = 0;
    int32_t number = kNone;
  };
  int32_t NumberOf(uint64_t word) const;  // of a narrow key
  // The place that holds the key of the row, or the free one where it would stand.
  size_t PlaceOf(const KeyWords& keys, int64_t row) const;
  void Prefetch(uint64_t word) const;
  void Grow();

  std::unique_ptr<KeyEncoder> encoder_;
  base::HugeVector<Place> places_;  // a power of two, at most half of them taken
  int32_t size_ = 0;
  std::vector<uint64_t> words_;  // by number
  std::string bytes_;            // of wide keys, by number
  std::vector<uint64_t> ends_;   // likewise
};

}  // namespace icecore::feature
