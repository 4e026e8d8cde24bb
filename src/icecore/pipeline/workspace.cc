#include "icecore/pipeline/workspace.h"

#include <arrow/type.h>

#include <algorithm>
#include <filesystem>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/ordered_scan.h"

namespace icecore::pipeline {

std::string TablePath(const std::string& full_name) {
  std::string path = full_name;
  std::replace(path.begin(), path.end(), '.', '/');
  return path;
}

arrow::Result<std::shared_ptr<lake::Table>> OpenTables::Open(lake::ObjectStore& store,
                                                             const std::string& path,
                                                             const base::Clock& clock,
                                                             base::Random& random) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<lake::Table>& table = tables_[path];
  if (table == nullptr || &table->store() != &store) {
    auto opened = lake::Table::Open(store, path, clock, random);
    if (!opened.ok()) {
      tables_.erase(path);
      return opened.status();
    }
    table = *std::move(opened);
  }
  return table;
}

arrow::Result<std::shared_ptr<ingest::PushJournal>> OpenJournals::Open(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<ingest::PushJournal>& journal = journals_[folder];
  std::error_code error;
  if (journal == nullptr || !std::filesystem::is_directory(folder, error)) {
    journal.reset();
    ARROW_ASSIGN_OR_RAISE(
        journal, ingest::PushJournal::Open(folder, ingest::PushJournal::Options(), clock_.get()));
  }
  return journal;
}

arrow::Result<std::shared_ptr<lake::Table>> OpenTable(const Workspace& workspace,
                                                      const std::string& full_name) {
  const std::string path = TablePath(full_name);
  if (workspace.tables != nullptr) {
    return workspace.tables->Open(*workspace.store, path, *workspace.clock, *workspace.random);
  }
  ARROW_ASSIGN_OR_RAISE(
      auto table, lake::Table::Open(*workspace.store, path, *workspace.clock, *workspace.random));
  return std::shared_ptr<lake::Table>(std::move(table));
}

arrow::Result<std::shared_ptr<const lake::Snapshot>> LoadTable(const Workspace& workspace,
                                                               const std::string& full_name) {
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, full_name));
  auto loaded = table->LoadOrEmpty();
  if (!loaded.ok()) {
    return base::WithContext(loaded.status(), full_name);
  }
  return loaded;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ScanInOrder(
    const Workspace& workspace, const lake::Snapshot& snapshot, const lake::ScanOptions& options) {
  lake::OrderOptions order;
  order.scratch_dir = workspace.scratch_root;
  return lake::ScanInOrder(*workspace.store, snapshot, options, workspace.access, order,
                           *workspace.random);
}

arrow::Result<std::vector<lake::LocalCopies::FilePtr>> LocalFilesOf(
    const Workspace& workspace, const lake::Snapshot& snapshot,
    const std::optional<lake::SeqRange>& range) {
  std::vector<std::string> objects;
  for (const lake::DataFile& file : lake::FilesInRange(snapshot, range)) {
    objects.push_back(snapshot.table_path + "/" + file.path);
  }
  if (workspace.copies != nullptr) {
    return workspace.copies->Fetch(objects);
  }
  std::vector<lake::LocalCopies::FilePtr> files;
  for (const std::string& object : objects) {
    auto path = workspace.store->LocalPath(object);
    if (!path) {
      return base::MakeError(base::ErrorCode::kInternal,
                             "SQL over a lake that is not on this machine, without local copies");
    }
    files.push_back(std::make_shared<const lake::LocalCopies::File>(
        lake::LocalCopies::File{*std::move(path), object, 0}));
  }
  return files;
}

std::shared_ptr<arrow::Schema> UserSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    if (!lake::IsEnvelope(field->name())) {
      fields.push_back(field);
    }
  }
  return arrow::schema(fields);
}

}  // namespace icecore::pipeline
