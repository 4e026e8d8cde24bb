#include "icecore/lake/appends.h"

#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_loader_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status CheckAppendsOnly(const Snapshot& newest, int64_t version, const LogActions& actions) {
  for (const RemovedFile& file : actions.removes) {
    if (file.data_change) {
      return MakeError(ErrorCode::kBadInput,
                       "version " + std::to_string(version) + " of table " + newest.table_path +
                           " changed or removed rows (file " + file.path + ")");
    }
  }
  if (actions.protocol.has_value()) {
    ARROW_RETURN_NOT_OK(CheckReadable(*actions.protocol));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::vector<DataFile>> AppendsSince(ObjectStore& store, const Snapshot& newest,
                                                  int64_t after) {
  if (after < 0) {
    return newest.files;
  }
  const std::vector<std::string> roots = TableRoots(store, newest.table_path);
  std::vector<DataFile> appended;
  for (int64_t version = after + 1; version <= newest.version; ++version) {
    auto actions = ReadLogActions(store, newest.table_path, version);
    if (!actions.ok() && base::CodeOf(actions.status()) == ErrorCode::kNotFound) {
      return MakeError(ErrorCode::kNotFound,
                       "version " + std::to_string(version) + " of table " + newest.table_path +
                           " was not taken yet and its log entry was cleaned up");
    }
    ARROW_RETURN_NOT_OK(actions.status());
    ARROW_RETURN_NOT_OK(CheckAppendsOnly(newest, version, *actions));
    for (DataFile& file : actions->adds) {
      if (!file.data_change) {
        continue;
      }
      file.path = RelativeTo(roots, std::move(file.path));
      if (IsAbsolutePath(file.path)) {
        return MakeError(ErrorCode::kUnsupported, "table " + newest.table_path + ": data file '" +
                                                      file.path + "' outside the table");
      }
      appended.push_back(std::move(file));
    }
  }
  return appended;
}

}  // namespace icecore::lake
