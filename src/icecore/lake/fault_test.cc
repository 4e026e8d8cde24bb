// Every operation of the store fails once, for N = 1, 2, 3 …, transiently and for good, before and
// after it was done. After each: reopen, nothing lost, nothing twice.
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

struct FaultCase {
  bool sticky;
  FaultPlan::When when;
};

class FaultTest : public LakeFixture, public ::testing::WithParamInterface<FaultCase> {
 protected:
  // One batch of a pipeline: rows and the position they bring, in one commit.
  arrow::Status Step(Table& table, int64_t batch) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table.Load());
    if (snapshot->Transaction("source").value_or(0) >= batch) {
      return arrow::Status::OK();
    }
    Commit commit;
    commit.operation = "WRITE";
    const int64_t last = snapshot->last_seq();
    ARROW_ASSIGN_OR_RAISE(
        commit.adds, WriteFiles(table.store(), *snapshot, {Rows(last + 1, 3)}, WriterOptions()));
    commit.transactions = {{std::string(kSeqTransaction), last + 3}, {"source", batch}};
    return table.CommitTo(*snapshot, commit).status();
  }

  arrow::Status Run(ObjectStore& store, int64_t batches) {
    const auto table = OpenTable(store);
    ARROW_ASSIGN_OR_RAISE(const auto empty, table->LoadOrEmpty());
    if (!empty->exists()) {
      ARROW_RETURN_NOT_OK(Create(*table, Schema()));
    }
    for (int64_t batch = 1; batch <= batches; ++batch) {
      ARROW_RETURN_NOT_OK(Step(*table, batch));
    }
    return arrow::Status::OK();
  }

  // Runs `batches` on a copy of the table at `before` ("" = none) with every fault, one after
  // another.
  int64_t BreakEverywhere(const std::string& before, int64_t batches) {
    for (int64_t n = 1;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n));
      std::filesystem::remove_all(FileOf("t"));
      if (!before.empty()) {
        std::filesystem::copy(FileOf(before), FileOf("t"),
                              std::filesystem::copy_options::recursive);
      }
      FaultyObjectStore faulty(
          store_.get(), {.fail_at = n, .sticky = GetParam().sticky, .when = GetParam().when});
      const arrow::Status broken = Run(faulty, batches);
      if (!faulty.failed()) {
        EXPECT_TRUE(broken.ok()) << broken.ToString();
        return n - 1;
      }
      Audit();
      const arrow::Status again = Run(*store_, batches);
      EXPECT_TRUE(again.ok()) << again.ToString();
      Audit();
      EXPECT_EQ(Must(OpenTable(*store_)->Load())->Transaction("source"), batches);
      if (HasFailure()) {
        return n;
      }
    }
  }

  // What is there is whole: a prefix of the batches, every row once, in order.
  void Audit() {
    const auto snapshot = Must(OpenTable(*store_)->LoadOrEmpty());
    if (!snapshot->exists()) {
      return;
    }
    const int64_t batches = snapshot->Transaction("source").value_or(0);
    EXPECT_EQ(snapshot->last_seq(), batches * 3);
    EXPECT_EQ(snapshot->row_count(), batches * 3);
    EXPECT_EQ(Seqs(*snapshot), UpTo(batches * 3));
  }
};

TEST_P(FaultTest, CreationAndFirstRows) { EXPECT_GT(BreakEverywhere("", 1), 10); }

// The tenth commit brings a checkpoint; the ones after it start from there.
TEST_P(FaultTest, CommitsAroundACheckpoint) {
  ASSERT_OK(Run(*store_, 8));
  std::filesystem::rename(FileOf("t"), FileOf("before"));
  EXPECT_GT(BreakEverywhere("before", 10), 20);
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultTest,
                         ::testing::Values(FaultCase{false, FaultPlan::When::kBefore},
                                           FaultCase{true, FaultPlan::When::kBefore},
                                           FaultCase{false, FaultPlan::When::kAfter},
                                           FaultCase{true, FaultPlan::When::kAfter}));

using LostAnswerTest = LakeFixture;

TEST_F(LostAnswerTest, ACommitWhoseAnswerIsLostIsFoundAgain) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto read = Must(table->Load());
  Commit commit;
  commit.transactions["a"] = 1;
  // The only operations are the put and, after its failure, reading back.
  FaultyObjectStore once(store_.get(),
                         {.fail_at = 1, .sticky = false, .when = FaultPlan::When::kAfter});
  EXPECT_EQ(Must(OpenTable(once)->CommitTo(*read, commit)), 1);
  FaultyObjectStore for_good(store_.get(),
                             {.fail_at = 1, .sticky = true, .when = FaultPlan::When::kAfter});
  commit.transactions = {{"b", 1}};
  EXPECT_EQ(CodeOfFailed(OpenTable(for_good)->CommitTo(*Must(table->Load()), commit)),
            ErrorCode::kOutcomeUnknown);
  EXPECT_EQ(Must(OpenTable(*store_)->Load())->Transaction("b"), 1);
  FaultyObjectStore never(store_.get(),
                          {.fail_at = 1, .sticky = false, .when = FaultPlan::When::kBefore});
  EXPECT_EQ(CodeOfFailed(OpenTable(never)->CommitTo(*Must(table->Load()), commit)),
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace icecore::lake
