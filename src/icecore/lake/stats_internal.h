#pragma once
// Statistics of one data file as Delta's JSON. Delta protocol, "Per-file Statistics"; lake.md's
// rules: exact counts; strings cut at 32 code points, the maximum rounded up; times in
// milliseconds, the maximum rounded up; no minimum and maximum for a float column with a NaN, for
// booleans, binaries, lists, maps, and for values that JSON cannot hold. What is not certain is
// left out.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::lake {

// One column, or one member of a struct. Not thread safe.
class ColumnStats {
 public:
  virtual ~ColumnStats() = default;
  virtual void Update(const arrow::Array& array) = 0;
  // The value as JSON; false: nothing to say.
  virtual bool AppendMin(std::string* out) const = 0;
  virtual bool AppendMax(std::string* out) const = 0;
  virtual void AppendNullCount(std::string* out) const = 0;
};

// For a storage type.
std::unique_ptr<ColumnStats> MakeColumnStats(const arrow::DataType& type);

class FileStats {
 public:
  explicit FileStats(const arrow::Schema& storage);
  // Columns by position.
  void Update(const arrow::RecordBatch& batch);
  int64_t rows() const { return rows_; }
  std::string ToJson() const;

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<ColumnStats>> columns_;
  int64_t rows_ = 0;
};

// The greatest prefix of at most 32 code points that is no text's middle; "" never loses order.
std::string TruncatedMin(std::string_view text);
// A text that is >= `text` and has at most 32 code points; false where there is none.
bool TruncatedMax(std::string_view text, std::string* out);

}  // namespace icecore::lake
