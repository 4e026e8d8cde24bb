#include "icecore/govern/access_token.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "icecore/base/error.h"

namespace icecore::govern {
namespace {

constexpr int64_t kNow = 1'709'251'200'000'000;

class AccessTokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/icecore_tokens_XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/tokens";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  IssuedToken Issue(const std::vector<std::string>& scopes,
                    std::optional<int64_t> expires = std::nullopt) {
    NewToken wanted;
    for (const std::string& scope : scopes) {
      wanted.scopes.push_back(ParseScope(scope).ValueOrDie());
    }
    wanted.label = "for a test";
    wanted.created_at_us = kNow;
    wanted.expires_at_us = expires;
    return IssueToken(path_, wanted, base::SystemRandom()).ValueOrDie();
  }
  AccessTokens Load() { return AccessTokens::Load(path_).ValueOrDie(); }
  std::string FileText() {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  base::ErrorCode LoadError() { return base::CodeOf(AccessTokens::Load(path_).status()); }

  std::string folder_, path_;
};

TEST_F(AccessTokenTest, AnIssuedTokenIsFoundByItsTextOnly) {
  const IssuedToken first = Issue({"read:delay_model", "push"});
  const IssuedToken second = Issue({"metrics"});
  EXPECT_NE(first.text, second.text);
  EXPECT_EQ(first.text.size(), 4 + 8 + 1 + 64);
  const AccessTokens tokens = Load();
  ASSERT_EQ(tokens.tokens().size(), 2);
  const AccessToken* found = tokens.Find(first.text, kNow);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->id, first.token.id);
  EXPECT_EQ(found->label, "for a test");
  EXPECT_EQ(found->created_at_us, kNow);
  std::string wrong = first.text;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  for (const std::string& guess : {wrong, first.text.substr(1), std::string(), found->digest}) {
    EXPECT_EQ(tokens.Find(guess, kNow), nullptr) << guess;
  }
}

TEST_F(AccessTokenTest, TheFileHoldsNoSecretAndIsTheOwnersAlone) {
  const IssuedToken issued = Issue({"read"});
  EXPECT_EQ(FileText().find(issued.text), std::string::npos);
  EXPECT_EQ(FileText().find(issued.text.substr(13)), std::string::npos);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_F(AccessTokenTest, ScopesSayWhatIsAllowed) {
  const IssuedToken issued = Issue({"read:delay_model", "push"});
  const AccessToken& token = issued.token;
  EXPECT_TRUE(token.Allows(Right::kRead, "delay_model"));
  EXPECT_FALSE(token.Allows(Right::kRead, "delay_model2"));
  EXPECT_FALSE(token.Allows(Right::kRead, ""));
  EXPECT_TRUE(token.Allows(Right::kPush, "events"));
  EXPECT_FALSE(token.Allows(Right::kMetrics, ""));
  EXPECT_TRUE(token.AllowsSome(Right::kRead));
  EXPECT_FALSE(token.AllowsSome(Right::kMetrics));
  for (const char* wrong : {"", "write", "read:", "read:a b", "metrics:x", "READ", "read,push"}) {
    EXPECT_EQ(base::CodeOf(ParseScope(wrong).status()), base::ErrorCode::kInvalidArgument) << wrong;
  }
}

TEST_F(AccessTokenTest, TokensExpire) {
  const IssuedToken issued = Issue({"read"}, kNow + 10);
  const AccessTokens tokens = Load();
  EXPECT_NE(tokens.Find(issued.text, kNow + 9), nullptr);
  EXPECT_EQ(tokens.Find(issued.text, kNow + 10), nullptr);
}

TEST_F(AccessTokenTest, RevokedTokensAreGone) {
  const IssuedToken first = Issue({"read"});
  const IssuedToken second = Issue({"read"});
  ASSERT_TRUE(RevokeToken(path_, first.token.id).ok());
  EXPECT_EQ(Load().Find(first.text, kNow), nullptr);
  EXPECT_NE(Load().Find(second.text, kNow), nullptr);
  EXPECT_EQ(base::CodeOf(RevokeToken(path_, first.token.id)), base::ErrorCode::kNotFound);
}

TEST_F(AccessTokenTest, WritersTakeTurns) {
  constexpr int kWriters = 8;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([this] { Issue({"read"}); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Load().tokens().size(), kWriters);
}

TEST_F(AccessTokenTest, FilesThatAreNotOurs) {
  EXPECT_TRUE(Load().tokens().empty());  // none yet
  std::ofstream(path_) << "";
  EXPECT_EQ(LoadError(), base::ErrorCode::kCorrupt);
  std::ofstream(path_) << "users: []\n";
  EXPECT_EQ(LoadError(), base::ErrorCode::kCorrupt);
}

TEST_F(AccessTokenTest, DamageIsAnError) {
  Issue({"read"});
  const std::string good = FileText();
  const size_t digest_end = good.size() - std::string(" for a test\n").size();
  for (size_t size = 0; size < digest_end; ++size) {
    const auto cut = AccessTokens::Parse(good.substr(0, size), "tokens");
    // A file that ends with its first line has no tokens; any other cut is noticed.
    EXPECT_TRUE(!cut.ok() || cut->tokens().empty()) << size;
  }
  std::filesystem::permissions(path_, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(LoadError(), base::ErrorCode::kDenied);
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_EQ(LoadError(), base::ErrorCode::kDenied);
}

}  // namespace
}  // namespace icecore::govern
