#pragma once
// Rows for a push journal that are known to be JSON objects, so that nobody looks through them
// again.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "icecore/ingest/files/json_object.h"

namespace icecore::ingest {

// JSON objects, each on a line of its own, with their numbers and texts as they were written.
class CheckedRows {
 public:
  CheckedRows() = default;
  // Of JSON objects, one a line; blank lines are left out. kBadInput names the line that is none,
  // and says so where there is no row at all.
  static arrow::Result<CheckedRows> Of(std::string_view text);
  // That there is no row at all.
  static arrow::Status NoRows();

  // What follows puts rows together from members that SplitJsonObject or SplitJsonArray has cut out
  // of a text for which IsUtf8 holds. Line ends between their tokens become spaces.
  void Reserve(size_t bytes) { text_.reserve(bytes); }
  // A row that is there whole; false, and nothing added, where the member is no object.
  bool AddObject(const JsonMember& object);
  // A row of members: `key` as in JsonMember, the value from any member. EndRow ends it.
  void AddMember(std::string_view key, const JsonMember& value);
  void EndRow();

  bool empty() const { return count_ == 0; }
  int64_t count() const { return count_; }
  // Each row ended by '\n'.
  const std::string& text() const { return text_; }
  std::string TakeText() && { return std::move(text_); }

 private:
  std::string text_;
  int64_t count_ = 0;
  bool in_row_ = false;
};

}  // namespace icecore::ingest
