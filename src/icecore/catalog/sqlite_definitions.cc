// Things, definitions and their versions. Only changes are stored: the set of version v holds, of
// each thing, the newest row with a version of at most v.

#include <map>
#include <utility>

#include "icecore/catalog/sqlite_catalog_internal.h"

namespace icecore::catalog {
namespace {

arrow::Status NotFound(const std::string& message) {
  return base::MakeError(base::ErrorCode::kNotFound, message);
}

arrow::Result<std::map<std::string, const DefinitionRecord*>> ByName(
    const std::vector<DefinitionRecord>& definitions) {
  std::map<std::string, const DefinitionRecord*> by_name;
  for (const DefinitionRecord& record : definitions) {
    if (!by_name.emplace(record.name, &record).second) {
      return base::MakeError(base::ErrorCode::kInvalidArgument,
                             "'" + record.name + "' is defined twice");
    }
  }
  return by_name;
}

bool SameText(const DefinitionRecord& a, const DefinitionRecord& b) {
  return a.text == b.text && a.kind == b.kind;
}

}  // namespace

arrow::Result<std::vector<DefinitionVersion>> SqliteCatalog::ReadVersions(int64_t limit) {
  ARROW_ASSIGN_OR_RAISE(Statement statement,
                        Statement::Prepare(db_.get(),
                                           "SELECT version, applied_at_us FROM definition_version "
                                           "ORDER BY version DESC LIMIT ?"));
  statement.Bind(limit);
  std::vector<DefinitionVersion> versions;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return versions;
    }
    versions.push_back({statement.Int(0), statement.Int(1)});
  }
}

arrow::Result<std::vector<DefinitionRecord>> SqliteCatalog::ReadDefinitions(int64_t version) {
  ARROW_ASSIGN_OR_RAISE(
      Statement statement,
      Statement::Prepare(
          db_.get(),
          "SELECT d.kind, t.name, d.text, d.fingerprint, d.location FROM definition d "
          "JOIN thing t ON t.id = d.thing WHERE d.removed = 0 AND d.version = "
          "(SELECT max(version) FROM definition WHERE thing = d.thing AND version <= ?) "
          "ORDER BY t.name"));
  statement.Bind(version);
  std::vector<DefinitionRecord> records;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return records;
    }
    records.push_back({statement.Text(0), statement.Text(1), statement.Text(2), statement.Text(3),
                       statement.Text(4)});
  }
}

arrow::Result<std::vector<DefinitionChange>> SqliteCatalog::Diff(
    const std::vector<DefinitionRecord>& definitions, int64_t latest_version) {
  ARROW_ASSIGN_OR_RAISE(const auto after, ByName(definitions));
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionRecord> present,
                        ReadDefinitions(latest_version));
  ARROW_ASSIGN_OR_RAISE(const auto before, ByName(present));
  std::map<std::string, DefinitionChange> changes;
  for (const auto& [name, record] : after) {
    const auto old = before.find(name);
    if (old == before.end()) {
      changes[name] = {ChangeKind::kAdded, record->kind, name,
                       record->location,   "",           record->fingerprint};
    } else if (old->second->fingerprint != record->fingerprint ||
               !SameText(*old->second, *record)) {
      const bool same_bytes = old->second->fingerprint == record->fingerprint;
      changes[name] = {same_bytes ? ChangeKind::kDocumentation : ChangeKind::kChanged,
                       record->kind,
                       name,
                       record->location,
                       old->second->fingerprint,
                       record->fingerprint};
    }
  }
  for (const auto& [name, record] : before) {
    if (!after.contains(name)) {
      changes[name] = {ChangeKind::kRemoved, record->kind,        name,
                       record->location,     record->fingerprint, ""};
    }
  }
  std::vector<DefinitionChange> sorted;
  sorted.reserve(changes.size());
  for (auto& [name, change] : changes) {
    sorted.push_back(std::move(change));
  }
  return sorted;
}

arrow::Result<int64_t> SqliteCatalog::ThingRow(const std::string& kind, const std::string& name,
                                               int64_t version) {
  ARROW_ASSIGN_OR_RAISE(Statement find,
                        Statement::Prepare(db_.get(), "SELECT id FROM thing WHERE name = ?"));
  ARROW_ASSIGN_OR_RAISE(const bool is_known, find.Bind(name).Step());
  if (is_known) {
    return find.Int(0);
  }
  ARROW_ASSIGN_OR_RAISE(
      Statement insert,
      Statement::Prepare(
          db_.get(), "INSERT INTO thing (uuid, kind, name, first_version) VALUES (?, ?, ?, ?)"));
  insert.Bind(base::NewUuid(*random_)).Bind(kind).Bind(name).Bind(version);
  ARROW_RETURN_NOT_OK(insert.Run());
  return sqlite3_last_insert_rowid(db_.get());
}

