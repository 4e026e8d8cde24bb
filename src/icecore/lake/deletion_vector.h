#pragma once
// Which rows of a data file are gone. Delta protocol, sections "Deletion Vectors" and "Deletion
// Vector Format"; the bitmap is the portable form of the Roaring format specification with its
// 64-bit extension.

#include <arrow/result.h>

#include <string>
#include <string_view>

#include "icecore/lake/object_store.h"
#include "icecore/lake/row_ranges.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// The rows that `vector` takes away, from the log itself or from its file. Wrong framing, checksum,
// size, bitmap or cardinality is kCorrupt with the file's name; a file outside the table is
// kUnsupported.
arrow::Result<RowRanges> ReadDeletionVector(ObjectStore& store, const std::string& table_path,
                                            const DeletionVector& vector);

// The bitmap: magic number and 64-bit Roaring bitmap, nothing behind it. More than `max_rows` rows,
// or anything that is not such a bitmap, is kCorrupt. Memory is bounded by the bytes: at most a
// range per two rows of a bitmap container.
arrow::Result<RowRanges> ParseDeletionBitmap(std::string_view bytes, int64_t max_rows);

// The file of a vector stored as "u" or "p", below the store's root.
arrow::Result<std::string> DeletionVectorPath(const ObjectStore& store,
                                              const std::string& table_path,
                                              const DeletionVector& vector);

// ZeroMQ's Base85. The text's length must be a multiple of 5; kCorrupt otherwise and for characters
// or values that the alphabet does not have.
arrow::Result<std::string> DecodeZ85(std::string_view text);

}  // namespace icecore::lake
