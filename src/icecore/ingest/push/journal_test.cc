#include "icecore/ingest/push/journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "icecore/base/error.h"

namespace icecore::ingest {
namespace {

namespace fs = std::filesystem;
using base::CodeOf;
using base::ErrorCode;

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string pattern = fs::temp_directory_path() / "icecore-journal-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~JournalTest() override { fs::remove_all(folder_); }

  std::unique_ptr<PushJournal> Open() {
    auto journal = PushJournal::Open(folder_, options_, &clock_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  static std::string Row(int n) { return "{\"n\":" + std::to_string(n) + "}\n"; }

  std::vector<fs::path> Segments() const {
    std::set<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == ".journal") found.insert(entry.path());
    }
    return {found.begin(), found.end()};
  }
  std::string Rows(PushJournal& journal, int64_t after = 0) {
    const auto entries = journal.ReadAfter(after, int64_t{1} << 40);
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::string rows;
    for (const JournalEntry& entry : *entries) rows += entry.rows;
    return rows;
  }

  std::string folder_;
  base::FixedClock clock_{1'000'000'000};
  PushJournal::Options options_;
};

TEST_F(JournalTest, WhatWasAcknowledgedIsReadByAnyProcess) {
  const auto journal = Open();
  const auto other = Open();
  EXPECT_EQ(journal->Append("", Row(1), 1)->number, 1);
  EXPECT_EQ(other->Append("", Row(2) + Row(3), 2)->number, 2);
  EXPECT_EQ(journal->Append("", Row(4), 1)->number, 3);
  const auto entries = Open()->ReadAfter(0, int64_t{1} << 20);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[1].rows, Row(2) + Row(3));
  EXPECT_EQ((*entries)[2].first_row, 3);
  EXPECT_EQ(Rows(*journal, 2), Row(4));
}

TEST_F(JournalTest, AKeyIsTakenOnce) {
  const auto journal = Open();
  EXPECT_FALSE(journal->Append("k", Row(1), 1)->duplicate);
  const auto again = Open()->Append("k", Row(2) + Row(3), 2);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->number, 1);
  EXPECT_EQ(again->row_count, 1);
  EXPECT_EQ(Rows(*journal), Row(1));
  clock_.Set(clock_.NowMicros() + options_.key_retention_us + 1);
  EXPECT_FALSE(journal->Append("k", Row(4), 1)->duplicate);
}

TEST_F(JournalTest, ConcurrentCallersLoseNothingAndRepeatNothing) {
  constexpr int kThreads = 8;
  constexpr int kPushes = 50;
  const auto journal = Open();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kPushes; ++i) {
          const std::string key = std::to_string(t % 4) + "/" + std::to_string(i);  // each twice
          EXPECT_TRUE(journal->Append(key, Row(i), 1).ok());
        }
      });
    }
  }
  const auto entries = journal->ReadAfter(0, int64_t{1} << 40);
  ASSERT_TRUE(entries.ok());
  std::set<std::string> keys;
  for (const JournalEntry& entry : *entries) keys.insert(entry.key);
  EXPECT_EQ(entries->size(), size_t{4} * kPushes);
  EXPECT_EQ(keys.size(), entries->size());
}

// A writer killed in the middle of an entry, at every byte of it.
TEST_F(JournalTest, ATornTailIsCutOff) {
  ASSERT_TRUE(Open()->Append("a", Row(1), 1).ok());
  const fs::path segment = Segments().front();
  const auto whole = fs::file_size(segment);
  ASSERT_TRUE(Open()->Append("b", Row(2), 1).ok());
  const auto longer = fs::file_size(segment);
  const fs::path copy = segment.string() + ".copy";
  fs::copy_file(segment, copy);
  for (auto size = whole; size < longer; ++size) {
    fs::copy_file(copy, segment, fs::copy_options::overwrite_existing);
    fs::resize_file(segment, size);
    const auto journal = Open();
    EXPECT_EQ(Rows(*journal), Row(1)) << size;
    const auto receipt = journal->Append("b", Row(3), 1);
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_FALSE(receipt->duplicate);
    EXPECT_EQ(Rows(*Open()), Row(1) + Row(3)) << size;
  }
}

// Bytes that rotted in an entry that others follow are not taken for a torn tail.
TEST_F(JournalTest, ADamagedEntryIsNotCutOff) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Append("", Row(1), 1).ok());
  const fs::path segment = Segments().front();
  const auto begin = fs::file_size(segment);
  for (int n = 2; n < 5; ++n) ASSERT_TRUE(journal->Append("", Row(n), 1).ok());
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(begin) + 20);
  file.put('\x7f');
  file.close();
  const auto receipt = Open()->Append("", Row(9), 1);
  ASSERT_FALSE(receipt.ok());
  EXPECT_EQ(CodeOf(receipt.status()), ErrorCode::kCorrupt);
  EXPECT_FALSE(Open()->ReadAfter(3, 100).ok());
}

