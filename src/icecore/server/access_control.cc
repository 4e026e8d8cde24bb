#include "icecore/server/access_control.h"

#include <sys/stat.h>

#include <algorithm>

#include "icecore/base/clock.h"

namespace icecore::server {
namespace {

constexpr std::string_view kBearer = "bearer ";

// What changes when somebody writes the file. Revoking replaces it, so its inode differs.
std::string FileState(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    return "";
  }
  return std::to_string(info.st_ino) + " " + std::to_string(info.st_size) + " " +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + " " +
         std::to_string(info.st_mode);
}

}  // namespace

arrow::Result<std::unique_ptr<AccessControl>> AccessControl::Open(const std::string& path) {
  std::unique_ptr<AccessControl> access(new AccessControl(path));
  ARROW_RETURN_NOT_OK(access->Refresh());
  return access;
}

std::shared_ptr<const govern::AccessToken> AccessControl::Authenticate(
    std::string_view authorization) const {
  const std::string_view scheme = authorization.substr(0, kBearer.size());
  const bool bearer = std::equal(scheme.begin(), scheme.end(), kBearer.begin(), kBearer.end(),
                                 [](char a, char b) { return (a | 0x20) == b; });
  if (!bearer) {
    return nullptr;
  }
  // Tokens are of the machine's time: a project's clock may stand still.
  static const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  const auto tokens = tokens_.load();
  const govern::AccessToken* token =
      tokens->Find(authorization.substr(kBearer.size()), clock->NowMicros());
  return token == nullptr ? nullptr : std::shared_ptr<const govern::AccessToken>(tokens, token);
}

arrow::Status AccessControl::Refresh() {
  std::lock_guard lock(mutex_);
  const std::string state = FileState(path_);
  if (state == file_state_ && tokens_.load() != nullptr) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(govern::AccessTokens tokens, govern::AccessTokens::Load(path_));
  file_state_ = state;
  // Never taken back: a file that is lost must not open the server.
  enforced_ = enforced_ || !tokens.tokens().empty();
  tokens_ = std::make_shared<const govern::AccessTokens>(std::move(tokens));
  return arrow::Status::OK();
}

}  // namespace icecore::server
