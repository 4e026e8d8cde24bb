#pragma once
// Behaviours that every connector must show. A suite instantiates it with a fixture type:
//   struct Fixture {
//     Fixture();                                // a source without rows
//     std::unique_ptr<Connector> Open();        // a new connector over the same source
//     void AddTransactions(int count);          // further transactions, one row or more each
//     void AddSchemaChange();                   // a transaction whose rows have another column
//     static std::string Text(const arrow::RecordBatch& rows);  // equal rows <=> equal texts
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Files, ConnectorContract, FilesFixture);

#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/connector.h"

namespace icecore::ingest {

template <typename Fixture>
class ConnectorContract : public testing::Test {
 protected:
  struct Transaction {
    std::string rows;
    std::string position_after;
    bool schema_changed = false;
  };

  // Everything after the position, a transaction each.
  std::vector<Transaction> ReadFrom(const std::string& position) {
    std::vector<Transaction> transactions;
    const std::unique_ptr<Connector> connector = fixture_.Open();
    const auto partitions = connector->Partitions();
    EXPECT_TRUE(partitions.ok()) << partitions.status();
    EXPECT_EQ(partitions->size(), 1u);
    auto reader = connector->Read(partitions->front(), position, std::stop_token());
    EXPECT_TRUE(reader.ok()) << reader.status();
    Transaction open;
    while (reader.ok()) {
      auto batch = (*reader)->Next();
      EXPECT_TRUE(batch.ok()) << batch.status();
      if (!batch.ok() || !batch->has_value()) {
        break;
      }
      EXPECT_NE((*batch)->rows, nullptr);
      EXPECT_EQ((*batch)->transaction_end, !(*batch)->position_after.empty());
      open.rows += Fixture::Text(*(*batch)->rows);
      open.schema_changed = open.schema_changed || (*batch)->schema_changed;
      if ((*batch)->transaction_end) {
        open.position_after = (*batch)->position_after;
        transactions.push_back(std::exchange(open, Transaction()));
      }
    }
    EXPECT_EQ(open.rows, "") << "rows after the last transaction end";
    return transactions;
  }

  Fixture fixture_;
};

TYPED_TEST_SUITE_P(ConnectorContract);

TYPED_TEST_P(ConnectorContract, NothingFollowsTheLastPosition) {
  this->fixture_.AddTransactions(1);
  const auto all = this->ReadFrom("");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(this->ReadFrom(all.back().position_after).empty());
}

TYPED_TEST_P(ConnectorContract, ResumesAtEachPosition) {
  this->fixture_.AddTransactions(5);
  const auto all = this->ReadFrom("");
  ASSERT_EQ(all.size(), 5u);
  std::set<std::string> positions;
  for (size_t i = 0; i < all.size(); ++i) {
    positions.insert(all[i].position_after);
    const auto rest = this->ReadFrom(all[i].position_after);
    ASSERT_EQ(rest.size(), all.size() - i - 1);
    for (size_t j = 0; j < rest.size(); ++j) {
      EXPECT_EQ(rest[j].rows, all[i + 1 + j].rows);
      EXPECT_EQ(rest[j].position_after, all[i + 1 + j].position_after);
    }
  }
  EXPECT_EQ(positions.size(), all.size());
}

TYPED_TEST_P(ConnectorContract, DeliversAgainWhatWasNotCommitted) {
  if (!this->fixture_.Open()->capabilities().replayable) {
    GTEST_SKIP() << "not replayable";
  }
  this->fixture_.AddTransactions(3);
  const auto first = this->ReadFrom("");
  const auto second = this->ReadFrom("");
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].rows, second[i].rows);
    EXPECT_EQ(first[i].position_after, second[i].position_after);
  }
}

TYPED_TEST_P(ConnectorContract, NewRowsComeAfterTheOldPosition) {
  this->fixture_.AddTransactions(2);
  const auto before = this->ReadFrom("");
  ASSERT_EQ(before.size(), 2u);
  this->fixture_.AddTransactions(1);
  const auto after = this->ReadFrom(before.back().position_after);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after[0].rows, before[0].rows);
  EXPECT_NE(after[0].rows, before[1].rows);
}

TYPED_TEST_P(ConnectorContract, CommittedMayComeTwice) {
  this->fixture_.AddTransactions(2);
  const auto all = this->ReadFrom("");
  const auto connector = this->fixture_.Open();
  const auto partition = connector->Partitions()->front();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(connector->Committed(partition, all.back().position_after).ok());
  }
  EXPECT_TRUE(this->ReadFrom(all.back().position_after).empty());
}

TYPED_TEST_P(ConnectorContract, SaysWhereTheSchemaChanges) {
  if (!this->fixture_.Open()->capabilities().schema_changes) {
    GTEST_SKIP() << "no schema changes";
  }
  this->fixture_.AddTransactions(2);
  this->fixture_.AddSchemaChange();
  const auto all = this->ReadFrom("");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_FALSE(all[0].schema_changed);
  EXPECT_FALSE(all[1].schema_changed);
  EXPECT_TRUE(all[2].schema_changed);
}

TYPED_TEST_P(ConnectorContract, StopEndsTheReading) {
  this->fixture_.AddTransactions(3);
  const auto connector = this->fixture_.Open();
  std::stop_source stop;
  auto reader = connector->Read(connector->Partitions()->front(), "", stop.get_token());
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE((*reader)->Next().ok());
  stop.request_stop();
  arrow::Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    auto batch = (*reader)->Next();
    status = batch.status();
    if (batch.ok() && !batch->has_value()) {
      break;
    }
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(base::CodeOf(status), base::ErrorCode::kUnavailable);
}

TYPED_TEST_P(ConnectorContract, RefusesWhatIsNoPosition) {
  this->fixture_.AddTransactions(1);
  const auto connector = this->fixture_.Open();
  auto reader = connector->Read(connector->Partitions()->front(), "no position", std::stop_token());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(base::CodeOf(reader.status()), base::ErrorCode::kCorrupt);
  std::string cut = this->ReadFrom("").back().position_after;
  cut.pop_back();
  reader = connector->Read(connector->Partitions()->front(), cut, std::stop_token());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(base::CodeOf(reader.status()), base::ErrorCode::kCorrupt);
}

TYPED_TEST_P(ConnectorContract, PrintsPositionsOnOneLine) {
  this->fixture_.AddTransactions(2);
  const auto connector = this->fixture_.Open();
  std::set<std::string> printed = {connector->PrintPosition("")};
  for (const auto& transaction : this->ReadFrom("")) {
    printed.insert(connector->PrintPosition(transaction.position_after));
  }
  EXPECT_EQ(printed.size(), 3u);
  for (const std::string& line : printed) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_FALSE(line.empty());
  }
}

REGISTER_TYPED_TEST_SUITE_P(ConnectorContract, NothingFollowsTheLastPosition, ResumesAtEachPosition,
                            DeliversAgainWhatWasNotCommitted, NewRowsComeAfterTheOldPosition,
                            CommittedMayComeTwice, SaysWhereTheSchemaChanges, StopEndsTheReading,
                            RefusesWhatIsNoPosition, PrintsPositionsOnOneLine);

}  // namespace icecore::ingest
