#include "icecore/state/versioned_state.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <algorithm>
#include <optional>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

constexpr std::string_view kHeadMagic = "ICKV";
constexpr std::string_view kRowMagic = "ICKR";
constexpr uint8_t kVersion = 1;

constexpr size_t kRowSuffixBytes = 16 + kMarkBytes;

std::string SuffixOf(int64_t event_time, const VersionId& version) {
  std::string suffix;
  PutSortable(event_time, &suffix);
  PutSortable(version.seq, &suffix);
  suffix.append(version.mark);
  return suffix;
}

}  // namespace

VersionId MakeVersionId(std::string_view table_key, std::string_view order, int64_t seq) {
  std::string both;
  wire::PutBytes(table_key, &both);
  both.append(order);
  return {seq, base::Hash128(both).substr(0, kMarkBytes)};
}

arrow::Status VersionedKeyState::Add(const PreparedRows&, int64_t) {
  return base::MakeError(base::ErrorCode::kInternal,
                         "a row of a table with versions needs the time it counts until");
}

arrow::Status VersionedKeyState::AddUntil(const PreparedRows& rows, int64_t row, int64_t until) {
  if (rows.event_time->IsNull(row) || rows.known_at->IsNull(row)) return arrow::Status::OK();
  Held held;
  held.order = {rows.event_time->Value(row), rows.known_at->Value(row), rows.seq->Value(row)};
  held.order.known_at = std::max(held.order.known_at, held.order.event_time);
  if (plan_->layout.always) held.order.event_time = held.order.known_at = 0;
  held.activation = plan_->ActivationOf(held.order.event_time, held.order.known_at);
  held.until = until;
  for (const auto& mask : rows.masks) {
    held.masks.push_back(mask->IsValid(row) && mask->Value(row) ? 1 : 0);
  }
  held.values.resize(plan_->codecs.size());
  for (size_t i = 0; i < plan_->codecs.size(); ++i) {
    ARROW_RETURN_NOT_OK(plan_->codecs[i]->Encode(*rows.values[i], row, &held.values[i]));
  }
  const VersionId version =
      MakeVersionId(rows.table_key->GetView(row), rows.version_order->GetView(row), held.order.seq);
  if (const auto known = rows_.find(version); known != rows_.end()) Drop(known);
  if (!Matters(held)) return arrow::Status::OK();
  Touch(version, held);
  rows_.emplace(version, std::move(held));
  return arrow::Status::OK();
}

arrow::Status VersionedKeyState::End(const VersionId& version, int64_t until) {
  const auto held = rows_.find(version);
  if (held == rows_.end() || held->second.until == until) return arrow::Status::OK();
  Touch(version, held->second);
  held->second.until = until;
  if (!Matters(held->second)) Drop(held);
  return arrow::Status::OK();
}

bool VersionedKeyState::Matters(const Held& row) const {
  if (row.until <= advanced_to_ || row.until <= row.activation) return false;
  for (const AsOfSet& set : plan_->as_of) {
    if (Passes(row, set.mask)) return true;
  }
  return row.order.event_time >= plan_->OldestInWindows(advanced_to_);
}

void VersionedKeyState::Touch(const VersionId& version, const Held& row) {
  head_changed_ = true;
  changed_.emplace(SuffixOf(row.order.event_time, version), version);
}

VersionedKeyState::Rows::iterator VersionedKeyState::Drop(Rows::iterator row) {
  Touch(row->first, row->second);
  return rows_.erase(row);
}

arrow::Status VersionedKeyState::AdvanceTo(int64_t t) {
  if (t < advanced_to_) return CannotGoBack(advanced_to_, t);
  if (t == advanced_to_) return arrow::Status::OK();
  advanced_to_ = t;
  for (auto row = rows_.begin(); row != rows_.end();) {
    row = Matters(row->second) ? std::next(row) : Drop(row);
  }
  return arrow::Status::OK();
}

void VersionedKeyState::SetApplied(int64_t seq, int64_t until) {
  if (seq == applied_seq_ && until == applied_until_) return;
  applied_seq_ = seq;
  applied_until_ = until;
  head_changed_ = true;
}

arrow::Status VersionedKeyState::Read(int64_t t, VectorSink* sink) const {
  if (t < advanced_to_) return NoLongerAnswers(advanced_to_, t);
  std::vector<const Held*> active;
  for (const auto& [version, row] : rows_) {
    if (row.activation <= t && t < row.until) active.push_back(&row);
  }
  for (const AsOfSet& set : plan_->as_of) {
    const Held* chosen = nullptr;
    for (const Held* row : active) {
      if (Passes(*row, set.mask) && (chosen == nullptr || chosen->order < row->order)) chosen = row;
    }
    ARROW_RETURN_NOT_OK(AppendAsOf(*plan_, set, t, chosen == nullptr ? nullptr : &chosen->order,
                                   sink, [&](size_t place) -> std::string_view {
                                     return chosen->values[static_cast<size_t>(set.values[place])];
                                   }));
  }
  return plan_->groups.empty() ? arrow::Status::OK() : ReadWindows(t, active, sink);
}

arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> VersionedKeyState::Decode(
    const std::vector<const Held*>& rows) const {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < plan_->codecs.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(plan_->codecs[i]->type()));
    for (const Held* row : rows) {
      std::string_view bytes = row->values[i];
      ARROW_RETURN_NOT_OK(plan_->codecs[i]->Decode(&bytes, builder.get()));
    }
    ARROW_ASSIGN_OR_RAISE(auto column, builder->Finish());
    columns.push_back(std::move(column));
  }
  return columns;
}

arrow::Status VersionedKeyState::ReadWindows(int64_t t, const std::vector<const Held*>& active,
                                             VectorSink* sink) const {
  std::vector<const Held*> within;
  const int64_t oldest = plan_->OldestInWindows(t);
  for (const Held* row : active) {
    if (row->order.event_time >= oldest) within.push_back(row);
  }
  ARROW_ASSIGN_OR_RAISE(const auto columns, Decode(within));
  for (const TileGroup& group : plan_->groups) {
    for (const WindowRead& read : group.reads) {
      const Slot& slot = group.slots[static_cast<size_t>(read.slot)];
      const int64_t tail = WindowTail(t, read.length_us, group.hop_us);
      const std::unique_ptr<SlotState> window = slot.maker->New();
      const arrow::Array* input =
          slot.value < 0 ? nullptr : columns[static_cast<size_t>(slot.value)].get();
      for (size_t i = 0; i < within.size(); ++i) {
        if (within[i]->order.event_time < tail || !Passes(*within[i], slot.mask)) continue;
        ARROW_RETURN_NOT_OK(window->Add(input, static_cast<int64_t>(i), within[i]->order));
      }
      ARROW_RETURN_NOT_OK(AppendWindow(*plan_, read, *window, sink));
    }
  }
  return arrow::Status::OK();
}

std::string VersionedKeyState::EncodeHead() const {
  std::string out = OpenCell(kHeadMagic, kVersion);
  wire::PutInt64(applied_seq_, &out);
  wire::PutInt64(applied_until_, &out);
  wire::PutInt64(advanced_to_, &out);
  SealCell(&out);
  return out;
}

std::string VersionedKeyState::EncodeRow(const Held& row) {
  std::string out = OpenCell(kRowMagic, kVersion);
  PutOrder(row.order, &out);
  wire::PutInt64(row.until, &out);
  for (const uint8_t mask : row.masks) wire::PutByte(mask, &out);
  for (const std::string& value : row.values) out.append(value);
  SealCell(&out);
  return out;
}

arrow::Result<std::vector<CellChange>> VersionedKeyState::TakeChanges() {
  std::vector<CellChange> changes;
  if (head_changed_) {
    // A key without rows has no cells at all.
    changes.push_back({"", rows_.empty() ? std::nullopt : std::optional(EncodeHead())});
  }
  for (const auto& [suffix, version] : changed_) {
    CellChange change{suffix, std::nullopt};
    const auto row = rows_.find(version);
    if (row != rows_.end()) change.bytes = EncodeRow(row->second);
    changes.push_back(std::move(change));
  }
  head_changed_ = false;
  changed_.clear();
  return changes;
}

arrow::Status VersionedKeyState::LoadHead(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(bytes, kHeadMagic, kVersion));
  if (!wire::GetInt64(&in, &applied_seq_) || !wire::GetInt64(&in, &applied_until_) ||
      !wire::GetInt64(&in, &advanced_to_) || !in.empty()) {
    return CorruptCell("its head");
  }
  return arrow::Status::OK();
}

arrow::Status VersionedKeyState::LoadRow(const CellView& cell) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell.bytes, kRowMagic, kVersion));
  Held row;
  if (!GetOrder(&in, &row.order) || !wire::GetInt64(&in, &row.until) ||
      cell.suffix.size() != kRowSuffixBytes) {
    return CorruptCell("the order of a row");
  }
  VersionId version{row.order.seq, std::string(cell.suffix.substr(kRowSuffixBytes - kMarkBytes))};
  if (cell.suffix != SuffixOf(row.order.event_time, version)) {
    return CorruptCell("a row under another name");
  }
  for (int mask = 0; mask < plan_->layout.mask_count; ++mask) {
    uint8_t bit = 0;
    if (!wire::GetByte(&in, &bit) || bit > 1) return CorruptCell("a mask of a row");
    row.masks.push_back(bit);
  }
  for (const auto& codec : plan_->codecs) {
    if (!TakeElement(*codec, &in, &row.values.emplace_back())) {
      return CorruptCell("a value of a row");
    }
  }
  if (!in.empty()) return CorruptCell("bytes behind a row");
  row.activation = plan_->ActivationOf(row.order.event_time, row.order.known_at);
  if (!rows_.emplace(std::move(version), std::move(row)).second) return CorruptCell("a row twice");
  return arrow::Status::OK();
}

arrow::Status VersionedKeyState::Load(const std::vector<CellView>& cells) {
  bool head = false;
  for (const CellView& cell : cells) {
    if (!cell.suffix.empty()) {
      ARROW_RETURN_NOT_OK(LoadRow(cell));
      continue;
    }
    if (head) return CorruptCell("two heads");
    ARROW_RETURN_NOT_OK(LoadHead(cell.bytes));
    head = true;
  }
  if (!head) return CorruptCell("it has no head");
  head_changed_ = false;
  return arrow::Status::OK();
}

}  // namespace icecore::state
