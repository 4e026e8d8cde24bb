#pragma once
// Rows of one file, or of one member of a zip file, by format.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/spec/model.h"

namespace arrow::io {
class InputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace icecore::ingest {

// Not thread safe.
class MemberRows {
 public:
  virtual ~MemberRows() = default;

  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // nullptr at the end. Errors name the file.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
  virtual int64_t rows() const = 0;
  virtual int64_t problem_rows() const = 0;
};

// Unpacked bytes and where to begin.
struct TextInput {
  std::string name;  // for _file and errors
  // A new stream of the unpacked bytes from the given offset, which is 0 or from_byte.
  std::function<arrow::Result<std::shared_ptr<arrow::io::InputStream>>(int64_t offset)> open;
  int64_t from_byte = 0;  // what lies before is known: from_row rows on from_line lines
  int64_t from_row = 0;
  int64_t from_line = 0;
  bool from_line_open = false;  // the line end at from_byte belongs to the known part's last line
  std::stop_token stop;
};

// csv and tsv. column_names: of text without a header line; empty: column_1, column_2, …
arrow::Result<std::unique_ptr<MemberRows>> OpenCsv(TextInput input,
                                                   const spec::FilesConnector& files,
                                                   const std::vector<std::string>& column_names);

// A JSON object a line. A column for each top-level key, in order of first appearance in what is
// read; the text is read twice, first for the keys.
arrow::Result<std::unique_ptr<MemberRows>> OpenJsonLines(TextInput input);

// Parquet files, Arrow IPC files and streams.
arrow::Result<std::unique_ptr<MemberRows>> OpenParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const std::string& name);
arrow::Result<std::unique_ptr<MemberRows>> OpenArrow(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const std::string& name);

}  // namespace icecore::ingest
