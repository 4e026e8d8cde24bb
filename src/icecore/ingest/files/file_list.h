#pragma once
// Files that a path pattern names.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/local_file.h"

namespace icecore::ingest {

struct ListedFile {
  std::string path;  // below the project: relative to it; else absolute, or as the pattern goes up
  std::string absolute_path;
  FileLooks looks;
};

// More files than this are kLimit.
inline constexpr size_t kMaxFiles = 1'000'000;

// Within a part of a path: * any text, ? one character, [a-z] a set; ** any folders. None of them
// takes a leading dot. A pattern that is the name of a file stands for that file.
bool IsGlob(const std::string& pattern);

// Whether the name of a zip member matches; * does not take '/', but a pattern without '/' looks at
// the part of the name behind the last one.
bool MatchesMember(const std::string& pattern, const std::string& name);

// In byte order of `path`. Only regular files. pattern: relative to root, or absolute. Folders that
// do not exist give no files.
arrow::Result<std::vector<ListedFile>> ListFiles(const std::string& pattern,
                                                 const std::string& root);

// kNotFound for a pattern that gave no files: what is missing, where, and what is there instead.
arrow::Status NoFiles(const std::string& pattern, const std::string& root,
                      const base::Location& location);

}  // namespace icecore::ingest
