#pragma once
// Declared Arrow schemas, what of them is written to Parquet, and the Delta schema JSON.
// Delta protocol, section "Schema Serialization Format"; docs/formats/delta.md.
//
// A declared type is what the user sees. A storage type is what the files hold:
//   uint8, uint16, uint32 -> int16, int32, int64     uint64 -> decimal(20, 0)
//   time64[us|ns] -> int64                            fixed_size_list<T>[n] (embedding) -> list<T>
//   timestamp[ns] (with or without zone) -> int64     everything else as it is
// First, types that mean the same are made one (Canonical): large_*, *_view and dictionaries become
// the plain type, timestamps of seconds and milliseconds microseconds, every zone "UTC", date64
// date32, time32 time64[us], float16 float32, decimal32/64 decimal128, fixed_size_binary binary.
// null, intervals, durations, unions, decimals over 38 digits and extension types are kUnsupported.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace icecore::lake {

// Field metadata key of the column id, which is also the Parquet field_id. Ids are given once per
// table and never used again. List elements, map keys and values carry theirs on their child
// fields.
inline constexpr std::string_view kFieldId = "icecore.id";

// The declared schema as reads will give it back. Field metadata is kept.
arrow::Result<std::shared_ptr<arrow::Schema>> CanonicalSchema(const arrow::Schema& declared);

// The schema of the Parquet files, with PARQUET:field_id where a field has an id.
arrow::Result<std::shared_ptr<arrow::Schema>> StorageSchema(const arrow::Schema& declared);

// Gives every field (nested ones too) that lacks an id the next one above *last_id, and moves
// *last_id to the greatest in use.
arrow::Result<std::shared_ptr<arrow::Schema>> AssignIds(const arrow::Schema& schema,
                                                        int64_t* last_id);
// As AssignIds, but what `before` has by the same name keeps its ids: fields whose type is the same
// or became wider (int32 -> int64, float32 -> float64, date -> timestamp), members of structs
// likewise.
arrow::Result<std::shared_ptr<arrow::Schema>> EvolveIds(const arrow::Schema& before,
                                                        const arrow::Schema& after,
                                                        int64_t* last_id);

// Delta's JSON. Field metadata goes into it as strings (icecore.id as a number); the declared type
// rests in "icecore.type" where Delta's differs, ids and types of list elements, map keys and
// values in "icecore.nested" of the nearest struct field.
arrow::Result<std::string> SchemaToDelta(const arrow::Schema& declared);
// The declared schema. Types that Delta or we do not know are kUnsupported, broken JSON is
// kCorrupt.
arrow::Result<std::shared_ptr<arrow::Schema>> SchemaFromDelta(std::string_view json);

// Whether Delta's timestamp_ntz occurs, which needs the table feature timestampNtz.
bool NeedsTimestampNtz(const arrow::Schema& declared);

// A batch of the declared (or an equivalent, see Canonical) types as the storage schema has them,
// by position. Values that do not fit are kInvalidArgument.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> ToStorage(
    const std::shared_ptr<arrow::RecordBatch>& batch,
    const std::shared_ptr<arrow::Schema>& storage);
// The way back: a batch as read from Parquet, by position, in the declared types. An exact widening
// (int32 -> int64, float32 -> float64) is made; a value that does not fit is kCorrupt.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> FromStorage(
    const std::shared_ptr<arrow::RecordBatch>& batch,
    const std::shared_ptr<arrow::Schema>& declared);

}  // namespace icecore::lake
