#pragma once
// The envelope: columns that every row carries beside its data (docs/formats/delta.md).

#include <string_view>

namespace icecore::lake {

inline constexpr std::string_view kSeq = "_seq";  // int64, unique and ascending in a table
inline constexpr std::string_view kArrivedAt = "_arrived_at";  // timestamp, UTC microseconds
inline constexpr std::string_view kOp = "_op";                 // "insert", "update", "delete"
inline constexpr std::string_view kKnownAt = "_known_at";      // timestamp, UTC us: of versions
inline constexpr std::string_view kPosition = "_position";     // where in the source, printable
inline constexpr std::string_view kRun = "_run";               // the run that wrote the row
inline constexpr std::string_view kFile = "_file";             // path of the source file
inline constexpr std::string_view kRow = "_row";               // int64, row in the file, from 1

// txn appId whose version is the greatest _seq that a table ever gave.
inline constexpr std::string_view kSeqTransaction = "icecore.seq";
// domainMetadata of a source's position.
inline constexpr std::string_view kPositionDomain = "icecore.position";

// Names that begin with '_' are the envelope's, not the user's; they are not in `*`.
constexpr bool IsEnvelope(std::string_view name) { return !name.empty() && name.front() == '_'; }

}  // namespace icecore::lake
