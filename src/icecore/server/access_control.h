#pragma once
// Who may ask the server for what.

#include <arrow/result.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "icecore/govern/access_token.h"

namespace icecore::server {

// Thread safe. The tokens of a file, read anew when it changes.
class AccessControl {
 public:
  // A file that does not exist yet holds no tokens.
  static arrow::Result<std::unique_ptr<AccessControl>> Open(const std::string& path);

  // Requests need a token: from the moment the file holds one, and never less again.
  bool enforced() const { return enforced_; }
  // The token of an Authorization header ("Bearer TOKEN"), or nullptr.
  std::shared_ptr<const govern::AccessToken> Authenticate(std::string_view authorization) const;
  // Reads the file again when it is another than before. After an error the tokens known stay.
  arrow::Status Refresh();

 private:
  explicit AccessControl(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::mutex mutex_;  // of Refresh
  std::string file_state_;
  std::atomic<bool> enforced_ = false;
  std::atomic<std::shared_ptr<const govern::AccessTokens>> tokens_;
};

}  // namespace icecore::server
