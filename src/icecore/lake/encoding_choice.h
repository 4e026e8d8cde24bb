#pragma once
// How the values of a column rest in a Parquet file.

#include <arrow/array/array_base.h>
#include <parquet/properties.h>

#include <string>

namespace icecore::lake {

struct ColumnEncoding {
  bool dictionary = true;  // is tried; Parquet's writer gives it up where it grows too large
  bool delta = false;      // DELTA_BINARY_PACKED; only without a dictionary
  bool compressed = true;
};

// By the column's first rows in its storage type. Few rows and nested columns: as above, which is
// right for all. `too_many_values`: a dictionary is known to be of no use.
ColumnEncoding ChooseEncoding(const arrow::Array& rows, bool too_many_values);

// Tells Parquet's writer, whose other columns are compressed with zstd. `name`: of a flat column
// whose name has no dot.
void Apply(const ColumnEncoding& encoding, const std::string& name,
           parquet::WriterProperties::Builder* properties);

}  // namespace icecore::lake
