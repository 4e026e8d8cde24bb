#include "icecore/sql/kept_answers.h"

#include <arrow/type.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "icecore/base/build_id.h"
#include "icecore/base/id.h"
#include "icecore/sql/answer_bytes_internal.h"
#include "icecore/sql/memo_internal.h"
#include "icecore/sql/mentioned_tables.h"

namespace icecore::sql {
namespace {

namespace fs = std::filesystem;

AnalysisRequest RequestOf(const std::string& sql) {
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  AnalysisRequest request;
  request.sql = sql;
  request.location = {"tables.yaml", 3, 8};
  request.tables = {
      {"landing.a",
       arrow::schema({arrow::field("id", arrow::int64()),
                      arrow::field("tags", arrow::list(arrow::utf8())),
                      arrow::field("price", arrow::decimal128(12, 2)), arrow::field("at", instant),
                      arrow::field("_seq", arrow::int64()), arrow::field("_arrived_at", instant)}),
       false, std::nullopt},
      {"landing.b",
       arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8()),
                      arrow::field("_seq", arrow::int64()), arrow::field("_arrived_at", instant)}),
       false, std::nullopt}};
  request.each = "landing.a";
  request.row_wise_required = true;
  return request;
}

const char* const kTexts[] = {
    "select *, tags[1] as first from landing.a",
    "select a.id, price, b.name from landing.a a left join landing.b b on a.id = b.id",
    "select id, run_time() as asked from landing.a"};

class KeptAnswersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(base::BuildId().empty());
    folder_ = fs::temp_directory_path() / ("icecore-answers-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    path_ = folder_ / "sql.answers";
    Forget();
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void Forget() {
    KnownAnalyses().Forget();
    KnownMentions().Forget();
  }
  static void Ask(const std::string& sql) {
    ASSERT_TRUE(Analyse(RequestOf(sql)).ok());
    ASSERT_TRUE(MentionedTables({sql}).ok());
  }
  // How many answers the file gives.
  size_t Held() {
    Forget();
    const uint64_t before = KnownAnalyses().uses() + KnownMentions().uses();
    const KeptAnswers kept(path_);
    return KnownAnalyses().uses() + KnownMentions().uses() - before;
  }
  std::string Bytes() {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  fs::path folder_;
  fs::path path_;
};

void ExpectEqual(const Analysis& a, const Analysis& b) {
  EXPECT_EQ(a.tables, b.tables);
  EXPECT_EQ(a.driver, b.driver);
  EXPECT_EQ(a.row_wise, b.row_wise);
  EXPECT_EQ(a.not_row_wise, b.not_row_wise);
  EXPECT_EQ(a.uses_run_time, b.uses_run_time);
  EXPECT_TRUE(a.output->Equals(*b.output, true));
  EXPECT_EQ(a.sources, b.sources);
  EXPECT_EQ(a.plain_sql, b.plain_sql);
  EXPECT_EQ(a.row_wise_sql, b.row_wise_sql);
  ASSERT_EQ(a.diagnostics.entries().size(), b.diagnostics.entries().size());
  for (size_t i = 0; i < a.diagnostics.entries().size(); ++i) {
    EXPECT_EQ(a.diagnostics.entries()[i].ToString(), b.diagnostics.entries()[i].ToString());
  }
}

TEST_F(KeptAnswersTest, AnotherProcessKnowsWhatOneFound) {
  std::vector<Analysis> found;
  {
    const KeptAnswers kept(path_);
    for (const char* text : kTexts) {
      Ask(text);
      found.push_back(*Analyse(RequestOf(text)));
    }
    EXPECT_FALSE(fs::exists(path_));
  }
  EXPECT_FALSE(found[1].diagnostics.entries().empty());  // a warning is kept as well
  Forget();
  const KeptAnswers kept(path_);
  for (size_t i = 0; i < found.size(); ++i) {
    const uint64_t uses = KnownAnalyses().uses();
    ExpectEqual(*Analyse(RequestOf(kTexts[i])), found[i]);
    EXPECT_EQ(KnownAnalyses().uses(), uses + 1);  // found, not kept anew
  }
}

TEST_F(KeptAnswersTest, AnswersOfSeveralProcessesComeTogether) {
  for (const char* text : kTexts) {
    Forget();
    const KeptAnswers kept(path_);
    Ask(text);
  }
  EXPECT_EQ(Held(), 2 * std::size(kTexts));
  const std::string before = Bytes();
  {
    const KeptAnswers kept(path_);
    Ask(kTexts[0]);
  }
  EXPECT_EQ(Bytes(), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(KeptAnswersTest, ErrorsAreNotKept) {
  {
    const KeptAnswers kept(path_);
    EXPECT_TRUE(Analyse(RequestOf("select nothing from landing.a"))->diagnostics.has_errors());
  }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(KeptAnswersTest, DamagedFilesArePassedOverAndWrittenAnew) {
  {
    const KeptAnswers kept(path_);
    Ask(kTexts[0]);
  }
  const std::string whole = Bytes();
  ASSERT_EQ(Held(), 2);
  for (size_t cut = 0; cut < whole.size(); cut += 7) {
    Write(whole.substr(0, cut));
    ASSERT_EQ(Held(), 0) << cut;
  }
  for (size_t at = 0; at < whole.size(); at += 5) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    Write(damaged);
    ASSERT_EQ(Held(), at >= 12 && at < 16 ? 2 : 0) << at;
  }
  Write("nothing of ours");
  Forget();
  {
    const KeptAnswers kept(path_);
    Ask(kTexts[0]);
  }
  EXPECT_EQ(Held(), 2);
}

TEST_F(KeptAnswersTest, AnswersOfAnotherDuckDbAreNotTaken) {
  {
    const KeptAnswers kept(path_);
    Ask(kTexts[0]);
  }
  std::string bytes = Bytes();
  const size_t name = bytes.find("DuckDB v");
  ASSERT_NE(name, std::string::npos);
  for (const char c : {'v', 'w'}) {
    bytes[name + 7] = c;
    const uint64_t checksum = base::Hash64(std::string_view(bytes).substr(32));
    std::memcpy(bytes.data() + 24, &checksum, sizeof checksum);
    Write(bytes);
    EXPECT_EQ(Held(), c == 'v' ? 2 : 0);
  }
}

TEST_F(KeptAnswersTest, AFolderThatIsNotThereIsNoMatter) {
  const KeptAnswers kept((folder_ / "missing" / "sql.answers").string());
  Ask(kTexts[0]);
}

TEST_F(KeptAnswersTest, BytesOfOtherThingsAreNoAnswers) {
  const std::string bytes = *BytesOfAnalysis(*Analyse(RequestOf(kTexts[1])));
  EXPECT_TRUE(AnalysisOfBytes(bytes).has_value());
  EXPECT_FALSE(AnalysisOfBytes(BytesOfNames({"a"})).has_value());
  EXPECT_FALSE(NamesOfBytes(bytes).has_value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(AnalysisOfBytes(bytes.substr(0, size)).has_value());
  }
}

}  // namespace
}  // namespace icecore::sql
