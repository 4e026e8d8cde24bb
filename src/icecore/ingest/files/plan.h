#pragma once
// What a `files` source has to take now: its glob against what is known.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/ingest/files/local_file.h"
#include "icecore/ingest/files/manifest.h"
#include "icecore/spec/model.h"

namespace icecore::ingest {

struct PlannedFile {
  enum class Reason {
    kNew,
    kChanged,    // on_change: append, or load: snapshot: the whole file lands again
    kContinued,  // on_change: continue: only what lies behind from_byte lands
  };
  std::string path;  // as in KnownFile, and in column _file
  std::string absolute_path;
  Reason reason = Reason::kNew;
  FileLooks looks;
  // kContinued: where the known part ends, and what it was. The rows before it are from_row many
  // and lie on from_line lines.
  int64_t from_byte = 0;
  int64_t from_row = 0;
  int64_t from_line = 0;
  bool from_line_open = false;  // the line end at from_byte belongs to the last of them
};

struct FilePlan {
  std::vector<PlannedFile> files;    // in lexicographic path order
  std::vector<std::string> waiting;  // paths younger than `settle`, or changing at this moment
  // `known`, with the looks of files refreshed that were touched but hold the same bytes. Start
  // from it when the next batch is committed.
  Manifest manifest;
  int64_t unchanged = 0;  // files taken before, as they were
};

// source: for messages and its `files`. root: the project's folder, absolute. clock: the machine's
// (it is compared with modification times), whatever `now:` the project sets.
//   No such file, or a glob that matches nothing while nothing is known yet: kNotFound with the
//   pattern, the folder and the nearest names.
//   A known path with new bytes under `load: append`, `on_change: error`: kBadInput that proposes
//   `on_change`. `on_change: continue` where the known part is not a prefix, ended in the middle of
//   a line, or is not plain text (gz, zst, zip, parquet, arrow): kBadInput.
// Known files of unchanged size, mtime and inode are not opened.
arrow::Result<FilePlan> PlanFiles(const spec::Source& source, const std::string& root,
                                  const Manifest& known, const base::Clock& clock);

}  // namespace icecore::ingest
