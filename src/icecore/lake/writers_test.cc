// Writers of separate processes at one table. With ICECORE_DELTA_DIR set the tables are left there,
// for tests/integration/openers to count their rows by another engine.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

class WritersTest : public LakeFixture {
 protected:
  void SetUp() override {
    LakeFixture::SetUp();
    if (const char* folder = std::getenv("ICECORE_DELTA_DIR"); folder != nullptr) {
      std::filesystem::remove_all(root_);
      root_ = std::string(folder) + "/writers" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
      store_ = Must(ObjectStore::OpenLocal(root_));
    }
  }
  void TearDown() override {
    if (std::getenv("ICECORE_DELTA_DIR") == nullptr) {
      LakeFixture::TearDown();
    }
  }
  // What a process does: `commits` appends of one row each, numbered by the table itself (so that
  // every two at once conflict), or appends that conflict with nobody.
  int Write(int writer, int commits, bool numbered) {
    base::SeededRandom random(static_cast<uint64_t>(writer) + 100);
    const auto store = ObjectStore::OpenLocal(root_);
    if (!store.ok()) {
      return 2;
    }
    const auto table = Table::Open(**store, "t", clock_, random);
    for (int i = 1; i <= commits; ++i) {
      const arrow::Status status = AppendOne(**table, random, writer, i, numbered);
      if (!status.ok()) {
        std::fprintf(stderr, "writer %d: %s\n", writer, status.ToString().c_str());
        return 1;
      }
    }
    return 0;
  }

  arrow::Status AppendOne(Table& table, base::Random& random, int writer, int number,
                          bool numbered) {
    for (int attempt = 0; attempt < 2000; ++attempt) {
      ARROW_ASSIGN_OR_RAISE(const auto snapshot, table.Load());
      const int64_t seq = numbered ? snapshot->last_seq() + 1 : int64_t{1000} * writer + number;
      ARROW_ASSIGN_OR_RAISE(const auto data, DataWriter::Open(table.store(), "t", snapshot->schema,
                                                              clock_, random, WriterOptions()));
      ARROW_RETURN_NOT_OK(data->Write(Rows(seq, 1)));
      Commit commit;
      ARROW_ASSIGN_OR_RAISE(commit.adds, data->Finish());
      commit.transactions["writer" + std::to_string(writer)] = number;
      if (numbered) {
        commit.transactions[std::string(kSeqTransaction)] = seq;
      }
      const auto version = table.CommitTo(*snapshot, commit);
      if (version.ok() || base::CodeOf(version.status()) != base::ErrorCode::kConflict) {
        return version.status();
      }
    }
    return base::MakeError(base::ErrorCode::kConflict, "starved");
  }

  // Seconds until all are done.
  double Race(int writers, int commits, bool numbered) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<pid_t> children;
    for (int writer = 0; writer < writers; ++writer) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::_exit(Write(writer, commits, numbered));
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  void RaceAndCount(int writers, int commits, bool numbered) {
    {
      const auto table = OpenTable(*store_);
      ASSERT_OK(Create(*table, Schema()));
    }
    const double seconds = Race(writers, commits, numbered);
    const auto snapshot = Must(OpenTable(*store_)->Load());
    EXPECT_EQ(snapshot->version, writers * commits);
    EXPECT_EQ(snapshot->row_count(), writers * commits);
    for (int writer = 0; writer < writers; ++writer) {
      EXPECT_EQ(snapshot->Transaction("writer" + std::to_string(writer)), commits);
    }
    if (numbered) {
      EXPECT_EQ(Seqs(*snapshot), UpTo(int64_t{writers} * commits));
    }
    RecordProperty("commits_per_second", static_cast<int>(writers * commits / seconds));
    std::printf("%d writers, %d commits each: %.0f commits/s\n", writers, commits,
                writers * commits / seconds);
  }
};

TEST_F(WritersTest, TwoAppendSideBySide) { RaceAndCount(2, 40, false); }
TEST_F(WritersTest, EightAppendSideBySide) { RaceAndCount(8, 15, false); }
TEST_F(WritersTest, EightWhoseEveryCommitConflicts) { RaceAndCount(8, 8, true); }

}  // namespace
}  // namespace icecore::lake
