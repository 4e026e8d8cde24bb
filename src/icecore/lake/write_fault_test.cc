// Merges, deletes, checkpoints and log clean-up broken at every operation, and power cuts between
// any two. After each: reopen, nothing lost, nothing twice.
#include <arrow/array/builder_primitive.h>

#include <string>

#include "icecore/base/fault_stride_testing.h"
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/power_cut_store.h"
#include "icecore/lake/rewrite.h"

namespace icecore::lake {
namespace {

struct FaultCase {
  bool sticky;
  FaultPlan::When when;
};

// Rows (seq, "v<seq>"); step n takes the rows n and n + 1 out and puts two behind the last, all in
// one commit with txn("steps", n).
class WriteFaultTest : public LakeFixture, public ::testing::WithParamInterface<FaultCase> {
 protected:
  arrow::Status Step(Table& table, int64_t step) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table.Load());
    if (snapshot->Transaction("steps").value_or(0) >= step) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto rewrite,
                          TableRewrite::Open(table.store(), snapshot, clock_, random_,
                                             WriterOptions(), ReadAccess()));
    ARROW_ASSIGN_OR_RAISE(const auto keys, arrow::Table::FromRecordBatches({Rows(step * 2, 2)}));
    ARROW_ASSIGN_OR_RAISE(const int64_t removed, rewrite->RemoveKeys(keys, {"x"}));
    EXPECT_EQ(removed, 2);
    const int64_t last = snapshot->last_seq();
    ARROW_RETURN_NOT_OK(rewrite->Append(Rows(last + 1, 2)));
    Commit commit;
    commit.operation = "MERGE";
    commit.transactions = {{std::string(kSeqTransaction), last + 2}, {"steps", step}};
    ARROW_RETURN_NOT_OK(rewrite->Finish(&commit).status());
    return table.CommitTo(*snapshot, commit).status();
  }

  arrow::Status Run(ObjectStore& store, int64_t steps) {
    const auto table = OpenTable(store);
    for (int64_t step = 1; step <= steps; ++step) {
      ARROW_RETURN_NOT_OK(Step(*table, step));
    }
    return arrow::Status::OK();
  }

  void Audit() {
    const auto snapshot = Must(OpenTable(*store_)->Load());
    const int64_t steps = snapshot->Transaction("steps").value_or(0);
    std::vector<int64_t> expected = {1};
    for (int64_t seq = 2 * steps + 2; seq <= 20 + 2 * steps; ++seq) {
      expected.push_back(seq);
    }
    EXPECT_EQ(Seqs(*snapshot), expected);
    EXPECT_EQ(snapshot->row_count(), static_cast<int64_t>(expected.size()));
  }

  // A table of 20 rows in two files, eight versions old: the second step brings a checkpoint.
  void Prepare() {
    const auto table = OpenTable(*store_);
    ASSERT_OK(Create(*table, Schema()));
    Must(Append(*table, 10));
    Must(Append(*table, 10));
    for (int i = 0; i < 5; ++i) {
      const auto read = Must(table->Load());
      Commit commit;
      commit.transactions["filler"] = i;
      Must(table->CommitTo(*read, commit));
    }
    std::filesystem::rename(FileOf("t"), FileOf("before"));
  }
  void Restore() {
    std::filesystem::remove_all(FileOf("t"));
    std::filesystem::copy(FileOf("before"), FileOf("t"), std::filesystem::copy_options::recursive);
  }
};

TEST_P(WriteFaultTest, MergesAroundACheckpoint) {
  Prepare();
  const int64_t stride = base::FaultStride(2);  // the other half where the fault stays
  int64_t broken = 0;
  for (int64_t n = GetParam().sticky ? 1 : stride;; n += stride) {
    SCOPED_TRACE("operation " + std::to_string(n));
    Restore();
    FaultyObjectStore faulty(store_.get(),
                             {.fail_at = n, .sticky = GetParam().sticky, .when = GetParam().when});
    const arrow::Status status = Run(faulty, 3);
    if (!faulty.failed()) {
      ASSERT_OK(status);
      break;
    }
    ++broken;
    Audit();
    ASSERT_OK(Run(*store_, 3));
    Audit();
    if (HasFailure()) {
      return;
    }
  }
  EXPECT_GT(broken, 30 / stride);
}

TEST_P(WriteFaultTest, PowerCutsAnywhere) {
  if (GetParam().sticky != true || GetParam().when != FaultPlan::When::kBefore) {
    GTEST_SKIP() << "a cut is the same for all";
  }
  Prepare();
  base::SeededRandom fate(11);
  for (int64_t n = 1;; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    Restore();
    PowerCutStore disk(store_.get());
    FaultyObjectStore faulty(&disk,
                             {.fail_at = n, .sticky = true, .when = FaultPlan::When::kBefore});
    const arrow::Status status = Run(faulty, 3);
    disk.CutPower(&fate);
    Audit();
    if (!faulty.failed()) {
      ASSERT_OK(status);
      EXPECT_EQ(Must(OpenTable(*store_)->Load())->Transaction("steps"), 3);
      break;
    }
    ASSERT_OK(Run(*store_, 3));
    Audit();
    if (HasFailure()) {
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, WriteFaultTest,
                         ::testing::Values(FaultCase{false, FaultPlan::When::kBefore},
                                           FaultCase{true, FaultPlan::When::kBefore},
                                           FaultCase{false, FaultPlan::When::kAfter},
                                           FaultCase{true, FaultPlan::When::kAfter}));

}  // namespace
}  // namespace icecore::lake
