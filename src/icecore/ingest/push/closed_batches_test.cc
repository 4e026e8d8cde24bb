#include "icecore/ingest/push/closed_batches.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/ingest/push/journal.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;

constexpr int64_t kThen = 1'700'000'000'000'000;

std::string Text(const std::vector<ClosedBatch>& batches) {
  std::string text;
  for (const ClosedBatch& batch : batches) {
    text += std::to_string(batch.number) + "@" + std::to_string(batch.arrived_us) + " ";
  }
  return text;
}

TEST(ClosedBatchesTest, ParseTakesBackWhatWasEncoded) {
  const std::string text = EncodeClosedFrom({3, -5}) + EncodeClosedBatch({4, -5}) +
                           EncodeClosedBatch({9, 1'700'000'000'000'000});
  const auto parsed = ParseClosedBatches(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(Text({parsed->from}), "3@-5 ");
  EXPECT_EQ(Text(parsed->batches), "4@-5 9@1700000000000000 ");
  EXPECT_EQ(parsed->bytes, text.size());
}

TEST(ClosedBatchesTest, ALineThatWasCutOffIsNoBatch) {
  const std::string whole = EncodeClosedFrom({0, 1}) + EncodeClosedBatch({4, 5});
  const std::string line = EncodeClosedBatch({6, 7});
  for (size_t length = 0; length < line.size(); ++length) {
    const auto parsed = ParseClosedBatches(whole + line.substr(0, length));
    ASSERT_TRUE(parsed.ok()) << length << ": " << parsed.status();
    EXPECT_EQ(Text(parsed->batches), "4@5 ");
    EXPECT_EQ(parsed->bytes, whole.size());
  }
}

TEST(ClosedBatchesTest, DamageIsFound) {
  const std::string from = EncodeClosedFrom({0, 1});
  const std::string next = EncodeClosedBatch({4, 5});
  for (const std::string& text :
       {std::string(), std::string("from"), next, next + next, from + next + next,
        from + EncodeClosedBatch({4, 0}) + next, from + "to 4 5 0000000000000000\n" + next,
        from + EncodeClosedBatch({4, 0})}) {
    EXPECT_EQ(CodeOf(ParseClosedBatches(text).status()), ErrorCode::kCorrupt) << text;
  }
}

class ClosingTest : public testing::Test {
 protected:
  ClosingTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "icecore-closed-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~ClosingTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<PushJournal> Open() {
    auto journal = PushJournal::Open(folder_, PushJournal::Options(), &clock_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  static void Push(PushJournal& journal) { EXPECT_TRUE(journal.Append("", "{\"n\":1}\n", 1).ok()); }
  static std::string Close(PushJournal& journal, int64_t number, int64_t now_us) {
    const auto closed = journal.Close(number, now_us);
    return closed.ok() ? Text(*closed) : closed.status().ToString();
  }

  std::string folder_;
  base::FixedClock clock_{1'000'000'000};
};

TEST_F(ClosingTest, EntriesKeepTheArrivalOfTheFirstWhoClosedThem) {
  const auto journal = Open();
  const auto other = Open();
  EXPECT_EQ(Close(*journal, 0, 10), "");
  Push(*journal);
  Push(*other);
  EXPECT_EQ(Close(*journal, 0, 20), "2@20 ");
  EXPECT_EQ(Close(*other, 0, 30), "2@20 ");
  Push(*journal);
  EXPECT_EQ(Close(*other, 0, 40), "2@20 3@40 ");
  EXPECT_EQ(Close(*journal, 2, 50), "3@40 ");
  EXPECT_EQ(Close(*journal, 3, 60), "");
}

TEST_F(ClosingTest, ArrivalsNeverGoBack) {
  const auto journal = Open();
  Push(*journal);
  EXPECT_EQ(Close(*journal, 0, 70), "1@70 ");
  Push(*journal);
  EXPECT_EQ(Close(*journal, 0, 60), "1@70 2@70 ");
}

TEST_F(ClosingTest, WhatAKilledWriterLeftIsWrittenOver) {
  const auto journal = Open();
  Push(*journal);
  EXPECT_EQ(Close(*journal, 0, 5), "1@5 ");
  std::ofstream(folder_ + "/closed", std::ios::app) << "to 2 ";
  Push(*journal);
  EXPECT_EQ(Close(*journal, 0, 6), "1@5 2@6 ");
  EXPECT_EQ(Close(*Open(), 0, 7), "1@5 2@6 ");
}

TEST_F(ClosingTest, BatchesThatWereTakenAreForgottenOnceTheyAreMany) {
  const auto journal = Open();
  ClosedBatches many;
  many.from = {0, kThen};
  for (int64_t number = 1; number <= 2000; ++number) {
    Push(*journal);
    many.batches.push_back({number, kThen + number});
  }
  ASSERT_TRUE(WriteClosedBatches(folder_, many).ok());
  ASSERT_TRUE(journal->Release(1990).ok());
  std::ifstream file(folder_ + "/closed");
  std::stringstream text;
  text << file.rdbuf();
  const auto kept = ParseClosedBatches(text.str());
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->from.number, 1990);
  EXPECT_EQ(kept->batches.size(), 10u);
  EXPECT_EQ(CodeOf(journal->Close(1989, 1).status()), ErrorCode::kConflict);
  EXPECT_EQ(Close(*journal, 1998, 1), "1999@1700000000001999 2000@1700000000002000 ");
}

TEST_F(ClosingTest, DamageIsAnErrorThatNamesTheFile) {
  const auto journal = Open();
  Push(*journal);
  std::ofstream(folder_ + "/closed") << "no line of ours\nnor this\n";
  const auto closed = journal->Close(0, 1);
  EXPECT_EQ(CodeOf(closed.status()), ErrorCode::kCorrupt);
  EXPECT_NE(closed.status().message().find("/closed: line 1"), std::string::npos)
      << closed.status();
}

}  // namespace
}  // namespace icecore::ingest
