// Names of the log's files, and the paths that the log has of others.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string VersionName(int64_t version) {
  char name[32];
  std::snprintf(name, sizeof name, "%020lld", static_cast<long long>(version));
  return name;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Length of "scheme:" where a '/' follows; 0 for a path without scheme.
size_t SchemeLength(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 >= text.size() ||
      text[colon + 1] != '/' || std::isalpha(static_cast<unsigned char>(text[0])) == 0) {
    return 0;
  }
  const bool is_scheme = std::all_of(
      text.begin(), text.begin() + static_cast<ptrdiff_t>(colon),
      [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.'; });
  return is_scheme ? colon + 1 : 0;
}

arrow::Result<std::string> PercentDecoded(std::string_view encoded) {
  std::string path;
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      path += encoded[i];
      continue;
    }
    const int high = i + 2 < encoded.size() ? HexDigit(encoded[i + 1]) : -1;
    const int low = i + 2 < encoded.size() ? HexDigit(encoded[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return MakeError(ErrorCode::kCorrupt, "path '" + std::string(encoded) + "'");
    }
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return path;
}

// Without doubled slashes and "." parts.
std::string Tidy(std::string_view path) {
  std::string out = path.starts_with('/') ? "/" : "";
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") {
      out += out.empty() || out.back() == '/' ? "" : "/";
      out += part;
    }
    begin = end + 1;
  }
  return out;
}

// Of letters, digits and what else needs no second look: such a path is what it encodes.
bool IsPlain(std::string_view encoded) {
  bool begins_part = true;
  for (const char c : encoded) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '=';
    if (!is_letter && (begins_part || (c != '.' && c != '/'))) {
      return false;
    }
    begins_part = c == '/';
  }
  return !begins_part;
}

bool LeadsUp(std::string_view path) {
  return ("/" + std::string(path) + "/").find("/../") != std::string::npos;
}

}  // namespace

std::string LogFolder(const std::string& table_path) { return table_path + "/_delta_log/"; }
std::string SidecarFolder(const std::string& table_path) {
  return LogFolder(table_path) + "_sidecars/";
}
std::string LogPathBefore(const std::string& table_path, int64_t version) {
  return LogFolder(table_path) + VersionName(version);
}
std::string CommitPath(const std::string& table_path, int64_t version) {
  return LogPathBefore(table_path, version) + ".json";
}
std::string CheckpointPath(const std::string& table_path, int64_t version) {
  return LogPathBefore(table_path, version) + ".checkpoint.parquet";
}
std::string LastCheckpointPath(const std::string& table_path) {
  return LogFolder(table_path) + "_last_checkpoint";
}

std::string EncodePath(std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const size_t scheme = SchemeLength(path);
  std::string encoded(path.substr(0, scheme));
  for (const char c : path.substr(scheme)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) != 0 ||
                       std::string_view("-_.~/=+,@!$&'()*;").find(c) != std::string_view::npos;
    if (plain && byte < 0x80) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

arrow::Result<std::string> DecodePath(std::string_view encoded) {
  if (IsPlain(encoded)) {
    return std::string(encoded);
  }
  const size_t scheme_length = SchemeLength(encoded);
  std::string scheme(encoded.substr(0, scheme_length));
  ARROW_ASSIGN_OR_RAISE(std::string path, PercentDecoded(encoded.substr(scheme_length)));
  if (path.find('\0') != std::string::npos) {
    return MakeError(ErrorCode::kCorrupt, "a path with a zero byte");
  }
  if (LeadsUp(path)) {
    return MakeError(ErrorCode::kUnsupported, "data file '" + path + "' outside the table");
  }
  if (scheme == "file:") {
    // file:/x, file:///x and file://localhost/x are one.
    bool is_elsewhere = path.starts_with("//");
    for (const std::string_view host : {"//localhost/", "///"}) {
      if (path.starts_with(host)) {
        path = path.substr(host.size() - 1);
        is_elsewhere = false;
        break;
      }
    }
    scheme = is_elsewhere ? scheme : "";
  }
  if (!scheme.empty()) {
    return scheme + path;
  }
  path = Tidy(path);
  if (path.empty() || path == "/") {
    return MakeError(ErrorCode::kCorrupt, "path '" + std::string(encoded) + "'");
  }
  if (SchemeLength(path) > 0) {
    return MakeError(ErrorCode::kUnsupported,
                     "data file '" + path + "': a name that reads like a URL once decoded");
  }
  return path;
}

bool IsAbsolutePath(std::string_view decoded) {
  return decoded.starts_with('/') || SchemeLength(decoded) > 0;
}

std::string RelativeTo(const std::vector<std::string>& roots, std::string path) {
  if (!path.starts_with('/')) {
    return path;
  }
  for (const std::string& root : roots) {
    if (path.size() > root.size() + 1 && path.starts_with(root) && path[root.size()] == '/') {
      return path.substr(root.size() + 1);
    }
  }
  return path;
}

std::vector<std::string> TableRoots(const ObjectStore& store, const std::string& table_path) {
  std::vector<std::string> roots;
  if (const auto local = store.LocalPath(table_path); local.has_value()) {
    roots.push_back(*local);
    std::error_code error;
    const auto real = std::filesystem::weakly_canonical(*local, error);
    if (!error && real != *local) {
      roots.push_back(real.string());
    }
  }
  return roots;
}

}  // namespace icecore::lake
