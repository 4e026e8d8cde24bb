#include "icecore/ingest/push/push_connector.h"

#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/ingest/connector_contract.h"

namespace icecore::ingest {
namespace {

// The journal in a folder of its own; each push is a transaction.
class PushFixture {
 public:
  PushFixture() {
    std::string pattern = std::filesystem::temp_directory_path() / "icecore-push-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~PushFixture() { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Connector> Open() {
    journals_.push_back(*PushJournal::Open(folder_, PushJournal::Options(), &clock_));
    return std::make_unique<PushConnector>(journals_.back().get(), 0, 2'000'000);
  }
  void AddTransactions(int count) {
    for (int i = 0; i < count; ++i) Add("{\"n\": " + std::to_string(next_++) + "}\n");
  }
  void AddSchemaChange() { Add("{\"n\": " + std::to_string(next_++) + ", \"late\": true}\n"); }
  static std::string Text(const arrow::RecordBatch& rows) { return rows.ToString(); }

 private:
  void Add(const std::string& row) {
    const auto journal = *PushJournal::Open(folder_, PushJournal::Options(), &clock_);
    EXPECT_TRUE(journal->Append("", row, 1).ok());
  }

  base::FixedClock clock_{1'000'000};
  std::string folder_;
  int next_ = 1;
  std::vector<std::unique_ptr<PushJournal>> journals_;  // that connectors still read
};

INSTANTIATE_TYPED_TEST_SUITE_P(Push, ConnectorContract, PushFixture);

TEST(PushConnectorTest, SmallPushesShareATransaction) {
  PushFixture fixture;
  fixture.AddTransactions(5);
  const auto connector = fixture.Open();
  base::FixedClock clock(0);
  auto reader = connector->Read({}, "", std::stop_token());
  ASSERT_TRUE(reader.ok());
  const auto first = (*reader)->Next();
  ASSERT_TRUE(first.ok() && *first);
  EXPECT_EQ((*first)->rows->num_rows(), 1);  // of a connector that wants none to share
  EXPECT_EQ(connector->PrintPosition((*first)->position_after), "push 1, row 1");
}

}  // namespace
}  // namespace icecore::ingest
