#pragma once
// How the values of a column rest in a Parquet file.

#include <arrow/array/array_base.h>

namespace icecore::lake {

struct ColumnEncoding {
  bool dictionary = true;  // is tried; Parquet's writer gives it up where it grows too large
  bool delta = false;      // DELTA_BINARY_PACKED; only without a dictionary
  bool compressed = true;
};

// By the column's first rows in its storage type. Few rows and nested columns: as above, which is
// right for all. `too_many_values`: a dictionary is known to be of no use.
ColumnEncoding ChooseEncoding(const arrow::Array& rows, bool too_many_values);

}  // namespace icecore::lake
