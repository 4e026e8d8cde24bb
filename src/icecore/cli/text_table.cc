#include "icecore/cli/text_table.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstdio>

#include "icecore/base/json_text.h"

namespace icecore::cli {
namespace {

constexpr size_t kMaxCellWidth = 60;

// Characters, not bytes: continuation bytes of UTF-8 take no place.
size_t WidthOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.,-+e") == std::string::npos;
}

std::string Shortened(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (WidthOf(text) <= kMaxCellWidth) {
    return text;
  }
  size_t bytes = 0;
  for (size_t width = 0; bytes < text.size(); ++bytes) {
    if ((static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80 && ++width > kMaxCellWidth - 1) {
      break;
    }
  }
  return text.substr(0, bytes) + "…";
}

}  // namespace

std::string TextTable::ToString() const {
  std::vector<size_t> widths;
  widths.reserve(header_.size());
  for (const std::string& name : header_) {
    widths.push_back(WidthOf(name));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], WidthOf(row[i]));
    }
  }
  std::string out;
  const auto add = [&](const std::vector<std::string>& row, bool align_numbers) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - WidthOf(row[i]), ' ');
      line += align_numbers && IsNumber(row[i]) ? pad + row[i] : row[i] + pad;
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add(header_, false);
  for (const auto& row : rows_) {
    add(row, true);
  }
  return out;
}

std::string Grouped(int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return number < 0 ? "-" + digits : digits;
}

std::string Seconds(int64_t micros) {
  char buffer[32];
  if (micros < 1'000'000) {
    std::snprintf(buffer, sizeof buffer, "%d ms", static_cast<int>(micros / 1000));
  } else {
    std::snprintf(buffer, sizeof buffer, "%.1f s", static_cast<double>(micros) / 1e6);
  }
  return buffer;
}

arrow::Result<std::string> TableText(const arrow::Table& table, int64_t max_rows) {
  TextTable text(table.schema()->field_names());
  ARROW_ASSIGN_OR_RAISE(auto rows, table.Slice(0, max_rows)->CombineChunksToBatch());
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    std::vector<std::string> cells;
    for (const auto& column : rows->columns()) {
      ARROW_ASSIGN_OR_RAISE(std::string cell, base::ValueText(*column, row));
      cells.push_back(Shortened(std::move(cell)));
    }
    text.Add(std::move(cells));
  }
  std::string out = text.ToString();
  out += table.num_rows() > max_rows
             ? "(" + Grouped(max_rows) + " of " + Grouped(table.num_rows()) + " rows)\n"
             : "(" + Grouped(table.num_rows()) + (table.num_rows() == 1 ? " row)\n" : " rows)\n");
  return out;
}

}  // namespace icecore::cli
