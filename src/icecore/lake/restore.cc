#include "icecore/lake/restore.h"

#include <arrow/type.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/clusters.h"
#include "icecore/lake/vacuum.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

// OK where the file rests as the log says and no vacuum may take it.
arrow::Status CheckThere(ObjectStore& store, const Snapshot& then, const DataFile& file,
                         int64_t removed_us, int64_t kept_since_us) {
  const std::string path = then.table_path + "/" + file.path;
  const std::string what = "version " + std::to_string(then.version) + " of " + then.table_path +
                           " cannot be restored: ";
  if (removed_us < kept_since_us) {
    return MakeError(ErrorCode::kNotFound,
                     what + "file " + path + " left the table before the last vacuum's retention");
  }
  const auto info = store.Stat(path);
  if (!info.ok() && base::CodeOf(info.status()) != ErrorCode::kNotFound) {
    return info.status();
  }
  if (!info.ok() || info->size != file.size) {
    return MakeError(ErrorCode::kNotFound,
                     what + "file " + path + (info.ok() ? " has another size" : " is gone"));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<Commit> PlanRestore(ObjectStore& store, const Snapshot& now, const Snapshot& then) {
  if (now.table_id != then.table_id) {
    return MakeError(ErrorCode::kInternal, "versions of two tables");
  }
  Commit commit;
  commit.operation = "RESTORE";
  commit.parameters["version"] = std::to_string(then.version);
  commit.reads_all = true;
  std::unordered_map<std::string_view, int64_t> removed;
  for (const RemovedFile& file : now.removed) {
    removed.emplace(file.path, file.removed_us);
  }
  std::unordered_set<std::string_view> live;
  for (const DataFile& file : now.files) {
    live.insert(file.path);
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t kept_since_us, RemovedFilesKeptSince(now));
  std::unordered_set<std::string_view> wanted;
  for (const DataFile& file : then.files) {
    if (file.deletion_vector.has_value()) {
      return MakeError(ErrorCode::kUnsupported,
                       "restoring table " + then.table_path + " with deletion vectors");
    }
    wanted.insert(file.path);
    if (live.contains(file.path)) {
      continue;
    }
    const auto gone = removed.find(file.path);
    ARROW_RETURN_NOT_OK(CheckThere(
        store, then, file, gone == removed.end() ? INT64_MIN : gone->second, kept_since_us));
    commit.adds.push_back(file);
    commit.adds.back().data_change = true;
  }
  for (const DataFile& file : now.files) {
    if (!wanted.contains(file.path)) {
      commit.removes.push_back(file.path);
    }
  }
  if (!now.schema->Equals(*then.schema, /*check_metadata=*/true)) {
    commit.metadata = TableMetadata{.schema = then.schema,
                                    .configuration = {},
                                    .name = now.name,
                                    .description = now.description};
  }
  const std::string vacuum(kVacuumDomain);
  commit.domains[vacuum] = now.Domain(kVacuumDomain).value_or("{\"format\":1}");
  if (now.Domain(kClustersDomain) != then.Domain(kClustersDomain)) {
    commit.domains[std::string(kClustersDomain)] = then.Domain(kClustersDomain);
  }
  commit.counts = {{"files_restored", static_cast<int64_t>(commit.adds.size())},
                   {"files_removed", static_cast<int64_t>(commit.removes.size())}};
  return commit;
}

}  // namespace icecore::lake
