#include "icecore/pipeline/table_pieces.h"

#include <algorithm>
#include <cstdint>

#include "icecore/lake/writer.h"

namespace icecore::pipeline {
namespace {

// Enough that cores which are done early find more to do; small files go together.
constexpr int64_t kMostPieces = 16;
constexpr int64_t kLeastPieceBytes = int64_t{8} << 20;

// Row groups of the file, about: as our writer cuts them, without opening it.
int64_t RowGroupsOf(const lake::DataFile& file) {
  const lake::WriterOptions usual;
  return std::max(file.num_records.value_or(0) / usual.row_group_rows,
                  file.size / usual.row_group_bytes) +
         1;
}

}  // namespace

std::vector<TablePiece> PiecesOf(const lake::Snapshot& snapshot) {
  int64_t bytes = 0;
  for (const lake::DataFile& file : snapshot.files) bytes += file.size;
  const int64_t piece_bytes = std::max(bytes / kMostPieces + 1, kLeastPieceBytes);
  lake::Snapshot without_files = snapshot;
  without_files.files.clear();
  without_files.removed.clear();
  std::vector<TablePiece> pieces;
  int64_t filled = piece_bytes;
  for (const lake::DataFile& file : snapshot.files) {
    const auto shares = static_cast<int>(std::min(file.size / piece_bytes, RowGroupsOf(file)));
    if (filled >= piece_bytes || shares > 1) {
      pieces.push_back({without_files, {}});
      filled = 0;
    }
    pieces.back().files.files.push_back(file);
    filled += file.size;
    if (shares < 2) continue;
    pieces.back().share = {0, shares};
    for (int share = 1; share < shares; ++share) {
      pieces.push_back({pieces.back().files, {share, shares}});
    }
  }
  if (pieces.empty()) pieces.push_back({without_files, {}});
  return pieces;
}

}  // namespace icecore::pipeline
