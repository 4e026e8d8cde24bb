#include "icecore/govern/access_token.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "icecore/base/constant_time.h"
#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"

namespace icecore::govern {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kMagic = "icecore-tokens 1";
constexpr std::string_view kTokenPrefix = "ice_";
constexpr size_t kIdDigits = 8;
constexpr size_t kDigestDigits = 64;
constexpr size_t kMaxFileBytes = size_t{4} << 20;
constexpr size_t kMaxLabelBytes = 200;
constexpr std::pair<Right, std::string_view> kRights[] = {
    {Right::kRead, "read"}, {Right::kPush, "push"}, {Right::kMetrics, "metrics"}};

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool IsPlainLabel(std::string_view label) {
  return label.size() <= kMaxLabelBytes && std::none_of(label.begin(), label.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ';
         });
}

// The words of a line up to `count`; the last takes the rest.
std::vector<std::string_view> Words(std::string_view line, size_t count) {
  std::vector<std::string_view> words;
  while (words.size() + 1 < count && line.find(' ') != line.npos) {
    words.push_back(line.substr(0, line.find(' ')));
    line.remove_prefix(words.back().size() + 1);
  }
  words.push_back(line);
  return words;
}

arrow::Result<std::vector<Scope>> ParseScopes(std::string_view list) {
  std::vector<Scope> scopes;
  while (true) {
    const size_t comma = list.find(',');
    ARROW_ASSIGN_OR_RAISE(Scope scope, ParseScope(list.substr(0, comma)));
    scopes.push_back(std::move(scope));
    if (comma == list.npos) {
      return scopes;
    }
    list.remove_prefix(comma + 1);
  }
}

// ID CREATED EXPIRES SCOPES DIGEST [LABEL]
arrow::Result<AccessToken> ParseLine(std::string_view line) {
  const std::vector<std::string_view> words = Words(line, 6);
  if (words.size() < 5 || !IsHex(words[0], kIdDigits) || !IsHex(words[4], kDigestDigits)) {
    return MakeError(ErrorCode::kCorrupt, "expected ID CREATED EXPIRES SCOPES DIGEST [LABEL]");
  }
  AccessToken token;
  token.id = words[0];
  token.digest = words[4];
  token.label = words.size() == 6 ? words[5] : "";
  ARROW_ASSIGN_OR_RAISE(token.created_at_us, base::ParseInstant(words[1]));
  if (words[2] != "-") {
    ARROW_ASSIGN_OR_RAISE(token.expires_at_us, base::ParseInstant(words[2]));
  }
  ARROW_ASSIGN_OR_RAISE(token.scopes, ParseScopes(words[3]));
  return token;
}

std::string LineOf(const AccessToken& token) {
  std::string scopes;
  for (const Scope& scope : token.scopes) {
    scopes += (scopes.empty() ? "" : ",") + scope.ToString();
  }
  std::string line = token.id + " " + base::FormatInstant(token.created_at_us) + " " +
                     (token.expires_at_us ? base::FormatInstant(*token.expires_at_us) : "-") + " " +
                     scopes + " " + token.digest;
  return token.label.empty() ? line : line + " " + token.label;
}

arrow::Status SystemError(const std::string& what, const std::string& path) {
  return MakeError(errno == EACCES || errno == EPERM ? ErrorCode::kDenied : ErrorCode::kUnavailable,
                   what + " " + path + ": " + std::strerror(errno));
}

// A file descriptor that closes itself, and with it gives back its lock.
class File {
 public:
  File(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags, 0600)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }
  bool ok() const { return descriptor_ >= 0; }

 private:
  const int descriptor_;
};

arrow::Result<std::string> ReadAll(int descriptor, const std::string& path) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t size = ::read(descriptor, buffer, sizeof buffer);
    if (size == 0) {
      return text;
    }
    if (size < 0) {
      return SystemError("cannot read", path);
    }
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kMaxFileBytes) {
      return MakeError(ErrorCode::kLimit, path + ": more than 4 MiB of tokens");
    }
  }
}

arrow::Status WriteAll(int descriptor, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t size = ::write(descriptor, text.data(), text.size());
    if (size < 0) {
      return SystemError("cannot write", path);
    }
    text.remove_prefix(static_cast<size_t>(size));
  }
  return ::fsync(descriptor) == 0 ? arrow::Status::OK() : SystemError("cannot sync", path);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Readers see the old file or the new one, whole.
