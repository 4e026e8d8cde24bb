#pragma once
// Values of the rows that were chosen: filled in pieces from several threads, each where it stays.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace icecore::feature {

class ChosenValues {
 public:
  static arrow::Result<std::unique_ptr<ChosenValues>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows);

  // Rows [first, first + count) of a value: the column's elements at these places, none below 0.
  // Thread safe; no row twice.
  arrow::Status Put(size_t value, int64_t first, const arrow::Array& column, const int32_t* places,
                    int64_t count);

  // One array per value. Once, when every row was put.
  arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> Finish();

 private:
  struct Column {
    std::shared_ptr<arrow::DataType> type;
    std::shared_ptr<arrow::Buffer> bytes;                     // of plain types; null: of others
    std::vector<uint8_t> valid;                               // by row; empty: all are
    std::map<int64_t, std::shared_ptr<arrow::Array>> pieces;  // of other types, by first row
  };
  void PutNulls(Column* column, int64_t first, const arrow::Array& values, const int32_t* places,
                int64_t count);
  arrow::Result<std::shared_ptr<arrow::Array>> FinishColumn(Column* column) const;

  int64_t rows_ = 0;
  std::vector<Column> columns_;
  std::mutex mutex_;  // guards pieces, and the making of `valid`
};

}  // namespace icecore::feature
