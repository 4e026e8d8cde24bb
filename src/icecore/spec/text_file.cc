#include "icecore/spec/text_file_internal.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "icecore/base/error.h"

namespace icecore::spec {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxBytes = uintmax_t{16} << 20;
constexpr size_t kMaxFiles = 100'000;

}  // namespace

arrow::Result<std::string> ReadTextFile(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return base::MakeError(base::ErrorCode::kNotFound, "no file '" + path + "'");
  }
  if (status.type() != fs::file_type::regular) {
    return base::MakeError(base::ErrorCode::kUnavailable, "'" + path + "' is not a file");
  }
  if (const uintmax_t size = fs::file_size(path, error); !error && size > kMaxBytes) {
    return base::MakeError(base::ErrorCode::kLimit, "'" + path + "' is larger than 16 MiB");
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (!stream.is_open() || stream.bad()) {
    return base::MakeError(base::ErrorCode::kUnavailable, "'" + path + "' cannot be read");
  }
  return text;
}

arrow::Result<std::vector<std::string>> ListFiles(const std::string& root,
                                                  const std::string& folder,
                                                  const std::string& extension) {
  std::vector<std::string> files;
  const fs::path base = fs::path(root) / folder;
  std::error_code error;
  if (!fs::is_directory(base, error)) {
    return files;
  }
  fs::recursive_directory_iterator entry(base, error);
  const fs::recursive_directory_iterator end;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.')) {
      entry.disable_recursion_pending();
      continue;
    }
    std::error_code ignored;
    if (name.ends_with(extension) && entry->is_regular_file(ignored)) {
      files.push_back((fs::path(folder) / entry->path().lexically_relative(base)).string());
    }
    if (files.size() > kMaxFiles) {
      return base::MakeError(base::ErrorCode::kLimit,
                             "more than 100000 files in '" + base.string() + "'");
    }
  }
  if (error) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "'" + base.string() + "' cannot be listed: " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string SiblingPath(const std::string& file, const std::string& relative) {
  return (fs::path(file).parent_path() / relative).lexically_normal().string();
}

}  // namespace icecore::spec
