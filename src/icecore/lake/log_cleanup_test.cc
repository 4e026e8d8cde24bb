#include "icecore/lake/log_cleanup.h"

#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/md5_internal.h"
#include "icecore/lake/table_settings.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

constexpr int64_t kDay = int64_t{24} * 3600 * 1'000'000;

class LogCleanupTest : public LakeFixture {
 protected:
  // One version a day: creation, then rows, for `days` days.
  void Grow(int days) {
    const auto table = OpenTable(*store_);
    ASSERT_OK(Create(*table, Schema()));
    for (int day = 1; day < days; ++day) {
      clock_.Set(clock_.NowMicros() + kDay);
      Must(Append(*table, 1));
    }
  }
  void Configure(const std::map<std::string, std::string>& configuration) {
    const auto table = OpenTable(*store_);
    const auto read = Must(table->Load());
    Commit commit;
    commit.metadata = TableMetadata{
        .schema = read->schema, .configuration = configuration, .name = "", .description = ""};
    Must(table->CommitTo(*read, commit));
  }
  arrow::Result<LogCleanup> CleanUp(ObjectStore& store, std::optional<int64_t> wanted) {
    const auto table = OpenTable(store);
    return CleanUpLog(*table, clock_, random_, {.oldest_wanted = wanted});
  }
};

TEST_F(LogCleanupTest, KeepsWhatIsYoungAndWanted) {
  Grow(60);  // versions 0 … 59, checkpoints 9, 19, …
  const auto before = Must(OpenTable(*store_)->Load());
  EXPECT_EQ(Must(CleanUp(*store_, 12)).first_version, 9);
  EXPECT_EQ(Must(OpenTable(*store_)->Load(12))->version, 12);
  const LogCleanup done = Must(CleanUp(*store_, std::nullopt));
  EXPECT_EQ(done.first_version, 19);  // version 28 is 30 days old, and 19 has a checkpoint
  EXPECT_EQ(done.entries_deleted, 10);
  EXPECT_EQ(done.checkpoints_deleted, 1);
  for (int64_t version = 19; version <= 59; ++version) {
    EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load(version))), UpTo(version));
  }
  EXPECT_FALSE(OpenTable(*store_)->Load(18).ok());
  EXPECT_EQ(Must(CleanUp(*store_, std::nullopt)).entries_deleted, 0);
  Must(Append(*OpenTable(*store_), 1));
  EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load())), UpTo(60));
  EXPECT_EQ(before->transactions, Must(OpenTable(*store_)->Load(59))->transactions);
}

TEST_F(LogCleanupTest, RefusesWhereItWouldLose) {
  Grow(45);
  const std::string checkpoint = "t/_delta_log/00000000000000000009.checkpoint.parquet";
  const std::string bytes = Must(store_->Get(checkpoint));
  ASSERT_OK(store_->Put(checkpoint, bytes.substr(0, bytes.size() / 2)));
  EXPECT_EQ(CodeOfFailed(CleanUp(*store_, std::nullopt)), ErrorCode::kCorrupt);
  EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load(14))), UpTo(14));  // by the entries
  ASSERT_OK(store_->Put(checkpoint, bytes));
  Configure({{"delta.setTransactionRetentionDuration", "interval 1 day"}});
  EXPECT_EQ(CodeOfFailed(CleanUp(*store_, std::nullopt)), ErrorCode::kDenied);
  Configure({{"delta.enableExpiredLogCleanup", "false"}});
  EXPECT_EQ(CodeOfFailed(CleanUp(*store_, std::nullopt)), ErrorCode::kDenied);
}

TEST_F(LogCleanupTest, SurvivesEveryFault) {
  Grow(45);
  std::filesystem::rename(FileOf("t"), FileOf("before"));
  for (const bool sticky : {false, true}) {
    for (int64_t n = 1;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n));
      std::filesystem::remove_all(FileOf("t"));
      std::filesystem::copy(FileOf("before"), FileOf("t"),
                            std::filesystem::copy_options::recursive);
      FaultyObjectStore faulty(store_.get(),
                               {.fail_at = n, .sticky = sticky, .when = FaultPlan::When::kBefore});
      const auto done = CleanUp(faulty, std::nullopt);
      EXPECT_EQ(Must(OpenTable(*store_)->Load())->row_count(), 44);
      EXPECT_EQ(Must(OpenTable(*store_)->Load(10))->row_count(), 10);
      if (!faulty.failed()) {
        ASSERT_OK(done.status());
        EXPECT_GT(n, 10);
        break;
      }
      EXPECT_EQ(Must(CleanUp(*store_, std::nullopt)).first_version, 9);
      EXPECT_EQ(Must(OpenTable(*store_)->Load(10))->row_count(), 10);
      if (HasFailure()) {
        return;
      }
    }
  }
}

TEST_F(LogCleanupTest, CheckpointsComeAsOftenAsTheTableSays) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  Configure({{"delta.checkpointInterval", "3"}});
  for (int i = 0; i < 7; ++i) {
    Must(Append(*table, 1));
  }
  std::vector<std::string> checkpoints;
  for (const std::string& path : Must(store_->List("t/_delta_log/", ""))) {
    if (path.find(".checkpoint.") != std::string::npos) {
      checkpoints.push_back(path.substr(path.size() - 22, 3));
    }
  }
  EXPECT_EQ(checkpoints.size(), 3U);
}

TEST(TableSettingsTest, Intervals) {
  EXPECT_EQ(Must(ParseInterval("interval 30 days")), 30 * kDay);
  EXPECT_EQ(Must(ParseInterval("INTERVAL 1 week 2 hours")), 7 * kDay + kDay / 12);
  EXPECT_EQ(Must(ParseInterval("15 milliseconds")), 15'000);
  for (const char* text : {"", "interval", "interval days", "interval 1", "interval 1 month",
                           "interval -1 days", "interval 9223372036854775807 weeks"}) {
    EXPECT_EQ(CodeOfFailed(ParseInterval(text)), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(LastCheckpointTest, ChecksumAsTheProtocolsExample) {
  EXPECT_EQ(Md5Hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5Hex(std::string(200, 'a')), "887f30b43b2867f4a9accceee7d16e6c");
  EXPECT_EQ(LastCheckpointChecksum(
                R"({"k0":"'v 0'", "checksum": "adsaskfljadfkjadfkj", "k1":{"k2": 2, "k3":
                   ["v3", [1, 2], {"k4": "v4", "k5": ["v5", "v6", "v7"]}]}})"),
            "6a92d155a59bf2eecbd4b4ec7fd1f875");
}

}  // namespace
}  // namespace icecore::lake