TEST_F(JournalTest, SegmentsGoWhenTheyAreTakenAndTheirKeysAreOld) {
  options_.segment_bytes = 1;
  const auto journal = Open();
  for (int n = 1; n <= 5; ++n) ASSERT_TRUE(journal->Append(std::to_string(n), Row(n), 1).ok());
  ASSERT_TRUE(journal->Release(5).ok());
  EXPECT_EQ(Segments().size(), 5u);  // keys are still of use
  clock_.Set(clock_.NowMicros() + options_.key_retention_us + 1);
  ASSERT_TRUE(journal->Release(2).ok());
  EXPECT_EQ(Segments().size(), 3u);
  EXPECT_EQ(Rows(*Open(), 2), Row(3) + Row(4) + Row(5));
  EXPECT_EQ(CodeOf(Open()->ReadAfter(0, 100).status()), ErrorCode::kCorrupt);
  ASSERT_TRUE(journal->Release(5).ok());
  EXPECT_EQ(Segments().size(), 1u);  // the last one tells the number
  EXPECT_EQ(Open()->Append("", Row(6), 1)->number, 6);
}

// Keys are of use for a day; the rows of a day would fill the disk.
TEST_F(JournalTest, RowsGoWhenTheyAreTaken) {
  options_.segment_bytes = 5000;
  const auto journal = Open();
  const std::string rows = std::string(1000, 'x') + "\n";
  const auto append = [&](int n) { return journal->Append(std::to_string(n), rows, 1); };
  for (int n = 1; n <= 9; ++n) ASSERT_TRUE(append(n).ok());
  const auto other = Open();
  const auto half_read = Open();
  for (int n = 10; n <= 18; ++n) ASSERT_TRUE(append(n).ok());
  ASSERT_TRUE(Open()->ReadAfter(0, 1).ok());
  ASSERT_EQ(Segments().size(), 4u);
  const auto bytes = [&](size_t i) { return fs::file_size(Segments()[i]); };
  EXPECT_GT(bytes(0), 5000u);
  for (int call = 0; call < 4; ++call) ASSERT_TRUE(journal->Release(14).ok());
  EXPECT_LT(bytes(0), 500u);
  EXPECT_LT(bytes(1), 500u);
  EXPECT_GT(bytes(2), 5000u);  // entry 15 is in it
  ASSERT_TRUE(other->Release(18).ok());
  EXPECT_LT(bytes(2), 500u);
  EXPECT_GT(bytes(3), 3000u);  // the last one, which is written on
  for (const auto& reader : {Open(), Open()}) EXPECT_EQ(Rows(*reader, 15), rows + rows + rows);
  for (PushJournal* reader : {journal.get(), other.get(), half_read.get()}) {
    EXPECT_EQ(Rows(*reader, 15), rows + rows + rows);
    EXPECT_EQ(CodeOf(reader->ReadAfter(3, 100).status()), ErrorCode::kCorrupt);
    EXPECT_TRUE(reader->Append("3", rows, 1)->duplicate);
    EXPECT_EQ(reader->Append("17", rows, 1)->number, 17);
  }
  EXPECT_TRUE(Open()->Append("3", rows, 1)->duplicate);
  EXPECT_EQ(half_read->Append("new", rows, 1)->number, 19);
  EXPECT_EQ(*journal->LastNumber(), 19);
  EXPECT_EQ(*Open()->RowsTaken(), 19);
}

// What one takes from the journal loses its rows while others push and take, too.
TEST_F(JournalTest, NothingIsLostWhileRowsGo) {
  options_.segment_bytes = 200;
  const auto journal = Open();
  const auto other = Open();
  constexpr int kThreads = 4;
  constexpr int kPushes = 60;
  std::vector<std::jthread> pushing;
  for (int thread = 0; thread < kThreads; ++thread) {
    pushing.emplace_back([&, thread] {
      PushJournal& mine = thread % 2 == 0 ? *journal : *other;
      for (int n = thread * kPushes; n < (thread + 1) * kPushes; ++n) {
        EXPECT_TRUE(mine.Append(std::to_string(n), Row(n), 1).ok());
      }
    });
  }
  const auto releasing = Open();
  std::set<std::string> taken;
  int64_t number = 0;
  while (number < kThreads * kPushes) {
    const auto entries = releasing->ReadAfter(number, 100);
    ASSERT_TRUE(entries.ok()) << entries.status();
    for (const JournalEntry& entry : *entries) {
      EXPECT_EQ(entry.number, ++number);
      EXPECT_TRUE(taken.insert(entry.rows).second);
    }
    ASSERT_TRUE(releasing->Release(number).ok());
    ASSERT_TRUE(other->Release(number / 2).ok());
  }
  pushing.clear();
  EXPECT_EQ(taken.size(), size_t{kThreads * kPushes});
  for (int call = 0; call < kThreads * kPushes; ++call) {
    ASSERT_TRUE(releasing->Release(number).ok());
  }
  const auto late = Open();
  for (int n = 0; n < kThreads * kPushes; ++n) {
    EXPECT_TRUE(late->Append(std::to_string(n), Row(n), 1)->duplicate) << n;
  }
  EXPECT_EQ(*late->LastNumber(), number);
}

