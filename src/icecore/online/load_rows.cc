#include "icecore/online/load_rows.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/state/take_rows.h"

namespace icecore::online {
namespace {

// The first bytes of a key after its first tag (which all keys of a view share), as a number that
// sorts alike.
uint64_t FrontOf(std::string_view key) {
  uint64_t front = 0;
  for (size_t i = 1; i <= 8; ++i) {
    front = front << 8 | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
  }
  return front;
}

arrow::Result<int64_t> BytesOf(const state::PreparedRows& rows) {
  int64_t bytes = 0;
  const auto add = [&](const std::vector<std::shared_ptr<arrow::Array>>& columns) -> arrow::Status {
    for (const auto& column : columns) {
      if (column == nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(const int64_t more, arrow::util::ReferencedBufferSize(*column));
      bytes += more;
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(add(rows.keys));
  ARROW_RETURN_NOT_OK(add(rows.values));
  ARROW_RETURN_NOT_OK(add({rows.masks.begin(), rows.masks.end()}));
  ARROW_RETURN_NOT_OK(add({rows.event_time, rows.known_at, rows.seq}));
  return bytes;
}

}  // namespace

void LoadRows::Limit(int64_t memory_bytes, int64_t expected) {
  if (view_->engine->layout().versioned) return;
  memory_bytes_ = memory_bytes;
  limit_ = memory_bytes;
  expected_ = expected;
}

bool LoadRows::IsBefore(const Row& left, const Row& right) const {
  if (left.front != right.front) return left.front < right.front;
  const int order = KeyOf(left).compare(KeyOf(right));
  if (order != 0) return order < 0;
  return std::pair(left.piece, left.row) < std::pair(right.piece, right.row);
}

arrow::Status LoadRows::Add(const state::PreparedRows& rows) {
  if (rows.num_rows > int64_t{UINT32_MAX} || pieces_.size() >= UINT32_MAX) {
    return base::MakeError(base::ErrorCode::kLimit, "too many rows in one piece of a load");
  }
  if (rows.keys.size() != view_->key_types.size()) {
    return base::MakeError(base::ErrorCode::kInternal, "view " + view_->name + " has " +
                                                           std::to_string(view_->key_types.size()) +
                                                           " key columns, not " +
                                                           std::to_string(rows.keys.size()));
  }
  ARROW_ASSIGN_OR_RAISE(EncodedKeys keys, EncodeKeys(rows.keys, rows.num_rows));
  if (view_->engine->layout().versioned) {
    pieces_.push_back(LoadPiece{rows, std::move(keys)});
    return arrow::Status::OK();
  }
  seen_ += rows.num_rows;
  ARROW_RETURN_NOT_OK(Hold(LoadPiece{rows, std::move(keys)}));
  return bytes_ > limit_ ? Narrow() : arrow::Status::OK();
}

arrow::Status LoadRows::Hold(LoadPiece piece) {
  const uint32_t number = static_cast<uint32_t>(pieces_.size());
  const bool all = from_.empty() && !until_;
  if (!all) {
    arrow::Int64Builder wanted;
    for (int64_t row = 0; row < piece.rows.num_rows; ++row) {
      if (IsWanted(piece.keys.key(row))) ARROW_RETURN_NOT_OK(wanted.Append(row));
    }
    if (wanted.length() == 0) return arrow::Status::OK();
    if (wanted.length() < piece.rows.num_rows) {
      std::shared_ptr<arrow::Int64Array> indices;
      ARROW_RETURN_NOT_OK(wanted.Finish(&indices));
      ARROW_ASSIGN_OR_RAISE(piece.rows, state::TakeRows(piece.rows, *indices));
      ARROW_ASSIGN_OR_RAISE(piece.keys, EncodeKeys(piece.rows.keys, piece.rows.num_rows));
    }
  }
  for (int64_t row = 0; row < piece.rows.num_rows; ++row) {
    const std::string_view key = piece.keys.key(row);
    if (key.empty()) continue;
    rows_.push_back(Row{FrontOf(key), number, static_cast<uint32_t>(row)});
    bytes_ += static_cast<int64_t>(sizeof(Row) + sizeof(size_t) + key.size());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, BytesOf(piece.rows));
  bytes_ += bytes;
  pieces_.push_back(std::move(piece));
  return arrow::Status::OK();
}

std::optional<std::string> LoadRows::NarrowerBound() {
  if (rows_.empty()) return std::nullopt;
  // What is kept grows to nine tenths of the memory until all rows have come, where they come in no
  // order of their keys.
  const double seen = static_cast<double>(seen_);
  const double share =
      std::clamp(0.9 * seen / std::max(seen, static_cast<double>(expected_)), 0.05, 0.75);
  const auto before = [this](const Row& left, const Row& right) { return IsBefore(left, right); };
  const auto nth =
      rows_.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(rows_.size()));
  std::nth_element(rows_.begin(), nth, rows_.end(), before);
  const std::string_view least = KeyOf(*std::min_element(rows_.begin(), nth + 1, before));
  if (KeyOf(*nth) > least) return std::string(KeyOf(*nth));
  // One key fills the share: the next greater one.
  std::optional<std::string_view> next;
  for (const Row& row : rows_) {
    const std::string_view key = KeyOf(row);
    if (key > least && (!next || key < *next)) next = key;
  }
  return next ? std::optional<std::string>(*next) : std::nullopt;
}

arrow::Status LoadRows::Narrow() {
  const std::optional<std::string> bound = NarrowerBound();
  if (bound) {
    until_ = *bound;
    std::vector<LoadPiece> pieces = std::move(pieces_);
    pieces_.clear();
    rows_.clear();
    bytes_ = 0;
    for (LoadPiece& piece : pieces) {
      ARROW_RETURN_NOT_OK(Hold(std::move(piece)));
    }
  }
  // Rows of a single key stay whatever they take; this is not tried anew with each batch.
  limit_ = std::max(memory_bytes_, bytes_ + bytes_ / 2);
  return arrow::Status::OK();
}

void LoadRows::NextPass() {
  Clear();
  if (until_) from_ = *until_;
  until_.reset();
  limit_ = memory_bytes_;
  seen_ = 0;
}

void LoadRows::Clear() {
  pieces_.clear();
  rows_.clear();
  bytes_ = 0;
}

void LoadRows::Sort() {
  const auto before = [this](const Row& left, const Row& right) { return IsBefore(left, right); };
  if (!std::is_sorted(rows_.begin(), rows_.end(), before)) {
    std::sort(rows_.begin(), rows_.end(), before);
  }
}

size_t LoadRows::EndOfKey(size_t i) const {
  const std::string_view key = KeyAt(i);
  size_t end = i + 1;
  while (end < rows_.size() && rows_[end].front == rows_[i].front && KeyAt(end) == key) ++end;
  return end;
}

void LoadRows::Places(size_t begin, size_t end, std::vector<state::RowAt>* places) const {
  places->clear();
  for (size_t i = begin; i < end; ++i) {
    places->push_back({&pieces_[rows_[i].piece].rows, static_cast<int64_t>(rows_[i].row)});
  }
}

arrow::Status LoadRows::AddTo(size_t begin, size_t end, state::KeyState* state) const {
  for (size_t i = begin; i < end; ++i) {
    const Row& row = rows_[i];
    ARROW_RETURN_NOT_OK(state->Add(pieces_[row.piece].rows, static_cast<int64_t>(row.row)));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online
