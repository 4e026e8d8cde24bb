#include "icecore/cli/explanation_text.h"

#include <arrow/array.h>

#include <algorithm>
#include <vector>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/evidence_documents.h"

namespace icecore::cli {
namespace {

using engine::ExplainedFeature;
using feature::RowVerdict;
using feature::TracedRow;

std::string TimeText(const std::optional<int64_t>& time) {
  return time ? base::FormatInstantShort(*time) : "";
}

// What a person asks next: why does this row not count?
std::string Because(const TracedRow& row, int64_t at_us) {
  switch (row.verdict) {
    case RowVerdict::kChosen:
      return "chosen";
    case RowVerdict::kCounted:
      return "counted";
    case RowVerdict::kSuperseded:
      return "superseded by a greater row";
    case RowVerdict::kExpired:
      return "expired: " + base::FormatDuration(at_us - *row.event_time) + " old";
    case RowVerdict::kNoValue:
      return "no value: null or NaN";
    case RowVerdict::kFiltered:
      return "left out by where";
    case RowVerdict::kReplaced:
      return "replaced by a later version from " + TimeText(row.until) + " on";
    case RowVerdict::kDelete:
      return "a delete";
    case RowVerdict::kKnownLater:
      return "not known before " + TimeText(row.known_at);
    case RowVerdict::kAfter:
      return "happened later";
    case RowVerdict::kBeforeWindow:
      return "before the window";
    case RowVerdict::kWithoutTime:
      return "has no event time or no known time";
  }
  return "";
}

std::string KeyText(const engine::NamedTexts& key) {
  std::string text;
  for (const auto& [name, value] : key) {
    text += (text.empty() ? "" : " ") + name + "=" + value;
  }
  return text;
}

std::string CountsText(const feature::FeatureTrace& trace) {
  std::string text = Grouped(static_cast<int64_t>(trace.rows.size())) + " of this key";
  const char* separator = ": ";
  for (const auto& [verdict, rows] : engine::CountsByVerdict(trace)) {
    text += separator + Grouped(rows) + " " + verdict;
    separator = ", ";
  }
  return text;
}

std::string RowsText(const ExplainedFeature& one, int64_t at_us, int64_t max_rows) {
  TextTable table({"event time", "known at", "seq", "value", "verdict"});
  const auto rows = engine::ListedRows(one.trace, max_rows);
  for (const TracedRow* row : rows) {
    table.Add({TimeText(row->event_time), TimeText(row->known_at), std::to_string(row->seq),
               row->value, Because(*row, at_us)});
  }
  if (rows.empty()) {
    return "";
  }
  const auto near = std::count_if(one.trace.rows.begin(), one.trace.rows.end(),
                                  [](const TracedRow& row) { return !engine::IsFar(row); });
  std::string text = table.ToString();
  if (near > static_cast<int64_t>(rows.size())) {
    text +=
        "(" + Grouped(near - static_cast<int64_t>(rows.size())) + " more; --rows N lists more)\n";
  }
  return text;
}

std::string TilesText(const ExplainedFeature& one, int64_t max_rows) {
  const auto& tiles = one.trace.tiles;
  if (tiles.empty() || max_rows == 0) {
    return "";
  }
  const bool partial = std::any_of(tiles.begin(), tiles.end(),
                                   [](const auto& tile) { return !tile.partial.empty(); });
  TextTable table(partial ? std::vector<std::string>{"tile", "rows", "part"}
                          : std::vector<std::string>{"tile", "rows"});
  const auto count = static_cast<int64_t>(tiles.size());
  for (int64_t i = std::max<int64_t>(0, count - max_rows); i < count; ++i) {
    const auto& tile = tiles[static_cast<size_t>(i)];
    std::vector<std::string> row = {base::FormatInstantShort(tile.begin),
                                    std::to_string(tile.rows)};
    if (partial) {
      row.push_back(tile.partial);
    }
    table.Add(std::move(row));
  }
  std::string text = table.ToString();
  if (count > max_rows) {
    text += "(" + Grouped(count - max_rows) + " earlier tiles)\n";
  }
  return text;
}

arrow::Result<std::string> FeatureText(const ExplainedFeature& one, int64_t at_us,
                                       int64_t max_rows) {
  ARROW_ASSIGN_OR_RAISE(const std::string value, base::ValueText(*one.value, 0));
  std::string text = "\nview." + one.view + "." + one.feature + ", key " + KeyText(one.key) + "\n";
  const auto line = [&](const char* name, const std::string& what) {
    text += "  " + std::string(name) + std::string(12 - std::string_view(name).size(), ' ') + what +
            "\n";
  };
  line("definition", one.location.ToString() + ", in force since version " +
                         std::to_string(one.since_version) + ", fingerprint " +
                         one.fingerprint.substr(0, 12));
  line("says", one.says);
  line("times", one.times);
  line("table", one.table + "@" + std::to_string(one.table_version) + ", generation " +
                    std::to_string(one.table_generation) + ", rows up to _seq " +
                    std::to_string(one.seq_up_to));
  if (one.trace.is_window) {
    line("window", base::FormatInstantShort(one.trace.begin) +
                       " <= event time <= " + base::FormatInstantShort(at_us) + ", known by then");
  }
  line("rows", CountsText(one.trace));
  const std::string status(state::ValueStatusName(one.trace.status));
  line("value", (one.trace.arithmetic.empty() ? "" : one.trace.arithmetic + " = ") + value + " (" +
                    status + (one.is_default ? ", the default" : "") + ")");
  text += TilesText(one, max_rows) + RowsText(one, at_us, max_rows);
  return text;
}

}  // namespace

arrow::Result<std::string> ExplanationText(const engine::Explanation& explanation,
                                           int64_t max_rows) {
  ARROW_ASSIGN_OR_RAISE(const std::string value, base::ValueText(*explanation.value, 0));
  std::string text = explanation.service + "." + explanation.name + " = " + value + " (" +
                     std::string(state::ValueStatusName(explanation.status)) + ") at " +
                     base::FormatInstantShort(explanation.at_us) + ", as it was known then\n";
  if (!explanation.expression.empty()) {
    text += "\nview." + explanation.view + ", computed when asked (" +
            explanation.expression_location.ToString() + ")\n  " + explanation.expression + "\n";
    for (const engine::ExplainedInput& input : explanation.inputs) {
      text += "  " + input.name + " = " + input.value + "  (" + input.from + ")\n";
    }
  }
  for (const ExplainedFeature& one : explanation.features) {
    ARROW_ASSIGN_OR_RAISE(const auto part, FeatureText(one, explanation.at_us, max_rows));
    text += part;
  }
  return text;
}

}  // namespace icecore::cli
