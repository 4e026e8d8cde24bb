#pragma once
// What the tests of pipeline and engine share: a project in a temporary folder, one process's hold
// on it, whole reads of its tables.

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/catalog/catalog.h"
#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/scan.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/parse.h"

namespace icecore::pipeline {

// The value, or a test failure and the end of the test binary.
template <typename T>
T Must(arrow::Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().ToString();
    std::abort();
  }
  return *std::move(result);
}

inline void MustBeOk(const arrow::Status& status) { ASSERT_TRUE(status.ok()) << status.ToString(); }

// The code of a failed result; kInternal with a test failure where it did not fail.
template <typename T>
base::ErrorCode CodeOfFailed(const arrow::Result<T>& result) {
  if (result.ok()) {
    ADD_FAILURE() << "an error was expected";
    return base::ErrorCode::kInternal;
  }
  return base::CodeOf(result.status());
}

// A folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    path_ = std::filesystem::temp_directory_path() / "icecore-pipeline-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
      std::abort();
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void WriteText(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  ASSERT_TRUE(out.good()) << path;
}

inline constexpr char kProjectYaml[] =
    "language: 1\nproject: test\nlake: lake\ncatalog: .icecore/catalog.db\n"
    "online: lmdb:.icecore/online\n";

inline void WriteProject(const std::string& root, const std::string& definitions) {
  WriteText(root + "/icecore.yaml", kProjectYaml);
  WriteText(root + "/definitions/all.yaml", definitions);
}

inline constexpr int64_t kTestNow = 1'710'000'000'000'000;  // 2024-03-09T16:00:00Z

// One process's hold on a project, its clock standing still.
class OpenProject {
 public:
  struct Options {
    lake::FaultPlan faults;
    bool online = true;
    int64_t now_us = kTestNow;
  };
  OpenProject(const std::string& root, const Options& options) : clock_(options.now_us) {
    base::Diagnostics diagnostics;
    project_ = Must(spec::ParseProject(root, &diagnostics));
    if (const arrow::Status status = diagnostics.ToStatus(); !status.ok()) {
      ADD_FAILURE() << status.ToString();
      std::abort();
    }
    std::filesystem::create_directories(root + "/.icecore/tmp");
    local_ = Must(lake::ObjectStore::OpenLocal(root + "/lake"));
    faulty_ = std::make_unique<lake::FaultyObjectStore>(local_.get(), options.faults);
    catalog_ = Must(catalog::OpenSqlite(root + "/.icecore/catalog.db", &base::SystemRandom()));
    if (options.online) {
      online_ = Must(online::OpenStore(project_.online, root));
    }
    workspace_.project = &project_;
    workspace_.store = faulty_.get();
    workspace_.tables = &tables_;
    workspace_.journals = &journals_;
    workspace_.clock = &clock_;
    workspace_.random = &base::SystemRandom();
    workspace_.catalog = catalog_.get();
    workspace_.online = online_.get();
    workspace_.access.context.principal = "test";
    workspace_.access.context.now_us = options.now_us;
    workspace_.lake_root = root + "/lake";
    workspace_.scratch_root = root + "/.icecore/tmp";
  }

  const spec::Project& project() const { return project_; }
  Workspace& workspace() { return workspace_; }
  lake::FaultyObjectStore& store() { return *faulty_; }

 private:
  base::FixedClock clock_;
  spec::Project project_;
  std::unique_ptr<lake::ObjectStore> local_;
  std::unique_ptr<lake::FaultyObjectStore> faulty_;
  OpenTables tables_;
  OpenJournals journals_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<online::Store> online_;
  Workspace workspace_;
};

// Cells as text, row by row; "null" for null.
using Rows = std::vector<std::vector<std::string>>;

inline Rows TextOf(const arrow::Table& table) {
  Rows rows(static_cast<size_t>(table.num_rows()));
  for (int column = 0; column < table.num_columns(); ++column) {
    size_t row = 0;
    for (const auto& chunk : table.column(column)->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        rows[row++].push_back(Must(chunk->GetScalar(i))->ToString());
      }
    }
  }
  return rows;
}

// The table's rows as they rest; none where there is no table.
inline Rows ReadTable(const Workspace& workspace, const std::string& name,
                      const std::vector<std::string>& columns) {
  const auto snapshot = Must(LoadTable(workspace, name));
  if (!snapshot->exists()) {
    return {};
  }
  lake::ScanOptions options;
  options.columns = columns;
  const auto reader = Must(lake::Scan(*workspace.store, *snapshot, options, workspace.access));
  return TextOf(*Must(reader->ToTable()));
}

// Rows from JSON, e.g. {{"a", int64()}}, R"([{"a": 1}])".
inline std::shared_ptr<arrow::RecordBatch> BatchOf(const arrow::FieldVector& fields,
                                                   const std::string& json) {
  const auto rows = Must(arrow::json::ArrayFromJSONString(arrow::struct_(fields), json));
  return Must(arrow::RecordBatch::FromStructArray(rows));
}

}  // namespace icecore::pipeline
