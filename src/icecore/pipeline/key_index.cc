#include "icecore/pipeline/key_index.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/state/ordered_bytes.h"
#include "icecore/state/value_codec.h"

namespace icecore::pipeline {
namespace {

arrow::Result<arrow::ArrayVector> Columns(const arrow::RecordBatch& rows,
                                          const std::vector<std::string>& names) {
  arrow::ArrayVector columns;
  for (const std::string& name : names) {
    auto column = rows.GetColumnByName(name);
    if (!column) {
      return base::MakeError(base::ErrorCode::kInternal, "rows without column '" + name + "'");
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::BinaryArray>> KeyBytes(
    const arrow::RecordBatch& rows, const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto arrays, Columns(rows, columns));
  return state::OrderedBytes(arrays, rows.num_rows());
}

arrow::Result<std::vector<bool>> NullKeys(const arrow::RecordBatch& rows,
                                          const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto arrays, Columns(rows, columns));
  std::vector<bool> null(static_cast<size_t>(rows.num_rows()), false);
  for (const auto& column : arrays) {
    if (column->null_count() == 0) {
      continue;
    }
    for (int64_t i = 0; i < rows.num_rows(); ++i) {
      if (column->IsNull(i)) {
        null[static_cast<size_t>(i)] = true;
      }
    }
  }
  return null;
}

KeyIndex::KeyIndex(std::shared_ptr<arrow::BinaryArray> keys) : keys_(std::move(keys)) {
  const int64_t n = keys_->length();
  std::vector<std::pair<uint64_t, int64_t>> rows(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    rows[static_cast<size_t>(i)] = {state::ValueCodec::HashWide(keys_->GetView(i)), i};
  }
  std::sort(rows.begin(), rows.end());
  // Rows of one hash stand together, the first of a key before the others.
  std::vector<int64_t> first_of(static_cast<size_t>(n));
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    while (end < rows.size() && rows[end].first == rows[begin].first) {
      ++end;
    }
    std::vector<int64_t> firsts;  // one, but for keys of one hash
    for (size_t i = begin; i < end; ++i) {
      const std::string_view key = keys_->GetView(rows[i].second);
      const auto same = std::find_if(firsts.begin(), firsts.end(),
                                     [&](int64_t first) { return keys_->GetView(first) == key; });
      first_of[static_cast<size_t>(rows[i].second)] = same == firsts.end() ? rows[i].second : *same;
      if (same == firsts.end()) {
        firsts.push_back(rows[i].second);
      }
    }
    begin = end;
  }
  groups_.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const auto first = static_cast<size_t>(first_of[static_cast<size_t>(i)]);
    if (static_cast<int64_t>(first) == i) {
      groups_[first] = num_groups();
      first_rows_.push_back(i);
    } else {
      groups_[static_cast<size_t>(i)] = groups_[first];
    }
  }
  for (const auto& [hash, row] : rows) {
    if (first_of[static_cast<size_t>(row)] == row) {
      hashes_.emplace_back(hash, groups_[static_cast<size_t>(row)]);
    }
  }
}

int64_t KeyIndex::Find(std::string_view key) const {
  const uint64_t hash = state::ValueCodec::HashWide(key);
  auto found = std::lower_bound(hashes_.begin(), hashes_.end(), std::pair(hash, int64_t{0}));
  for (; found != hashes_.end() && found->first == hash; ++found) {
    if (keys_->GetView(FirstRow(found->second)) == key) {
      return found->second;
    }
  }
  return -1;
}

}  // namespace icecore::pipeline
