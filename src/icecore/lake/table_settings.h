#pragma once
// Table properties that decide how long history is kept. Delta protocol, "Table Properties".

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace icecore::lake {

using TableConfiguration = std::map<std::string, std::string>;

// "interval 30 days" in microseconds: whole numbers with week, day, hour, minute, second,
// millisecond or microsecond, in singular or plural, one after the other. Months and years, whose
// length is not fixed, negative ones and nonsense are kInvalidArgument.
arrow::Result<int64_t> ParseInterval(std::string_view text);

// How long log entries are kept; 30 days where delta.logRetentionDuration does not say.
arrow::Result<int64_t> LogRetention(const TableConfiguration& configuration);
// How long the log remembers removed files, and how long vacuum keeps them; a week where
// delta.deletedFileRetentionDuration does not say.
arrow::Result<int64_t> DeletedFileRetention(const TableConfiguration& configuration);
// Commits between checkpoints: delta.checkpointInterval, at least 1; 0 where it does not say, or
// says what is no number.
int64_t CheckpointInterval(const TableConfiguration& configuration);

}  // namespace icecore::lake
