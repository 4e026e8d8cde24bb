#pragma once
// A declared column out of what a Parquet file has: which of its columns, in which type.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/lake/snapshot.h"

namespace parquet::arrow {
struct SchemaField;
}  // namespace parquet::arrow

namespace icecore::lake {

// Where the values of one declared field rest.
struct ColumnSource {
  int index = -1;                      // among the file's fields of that level; -1: it has none
  std::vector<ColumnSource> children;  // one for each child of the storage type, in its order
};

// The name by which files, partition values and statistics know the field.
std::string PhysicalName(const arrow::Field& field, ColumnMapping mapping);

// Finds `storage` (a field of a storage type) and its children among the fields of one level of a
// file: by name, else by a name that differs in case alone; by physical name; by field id. Lists
// and maps are found by their shape. A struct, list or map in the place of another is kCorrupt.
arrow::Result<ColumnSource> FindColumn(const arrow::Field& storage,
                                       const std::vector<parquet::arrow::SchemaField>& fields,
                                       ColumnMapping mapping);
// Appends the Parquet columns that hold the field, in their order.
void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves);
// kCorrupt where columns are found by id and the file has no ids.
arrow::Status CheckHasIds(const std::vector<parquet::arrow::SchemaField>& fields);

// The array in the storage type, wherever every value is one of it:
//   integers of any width that fit; float32 and integers as float64; integers and decimals as wider
//   decimals; dates as timestamps; timestamps of any unit, with and without zone (the number of
//   microseconds counts; nanoseconds are rounded down); text and bytes as one another where the
//   bytes are UTF-8; dictionaries, large and view types as plain ones; lists of pairs as maps.
// Struct members that the file lacks are null. What cannot be read so is kCorrupt.
arrow::Result<std::shared_ptr<arrow::Array>> ToStorageType(
    const std::shared_ptr<arrow::Array>& array, const std::shared_ptr<arrow::DataType>& type,
    const ColumnSource& source);

}  // namespace icecore::lake