TEST_F(JournalTest, SegmentsWithoutKeysGoWhenTheyAreTaken) {
  options_.segment_bytes = 1;
  const auto journal = Open();
  for (int n = 1; n <= 5; ++n) {
    ASSERT_TRUE(journal->Append(n == 3 ? "k" : "", Row(n), 1).ok());
  }
  ASSERT_TRUE(journal->Release(1).ok());
  EXPECT_EQ(Segments().size(), 4u);
  ASSERT_TRUE(journal->Release(5).ok());
  EXPECT_EQ(Segments().size(), 3u);  // that with the key, and those behind it
  EXPECT_TRUE(Open()->Append("k", Row(3), 1)->duplicate);
}

TEST_F(JournalTest, WhatSomebodyReadsYetStays) {
  options_.segment_bytes = 1;
  const auto journal = Open();
  for (int n = 1; n <= 5; ++n) ASSERT_TRUE(journal->Append("", Row(n), 1).ok());
  journal->KeepBehind(2);
  ASSERT_TRUE(journal->Release(5).ok());
  EXPECT_EQ(Rows(*journal, 2), Row(3) + Row(4) + Row(5));
  EXPECT_EQ(CodeOf(journal->ReadAfter(1, 1).status()), ErrorCode::kCorrupt);
  journal->KeepBehind(INT64_MAX);
  ASSERT_TRUE(journal->Release(5).ok());
  EXPECT_EQ(Segments().size(), 1u);
}

// Entries shorter and longer than what is read at a time, from every position.
TEST_F(JournalTest, AnyPositionIsFound) {
  options_.segment_bytes = int64_t{6} << 20;
  const auto journal = Open();
  constexpr int kEntries = 40;
  for (int n = 1; n <= kEntries; ++n) {
    const size_t bytes = n % 13 == 0 ? size_t{3} << 20 : static_cast<size_t>(n) * 4000;
    ASSERT_TRUE(journal->Append("", std::string(bytes, static_cast<char>('0' + n)) + "\n", 1).ok());
  }
  EXPECT_GT(Segments().size(), 1u);
  for (const auto& reader : {Open(), Open()}) {
    for (int after = 0; after < kEntries; ++after) {
      const auto one = reader->ReadAfter(after, 0);
      ASSERT_TRUE(one.ok()) << one.status();
      ASSERT_EQ(one->size(), 1u) << after;
      EXPECT_EQ(one->front().number, after + 1);
      EXPECT_EQ(one->front().rows[0], static_cast<char>('0' + after + 1));
      EXPECT_EQ(reader->ReadAfter(after, int64_t{1} << 40)->size(), size_t(kEntries - after));
    }
  }
  // Cut off under a reader that knew more.
  const auto reader = Open();
  fs::resize_file(Segments().back(), kSegmentHeaderBytes);
  EXPECT_EQ(CodeOf(reader->ReadAfter(kEntries - 1, 0).status()), ErrorCode::kCorrupt);
}

TEST_F(JournalTest, ALostJournalGoesOnBehindWhatWasTaken) {
  ASSERT_TRUE(Open()->Append("", Row(1), 1).ok());
  EXPECT_EQ(CodeOf(Open()->ReadAfter(7, 100).status()), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(Open()->ContinueBehind(7, 70)), ErrorCode::kCorrupt);
  fs::remove_all(folder_);
  const auto journal = Open();
  ASSERT_TRUE(journal->ContinueBehind(7, 70).ok());
  ASSERT_TRUE(journal->ContinueBehind(7, 70).ok());
  EXPECT_EQ(journal->Append("", Row(8), 1)->number, 8);
  EXPECT_EQ((*Open()->ReadAfter(7, 100)).front().first_row, 70);
  EXPECT_EQ(*Open()->RowsTaken(), 71);
}

TEST_F(JournalTest, Limits) {
  const auto journal = Open();
  EXPECT_EQ(CodeOf(journal->Append(std::string(257, 'k'), Row(1), 1).status()),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(journal->Append("", std::string(kMaxEntryBytes + 1, ' '), 1).status()),
            ErrorCode::kLimit);
  EXPECT_EQ(*journal->LastNumber(), 0);
  EXPECT_EQ(*journal->RowsTaken(), 0);
}

}  // namespace
}  // namespace icecore::ingest
