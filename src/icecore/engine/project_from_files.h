#pragma once
// `icecore init DIR --from FILES`: a project whose definitions are read off the data.

#include <arrow/result.h>

#include <string>
#include <vector>

namespace icecore::engine {

struct DraftFile {
  std::string path;  // relative to the project
  std::string text;
};

// One definition file per source: `given` are files or quoted globs, relative to the working
// folder; files that only a number or date tells apart are one source. It holds the source, its
// contract with the types of the data, a table over it, and a commented draft of a feature view.
// `directory` is the project's folder, which holds its icecore.yaml already and is read
// with bare sources written to its definitions/. A
// pattern that matches nothing is kNotFound, one whose format cannot be told or whose files cannot
// be read kBadInput, naming the file.
arrow::Result<std::vector<DraftFile>> DraftDefinitions(const std::string& directory,
                                                       const std::vector<std::string>& given);

}  // namespace icecore::engine
