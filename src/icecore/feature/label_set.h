#pragma once
// Labels of a piece of the spine, sorted once per set of key columns, for all views that are asked
// by them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "icecore/feature/key_column.h"

namespace icecore::feature {

// Labels in the order of (key, t), keys as KeyDictionary::SortByWord orders them; equal ones as
// they came. A label is a row of the spine under one use of its keys: those of use u are u *
// spine_rows + row. Immutable once made, thread safe.
class LabelSet {
 public:
  static constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

  // Per use the key columns, of `types`; t of each row, null: the row matches nothing. kLimit
  // beyond 2^31 - 2 labels.
  static arrow::Result<std::unique_ptr<LabelSet>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types,
      const std::vector<std::vector<std::shared_ptr<arrow::Array>>>& uses,
      const arrow::Int64Array& times);

  const KeyDictionary& keys() const { return *keys_; }
  int64_t byte_count() const;  // what it takes in memory
  int64_t label_count() const { return static_cast<int64_t>(places_.size()); }
  // Labels that can match, by place: their t, and where those of a key begin (one entry more than
  // keys).
  const std::vector<int64_t>& times() const { return times_; }
  const std::vector<uint32_t>& starts() const { return starts_; }
  // The key of the label at `place`.
  int32_t KeyAt(size_t place) const;
  // By label: its place, kNowhere of one that matches nothing.
  const std::vector<uint32_t>& places() const { return places_; }
  // Of labels that can match; earliest > latest where there are none.
  int64_t earliest() const { return earliest_; }
  int64_t latest() const { return latest_; }

 private:
  struct Label {
    int64_t t = 0;
    uint32_t label = 0;
    bool operator<(const Label& other) const {
      return t != other.t ? t < other.t : label < other.label;
    }
  };
  std::vector<Label> GroupByKey(const std::vector<int32_t>& keys, const arrow::Int64Array& times);
  void SortPiece(size_t begin, size_t end, std::vector<Label>* labels) const;
  void MergeCutKeys(const std::vector<size_t>& bounds, std::vector<Label>* labels) const;
  void Sort(const std::vector<int32_t>& keys, const arrow::Int64Array& times);

  std::unique_ptr<KeyDictionary> keys_;
  std::vector<int64_t> times_;
  std::vector<uint32_t> starts_;
  std::vector<uint32_t> places_;
  int64_t earliest_ = std::numeric_limits<int64_t>::max();
  int64_t latest_ = std::numeric_limits<int64_t>::min();
};

// Places [0, count) cut into pieces of about equal weight, for all cores: their bounds. A hot key
// is cut too.
std::vector<size_t> CutPlaces(size_t count);

}  // namespace icecore::feature
