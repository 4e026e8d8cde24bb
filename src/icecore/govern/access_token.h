#pragma once
// Access tokens: secrets that a client sends with each request, known to us by their digests.
// The file: docs/formats/access-tokens.md.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::govern {

enum class Right {
  kRead,     // feature vectors, by service or view
  kPush,     // rows, by source
  kMetrics,  // the server's own figures
};

// "read", "read:delay_model", "push:events", "metrics". No name: all of them.
struct Scope {
  Right right = Right::kRead;
  std::string name;

  std::string ToString() const;
};
// kInvalidArgument names the scope and what scopes there are.
arrow::Result<Scope> ParseScope(std::string_view text);

struct AccessToken {
  std::string id;  // 8 hex digits; may be logged
  int64_t created_at_us = 0;
  std::optional<int64_t> expires_at_us;
  std::vector<Scope> scopes;
  std::string digest;  // SHA-256 of the token's text, hex
  std::string label;   // for people; may be empty

  bool Allows(Right right, std::string_view name) const;
  // Whether it has the right for anything at all.
  bool AllowsSome(Right right) const;
};

// The tokens of one file, as they were when it was read. Immutable.
class AccessTokens {
 public:
  AccessTokens() = default;

  // kCorrupt names `path` and the line.
  static arrow::Result<AccessTokens> Parse(std::string_view text, const std::string& path);
  // A file that does not exist holds no tokens. kDenied when others than its owner may write it.
  static arrow::Result<AccessTokens> Load(const std::string& path);

  const std::vector<AccessToken>& tokens() const { return tokens_; }
  // The token with this text that has not expired at now_us, or nullptr.
  const AccessToken* Find(std::string_view text, int64_t now_us) const;

 private:
  std::vector<AccessToken> tokens_;
};

struct NewToken {
  std::vector<Scope> scopes;  // one at least
  std::string label;          // one line
  int64_t created_at_us = 0;
  std::optional<int64_t> expires_at_us;
};

struct IssuedToken {
  AccessToken token;
  std::string text;  // the secret; kept nowhere
};

// Adds a token to the file (made with mode 0600 where it is missing). Durable when it returns;
// writers in several processes take turns.
arrow::Result<IssuedToken> IssueToken(const std::string& path, const NewToken& wanted,
                                      base::Random& random);
// kNotFound names the nearest id.
arrow::Status RevokeToken(const std::string& path, const std::string& id);

}  // namespace icecore::govern
