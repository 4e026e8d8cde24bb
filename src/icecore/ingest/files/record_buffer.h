#pragma once
// A stream as a window that a parser moves over.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace arrow::io {
class InputStream;
}  // namespace arrow::io

namespace icecore::ingest {

// Not thread safe.
class RecordBuffer {
 public:
  // name: of the file, for errors.
  RecordBuffer(std::shared_ptr<arrow::io::InputStream> stream, std::string name,
               std::stop_token stop);

  // What was read and not consumed; valid until the next Fill.
  std::string_view view() const { return std::string_view(bytes_).substr(begin_); }
  // Nothing follows view().
  bool at_end() const { return at_end_; }
  // Makes view() at least twice as long, or sets at_end: a parser that starts its record again
  // after each call does linear work. kLimit when a record would be longer than kMaxRecordBytes;
  // the message begins with "NAME:LINE".
  arrow::Status Fill(int64_t line);
  void Consume(size_t bytes) { begin_ += bytes; }

 private:
  const std::shared_ptr<arrow::io::InputStream> stream_;
  const std::string name_;
  const std::stop_token stop_;
  std::string bytes_;
  size_t begin_ = 0;
  bool at_end_ = false;
};

}  // namespace icecore::ingest
