#include "icecore/engine/evidence_documents.h"

#include <arrow/array.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"

namespace icecore::engine {
namespace {

using feature::RowVerdict;
using feature::TracedRow;
using nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Keys may be any bytes.
std::string Document(const json& document) {
  return document.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string KindText(const FeatureDifference& difference) {
  using Kind = FeatureDifference::Kind;
  switch (difference.kind) {
    case Kind::kBoth:
      return "both";
    case Kind::kAdded:
      return "added";
    case Kind::kRemoved:
      return "removed";
    case Kind::kOtherType:
      return "other_type";
  }
  return "";
}

// The element as a JSON value.
arrow::Result<json> ValueJson(const arrow::Array& value) {
  std::string text;
  ARROW_RETURN_NOT_OK(base::AppendJsonValue(value, 0, &text));
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

json TimeJson(const std::optional<int64_t>& time) {
  return time ? json(base::FormatInstant(*time)) : json();
}

arrow::Result<json> FeatureJson(const ExplainedFeature& one, int64_t at_us, int64_t max_rows) {
  json rows = json::array();
  for (const TracedRow* row : ListedRows(one.trace, max_rows)) {
    json shown = {{"event_time", TimeJson(row->event_time)},
                  {"known_at", TimeJson(row->known_at)},
                  {"seq", row->seq},
                  {"value", row->value},
                  {"verdict", RowVerdictName(row->verdict)}};
    if (row->until) {
      shown["until"] = TimeJson(row->until);
    }
    rows.push_back(std::move(shown));
  }
  json key = json::object();
  for (const auto& [name, value] : one.key) {
    key[name] = value;
  }
  ARROW_ASSIGN_OR_RAISE(auto value, ValueJson(*one.value));
  json out = {{"view", one.view},
              {"feature", one.feature},
              {"definition",
               {{"location", one.location.ToString()},
                {"version", one.since_version},
                {"fingerprint", one.fingerprint},
                {"says", one.says},
                {"times", one.times}}},
              {"key", key},
              {"table",
               {{"name", one.table},
                {"version", one.table_version},
                {"generation", one.table_generation},
                {"seq_up_to", one.seq_up_to}}},
              {"value", std::move(value)},
              {"status", state::ValueStatusName(one.trace.status)},
              {"is_default", one.is_default},
              {"rows_by_verdict", CountsByVerdict(one.trace)},
              {"rows", rows}};
  if (one.trace.is_window) {
    json tiles = json::array();
    const auto& all = one.trace.tiles;
    const auto from = std::max<int64_t>(0, static_cast<int64_t>(all.size()) - max_rows);
    for (auto i = static_cast<size_t>(from); i < all.size(); ++i) {
      tiles.push_back({{"begin", base::FormatInstant(all[i].begin)},
                       {"end", base::FormatInstant(all[i].end)},
                       {"rows", all[i].rows},
                       {"part", all[i].partial}});
    }
    out["window"] = {{"begin", base::FormatInstant(one.trace.begin)},
                     {"end", base::FormatInstant(at_us)}};
    out["tiles"] = std::move(tiles);
    out["tile_count"] = all.size();
    out["arithmetic"] = one.trace.arithmetic;
  }
  return out;
}

OrderedJson TestJson(const TestOutcome& outcome) {
  OrderedJson differences = OrderedJson::array();
  for (const TestDifference& difference : outcome.differences) {
    OrderedJson one = {{"feature", difference.feature}};
    if (!difference.expected.empty()) {
      one["expected"] = OrderedJson::parse(difference.expected);
    }
    one["offline"] = OrderedJson::parse(difference.offline);
    one["online"] = OrderedJson::parse(difference.online);
    differences.push_back(std::move(one));
  }
  return {{"name", outcome.name},
          {"location", outcome.location},
          {"passed", outcome.passed()},
          {"error", outcome.error},
          {"differences", differences},
          {"notes", outcome.notes},
          {"duration_us", outcome.duration_us}};
}

}  // namespace

bool IsFar(const TracedRow& row) {
  return row.verdict == RowVerdict::kAfter || row.verdict == RowVerdict::kBeforeWindow;
}

std::vector<const TracedRow*> ListedRows(const feature::FeatureTrace& trace, int64_t max_rows) {
  std::vector<const TracedRow*> rows;
  const TracedRow* deciding = nullptr;
  for (const TracedRow& row : trace.rows) {
    if (IsFar(row)) {
      continue;
    }
    const bool decides = row.verdict == RowVerdict::kChosen || row.verdict == RowVerdict::kExpired;
    if (static_cast<int64_t>(rows.size()) < max_rows) {
      rows.push_back(&row);
    } else if (decides && max_rows > 0) {
      deciding = &row;
    }
  }
  if (deciding != nullptr) {
    rows.push_back(deciding);
  }
  return rows;
}

std::map<std::string, int64_t> CountsByVerdict(const feature::FeatureTrace& trace) {
  std::map<std::string, int64_t> counts;
  for (const TracedRow& row : trace.rows) {
    ++counts[std::string(RowVerdictName(row.verdict))];
  }
  return counts;
}

std::string VerifyDocument(const VerifyReport& report) {
  json mismatches = json::array();
  for (const Mismatch& one : report.examples) {
    mismatches.push_back({{"feature", one.feature},
                          {"view", one.view},
                          {"key", one.key},
                          {"t", base::FormatInstant(one.t_us)},
                          {"served", one.served},
                          {"recomputed", one.recomputed},
                          {"cause", VerifyCauseName(one.cause)}});
  }
  json freshness = json::array();
  for (const ViewFreshness& one : report.freshness) {
    freshness.push_back({{"view", one.view},
                         {"rows", one.rows},
                         {"vectors", one.vectors},
                         {"greatest_age_us", one.greatest_age_us}});
  }
  json versions = json::object();
  for (const auto& [version, vectors] : report.vectors_by_version) {
    versions[std::to_string(version)] = vectors;
  }
  return Document({{"service", report.service},
                   {"passed", report.passed()},
                   {"source", report.from_spine ? "spine" : "log"},
                   {"vectors", report.vectors},
                   {"passed_over", report.passed_over},
                   {"values", report.values},
                   {"equal", report.equal},
                   {"mismatched", report.mismatched},
                   {"mismatches_by_cause", report.mismatches_by_cause},
                   {"unverified", report.unverified},
                   {"unverified_by_cause", report.unverified_by_cause},
                   {"unverified_because", report.unverified_because},
                   {"vectors_by_version", versions},
                   {"current_version", report.current_version},
                   {"mismatches", mismatches},
                   {"freshness", freshness},
                   {"stale_vectors", report.stale_vectors},
                   {"log",
                    {{"files", report.log.files},
                     {"records", report.log.records},
                     {"dropped", report.log.dropped},
                     {"torn_bytes", report.log.torn_bytes},
                     {"damaged", report.log.damaged}}}});
}

std::string CompareDocument(const CompareReport& report) {
  json features = json::array();
  for (const FeatureDifference& one : report.features) {
    json feature = {{"feature", one.feature}, {"kind", KindText(one)}};
    if (one.kind == FeatureDifference::Kind::kOtherType) {
      feature["type_before"] = one.before_type;
      feature["type_now"] = one.now_type;
    }
    if (one.kind == FeatureDifference::Kind::kBoth) {
      feature["rows"] = one.rows;
      feature["different"] = one.different;
      feature["null_before"] = one.null_before;
      feature["null_now"] = one.null_now;
      if (one.is_number) {
        feature["max_difference"] = one.max_difference;
        feature["mean_difference"] = one.mean_difference;
      }
      feature["examples"] = json::array();
      for (const ValueExample& example : one.examples) {
        feature["examples"].push_back({{"key", example.key},
                                       {"event_timestamp", example.time},
                                       {"before", example.before},
                                       {"now", example.now}});
      }
    }
    features.push_back(std::move(feature));
  }
  return Document({{"view", report.view},
                   {"with", report.version},
                   {"same_definition", report.same_definition},
                   {"rows", report.rows},
                   {"features", features}});
}

arrow::Result<std::string> ExplanationDocument(const Explanation& explanation, int64_t max_rows) {
  ARROW_ASSIGN_OR_RAISE(auto value, ValueJson(*explanation.value));
  json features = json::array();
  for (const ExplainedFeature& one : explanation.features) {
    ARROW_ASSIGN_OR_RAISE(auto part, FeatureJson(one, explanation.at_us, max_rows));
    features.push_back(std::move(part));
  }
  json out = {{"service", explanation.service},
              {"feature", explanation.name},
              {"at", base::FormatInstant(explanation.at_us)},
              {"value", std::move(value)},
              {"status", state::ValueStatusName(explanation.status)},
              {"features", std::move(features)}};
  if (!explanation.expression.empty()) {
    json inputs = json::array();
    for (const ExplainedInput& input : explanation.inputs) {
      inputs.push_back({{"name", input.name}, {"from", input.from}, {"value", input.value}});
    }
    out["expression"] = {{"text", explanation.expression},
                         {"location", explanation.expression_location.ToString()},
                         {"inputs", std::move(inputs)}};
  }
  return Document(out);
}

std::string TestsDocument(const std::vector<TestOutcome>& outcomes) {
  OrderedJson tests = OrderedJson::array();
  int64_t passed = 0;
  for (const TestOutcome& outcome : outcomes) {
    tests.push_back(TestJson(outcome));
    passed += outcome.passed() ? 1 : 0;
  }
  const int64_t failed = static_cast<int64_t>(outcomes.size()) - passed;
  return OrderedJson{{"tests", tests}, {"passed", passed}, {"failed", failed}}.dump(1) + "\n";
}

}  // namespace icecore::engine
