#pragma once
// What a clustered log consists of: `manifest.json` in its folder. docs/formats/feature-log.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/feature/clustered_run.h"

namespace icecore::pipeline {

// A file as it was when its checksum was taken.
struct LoggedFile {
  int64_t size = 0;
  int64_t modified_ns = 0;
  uint64_t checksum = 0;  // feature::ChecksumOf
};

struct LoggedRun {
  std::string name;  // its files are NAME.rows and NAME.keys
  feature::RunFacts facts;
  LoggedFile rows;
  LoggedFile keys;
};

struct ViewLogManifest {
  std::string definition;  // fingerprint of what decides the rows
  std::string table_id;
  int64_t generation = 0;
  int64_t version = -1;         // of the table, at which it was looked at last
  int64_t seq_up_to = 0;        // every row up to here is in the runs
  std::vector<LoggedRun> runs;  // oldest first
};

// kNotFound without a manifest, kCorrupt for bytes that WriteManifest did not write.
arrow::Result<ViewLogManifest> ReadManifest(const std::string& folder);
// In one step, on the disk when it returns.
arrow::Status WriteManifest(const std::string& folder, const ViewLogManifest& manifest);

// The file at `path` now, its bytes read.
arrow::Result<LoggedFile> DescribeFile(const std::string& path);
// kCorrupt where the file is not the one described. Its bytes are read only where size or time of
// change differ.
arrow::Status CheckFile(const std::string& path, const LoggedFile& file);

}  // namespace icecore::pipeline
