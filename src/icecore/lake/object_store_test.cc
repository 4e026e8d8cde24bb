#include "icecore/lake/object_store.h"

#include <arrow/io/interfaces.h>

#include <fstream>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using ObjectStoreTest = LakeFixture;

TEST_F(ObjectStoreTest, PutIfAbsentKeepsTheFirst) {
  EXPECT_TRUE(Must(store_->PutIfAbsent("a/b/1", "first")));
  EXPECT_FALSE(Must(store_->PutIfAbsent("a/b/1", "second")));
  EXPECT_EQ(Must(store_->Get("a/b/1")), "first");
  ASSERT_OK(store_->Put("a/b/1", "third"));
  EXPECT_EQ(Must(store_->Get("a/b/1")), "third");
  EXPECT_EQ(Must(store_->GetRange("a/b/1", 2, 2)), "ir");
  EXPECT_EQ(Must(store_->GetRange("a/b/1", 4, 100)), "d");
  EXPECT_EQ(Must(store_->GetRange("a/b/1", 9, 100)), "");
}

TEST_F(ObjectStoreTest, ListIsSortedAndRecursiveAndStartsAfter) {
  for (const char* path : {"t/2", "t/1", "t/10", "t/sub/x", "u/1"}) {
    ASSERT_OK(store_->Put(path, "x"));
  }
  EXPECT_EQ(Must(store_->List("t/", "")),
            (std::vector<std::string>{"t/1", "t/10", "t/2", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/", "t/10")), (std::vector<std::string>{"t/2", "t/sub/x"}));
  EXPECT_EQ(Must(store_->List("t/1", "")), (std::vector<std::string>{"t/1", "t/10"}));
  EXPECT_EQ(Must(store_->List("t/s", "")), (std::vector<std::string>{"t/sub/x"}));
  EXPECT_TRUE(Must(store_->List("missing/", "")).empty());
}

TEST_F(ObjectStoreTest, WhatIsMissingIsNotFoundAndDeletesQuietly) {
  EXPECT_EQ(CodeOfFailed(store_->Get("none")), ErrorCode::kNotFound);
  EXPECT_FALSE(Must(store_->Exists("none")));
  ASSERT_OK(store_->Delete("none"));
  ASSERT_OK(store_->Put("one", "12345"));
  EXPECT_EQ(Must(store_->Stat("one")).size, 5);
  ASSERT_OK(store_->Delete("one"));
  EXPECT_FALSE(Must(store_->Exists("one")));
}

TEST_F(ObjectStoreTest, PathsStayBelowTheRoot) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a/"}) {
    EXPECT_EQ(CodeOfFailed(store_->Get(path)), ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(CodeOfFailed(store_->PutIfAbsent(path, "")), ErrorCode::kInvalidArgument) << path;
  }
}

TEST_F(ObjectStoreTest, OutputIsSeenOnlyOnceClosed) {
  const auto output = Must(store_->OpenOutput("d/file"));
  ASSERT_OK(output->Write(std::string_view("hello ")));
  ASSERT_OK(output->Write(std::string(3 << 20, 'x')));
  EXPECT_FALSE(Must(store_->Exists("d/file")));
  EXPECT_TRUE(Must(store_->List("d/", "")).empty());
  EXPECT_EQ(Must(output->Tell()), 6 + (3 << 20));
  ASSERT_OK(output->Close());
  EXPECT_EQ(Must(store_->Stat("d/file")).size, 6 + (3 << 20));
}

TEST_F(ObjectStoreTest, OutputLeavesNothingWithoutClose) {
  ASSERT_OK(Must(store_->OpenOutput("d/aborted"))->Abort());
  Must(store_->OpenOutput("d/dropped")).reset();
  EXPECT_TRUE(std::filesystem::is_empty(FileOf("d")));
}

TEST_F(ObjectStoreTest, ListingsWithSizes) {
  ASSERT_OK(store_->Put("d/b", "12345"));
  ASSERT_OK(store_->Put("d/a/c", "1"));
  ASSERT_OK(store_->Put("e", ""));
  const auto entries = Must(store_->ListEntries("d/"));
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].path, "d/a/c");
  EXPECT_EQ(entries[0].size, 1);
  EXPECT_EQ(entries[1].path, "d/b");
  EXPECT_EQ(entries[1].size, 5);
  EXPECT_GT(entries[1].modified_us, 0);
}

TEST_F(ObjectStoreTest, WhatWritersNeverEnded) {
  ASSERT_OK(store_->Put("d/kept", "12345"));
  const auto output = Must(store_->OpenOutput("d/file"));
  const int64_t now_us = base::MakeSystemClock()->NowMicros();
  EXPECT_TRUE(Must(store_->Unfinished("d/", now_us - 3'600'000'000, true)).empty());
  EXPECT_EQ(Must(store_->Unfinished("d/", now_us + 3'600'000'000, false)).size(), 1);
  EXPECT_EQ(Must(store_->Unfinished("d/", now_us + 3'600'000'000, true)).size(), 1);
  EXPECT_TRUE(Must(store_->Unfinished("d/", now_us + 3'600'000'000, true)).empty());
  EXPECT_TRUE(Must(store_->Exists("d/kept")));
}

TEST_F(ObjectStoreTest, OutputDoesNotReplace) {
  const auto output = Must(store_->OpenOutput("file"));
  ASSERT_OK(store_->Put("file", "other"));
  EXPECT_EQ(base::CodeOf(output->Close()), ErrorCode::kConflict);
  EXPECT_EQ(Must(store_->Get("file")), "other");
}

}  // namespace
}  // namespace icecore::lake
