#include "icecore/ingest/files/file_connector.h"

#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "icecore/ingest/connector_contract.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

class FilesFixture {
 public:
  FilesFixture() { project_.source().files.path = "data/*.csv"; }

  std::unique_ptr<Connector> Open() {
    return std::make_unique<FileConnector>(project_.source(), project_.root(), project_.options(),
                                           &project_.clock());
  }

  void AddTransactions(int count) {
    for (int i = 0; i < count; ++i) {
      std::string text = "a\n";
      // The first file is larger than a batch.
      const int rows = files_ == 0 ? 70'000 : 3;
      for (int row = 0; row < rows; ++row) {
        text += std::to_string(files_) + "-" + std::to_string(row) + "\n";
      }
      Add(text);
    }
  }

  void AddSchemaChange() { Add("a,b\n1,2\n"); }

  static std::string Text(const arrow::RecordBatch& rows) { return rows.ToString(); }

 private:
  void Add(const std::string& text) {
    char name[32];
    std::snprintf(name, sizeof(name), "data/%04d.csv", files_++);
    project_.Write(name, text);
  }

  TestProject project_;
  int files_ = 0;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Files, ConnectorContract, FilesFixture);

TEST(FileConnectorTest, AFileWithoutRowsIsATransactionToo) {
  TestProject project;
  project.Write("data/a.csv", "a,b\n");
  project.source().files.path = "data/a.csv";
  FileConnector connector(project.source(), project.root(), project.options(), &project.clock());
  auto reader = connector.Read(connector.Partitions()->front(), "", std::stop_token());
  ASSERT_TRUE(reader.ok()) << reader.status();
  auto batch = (*reader)->Next();
  ASSERT_TRUE(batch.ok() && batch->has_value()) << batch.status();
  EXPECT_EQ((*batch)->rows->num_rows(), 0);
  EXPECT_TRUE((*batch)->transaction_end);
  EXPECT_FALSE((*(*reader)->Next()).has_value());
}

}  // namespace
}  // namespace icecore::ingest
