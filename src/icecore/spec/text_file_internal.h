#pragma once
// Small text files of a project.

#include <arrow/result.h>

#include <string>
#include <vector>

namespace icecore::spec {

// kNotFound when there is no such file, kUnavailable when it cannot be read, kLimit above 16 MiB.
arrow::Result<std::string> ReadTextFile(const std::string& path);

// Paths of all regular files under root/folder that end in `extension`, relative to root, in byte
// order; empty when there is no such folder. Hidden files and folders are left out.
arrow::Result<std::vector<std::string>> ListFiles(const std::string& root,
                                                  const std::string& folder,
                                                  const std::string& extension);

// "definitions/a.yaml" + "x.sql" -> "definitions/x.sql"
std::string SiblingPath(const std::string& file, const std::string& relative);

}  // namespace icecore::spec
