#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/type.h>

#include <cstdint>
#include <utility>

#include "icecore/sql/answer_bytes_internal.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {
namespace {

using Severity = base::Diagnostics::Entry::Severity;

std::string CborOf(const Json& document) {
  std::string bytes;
  Json::to_cbor(document, bytes);
  return bytes;
}

std::optional<std::vector<std::string>> TextsOf(const Json& list) {
  if (!list.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string()) return std::nullopt;
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// Null where it cannot be written.
Json JsonOf(const arrow::Schema& schema) {
  const auto buffer = arrow::ipc::SerializeSchema(schema);
  if (!buffer.ok()) return nullptr;
  const auto* begin = (*buffer)->data();
  return Json::binary({begin, begin + (*buffer)->size()});
}

// nullptr where it is none.
std::shared_ptr<arrow::Schema> SchemaOf(const Json& document) {
  if (!document.is_binary()) return nullptr;
  const std::vector<uint8_t>& bytes = document.get_binary();
  arrow::io::BufferReader reader(
      std::make_shared<arrow::Buffer>(bytes.data(), static_cast<int64_t>(bytes.size())));
  arrow::ipc::DictionaryMemo memo;
  const auto schema = arrow::ipc::ReadSchema(&reader, &memo);
  return schema.ok() ? *schema : nullptr;
}

Json JsonOf(const base::Diagnostics& diagnostics) {
  Json entries = Json::array();
  for (const auto& entry : diagnostics.entries()) {
    entries.push_back({entry.severity == Severity::kWarning, entry.location.file,
                       entry.location.line, entry.location.column, entry.message});
  }
  return entries;
}

bool DiagnosticsOf(const Json& entries, base::Diagnostics* diagnostics) {
  for (const Json& entry : entries) {
    if (!entry.is_array() || entry.size() != 5 || !entry[0].is_boolean() || !entry[1].is_string() ||
        !entry[2].is_number_integer() || !entry[3].is_number_integer() || !entry[4].is_string()) {
      return false;
    }
    const base::Location location{entry[1].get<std::string>(), entry[2].get<int>(),
                                  entry[3].get<int>()};
    if (entry[0].get<bool>()) {
      diagnostics->Warning(location, entry[4].get<std::string>());
    } else {
      diagnostics->Note(location, entry[4].get<std::string>());
    }
  }
  return entries.is_array();
}

Json JsonOf(const std::vector<std::vector<ColumnSource>>& columns) {
  Json all = Json::array();
  for (const auto& sources : columns) {
    Json& list = all.emplace_back(Json::array());
    for (const ColumnSource& source : sources) list.push_back({source.table, source.column});
  }
  return all;
}

bool SourcesOf(const Json& all, std::vector<std::vector<ColumnSource>>* columns) {
  for (const Json& list : all) {
    auto& sources = columns->emplace_back();
    if (!list.is_array()) return false;
    for (const Json& source : list) {
      const auto names = TextsOf(source);
      if (!names || names->size() != 2) return false;
      sources.push_back({(*names)[0], (*names)[1]});
    }
  }
  return all.is_array();
}

}  // namespace

std::optional<std::string> BytesOfAnalysis(const Analysis& analysis) {
  if (analysis.diagnostics.has_errors() || analysis.output == nullptr) return std::nullopt;
  const Json output = JsonOf(*analysis.output);
  if (output.is_null()) return std::nullopt;
  return CborOf({{"tables", analysis.tables},
                 {"driver", analysis.driver ? Json(*analysis.driver) : Json()},
                 {"row_wise", analysis.row_wise},
                 {"not_row_wise", analysis.not_row_wise},
                 {"uses_run_time", analysis.uses_run_time},
                 {"output", output},
                 {"sources", JsonOf(analysis.sources)},
                 {"plain_sql", analysis.plain_sql},
                 {"row_wise_sql", analysis.row_wise_sql},
                 {"diagnostics", JsonOf(analysis.diagnostics)}});
}

std::optional<Analysis> AnalysisOfBytes(std::string_view bytes) {
  const Json document = JsonOfCbor(bytes);
  const Json& driver = Member(document, "driver");
  auto tables = TextsOf(Member(document, "tables"));
  auto not_row_wise = TextsOf(Member(document, "not_row_wise"));
  Analysis analysis;
  analysis.output = SchemaOf(Member(document, "output"));
  if (!tables || !not_row_wise || !Member(document, "row_wise").is_boolean() ||
      !Member(document, "uses_run_time").is_boolean() || analysis.output == nullptr ||
      !SourcesOf(Member(document, "sources"), &analysis.sources) ||
      !DiagnosticsOf(Member(document, "diagnostics"), &analysis.diagnostics)) {
    return std::nullopt;
  }
  analysis.tables = *std::move(tables);
  if (driver.is_string()) analysis.driver = driver.get<std::string>();
  analysis.row_wise = Member(document, "row_wise").get<bool>();
  analysis.not_row_wise = *std::move(not_row_wise);
  analysis.uses_run_time = Member(document, "uses_run_time").get<bool>();
  analysis.plain_sql = TextMember(document, "plain_sql");
  analysis.row_wise_sql = TextMember(document, "row_wise_sql");
  return analysis;
}

std::string BytesOfNames(const std::vector<std::string>& names) { return CborOf(names); }

std::optional<std::vector<std::string>> NamesOfBytes(std::string_view bytes) {
  return TextsOf(JsonOfCbor(bytes));
}

}  // namespace icecore::sql
