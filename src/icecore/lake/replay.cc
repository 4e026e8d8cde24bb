#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/replay_internal.h"
#include "icecore/lake/schema.h"

namespace icecore::lake {
namespace {

// Places of files that went are marked so that the order of the others stays.
bool IsGone(const DataFile& file) { return file.path.empty(); }
bool IsBack(const RemovedFile& file) { return file.path.empty(); }

// The least _seq of a file, without parsing more of its statistics than must be: ours have _seq
// first.
std::optional<int64_t> FirstSeq(const DataFile& file) {
  constexpr std::string_view kFront = "\"minValues\":{\"_seq\":";
  const size_t front = file.stats_json.find(kFront);
  if (front != std::string::npos) {
    int64_t seq = 0;
    const char* const begin = file.stats_json.data() + front + kFront.size();
    const auto [end, error] =
        std::from_chars(begin, file.stats_json.data() + file.stats_json.size(), seq);
    if (error == std::errc() && (*end == ',' || *end == '}')) {
      return seq;
    }
  }
  const auto range = file.IntRange(kSeq);
  return range.has_value() ? std::optional(range->min) : std::nullopt;
}

// Files that a rewrite or another writer's checkpoint brought out of the order of _seq get back to
// where their rows belong. Where a file does not say, the order stays.
void OrderBySeq(std::vector<DataFile>* files) {
  std::vector<std::pair<int64_t, size_t>> order;
  order.reserve(files->size());
  for (size_t i = 0; i < files->size(); ++i) {
    const auto seq = FirstSeq((*files)[i]);
    if (!seq.has_value()) {
      return;
    }
    order.emplace_back(*seq, i);
  }
  if (std::is_sorted(order.begin(), order.end())) {
    return;
  }
  std::sort(order.begin(), order.end());
  std::vector<DataFile> ordered;
  ordered.reserve(files->size());
  for (const auto& [seq, place] : order) {
    ordered.push_back(std::move((*files)[place]));
  }
  *files = std::move(ordered);
}

}  // namespace

int64_t TimestampOf(const CommitInfo& info) {
  return info.in_commit_timestamp_ms.value_or(info.timestamp_ms) * 1000;
}

Replay::Replay(std::string table_path, std::vector<std::string> roots) : roots_(std::move(roots)) {
  snapshot_.table_path = std::move(table_path);
}

Replay::Replay(const Snapshot& start, std::vector<std::string> roots)
    : roots_(std::move(roots)), snapshot_(start), has_protocol_(true), has_metadata_(true) {
  live_.Reserve(snapshot_.files.size());
  for (size_t i = 0; i < snapshot_.files.size(); ++i) {
    live_.Insert(snapshot_.files[i].path, i);
  }
  for (size_t i = 0; i < snapshot_.removed.size(); ++i) {
    removed_.emplace(snapshot_.removed[i].Key(), i);
  }
}

void Replay::ApplyCheckpoint(int64_t version, LogActions actions) {
  Apply(std::move(actions));
  may_be_unordered_ = true;
  snapshot_.version = version;
  snapshot_.checkpoint_version = version;
  snapshot_.actions_since_checkpoint = 0;
}

void Replay::ApplyCommit(int64_t version, LogActions actions) {
  snapshot_.actions_since_checkpoint += actions.count;
  snapshot_.timestamp_us = actions.info.has_value() ? TimestampOf(*actions.info) : 0;
  Apply(std::move(actions));
  snapshot_.version = version;
}

void Replay::SetCheckpoint(int64_t version) {
  if (version > snapshot_.checkpoint_version) {
    snapshot_.checkpoint_version = version;
    // An estimate: at least one action per commit since then.
    snapshot_.actions_since_checkpoint =
        std::min(snapshot_.actions_since_checkpoint, snapshot_.version - version);
  }
}

void Replay::Apply(LogActions actions) {
  if (actions.protocol.has_value()) {
    snapshot_.protocol = *std::move(actions.protocol);
    has_protocol_ = true;
  }
  if (actions.metadata.has_value()) {
    MetadataAction& metadata = *actions.metadata;
    snapshot_.table_id = std::move(metadata.id);
    snapshot_.name = std::move(metadata.name);
    snapshot_.description = std::move(metadata.description);
    snapshot_.partition_columns = std::move(metadata.partition_columns);
    snapshot_.configuration = std::move(metadata.configuration);
    snapshot_.created_us = metadata.created_ms * 1000;
    schema_json_ = std::move(metadata.schema_json);
    snapshot_.schema = schema_json_.empty() ? nullptr : snapshot_.schema;
    has_metadata_ = true;
  }
  for (auto& [app_id, version] : actions.transactions) {
    snapshot_.transactions[app_id] = version;
  }
  for (DomainAction& domain : actions.domains) {
    if (domain.removed) {
      snapshot_.domains.erase(domain.domain);
    } else {
      snapshot_.domains[domain.domain] = std::move(domain.configuration);
    }
  }
  may_be_unordered_ |= !actions.removes.empty() && !actions.adds.empty();
  ApplyFiles(&actions);
}

void Replay::ApplyFiles(LogActions* actions) {
  for (RemovedFile& file : actions->removes) {
    ApplyRemove(std::move(file));
  }
  std::vector<DataFile>& files = snapshot_.files;
  const size_t first = files.size();
  if (first == 0) {
    files = std::move(actions->adds);
  } else {
    files.insert(files.end(), std::make_move_iterator(actions->adds.begin()),
                 std::make_move_iterator(actions->adds.end()));
  }
  live_.Reserve(files.size());
  for (size_t place = first; place < files.size(); ++place) {
    PlaceAdd(place);
  }
}

void Replay::ApplyRemove(RemovedFile file) {
  file.path = RelativeTo(roots_, std::move(file.path));
  const auto path_at = [&](size_t place) -> const std::string& {
    return snapshot_.files[place].path;
  };
  // The same path with another deletion vector stays: it is what the commit puts in its place.
  if (const size_t place = live_.Find(file.path, path_at);
      place != PlaceIndex::kNone && snapshot_.files[place].Key() == file.Key()) {
    live_.Erase(file.path, path_at);
    snapshot_.files[place].path.clear();
  }
  if (removed_.emplace(file.Key(), snapshot_.removed.size()).second) {
    snapshot_.removed.push_back(std::move(file));
  }
}

// The file at the end, where one of its path is there already in that one's place.
void Replay::PlaceAdd(size_t place) {
  DataFile& file = snapshot_.files[place];
  file.path = RelativeTo(roots_, std::move(file.path));
  if (!removed_.empty()) {
    if (const auto back = removed_.find(file.Key()); back != removed_.end()) {
      snapshot_.removed[back->second].path.clear();
      removed_.erase(back);
    }
  }
  const size_t before = live_.Find(
      file.path, [&](size_t at) -> const std::string& { return snapshot_.files[at].path; });
  if (before == PlaceIndex::kNone) {
    live_.Insert(file.path, place);
  } else {
    snapshot_.files[before] = std::exchange(file, DataFile{});  // without a path it is gone
  }
}

arrow::Result<std::shared_ptr<const Snapshot>> Replay::Finish() {
  const std::string table = "table " + snapshot_.table_path;
  if (!has_protocol_ || !has_metadata_) {
    return base::MakeError(
        base::ErrorCode::kCorrupt,
        table + ": the log has no " + (has_protocol_ ? "metaData" : "protocol") + " action");
  }
  const arrow::Status readable = CheckReadable(snapshot_.protocol);
  if (!readable.ok()) {
    return base::WithContext(readable, table);
  }
  if (!schema_json_.empty()) {
    auto schema = SchemaFromDelta(schema_json_);
    if (!schema.ok()) {
      return base::WithContext(schema.status(), table);
    }
    snapshot_.schema = *std::move(schema);
  }
  if (snapshot_.schema == nullptr) {
    return base::MakeError(base::ErrorCode::kCorrupt, table + ": its metaData has no schemaString");
  }
  ARROW_ASSIGN_OR_RAISE(snapshot_.column_mapping, ColumnMappingOf(snapshot_));
  ARROW_RETURN_NOT_OK(CheckSchema(snapshot_));
  std::erase_if(snapshot_.files, IsGone);
  std::erase_if(snapshot_.removed, IsBack);
  for (const DataFile& file : snapshot_.files) {
    if (IsAbsolutePath(file.path)) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             table + ": data file '" + file.path + "' outside the table");
    }
  }
  if (may_be_unordered_ && snapshot_.schema->GetFieldIndex(std::string(kSeq)) >= 0) {
    OrderBySeq(&snapshot_.files);
  }
  return std::make_shared<const Snapshot>(std::move(snapshot_));
}

}  // namespace icecore::lake
