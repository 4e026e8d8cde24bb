#include "icecore/pipeline/table_pieces.h"

#include <algorithm>
#include <cstdint>

namespace icecore::pipeline {
namespace {

// Enough that cores which are done early find more to do; small files go together.
constexpr int64_t kMostPieces = 16;
constexpr int64_t kLeastPieceBytes = int64_t{8} << 20;

}  // namespace

std::vector<lake::Snapshot> PiecesOf(const lake::Snapshot& snapshot) {
  int64_t bytes = 0;
  for (const lake::DataFile& file : snapshot.files) bytes += file.size;
  const int64_t piece_bytes = std::max(bytes / kMostPieces + 1, kLeastPieceBytes);
  lake::Snapshot without_files = snapshot;
  without_files.files.clear();
  without_files.removed.clear();
  std::vector<lake::Snapshot> pieces;
  int64_t filled = piece_bytes;
  for (const lake::DataFile& file : snapshot.files) {
    if (filled >= piece_bytes) {
      pieces.push_back(without_files);
      filled = 0;
    }
    pieces.back().files.push_back(file);
    filled += file.size;
  }
  if (pieces.empty()) pieces.push_back(without_files);
  return pieces;
}

}  // namespace icecore::pipeline
