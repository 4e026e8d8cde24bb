#include "icecore/pipeline/push_landing.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/files/row_builder.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/landing_rows.h"
#include "icecore/pipeline/landing_writer.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

constexpr char kConnector[] = "push";
constexpr int64_t kBatchBytes = int64_t{16} << 20;    // of rows that land as one batch
constexpr int64_t kCommitBytes = int64_t{128} << 20;  // in memory, of rows of one commit

std::string JournalFolder(const Workspace& workspace, const spec::Source& source) {
  return workspace.project->root + "/.icecore/push/" + source.name;
}

// The contract's columns, as text, with those of every row that lands.
std::shared_ptr<arrow::Schema> ColumnsOf(const spec::Source& source) {
  arrow::FieldVector columns;
  for (const spec::ColumnContract& column : source.contract.columns) {
    columns.push_back(arrow::field(column.name, arrow::utf8()));
  }
  return ingest::WithFileEnvelope(columns);
}

}  // namespace

bool IsPushPosition(const std::string& position) {
  const json parsed = json::parse(position, nullptr, false);
  return parsed.is_object() && parsed.contains(kConnector);
}

arrow::Result<ingest::PushPosition> LandedPushes(const lake::Snapshot& raw) {
  const auto domain = raw.Domain(lake::kPositionDomain);
  if (!domain) {
    return ingest::PushPosition();
  }
  const json parsed = json::parse(*domain, nullptr, false);
  if (!parsed.is_object() || !parsed.contains(kConnector) || !parsed.at(kConnector).is_string()) {
    return MakeError(ErrorCode::kBadInput,
                     "what landed before did not come from pushes; give the source another name");
  }
  return ingest::PushPosition::Parse(parsed.at(kConnector).get<std::string>());
}

int64_t ClosingTime(const Workspace& workspace, const lake::Snapshot& raw) {
  return std::max(workspace.clock->NowMicros(),
                  raw.Transaction(kArrivedTransaction).value_or(INT64_MIN));
}

arrow::Result<std::shared_ptr<ingest::PushJournal>> OpenJournal(const Workspace& workspace,
                                                                const spec::Source& source) {
  if (workspace.journals == nullptr) {
    return MakeError(ErrorCode::kUnsupported, "source " + source.name + " takes no pushes here");
  }
  ARROW_ASSIGN_OR_RAISE(auto journal, workspace.journals->Open(JournalFolder(workspace, source)));
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  ARROW_ASSIGN_OR_RAISE(const auto landed, LandedPushes(*raw));
  if (landed.number > 0) {
    ARROW_RETURN_NOT_OK(journal->ContinueBehind(landed.number, landed.rows));
  }
  return journal;
}

arrow::Status LandPushOnce(const Workspace& workspace, const spec::Source& source,
                           const std::string& run_id, const std::stop_token& stop,
                           StepReport* report, bool* more) {
  *more = false;
  const std::string what = "source " + source.name;
  auto opened = OpenJournal(workspace, source);
  ARROW_RETURN_NOT_OK(base::WithContext(opened.status(), what));
  ARROW_ASSIGN_OR_RAISE(const auto table, OpenTable(workspace, RawTableName(source)));
  ARROW_ASSIGN_OR_RAISE(const auto before, table->LoadOrEmpty());
  ARROW_ASSIGN_OR_RAISE(const auto landed, LandedPushes(*before));
  ingest::PushConnector connector(opened->get(), kBatchBytes, ClosingTime(workspace, *before));
  ARROW_ASSIGN_OR_RAISE(const auto partitions, connector.Partitions());
  const std::string from = landed.number > 0 ? landed.Serialize() : "";
  ARROW_ASSIGN_OR_RAISE(const auto reader, connector.Read(partitions.front(), from, stop));
  LandingWriter writer(workspace, source, run_id, before);
  std::string position;
  for (int64_t bytes = 0;;) {
    auto batch = reader->Next();
    ARROW_RETURN_NOT_OK(base::WithContext(batch.status(), what));
    if (!*batch) {
      break;
    }
    const arrow::RecordBatch& rows = *(*batch)->rows;
    ARROW_RETURN_NOT_OK(base::WithContext(writer.Write(rows, (*batch)->arrived_us), what));
    position = (*batch)->position_after;
    ARROW_ASSIGN_OR_RAISE(const int64_t size, arrow::util::ReferencedBufferSize(rows));
    bytes += size;
    if (bytes >= kCommitBytes) {
      *more = true;
      break;
    }
  }
  if (position.empty() && before->exists()) {
    return arrow::Status::OK();
  }
  if (position.empty()) {  // tables over it have something to read before anything was pushed
    ARROW_RETURN_NOT_OK(writer.UseColumns(*ColumnsOf(source)));
    position = ingest::PushPosition().Serialize();
  }
  ARROW_RETURN_NOT_OK(writer.EndPart(0));
  ARROW_RETURN_NOT_OK(writer.Commit(table.get(), json{{kConnector, position}}.dump(), report));
  return connector.Committed(partitions.front(), position);
}

arrow::Result<RawColumns> PeekPushSource(const Workspace& workspace, const spec::Source& source) {
  RawColumns out;
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  if (raw->exists()) {
    out.schema = raw->schema;
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.schema, MergeColumns(nullptr, *ColumnsOf(source)));
  return out;
}

arrow::Result<std::string> PendingPushes(const Workspace& workspace, const spec::Source& source) {
  const auto count = [&]() -> arrow::Result<int64_t> {
    ARROW_ASSIGN_OR_RAISE(const auto journal, OpenJournal(workspace, source));
    ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
    ARROW_ASSIGN_OR_RAISE(const auto landed, LandedPushes(*raw));
    ARROW_ASSIGN_OR_RAISE(const int64_t last, journal->LastNumber());
    return last - landed.number;
  }();
  if (!count.ok()) {
    return "will fail: " + count.status().message();
  }
  if (*count == 0) {
    return std::string();
  }
  return std::to_string(*count) + (*count == 1 ? " new push" : " new pushes");
}

}  // namespace icecore::pipeline
