// What loading a table costs, and that what is remembered is never taken for what is there.
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/table.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

class LoadCostTest : public LakeFixture {
 protected:
  void SetUp() override {
    LakeFixture::SetUp();
    counted_ = std::make_unique<FaultyObjectStore>(store_.get(), FaultPlan{.only = "_delta_log"});
  }
  // Operations on the log while `work` runs.
  template <typename Work>
  int64_t Cost(Work work) {
    const int64_t before = counted_->operations();
    work();
    return counted_->operations() - before;
  }

  std::unique_ptr<FaultyObjectStore> counted_;
};

TEST_F(LoadCostTest, ALoadedTableIsListedAgainAndNoMore) {
  const auto table = OpenTable(*counted_);
  EXPECT_EQ(Cost([&] { Must(table->LoadOrEmpty()); }), 2);  // _last_checkpoint, the list
  EXPECT_EQ(Cost([&] { Must(table->LoadOrEmpty()); }), 1);  // a table that is not there: the list
  ASSERT_OK(Create(*table, Schema()));
  EXPECT_EQ(Cost([&] { Must(table->Load()); }), 2);  // the list, its entry
  EXPECT_EQ(Cost([&] { Must(table->Load()); }), 1);
  EXPECT_EQ(Cost([&] { Must(table->Load(0)); }), 0);  // a version never changes
  // Load, data file apart: one write; and what was written is not read.
  EXPECT_EQ(Cost([&] { Must(Append(*table, 3)); }), 2);
  EXPECT_EQ(Cost([&] { Must(table->Load()); }), 1);
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(3));
}

TEST_F(LoadCostTest, WhatOthersCommitIsSeen) {
  const auto table = OpenTable(*counted_);
  const auto other = OpenTable(*store_);
  ASSERT_OK(Create(*other, Schema()));
  EXPECT_EQ(Must(table->Load())->version, 0);
  ASSERT_OK(Append(*other, 2).status());
  ASSERT_OK(Append(*table, 2).status());
  ASSERT_OK(Append(*other, 2).status());
  EXPECT_EQ(Cost([&] { EXPECT_EQ(Must(table->Load())->version, 3); }), 2);  // one entry is ours
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(6));
}

TEST_F(LoadCostTest, ManyEntriesReadAtOnceAreAppliedInOrder) {
  const auto writer = OpenTable(*store_);
  ASSERT_OK(Create(*writer, Schema()));
  for (int i = 0; i < 80; ++i) {
    ASSERT_OK(Append(*writer, 2).status());
  }
  const auto files = Must(store_->List("t/_delta_log/", ""));
  for (const std::string& file : files) {
    if (file.find("checkpoint") != std::string::npos) {
      ASSERT_OK(store_->Delete(file));
    }
  }
  const auto loaded = Must(OpenTable(*store_)->Load());
  const auto known = Must(writer->Load());
  EXPECT_EQ(loaded->version, 80);
  EXPECT_EQ(loaded->timestamp_us, known->timestamp_us);
  ASSERT_EQ(loaded->files.size(), known->files.size());
  for (size_t i = 0; i < known->files.size(); ++i) {
    EXPECT_EQ(loaded->files[i].path, known->files[i].path);
  }
  EXPECT_EQ(Seqs(*loaded), UpTo(160));
  ASSERT_OK(store_->Put(CommitPath("t", 40), "not an entry"));
  const auto broken = OpenTable(*store_)->Load();
  EXPECT_EQ(CodeOfFailed(broken), ErrorCode::kCorrupt);
  EXPECT_NE(broken.status().message().find(CommitPath("t", 40)), std::string::npos);
}

}  // namespace
}  // namespace icecore::lake