arrow::Status Replace(const std::string& path, const std::vector<AccessToken>& tokens) {
  std::string text(kMagic);
  text += '\n';
  for (const AccessToken& token : tokens) {
    text += LineOf(token) + "\n";
  }
  const std::string beside = path + ".new";
  {
    const File file(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (!file.ok()) {
      return SystemError("cannot write", beside);
    }
    ARROW_RETURN_NOT_OK(WriteAll(file.get(), text, beside));
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return SystemError("cannot replace", path);
  }
  const File folder(FolderOf(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return folder.ok() && ::fsync(folder.get()) == 0 ? arrow::Status::OK()
                                                   : SystemError("cannot sync", FolderOf(path));
}

// Lets `change` alter the tokens and writes them back, one process at a time.
template <typename Change>
arrow::Status Edit(const std::string& path, const Change& change) {
  std::error_code ignored;  // a folder that is not there shows below
  std::filesystem::create_directories(FolderOf(path), ignored);
  const File lock(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC);
  if (!lock.ok() || ::flock(lock.get(), LOCK_EX) != 0) {
    return SystemError("cannot lock", path + ".lock");
  }
  ARROW_ASSIGN_OR_RAISE(const AccessTokens present, AccessTokens::Load(path));
  std::vector<AccessToken> tokens = present.tokens();
  ARROW_RETURN_NOT_OK(change(&tokens));
  return Replace(path, tokens);
}

std::string RandomHex(base::Random& random, size_t digits) {
  std::string text;
  while (text.size() < digits) {
    char buffer[17];
    std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(random.Next()));
    text += buffer;
  }
  text.resize(digits);
  return text;
}

}  // namespace

std::string Scope::ToString() const {
  for (const auto& [value, text] : kRights) {
    if (value == right) {
      return std::string(text) + (name.empty() ? "" : ":" + name);
    }
  }
  return "";
}

arrow::Result<Scope> ParseScope(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(':'));
  Scope scope;
  std::vector<std::string> words;
  for (const auto& [right, name] : kRights) {
    words.emplace_back(name);
    scope.right = name == word ? right : scope.right;
  }
  if (std::find(words.begin(), words.end(), word) == words.end()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + std::string(text) + "' is no scope" + base::DidYouMean(word, words) +
                         "; scopes are read, read:SERVICE, push, push:SOURCE, metrics");
  }
  if (word.size() < text.size()) {
    scope.name = text.substr(word.size() + 1);
    const bool plain = std::all_of(scope.name.begin(), scope.name.end(), [](char c) {
      return c == '_' || c == '.' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
             (c >= 'A' && c <= 'Z');
    });
    if (scope.name.empty() || !plain || scope.right == Right::kMetrics) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "'" + std::string(text) + "' is no scope; expected e.g. read:delay_model");
    }
  }
  return scope;
}

bool AccessToken::Allows(Right right, std::string_view name) const {
  return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
    return scope.right == right && (scope.name.empty() || scope.name == name);
  });
}

bool AccessToken::AllowsSome(Right right) const {
  return std::any_of(scopes.begin(), scopes.end(),
                     [&](const Scope& scope) { return scope.right == right; });
}

arrow::Result<AccessTokens> AccessTokens::Parse(std::string_view text, const std::string& path) {
  AccessTokens tokens;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    ++number;
    if (number == 1) {
      if (line != kMagic) {
        return MakeError(ErrorCode::kCorrupt,
                         path + ":1: is no file of tokens: expected '" + std::string(kMagic) + "'");
      }
      continue;
    }
    if (line.empty() || line[0] == '#') {
      continue;
    }
    auto token = ParseLine(line);
    if (!token.ok()) {
      // The line is not shown: it may be a token that was written here by mistake.
      return MakeError(ErrorCode::kCorrupt,
                       path + ":" + std::to_string(number) + ": " + token.status().message());
    }
    tokens.tokens_.push_back(*std::move(token));
  }
  if (number == 0) {
    return MakeError(ErrorCode::kCorrupt,
                     path + ": is empty: expected '" + std::string(kMagic) + "'");
  }
  return tokens;
}

arrow::Result<AccessTokens> AccessTokens::Load(const std::string& path) {
  const File file(path, O_RDONLY | O_CLOEXEC);
  if (!file.ok()) {
    return errno == ENOENT ? arrow::Result<AccessTokens>(AccessTokens())
                           : SystemError("cannot open", path);
  }
  struct stat info;
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return MakeError(ErrorCode::kDenied, path + ": is no plain file");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return MakeError(ErrorCode::kDenied,
                     path + ": others than its owner may write it; run chmod 600 " + path);
  }
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadAll(file.get(), path));
  return Parse(text, path);
}

const AccessToken* AccessTokens::Find(std::string_view text, int64_t now_us) const {
  const std::string digest = base::Sha256Hex(text);
  const AccessToken* found = nullptr;
  // No early end: how long this takes says nothing of where a token stands.
  for (const AccessToken& token : tokens_) {
    if (base::EqualInConstantTime(token.digest, digest)) {
      found = &token;
    }
  }
  return found != nullptr && (!found->expires_at_us || now_us < *found->expires_at_us) ? found
                                                                                       : nullptr;
}

arrow::Result<IssuedToken> IssueToken(const std::string& path, const NewToken& wanted,
                                      base::Random& random) {
  if (wanted.scopes.empty()) {
    return MakeError(ErrorCode::kInvalidArgument, "a token needs a scope");
  }
  if (!IsPlainLabel(wanted.label)) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "a token's label is one line of at most 200 bytes");
  }
  IssuedToken issued;
  issued.token.id = RandomHex(random, kIdDigits);
  issued.text = std::string(kTokenPrefix) + issued.token.id + "_" + RandomHex(random, 64);
  issued.token.digest = base::Sha256Hex(issued.text);
  issued.token.scopes = wanted.scopes;
  issued.token.label = wanted.label;
  issued.token.created_at_us = wanted.created_at_us;
  issued.token.expires_at_us = wanted.expires_at_us;
  ARROW_RETURN_NOT_OK(Edit(path, [&](std::vector<AccessToken>* tokens) {
    tokens->push_back(issued.token);
    return arrow::Status::OK();
  }));
  return issued;
}

arrow::Status RevokeToken(const std::string& path, const std::string& id) {
  return Edit(path, [&](std::vector<AccessToken>* tokens) -> arrow::Status {
    std::vector<std::string> ids;
    for (const AccessToken& token : *tokens) {
      ids.push_back(token.id);
    }
    const auto removed = std::remove_if(tokens->begin(), tokens->end(),
                                        [&](const auto& token) { return token.id == id; });
    if (removed == tokens->end()) {
      return MakeError(ErrorCode::kNotFound,
                       "no token '" + id + "' in " + path + base::DidYouMean(id, ids));
    }
    tokens->erase(removed, tokens->end());
    return arrow::Status::OK();
  });
}

}  // namespace icecore::govern
