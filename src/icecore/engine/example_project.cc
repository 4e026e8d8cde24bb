#include "icecore/engine/example_project.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/engine/example_files.h"
#include "icecore/engine/project_from_files.h"

namespace icecore::engine {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using base::MakeError;

constexpr char kStartProject[] =
    R"(# An Icecore project. `icecore schema` prints the JSON Schema of these files.
language: 1
project: PROJECT
lake: lake
catalog: .icecore/catalog.db
online: lmdb:.icecore/online
)";

constexpr char kStartDefinitions[] =
    R"(# Put CSV files into data/, then: icecore plan, icecore apply, icecore run
source: events
description: What happened, as received.
from:
  files: {path: "data/events-*.csv", format: csv}
contract:
  columns:
    - {name: user_id, type: int64, required: true}
    - {name: happened_at, type: timestamp, required: true}
    - {name: amount, type: float64}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: spending
entity: user
from: processing.events
event_time: happened_at
online: true
features:
  - {name: last_amount, of: amount, description: the newest amount}
  - {name: amount, aggregate: sum, of: amount, windows: [1d, 7d], description: the sum of amounts}
---
feature_service: users
features: [spending]
)";

constexpr char kStartData[] =
    "user_id,happened_at,amount\n"
    "1,2024-03-01T10:00:00Z,12.5\n"
    "2,2024-03-01T11:00:00Z,3\n"
    "1,2024-03-02T09:30:00Z,7.25\n";

arrow::Status WriteFile(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (error || !out) {
    return MakeError(ErrorCode::kDenied, "cannot write " + path.string());
  }
  return arrow::Status::OK();
}

// data/ of the flights example: links to what set-up fetched.
arrow::Status LinkFlightsData(const fs::path& directory, InitReport* report) {
  static constexpr std::pair<const char*, const char*> kLinks[] = {
      {"flights.csv.zip", "flights-2013.csv.zip"},
      {"weather.csv", "weather.csv"},
      {"airports.csv", "airports.csv"},
      {"planes.csv", "planes.csv"},
      {"airlines.csv", "airlines.csv"}};
  const char* given = std::getenv("ICECORE_EXAMPLE_DATA");
  const fs::path data = given != nullptr ? given : ICECORE_EXAMPLE_DATA_DIR;
  std::error_code error;
  fs::create_directories(directory / "data", error);
  for (const auto& [name, link] : kLinks) {
    if (!fs::exists(data / name)) {
      report->next.push_back(
          "The flights' data are not on this machine yet. Fetch them with: ./dev setup");
      return arrow::Status::OK();
    }
    fs::create_symlink(data / name, directory / "data" / link, error);
    if (error) {
      return MakeError(ErrorCode::kDenied, "cannot link data/" + std::string(link));
    }
    report->files.push_back("data/" + std::string(link));
  }
  return arrow::Status::OK();
}

arrow::Result<InitReport> FillProject(const fs::path& root, const InitRequest& request) {
  InitReport report;
  if (request.example == "flights") {
    for (const ExampleFile& file : FlightsExample()) {
      ARROW_RETURN_NOT_OK(WriteFile(root / file.path, file.text));
      report.files.push_back(file.path);
    }
    ARROW_RETURN_NOT_OK(LinkFlightsData(root, &report));
    return report;
  }
  std::string project = kStartProject;
  const std::string name = fs::absolute(root).filename().string();
  project.replace(project.find("PROJECT"), 7, name.empty() ? "project" : "\"" + name + "\"");
  std::vector<DraftFile> files = {{"icecore.yaml", project}};
  ARROW_RETURN_NOT_OK(WriteFile(root / "icecore.yaml", project));
  if (request.from.empty()) {
    files.push_back({"definitions/start.yaml", kStartDefinitions});
    files.push_back({"data/events-001.csv", kStartData});
  } else {
    ARROW_ASSIGN_OR_RAISE(auto drafts, DraftDefinitions(root.string(), request.from));
    files.insert(files.end(), drafts.begin(), drafts.end());
  }
  for (const DraftFile& file : files) {
    ARROW_RETURN_NOT_OK(WriteFile(root / file.path, file.text));
    report.files.push_back(file.path);
  }
  return report;
}

}  // namespace

arrow::Result<InitReport> InitProject(const InitRequest& request) {
  const std::string& example = request.example;
  if (!example.empty() && example != "flights") {
    return MakeError(ErrorCode::kInvalidArgument, "there is no example '" + example + "'" +
                                                      base::DidYouMean(example, {"flights"}) +
                                                      " (examples: flights)");
  }
  const fs::path root(request.directory);
  std::error_code error;
  const bool was_there = fs::exists(root, error);
  if (was_there && !(fs::is_directory(root, error) && fs::is_empty(root, error))) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + request.directory + "' is there already and not an empty folder");
  }
  fs::create_directories(root, error);
  auto report = FillProject(root, request);
  if (report.ok()) {
    report->files.push_back(".gitignore");
    report->next.push_back("Next: cd " + request.directory +
                           " && icecore plan && icecore apply && icecore run");
    ARROW_RETURN_NOT_OK(WriteFile(root / ".gitignore", "/lake/\n/.icecore/\n"));
    return report;
  }
  for (const auto& made : fs::directory_iterator(root, error)) {
    std::error_code ignored;
    fs::remove_all(made.path(), ignored);
  }
  if (!was_there) {
    fs::remove(root, error);
  }
  return report;
}

}  // namespace icecore::engine
