#pragma once
// What a clustered log consists of: the manifests in its folder. docs/formats/feature-log.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/feature/clustered_run.h"
#include "icecore/feature/view.h"

namespace icecore::pipeline {

// A file as it was when its checksum was taken.
struct LoggedFile {
  int64_t size = 0;
  int64_t modified_ns = 0;
  uint64_t checksum = 0;  // feature::ChecksumOf
};

struct LoggedRun {
  std::string name;           // its files are NAME.rows and NAME.keys
  feature::FeatureReads has;  // what m0 … and v0 … of its rows are
  feature::RunFacts facts;
  LoggedFile rows;
  LoggedFile keys;
};

struct ViewLogManifest {
  std::string definition;    // fingerprint of what decides the rows
  bool says_columns = true;  // of its runs; not of format 1, where `definition` covers them
  std::string table_id;
  int64_t generation = 0;
  int64_t version = -1;         // of the table, at which it was looked at last
  int64_t seq_up_to = 0;        // every row up to here is in the runs
  std::vector<LoggedRun> runs;  // oldest first
};

// The log that answers, and the one that is being built to take its place.
inline constexpr char kLogInUse[] = "manifest.json";
inline constexpr char kLogInMaking[] = "manifest.next.json";

// `name`: kLogInUse or kLogInMaking. kNotFound without one, kCorrupt for bytes that WriteManifest
// did not write.
arrow::Result<ViewLogManifest> ReadManifest(const std::string& folder, const std::string& name);
// In one step, on the disk when it returns.
arrow::Status WriteManifest(const std::string& folder, const std::string& name,
                            const ViewLogManifest& manifest);
// Gone from the disk when it returns; one that is not there is no error.
arrow::Status RemoveManifest(const std::string& folder, const std::string& name);

// The file at `path` now, its bytes read.
arrow::Result<LoggedFile> DescribeFile(const std::string& path);

enum class FileCheck {
  kOpening,  // the bytes of small files, and of those whose size or time of change differ
  kBytes,    // the bytes
};
// kCorrupt, naming it, where the file at `path` is not the one described.
arrow::Status CheckFile(const std::string& path, const LoggedFile& file, FileCheck check);
// The same of both files of a run in `folder`.
arrow::Status CheckRunFiles(const std::string& folder, const LoggedRun& run, FileCheck check);

// Held by the process that writes the log in `folder`, until it ends.
class LogLock {
 public:
  explicit LogLock(const std::string& folder);
  ~LogLock();
  LogLock(const LogLock&) = delete;
  LogLock& operator=(const LogLock&) = delete;
  bool held() const { return held_; }  // false: another process writes it

 private:
  int file_;
  bool held_ = false;
};

}  // namespace icecore::pipeline
