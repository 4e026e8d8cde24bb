#pragma once
// Text to typed values, a column at a time, exactly or not at all.
//
// No text is trimmed: " 1" is not an int64. Forms taken:
//   intN, uintN   -?digits within range; "+1", "1.0", "1e3", "" are not
//   float32/64    decimal or scientific, "NaN", "Infinity", "inf" with a sign, any case; correctly
//                 rounded; beyond the range is not a value (1e400), below it is 0 or subnormal
//   bool          true false t f 1 0 yes no y n, any case
//   decimal(p,s)  decimal or scientific, exact: more digits than fit break (trailing zeros do not)
//   date          YYYY-MM-DD, or a timestamp at midnight without zone
//   time          HH:MM[:SS[.ffffff]], "24:00" is not one
//   timestamp     RFC 3339 (base/time.h); naive text is a wall time of `zone`, UTC without one;
//                 nanoseconds round up
//   local_timestamp   as timestamp, but text with a zone is not one
//   string        as it is; not UTF-8 is not a value
//   binary        of csv and tsv the text's bytes; of json base64
//   list, struct, map, embedding   JSON text; a list of another length than the embedding's breaks

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/spec/model.h"

namespace icecore::quality {

// What a column must become.
struct ColumnTarget {
  std::shared_ptr<arrow::DataType> type;
  std::optional<std::string> zone;  // IANA name, of wall times
  spec::ColumnContract::Ambiguous ambiguous = spec::ColumnContract::Ambiguous::kError;
  std::optional<int64_t> embedding_length;
};

enum class Misfit : uint8_t {
  kType,    // not a value of the type
  kZone,    // a wall time that does not exist in the zone, or is there twice
  kLength,  // a list whose length is not the embedding's
};

struct ConvertedColumn {
  struct BadRow {
    int64_t row;
    Misfit misfit;
  };
  std::shared_ptr<arrow::Array> values;  // of the target's type; null at every bad row
  std::vector<BadRow> bad;               // ascending
};

// values: utf8. null_values are texts that mean null. json: binary and numbers come as in JSON.
arrow::Result<ConvertedColumn> ConvertText(const arrow::Array& values, const ColumnTarget& target,
                                           const std::vector<std::string>& null_values, bool json);

// values: of a file's own type; casts that lose nothing (int32 to int64, int64 to float64 where
// exact, decimals, timestamps of any unit with nanoseconds rounded up, naive timestamps by `zone`).
// A pair of types that can never fit makes every non-null value bad.
arrow::Result<ConvertedColumn> ConvertTyped(const std::shared_ptr<arrow::Array>& values,
                                            const ColumnTarget& target);

// The type in which a column of a typed source is accepted when nobody declares it: dictionaries
// and large and view types as plain ones, timestamps in microseconds (with zone: UTC), float16 as
// float32.
std::shared_ptr<arrow::DataType> NaturalType(const std::shared_ptr<arrow::DataType>& type);

// OK when the zone is known to the machine's time zone database, else kInvalidDefinition.
arrow::Status CheckZone(const std::string& zone);

}  // namespace icecore::quality