arrow::Status SqliteCatalog::AddDefinition(int64_t version, bool removed,
                                           const DefinitionRecord& record) {
  ARROW_ASSIGN_OR_RAISE(const int64_t thing, ThingRow(record.kind, record.name, version));
  ARROW_ASSIGN_OR_RAISE(
      Statement insert,
      Statement::Prepare(db_.get(),
                         "INSERT INTO definition (thing, version, removed, kind, text, "
                         "fingerprint, location) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(thing).Bind(version).Bind(int64_t{removed}).Bind(record.kind).Bind(record.text);
  insert.Bind(record.fingerprint).Bind(record.location);
  return insert.Run();
}

arrow::Result<int64_t> SqliteCatalog::ApplyDefinitions(
    const std::vector<DefinitionRecord>& definitions, int64_t applied_at_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db_.get()));
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionVersion> latest, ReadVersions(1));
  const int64_t latest_version = latest.empty() ? 0 : latest[0].version;
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionChange> changes,
                        Diff(definitions, latest_version));
  if (changes.empty() && !latest.empty()) {
    return latest_version;
  }
  const int64_t version = latest_version + 1;
  ARROW_ASSIGN_OR_RAISE(
      Statement insert,
      Statement::Prepare(db_.get(),
                         "INSERT INTO definition_version (version, applied_at_us) VALUES (?, ?)"));
  ARROW_RETURN_NOT_OK(insert.Bind(version).Bind(applied_at_us).Run());
  ARROW_ASSIGN_OR_RAISE(const auto after, ByName(definitions));
  for (const DefinitionChange& change : changes) {
    if (change.change == ChangeKind::kRemoved) {
      ARROW_RETURN_NOT_OK(
          AddDefinition(version, true, {change.kind, change.name, "", "", change.location}));
    } else {
      ARROW_RETURN_NOT_OK(AddDefinition(version, false, *after.at(change.name)));
    }
  }
  ARROW_RETURN_NOT_OK(transaction.Commit());
  return version;
}

arrow::Result<std::optional<DefinitionVersion>> SqliteCatalog::LatestVersion() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionVersion> latest, ReadVersions(1));
  return latest.empty() ? std::nullopt : std::optional<DefinitionVersion>(latest[0]);
}

arrow::Result<std::vector<DefinitionVersion>> SqliteCatalog::ListVersions(int64_t limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ReadVersions(limit);
}

arrow::Result<std::vector<DefinitionRecord>> SqliteCatalog::GetDefinitions(int64_t version) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionVersion> latest, ReadVersions(1));
  const int64_t newest = latest.empty() ? 0 : latest[0].version;
  if (version < 0 || version > newest) {
    return NotFound("no definition version " + std::to_string(version) + "; the latest is " +
                    std::to_string(newest));
  }
  return ReadDefinitions(version == 0 ? newest : version);
}

arrow::Result<std::vector<DefinitionChange>> SqliteCatalog::DiffDefinitions(
    const std::vector<DefinitionRecord>& definitions) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const std::vector<DefinitionVersion> latest, ReadVersions(1));
  return Diff(definitions, latest.empty() ? 0 : latest[0].version);
}

arrow::Result<std::vector<DefinitionHistoryEntry>> SqliteCatalog::DefinitionHistory(
    const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(
      Statement statement,
      Statement::Prepare(
          db_.get(),
          "SELECT d.version, v.applied_at_us, d.removed, d.text, d.fingerprint, d.location "
          "FROM definition d JOIN thing t ON t.id = d.thing "
          "JOIN definition_version v ON v.version = d.version WHERE t.name = ? "
          "ORDER BY d.version"));
  statement.Bind(name);
  std::vector<DefinitionHistoryEntry> history;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      break;
    }
    history.push_back({{statement.Int(0), statement.Int(1)},
                       statement.Int(2) != 0,
                       statement.Text(3),
                       statement.Text(4),
                       statement.Text(5)});
  }
  if (history.empty()) {
    return NotFound("'" + name + "' was never applied");
  }
  return history;
}

arrow::Result<std::vector<Thing>> SqliteCatalog::ReadThings(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(Statement statement,
                        Statement::Prepare(db_.get(),
                                           "SELECT uuid, kind, name, first_version FROM thing "
                                           "WHERE ?1 = '' OR name = ?1 ORDER BY name"));
  statement.Bind(name);
  std::vector<Thing> things;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return things;
    }
    things.push_back({statement.Text(0), statement.Text(1), statement.Text(2), statement.Int(3)});
  }
}

arrow::Result<std::vector<Thing>> SqliteCatalog::ListThings() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ReadThings("");
}

arrow::Result<Thing> SqliteCatalog::GetThing(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(std::vector<Thing> things, ReadThings(name));
  if (name.empty() || things.empty()) {
    return NotFound("'" + name + "' was never applied");
  }
  return std::move(things[0]);
}

}  // namespace icecore::catalog
