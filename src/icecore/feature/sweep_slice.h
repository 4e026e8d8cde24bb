#pragma once
// The rows of some keys laid out for one thread: each column once, in order, without a call per
// value. Everything is indexed by position in the slice.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/sweep.h"
#include "icecore/feature/sweep_order.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// The values of one column under one mask.
struct SweepColumn {
  std::vector<uint8_t> usable;  // 1: passes the mask, and neither null nor NaN
  bool all_usable = true;
  const state::ValueCodec* codec = nullptr;        // of the value; null: rows are counted
  const std::vector<uint64_t>* narrow = nullptr;   // of narrow types, where asked for
  const std::vector<std::string>* wide = nullptr;  // of others, where asked for
  const std::vector<uint64_t>* hashes = nullptr;   // where asked for
};

class SweepSlice {
 public:
  // What is laid out of a value.
  struct Needs {
    bool ordered = false;  // narrow or wide
    bool hashes = false;
  };

  SweepSlice(const state::ViewPlan& plan, const SweepRows& rows, const ByKey& order)
      : plan_(plan), rows_(rows), order_(order), values_(plan.codecs.size()) {}

  // A column that every later Load fills; value -1: none, mask -1: none. Lives as long as this.
  const SweepColumn* AddColumn(int value, int mask, Needs needs);

  // Part of the rows' order.
  struct Piece {
    int64_t first = 0;
    int64_t count = 0;
  };
  // Lays the pieces out one after another, in place of what was there.
  arrow::Status Load(const std::vector<Piece>& pieces);

  const std::vector<int64_t>& event_times() const { return event_times_; }
  const std::vector<int64_t>& activations() const { return activations_; }
  // Empty where nothing ends.
  const std::vector<int64_t>& untils() const { return untils_; }
  uint32_t RowAt(int64_t position) const { return row_ids_[static_cast<size_t>(position)]; }

 private:
  struct Value {
    bool used = false;
    Needs needs;
    bool all_usable = true;
    std::vector<uint8_t> usable;
    std::vector<uint64_t> narrow;
    std::vector<std::string> wide;
    std::vector<uint64_t> hashes;
  };
  struct Column {
    int value;
    int mask;
    SweepColumn column;
  };

  arrow::Status LoadValue(size_t at);
  void LoadColumn(Column* column) const;
  // Rows of the slice for the codecs: null where they follow one another.
  const uint32_t* scattered() const { return contiguous_ ? nullptr : row_ids_.data(); }
  int64_t first() const { return row_ids_.empty() ? 0 : row_ids_[0]; }
  int64_t size() const { return static_cast<int64_t>(row_ids_.size()); }

  const state::ViewPlan& plan_;
  const SweepRows& rows_;
  const ByKey& order_;
  std::vector<Value> values_;
  std::vector<std::unique_ptr<Column>> columns_;
  bool contiguous_ = true;
  std::vector<uint32_t> row_ids_;
  std::vector<int64_t> event_times_;
  std::vector<int64_t> activations_;
  std::vector<int64_t> untils_;
};

}  // namespace icecore::feature
