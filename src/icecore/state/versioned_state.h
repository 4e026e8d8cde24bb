#pragma once
// The state of one key of a versioned view: its rows, each with the time it counts until, and the
// answers computed from them. Nothing is kept in sums, since a row may be taken back at any time.

#include <arrow/result.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

class VersionedKeyState final : public KeyState {
 public:
  explicit VersionedKeyState(const ViewPlan* plan) : plan_(plan) {}

  arrow::Status Add(const PreparedRows& rows, int64_t row) override;
  arrow::Status AddUntil(const PreparedRows& rows, int64_t row, int64_t until) override;
  arrow::Status End(const VersionId& version, int64_t until) override;
  arrow::Status AdvanceTo(int64_t t) override;
  arrow::Status Read(int64_t t, VectorSink* sink) const override;
  int64_t applied_seq() const override { return applied_seq_; }
  int64_t applied_until() const override { return applied_until_; }
  void SetApplied(int64_t seq, int64_t until) override;
  arrow::Result<std::vector<CellChange>> TakeChanges() override;

  arrow::Status Load(const std::vector<CellView>& cells);

 private:
  struct Held {
    RowOrder order;
    int64_t activation = 0;
    int64_t until = 0;
    std::vector<uint8_t> masks;
    std::vector<std::string> values;  // encoded, one per value type
  };
  using Rows = std::map<VersionId, Held>;

  static bool Passes(const Held& row, int mask) {
    return mask < 0 || row.masks[static_cast<size_t>(mask)] != 0;
  }
  // Whether an answer at advanced_to_ or later can need the row.
  bool Matters(const Held& row) const;
  void Touch(const VersionId& version, const Held& row);
  Rows::iterator Drop(Rows::iterator row);
  arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> Decode(
      const std::vector<const Held*>& rows) const;
  arrow::Status ReadWindows(int64_t t, const std::vector<const Held*>& active,
                            VectorSink* sink) const;
  std::string EncodeHead() const;
  static std::string EncodeRow(const Held& row);
  arrow::Status LoadHead(std::string_view bytes);
  arrow::Status LoadRow(const CellView& cell);

  const ViewPlan* plan_;
  Rows rows_;
  int64_t applied_seq_ = std::numeric_limits<int64_t>::min();
  int64_t applied_until_ = std::numeric_limits<int64_t>::min();
  int64_t advanced_to_ = std::numeric_limits<int64_t>::min();
  bool head_changed_ = true;
  // By suffix: taken, ended or dropped since the last TakeChanges.
  std::map<std::string, VersionId> changed_;
};

}  // namespace icecore::state
