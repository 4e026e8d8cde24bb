// Reads tables of other engines for the runners under tests/integration: ICECORE_DELTA_READ names a
// file of requests, a line each:
//   rows TABLE VERSION OUTPUT                 all rows at a version
//   changes TABLE FIRST LAST OUTPUT           the change data feed
// TABLE is an absolute folder, OUTPUT becomes an Arrow IPC file, or OUTPUT.error with the message.
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>

#include <fstream>
#include <sstream>

#include "icecore/lake/change_feed.h"
#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

class InteropReadTest : public LakeFixture {
 protected:
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Open(std::istringstream& request,
                                                                std::string* output) {
    std::string kind;
    std::filesystem::path folder;
    int64_t first = 0;
    request >> kind >> folder >> first;
    ChangeOptions changes;
    changes.first_version = first;
    if (kind == "changes") {
      request >> changes.last_version.emplace();
    }
    request >> *output;
    ARROW_ASSIGN_OR_RAISE(store_, ObjectStore::OpenLocal(folder.parent_path()));
    ARROW_ASSIGN_OR_RAISE(table_, Table::Open(*store_, folder.filename(), clock_, random_));
    if (kind == "changes") {
      return ReadChanges(*table_, changes, ReadAccess());
    }
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load(first));
    return Scan(*store_, *snapshot, ScanOptions(), ReadAccess());
  }

  std::unique_ptr<Table> table_;
};

arrow::Status Write(arrow::RecordBatchReader& rows, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto table, rows.ToTable());
  ARROW_RETURN_NOT_OK(table->ValidateFull());
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::FileOutputStream::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeFileWriter(file, table->schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(*table));
  ARROW_RETURN_NOT_OK(writer->Close());
  return file->Close();
}

TEST_F(InteropReadTest, OnRequest) {
  const char* requests = std::getenv("ICECORE_DELTA_READ");
  if (requests == nullptr) {
    GTEST_SKIP() << "ICECORE_DELTA_READ is not set";
  }
  std::ifstream lines(requests);
  ASSERT_TRUE(lines.good());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream request(line);
    std::string output;
    auto rows = Open(request, &output);
    const arrow::Status status = rows.ok() ? Write(**rows, output) : rows.status();
    if (!status.ok()) {
      std::ofstream(output + ".error") << status.ToString();
    }
  }
}

}  // namespace
}  // namespace icecore::lake
