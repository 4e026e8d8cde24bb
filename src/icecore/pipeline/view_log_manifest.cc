#include "icecore/pipeline/view_log_manifest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

constexpr int kFormat = 2;
constexpr int kFormatWithoutColumns = 1;
// Files up to this size are read at each opening: that costs less than the seek to them.
constexpr int64_t kSmallFileBytes = int64_t{4} << 20;

json ToJson(const LoggedFile& file) {
  return {{"size", file.size}, {"modified_ns", file.modified_ns}, {"checksum", file.checksum}};
}

LoggedFile FileFromJson(const json& text) {
  return {text.at("size").get<int64_t>(), text.at("modified_ns").get<int64_t>(),
          text.at("checksum").get<uint64_t>()};
}

json ToJson(const ViewLogManifest& manifest) {
  json runs = json::array();
  for (const LoggedRun& run : manifest.runs) {
    runs.push_back({{"name", run.name},
                    {"filters", run.has.filters},
                    {"columns", run.has.columns},
                    {"rows", run.facts.rows},
                    {"keys", run.facts.keys},
                    {"ascending", run.facts.ascending},
                    {"known_at_once", run.facts.known_at_once},
                    {"latest_known_at", run.facts.latest_known_at},
                    {"rows_file", ToJson(run.rows)},
                    {"keys_file", ToJson(run.keys)}});
  }
  return {{"format", kFormat},
          {"definition", manifest.definition},
          {"table_id", manifest.table_id},
          {"generation", manifest.generation},
          {"version", manifest.version},
          {"seq_up_to", manifest.seq_up_to},
          {"runs", runs}};
}

ViewLogManifest FromJson(const json& text) {
  ViewLogManifest manifest;
  manifest.definition = text.at("definition").get<std::string>();
  manifest.says_columns = text.at("format").get<int>() != kFormatWithoutColumns;
  manifest.table_id = text.at("table_id").get<std::string>();
  manifest.generation = text.at("generation").get<int64_t>();
  manifest.version = text.at("version").get<int64_t>();
  manifest.seq_up_to = text.at("seq_up_to").get<int64_t>();
  for (const json& item : text.at("runs")) {
    LoggedRun run;
    run.name = item.at("name").get<std::string>();
    if (manifest.says_columns) {
      run.has.filters = item.at("filters").get<std::vector<std::string>>();
      run.has.columns = item.at("columns").get<std::vector<std::string>>();
    }
    run.facts.rows = item.at("rows").get<int64_t>();
    run.facts.keys = item.at("keys").get<int64_t>();
    run.facts.ascending = item.at("ascending").get<bool>();
    run.facts.known_at_once = item.at("known_at_once").get<bool>();
    run.facts.latest_known_at = item.at("latest_known_at").get<int64_t>();
    run.rows = FileFromJson(item.at("rows_file"));
    run.keys = FileFromJson(item.at("keys_file"));
    manifest.runs.push_back(std::move(run));
  }
  return manifest;
}

arrow::Status SyncPath(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return done ? arrow::Status::OK() : MakeError(ErrorCode::kUnavailable, "cannot sync " + path);
}

arrow::Result<LoggedFile> StampOf(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    return MakeError(ErrorCode::kCorrupt, path + " is missing");
  }
  LoggedFile file;
  file.size = info.st_size;
  file.modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  return file;
}

}  // namespace

arrow::Result<ViewLogManifest> ReadManifest(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  std::ifstream in(path, std::ios::binary);
  if (!in) return MakeError(ErrorCode::kNotFound, "no log at " + folder);
  std::stringstream bytes;
  bytes << in.rdbuf();
  std::string why = " is no manifest of a feature log";
  try {
    const json outer = json::parse(bytes.str());
    const json& content = outer.at("log");
    const int format = content.at("format").get<int>();
    if ((format == kFormat || format == kFormatWithoutColumns) &&
        base::Hash64(content.dump()) == outer.at("checksum").get<uint64_t>()) {
      return FromJson(content);
    }
  } catch (const json::exception& error) {
    why += ": " + std::string(error.what());
  }
  return MakeError(ErrorCode::kCorrupt, path + why);
}

arrow::Status WriteManifest(const std::string& folder, const std::string& name,
                            const ViewLogManifest& manifest) {
  const std::string path = folder + "/" + name;
  const json content = ToJson(manifest);
  const std::string text =
      json{{"log", content}, {"checksum", base::Hash64(content.dump())}}.dump(1) + "\n";
  const std::string beside = path + ".writing";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) return MakeError(ErrorCode::kUnavailable, "cannot write " + beside);
  }
  ARROW_RETURN_NOT_OK(SyncPath(beside));
  if (std::rename(beside.c_str(), path.c_str()) != 0) {
    return MakeError(ErrorCode::kUnavailable, "cannot rename " + beside);
  }
  return SyncPath(folder);
}

arrow::Status RemoveManifest(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  if (::unlink(path.c_str()) == 0) return SyncPath(folder);
  return errno == ENOENT ? arrow::Status::OK()
                         : MakeError(ErrorCode::kUnavailable, "cannot remove " + path);
}

arrow::Result<LoggedFile> DescribeFile(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(LoggedFile file, StampOf(path));
  ARROW_ASSIGN_OR_RAISE(file.checksum, feature::ChecksumOf(path));
  return file;
}

arrow::Status CheckFile(const std::string& path, const LoggedFile& file, FileCheck check) {
  ARROW_ASSIGN_OR_RAISE(const LoggedFile now, StampOf(path));
  if (now.size != file.size) {
    return MakeError(ErrorCode::kCorrupt, path + " has " + std::to_string(now.size) +
                                              " bytes, written were " + std::to_string(file.size));
  }
  const bool is_trusted = now.modified_ns == file.modified_ns && file.size > kSmallFileBytes;
  if (check == FileCheck::kOpening && is_trusted) return arrow::Status::OK();
  const auto checksum = feature::ChecksumOf(path);
  if (!checksum.ok()) {
    return MakeError(ErrorCode::kCorrupt, path + " cannot be read: " + checksum.status().message());
  }
  return *checksum == file.checksum
             ? arrow::Status::OK()
             : MakeError(ErrorCode::kCorrupt, path + " does not hold the bytes that were written");
}

arrow::Status CheckRunFiles(const std::string& folder, const LoggedRun& run, FileCheck check) {
  const std::string prefix = folder + "/" + run.name;
  ARROW_RETURN_NOT_OK(CheckFile(prefix + ".rows", run.rows, check));
  return CheckFile(prefix + ".keys", run.keys, check);
}

LogLock::LogLock(const std::string& folder)
    : file_(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (file_ < 0 || ::flock(file_, LOCK_EX | LOCK_NB) != 0) return;
  // Who removes a log removes this file too: then it locks nothing.
  struct stat mine;
  struct stat there;
  held_ = ::fstat(file_, &mine) == 0 && ::stat((folder + "/lock").c_str(), &there) == 0 &&
          mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

LogLock::~LogLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace icecore::pipeline
