#pragma once
// Rows that memory has no room for: in parts, in one scratch file, read back part by part. The file
// has no name once it is open, and goes with the object.

#include <arrow/io/type_fwd.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace icecore::feature {

// Thread safe; what was written may be read while more is.
class RowScratch {
 public:
  static arrow::Result<std::unique_ptr<RowScratch>> Open(const std::string& folder,
                                                         std::shared_ptr<arrow::Schema> schema,
                                                         size_t parts);
  ~RowScratch();

  // Each row to its part; `columns` as the schema has them.
  arrow::Status Write(const arrow::ArrayVector& columns, const std::vector<uint32_t>& part_of_row);

  size_t part_count() const { return parts_.size(); }
  int64_t bytes_of(size_t part) const;  // in the file
  int64_t rows_of(size_t part) const;
  // In how many pieces the part was written, and one of them.
  size_t pieces_of(size_t part) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Read(size_t part, size_t piece) const;

 private:
  struct Piece {
    int64_t offset = 0;
    int64_t size = 0;
    int64_t rows = 0;
  };
  arrow::Status Append(size_t part, const arrow::RecordBatch& rows);

  std::string folder_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::OutputStream> out_;
  std::shared_ptr<arrow::io::RandomAccessFile> in_;
  mutable std::mutex mutex_;  // guards what follows
  int64_t size_ = 0;
  std::vector<std::vector<Piece>> parts_;
};

}  // namespace icecore::feature
