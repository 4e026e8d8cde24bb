#include "icecore/ingest/files/file_list.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/ingest/files/file_error.h"

namespace icecore::ingest {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using base::MakeError;

constexpr size_t kNamesShown = 3;
constexpr size_t kNamesCompared = 10'000;

bool Matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

std::vector<std::string> Parts(const fs::path& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : path) {
    if (!part.empty() && part != "/") {
      parts.push_back(part.string());
    }
  }
  return parts;
}

// Names in a folder, sorted; a folder that cannot be listed is an error, one that is not there is
// empty.
arrow::Result<std::vector<std::pair<std::string, bool>>> Names(const fs::path& folder) {
  std::vector<std::pair<std::string, bool>> names;  // name, is a folder
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) {
    return names;
  }
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (names.size() == kMaxFiles) {
      return MakeError(ErrorCode::kLimit, folder.string() + ": more than 1,000,000 files");
    }
    std::error_code ignored;  // what cannot be looked at is no folder
    names.emplace_back(entry->path().filename().string(), entry->is_directory(ignored));
  }
  if (error) {
    return SystemError(error.value(), "list the folder", folder.string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Walks the parts of a pattern.
class Walk {
 public:
  explicit Walk(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  // folder: absolute; shown: what stands for it in the result.
  arrow::Status From(const fs::path& folder, const fs::path& shown, size_t part) {
    const std::string& pattern = parts_[part];
    const bool last = part + 1 == parts_.size();
    if (pattern == "**") {
      return Deep(folder, shown, part);
    }
    if (!IsGlob(pattern)) {
      return last ? Take(folder / pattern, shown / pattern)
                  : From(folder / pattern, shown / pattern, part + 1);
    }
    ARROW_ASSIGN_OR_RAISE(const auto names, Names(folder));
    for (const auto& [name, is_folder] : names) {
      if (!Matches(pattern, name)) {
        continue;
      }
      if (last && !is_folder) {
        ARROW_RETURN_NOT_OK(Take(folder / name, shown / name));
      } else if (!last && is_folder) {
        ARROW_RETURN_NOT_OK(From(folder / name, shown / name, part + 1));
      }
    }
    return arrow::Status::OK();
  }

  std::map<std::string, ListedFile>& found() { return found_; }

 private:
  // `**`: this folder and all below it; links to folders are not followed, they may form circles.
  arrow::Status Deep(const fs::path& folder, const fs::path& shown, size_t part) {
    std::vector<std::pair<fs::path, fs::path>> open = {{folder, shown}};
    while (!open.empty()) {
      const auto [here, here_shown] = open.back();
      open.pop_back();
      if (part + 1 < parts_.size()) {
        ARROW_RETURN_NOT_OK(From(here, here_shown, part + 1));
      }
      ARROW_ASSIGN_OR_RAISE(const auto names, Names(here));
      for (const auto& [name, is_folder] : names) {
        std::error_code ignored;
        if (name.front() == '.') {
          continue;
        }
        if (!is_folder && part + 1 == parts_.size()) {
          ARROW_RETURN_NOT_OK(Take(here / name, here_shown / name));
        } else if (is_folder && !fs::is_symlink(here / name, ignored)) {
          open.emplace_back(here / name, here_shown / name);
        }
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status Take(const fs::path& file, const fs::path& shown) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) {
      return arrow::Status::OK();
    }
    arrow::Result<FileLooks> looks = LookAt(file.string());
    if (!looks.ok()) {
      return base::CodeOf(looks.status()) == ErrorCode::kNotFound ? arrow::Status::OK()
                                                                  : looks.status();
    }
    if (found_.size() == kMaxFiles) {
      return MakeError(ErrorCode::kLimit, "more than 1,000,000 files");
    }
    found_[shown.string()] = {shown.string(), file.string(), *looks};
    return arrow::Status::OK();
  }

  const std::vector<std::string> parts_;
  std::map<std::string, ListedFile> found_;
};

struct Anchored {
  fs::path folder;  // absolute, where the pattern's parts begin
  fs::path shown;
  std::vector<std::string> parts;
};

// Splits the pattern into the folder it starts from and its parts.
Anchored Anchor(const std::string& pattern, const std::string& root) {
  fs::path path = fs::path(pattern).lexically_normal();
  const fs::path project = fs::path(root).lexically_normal();
  if (path.is_relative()) {
    return {project, "", Parts(path)};
  }
  const fs::path relative = path.lexically_relative(project);
  if (!relative.empty() && *relative.begin() != "..") {
    return {project, "", Parts(relative)};
  }
  return {"/", "/", Parts(path)};
}

// "it holds a.csv, b.csv, c.csv and 4 more"
std::string Holds(const std::vector<std::string>& names) {
  if (names.empty()) {
    return "it is empty";
  }
  std::string text = "it holds ";
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kNamesShown) {
    text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  }
  return text;
}

}  // namespace

bool IsGlob(const std::string& pattern) {
  return pattern.find_first_of("*?[") != std::string::npos;
}

bool MatchesMember(const std::string& pattern, const std::string& name) {
  const size_t slash = name.rfind('/');
  const bool name_only = pattern.find('/') == std::string::npos && slash != std::string::npos;
  return ::fnmatch(pattern.c_str(), name_only ? name.c_str() + slash + 1 : name.c_str(),
                   FNM_PATHNAME) == 0;
}

arrow::Result<std::vector<ListedFile>> ListFiles(const std::string& pattern,
                                                 const std::string& root) {
  const Anchored anchored = Anchor(pattern, root);
  std::vector<ListedFile> files;
  if (anchored.parts.empty()) {
    return files;
  }
  std::error_code error;
  fs::path literal = anchored.folder;
  fs::path literal_shown = anchored.shown;
  for (const std::string& part : anchored.parts) {
    literal /= part;
    literal_shown /= part;
  }
  if (fs::is_regular_file(literal, error)) {
    ARROW_ASSIGN_OR_RAISE(const FileLooks looks, LookAt(literal.string()));
    files.push_back({literal_shown.string(), literal.string(), looks});
    return files;
  }
  if (!IsGlob(pattern)) {
    return files;
  }
  Walk walk(anchored.parts);
  ARROW_RETURN_NOT_OK(walk.From(anchored.folder, anchored.shown, 0));
  for (auto& [path, file] : walk.found()) {
    files.push_back(std::move(file));
  }
  return files;
}

arrow::Status NoFiles(const std::string& pattern, const std::string& root,
                      const base::Location& location) {
  const Anchored anchored = Anchor(pattern, root);
  fs::path folder = anchored.folder;
  fs::path shown = anchored.shown;
  std::error_code error;
  size_t part = 0;
  while (part + 1 < anchored.parts.size() && !IsGlob(anchored.parts[part]) &&
         fs::is_directory(folder / anchored.parts[part], error)) {
    folder /= anchored.parts[part];
    shown /= anchored.parts[part];
    ++part;
  }
  const std::string wanted = part < anchored.parts.size() ? anchored.parts[part] : "";
  std::vector<std::string> names;
  if (auto listed = Names(folder); listed.ok()) {
    for (const auto& [name, is_folder] : *listed) {
      if (names.size() < kNamesCompared && name.front() != '.') {
        names.push_back(is_folder ? name + "/" : name);
      }
    }
  }
  std::string message = IsGlob(pattern) ? "no file matches '" : "no file '";
  message += pattern + "'";
  message += " in the folder '" + (shown.empty() ? std::string(".") : shown.string()) + "'";
  std::string nearest = base::NearestName(wanted, names);
  if (nearest.empty()) {
    message += ": " + Holds(names);
  } else {
    message += "; did you mean '" + nearest + "'?";
  }
  if (fs::is_directory(folder / wanted, error) && part + 1 == anchored.parts.size()) {
    message = "'" + pattern + "' is a folder; say which files, for example '" +
              (fs::path(pattern) / "*").lexically_normal().string() + "'";
  }
  return base::MakeErrorAt(ErrorCode::kNotFound, location, message);
}

}  // namespace icecore::ingest
