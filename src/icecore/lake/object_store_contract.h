#pragma once
// What every ObjectStore keeps; included by one test file, which says what stores there are.

#include <arrow/io/interfaces.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/object_store.h"

namespace icecore::lake {

// Stores made by one test; what belongs to them goes with it.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  // Of the same objects each time, as another process would.
  virtual std::unique_ptr<ObjectStore> Open() = 0;
};

struct NamedStore {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

class ObjectStoreContract : public ::testing::TestWithParam<NamedStore> {
 protected:
  void SetUp() override {
    under_test_ = GetParam().make();
    store_ = under_test_->Open();
  }

  std::unique_ptr<StoreUnderTest> under_test_;
  std::unique_ptr<ObjectStore> store_;
};

// Bytes that differ wherever one looks.
inline std::string Noise(size_t size) {
  base::SeededRandom random(size);
  std::string bytes;
  while (bytes.size() < size) {
    const uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

TEST_P(ObjectStoreContract, PutIfAbsentKeepsTheFirst) {
  EXPECT_TRUE(Must(store_->PutIfAbsent("a/b/1", "first")));
  EXPECT_FALSE(Must(store_->PutIfAbsent("a/b/1", "second")));
  EXPECT_FALSE(Must(store_->PutIfAbsent("a/b/1", "first")));
  EXPECT_EQ(Must(store_->Get("a/b/1")), "first");
  ASSERT_OK(store_->Put("a/b/1", "third"));
  EXPECT_EQ(Must(store_->Get("a/b/1")), "third");
  ASSERT_OK(store_->Delete("a/b/1"));
  EXPECT_TRUE(Must(store_->PutIfAbsent("a/b/1", "fourth")));
}

TEST_P(ObjectStoreContract, OneOfManyWritersWins) {
  constexpr int kWriters = 8;
  std::vector<int> won(kWriters, 0);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kWriters; ++i) {
      threads.emplace_back([&, i] {
        const auto put = store_->PutIfAbsent("race/1", "writer " + std::to_string(i));
        won[static_cast<size_t>(i)] = put.ok() && *put ? 1 : 0;
      });
    }
  }
  int winners = 0;
  for (int i = 0; i < kWriters; ++i) {
    if (won[static_cast<size_t>(i)] != 0) {
      ++winners;
      EXPECT_EQ(Must(store_->Get("race/1")), "writer " + std::to_string(i));
    }
  }
  EXPECT_EQ(winners, 1);
}

TEST_P(ObjectStoreContract, RangesEndWhereTheObjectEnds) {
  ASSERT_OK(store_->Put("r", "third"));
  EXPECT_EQ(Must(store_->GetRange("r", 2, 2)), "ir");
  EXPECT_EQ(Must(store_->GetRange("r", 0, INT64_MAX)), "third");
  EXPECT_EQ(Must(store_->GetRange("r", 3, INT64_MAX)), "rd");
  EXPECT_EQ(Must(store_->GetRange("r", 4, 100)), "d");
  EXPECT_EQ(Must(store_->GetRange("r", 5, 1)), "");
  EXPECT_EQ(Must(store_->GetRange("r", 9, 100)), "");
  EXPECT_EQ(Must(store_->GetRange("r", 1, 0)), "");
  EXPECT_EQ(CodeOfFailed(store_->GetRange("none", 0, 1)), base::ErrorCode::kNotFound);
  ASSERT_OK(store_->Put("empty", ""));
  EXPECT_EQ(Must(store_->Get("empty")), "");
  EXPECT_EQ(Must(store_->GetRange("empty", 0, 10)), "");
  EXPECT_EQ(Must(store_->Stat("empty")).size, 0);
}

TEST_P(ObjectStoreContract, ListIsSortedAndRecursiveAndStartsAfter) {
  for (const char* path : {"t/2", "t/1", "t/10", "t/sub/x", "t/sub-y", "u/1"}) {
    ASSERT_OK(store_->Put(path, "x"));
  }
  using Paths = std::vector<std::string>;
  EXPECT_EQ(Must(store_->List("t/", "")), (Paths{"t/1", "t/10", "t/2", "t/sub-y", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/", "t/10")), (Paths{"t/2", "t/sub-y", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/", "t/15")), (Paths{"t/2", "t/sub-y", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/1", "")), (Paths{"t/1", "t/10"}));
  EXPECT_EQ(Must(store_->List("t/s", "")), (Paths{"t/sub-y", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/", "t/sub/x")), Paths());
  EXPECT_TRUE(Must(store_->List("missing/", "")).empty());
}

TEST_P(ObjectStoreContract, ListingsWithSizes) {
  ASSERT_OK(store_->Put("d/b", "12345"));
  ASSERT_OK(store_->Put("d/a/c", "1"));
  ASSERT_OK(store_->Put("e", ""));
  const auto entries = Must(store_->ListEntries("d/"));
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].path, "d/a/c");
  EXPECT_EQ(entries[0].size, 1);
  EXPECT_EQ(entries[1].path, "d/b");
  EXPECT_EQ(entries[1].size, 5);
  EXPECT_GT(entries[1].modified_us, 1'500'000'000'000'000);
}

TEST_P(ObjectStoreContract, WhatWritersNeverEnded) {
  ASSERT_OK(store_->Put("d/kept", "12345"));
  const auto output = Must(store_->OpenOutput("d/file"));
  ASSERT_OK(output->Write(Noise(size_t{12} << 20)));
  const int64_t now_us = base::MakeSystemClock()->NowMicros();
  const int64_t later_us = now_us + 3'600'000'000;
  EXPECT_TRUE(Must(store_->Unfinished("d/", now_us - 3'600'000'000, true)).empty());
  EXPECT_TRUE(Must(store_->Unfinished("other/", later_us, true)).empty());
  const auto found = Must(store_->Unfinished("d/", later_us, false));
  ASSERT_EQ(found.size(), 1);
  EXPECT_TRUE(found[0].path.starts_with("d/"));
  EXPECT_EQ(Must(store_->Unfinished("d/", later_us, true)).size(), 1);
  EXPECT_TRUE(Must(store_->Unfinished("d/", later_us, true)).empty());
  EXPECT_TRUE(Must(store_->Exists("d/kept")));
}

TEST_P(ObjectStoreContract, PathsMayHoldAnyCharacters) {
  const std::vector<std::string> paths = {"s/%20",  "s/a b",   "s/a%2Fb",      "s/a&b=c;d",
                                          "s/a+b",  "s/a?b#c", "s/column=x/y", "s/quote'\"<>.",
                                          "s/~.-_", "s/ä€😀",  "s/…"};
  for (const std::string& path : paths) {
    EXPECT_TRUE(Must(store_->PutIfAbsent(path, path))) << path;
  }
  EXPECT_EQ(Must(store_->List("s/", "")), paths);
  for (const std::string& path : paths) {
    EXPECT_EQ(Must(store_->Get(path)), path);
    EXPECT_EQ(Must(store_->List(path, "")).front(), path);
    EXPECT_FALSE(Must(store_->PutIfAbsent(path, "other"))) << path;
  }
  EXPECT_EQ(Must(store_->List("s/", "s/a b")).front(), "s/a%2Fb");
  for (const std::string& path : paths) {
    ASSERT_OK(store_->Delete(path));
  }
  EXPECT_TRUE(Must(store_->List("s/", "")).empty());
}

TEST_P(ObjectStoreContract, WhatIsMissingIsNotFoundAndDeletesQuietly) {
  EXPECT_EQ(CodeOfFailed(store_->Get("none")), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfFailed(store_->Stat("none")), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfFailed(store_->OpenInput("none")), base::ErrorCode::kNotFound);
  EXPECT_FALSE(Must(store_->Exists("none")));
  ASSERT_OK(store_->Delete("none"));
  ASSERT_OK(store_->Put("one", "12345"));
  EXPECT_EQ(Must(store_->Stat("one")).size, 5);
  EXPECT_GT(Must(store_->Stat("one")).modified_us, 1'500'000'000'000'000);
  ASSERT_OK(store_->Delete("one"));
  EXPECT_FALSE(Must(store_->Exists("one")));
}

TEST_P(ObjectStoreContract, PathsStayBelowTheRoot) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a/"}) {
    EXPECT_EQ(CodeOfFailed(store_->Get(path)), base::ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(CodeOfFailed(store_->PutIfAbsent(path, "")), base::ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOfFailed(store_->OpenOutput(path)), base::ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(CodeOfFailed(store_->OpenInput(path)), base::ErrorCode::kInvalidArgument) << path;
  }
}

TEST_P(ObjectStoreContract, OutputIsSeenOnlyOnceClosed) {
  for (const size_t size : {size_t{0}, size_t{6}, size_t{5} << 20, (size_t{18} << 20) + 7}) {
    const std::string path = "d/file-" + std::to_string(size);
    const std::string bytes = Noise(size);
    const auto output = Must(store_->OpenOutput(path));
    for (size_t begin = 0; begin < size; begin += 3'000'001) {
      ASSERT_OK(output->Write(std::string_view(bytes).substr(begin, 3'000'001)));
    }
    EXPECT_FALSE(Must(store_->Exists(path)));
    EXPECT_EQ(Must(output->Tell()), static_cast<int64_t>(size));
    ASSERT_OK(output->Close());
    EXPECT_EQ(Must(store_->Stat(path)).size, static_cast<int64_t>(size));
    EXPECT_TRUE(Must(store_->Get(path)) == bytes) << size;
  }
  EXPECT_EQ(Must(store_->List("d/", "")).size(), 4);
}

TEST_P(ObjectStoreContract, OutputLeavesNothingWithoutClose) {
  ASSERT_OK(Must(store_->OpenOutput("d/aborted"))->Abort());
  Must(store_->OpenOutput("d/dropped")).reset();
  const auto large = Must(store_->OpenOutput("d/large"));
  ASSERT_OK(large->Write(Noise(size_t{12} << 20)));
  ASSERT_OK(large->Abort());
  EXPECT_FALSE(large->Write("more", 4).ok());
  EXPECT_TRUE(Must(store_->List("d/", "")).empty());
}

TEST_P(ObjectStoreContract, OutputDoesNotReplace) {
  for (const size_t size : {size_t{3}, size_t{12} << 20}) {
    const std::string path = "file-" + std::to_string(size);
    const auto output = Must(store_->OpenOutput(path));
    ASSERT_OK(output->Write(Noise(size)));
    ASSERT_OK(store_->Put(path, "other"));
    EXPECT_EQ(base::CodeOf(output->Close()), base::ErrorCode::kConflict);
    EXPECT_EQ(Must(store_->Get(path)), "other");
  }
}

TEST_P(ObjectStoreContract, InputReadsAnyRange) {
  const std::string bytes = Noise((size_t{3} << 20) + 11);
  ASSERT_OK(store_->Put("in", bytes));
  const auto input = Must(store_->OpenInput("in"));
  const auto size = static_cast<int64_t>(bytes.size());
  EXPECT_EQ(Must(input->GetSize()), size);
  base::SeededRandom random(5);
  for (int i = 0; i < 40; ++i) {
    const auto offset = static_cast<int64_t>(random.Next() % bytes.size());
    const auto count = static_cast<int64_t>(random.Next() % 100'000);
    const auto got = Must(input->ReadAt(offset, count));
    EXPECT_TRUE(got->ToString() ==
                bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(count)))
        << offset << " " << count;
  }
  EXPECT_EQ(Must(input->ReadAt(size, 10))->size(), 0);
  // From the begin: some files keep no position over ReadAt.
  const auto stream = Must(store_->OpenInput("in"));
  std::string whole;
  for (;;) {
    const auto step = Must(stream->Read(70'001));
    if (step->size() == 0) {
      break;
    }
    whole += step->ToString();
  }
  EXPECT_TRUE(whole == bytes);
  ASSERT_OK(store_->Put("in0", ""));
  EXPECT_EQ(Must(Must(store_->OpenInput("in0"))->GetSize()), 0);
}

TEST_P(ObjectStoreContract, AnotherInstanceSeesTheSame) {
  ASSERT_OK(store_->Put("x/1", "a"));
  const auto other = under_test_->Open();
  EXPECT_EQ(Must(other->Get("x/1")), "a");
  EXPECT_FALSE(Must(other->PutIfAbsent("x/1", "b")));
  EXPECT_EQ(Must(other->List("x/", "")), std::vector<std::string>{"x/1"});
}

}  // namespace icecore::lake
