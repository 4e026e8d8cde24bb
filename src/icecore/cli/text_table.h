#pragma once
// Tables for people and documents for programs.

#include <arrow/type_fwd.h>

#include <arrow/result.h>

#include <string>
#include <vector>

namespace icecore::cli {

// Rows in aligned columns; numbers to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string ToString() const;
  bool empty() const { return rows_.empty(); }

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// "1,234,567"
std::string Grouped(int64_t number);
// "12 ms", "3.4 s"
std::string Seconds(int64_t micros);

// At most max_rows rows as a table, with a closing line where there are more.
arrow::Result<std::string> TableText(const arrow::Table& table, int64_t max_rows);

}  // namespace icecore::cli
