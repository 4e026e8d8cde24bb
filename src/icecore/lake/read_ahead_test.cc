#include <arrow/record_batch.h>

#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/read_ahead_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

class ReadAheadTest : public LakeFixture {
 protected:
  RowRequest Request(const Snapshot& snapshot, int64_t batch_rows) {
    RowRequest request = RequestFor(*store_, snapshot, snapshot.schema);
    request.batch_rows = batch_rows;
    return request;
  }

  static void AppendSeqs(const arrow::RecordBatch& batch, std::vector<int64_t>* seqs) {
    const auto column = batch.GetColumnByName(std::string(kSeq));
    const auto& values = static_cast<const arrow::Int64Array&>(*column);
    seqs->insert(seqs->end(), values.raw_values(), values.raw_values() + values.length());
  }

  static std::vector<int64_t> AllSeqs(arrow::RecordBatchReader* rows) {
    std::vector<int64_t> seqs;
    while (const auto batch = Must(rows->Next())) {
      AppendSeqs(*batch, &seqs);
    }
    return seqs;
  }
};

TEST_F(ReadAheadTest, RowsComeOnceAndInOrderWhateverTheLimits) {
  const auto snapshot = ThreeFiles(3);
  for (const size_t threads : {1U, 2U, 7U}) {
    for (const int64_t piece_rows : {1, 4, 1000}) {
      for (const int64_t bytes : {1, 1 << 20}) {
        for (const int64_t batch_rows : {1, 2, 1000}) {
          const auto rows =
              ReadAhead(Request(*snapshot, batch_rows), snapshot->files,
                        {.threads = threads, .piece_rows = piece_rows, .bytes = bytes});
          EXPECT_EQ(AllSeqs(rows.get()), UpTo(30)) << threads << " " << piece_rows << " " << bytes;
          EXPECT_EQ(Must(rows->Next()), nullptr);
        }
      }
    }
  }
}

TEST_F(ReadAheadTest, PiecesKeepTheRangeOfSeq) {
  const auto snapshot = ThreeFiles(3);
  for (int64_t after = 0; after <= 30; ++after) {
    RowRequest request = Request(*snapshot, 2);
    request.seq = SeqRange{.after = after, .up_to = 27};
    const auto rows =
        ReadAhead(std::move(request), snapshot->files, {.threads = 2, .piece_rows = 1});
    std::vector<int64_t> expected;
    for (int64_t seq = after + 1; seq <= 27; ++seq) {
      expected.push_back(seq);
    }
    EXPECT_EQ(AllSeqs(rows.get()), expected) << after;
  }
}

TEST_F(ReadAheadTest, AnErrorComesInItsPlaceAndStays) {
  const auto snapshot = ThreeFiles(3);
  const std::string path = "t/" + snapshot->files[1].path;
  const std::string whole = Must(store_->Get(path));
  std::string damaged = whole;
  damaged[whole.size() / 4] = static_cast<char>(damaged[whole.size() / 4] ^ 1);  // within a page
  for (const std::string& bytes : {whole.substr(0, whole.size() - 3), std::string(), damaged}) {
    ASSERT_OK(store_->Put(path, bytes));
    const auto rows =
        ReadAhead(Request(*snapshot, 2), snapshot->files, {.threads = 3, .piece_rows = 1});
    std::vector<int64_t> seqs;
    auto next = rows->Next();
    for (; next.ok() && *next != nullptr; next = rows->Next()) {
      AppendSeqs(**next, &seqs);
    }
    EXPECT_EQ(CodeOfFailed(next), ErrorCode::kCorrupt);
    EXPECT_NE(next.status().message().find(path), std::string::npos) << next.status().ToString();
    EXPECT_GE(seqs.size(), 10);
    EXPECT_LT(seqs.size(), 20);
    EXPECT_EQ(seqs, UpTo(static_cast<int64_t>(seqs.size())));
    EXPECT_EQ(CodeOfFailed(rows->Next()), ErrorCode::kCorrupt);
  }
}

TEST_F(ReadAheadTest, CanBeLeftAtAnyRow) {
  const auto snapshot = ThreeFiles(3);
  for (int taken = 0; taken <= 12; ++taken) {
    const auto rows = ReadAhead(Request(*snapshot, 3), snapshot->files,
                                {.threads = 2, .piece_rows = 1, .bytes = 1});
    for (int i = 0; i < taken; ++i) {
      EXPECT_NE(Must(rows->Next()), nullptr);
    }
  }
}

}  // namespace
}  // namespace icecore::lake
