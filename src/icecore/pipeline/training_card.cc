#include "icecore/pipeline/training_card.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/time.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/spec/service_plan.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using Json = nlohmann::ordered_json;
using Kind = feature::KnowledgeCut::Kind;

constexpr int kFormat = 1;

std::string CutText(const feature::KnowledgeCut& cut) {
  return cut.kind == Kind::kLabel    ? "label"
         : cut.kind == Kind::kLatest ? "latest"
                                     : base::FormatInstant(cut.time_us);
}

arrow::Result<feature::KnowledgeCut> CutOf(const std::string& text) {
  feature::KnowledgeCut cut;
  cut.kind = text == "label" ? Kind::kLabel : text == "latest" ? Kind::kLatest : Kind::kTime;
  if (cut.kind == Kind::kTime) {
    ARROW_ASSIGN_OR_RAISE(cut.time_us, base::ParseInstant(text));
  }
  return cut;
}

double Seconds(int64_t micros) { return static_cast<double>(micros) / base::kMicrosPerSecond; }

Json FeatureJson(const FeatureCard& feature) {
  Json json = {{"name", feature.name}, {"from", feature.from},   {"type", feature.type},
               {"rows", feature.rows}, {"nulls", feature.nulls}, {"expired", feature.expired}};
  if (feature.age) {
    json["age_s"] = {{"min", Seconds(feature.age->min_us)},
                     {"median", Seconds(feature.age->median_us)},
                     {"max", Seconds(feature.age->max_us)}};
  }
  if (feature.leaked) {
    json["leakage"] = {{"differ", *feature.leaked}};
    if (feature.leaked_mean_difference) {
      json["leakage"]["mean_abs_difference"] = *feature.leaked_mean_difference;
    }
  }
  return json;
}

Json SpineJson(const TrainingCard& card) {
  Json json = {{"from", card.spine_from},
               {"rows", card.spine_rows},
               {"digest", card.spine_digest},
               {"sampled_out", card.sampled_out}};
  if (card.labels) {
    json["labels"] = {{"known", card.labels->known},
                      {"missing", card.labels->missing},
                      {"pending", card.labels->pending},
                      {"known_when_asked", card.labels->known_when_asked}};
  }
  if (!card.split.empty()) {
    json["split"] = card.split;
  }
  return json;
}

CardInput InputOf(const Json& json) {
  CardInput input;
  input.table = json.at("table").get<std::string>();
  input.table_id = json.at("table_id").get<std::string>();
  input.generation = json.at("generation").get<int64_t>();
  input.version = json.at("version").get<int64_t>();
  input.seq_up_to = json.at("seq_up_to").get<int64_t>();
  input.rows = json.at("rows").get<int64_t>();
  return input;
}

// What making the set again needs; the rest is for readers. Throws what nlohmann-json throws.
arrow::Result<TrainingCard> Parse(const std::string& text) {
  const Json json = Json::parse(text);
  if (json.at("card").get<std::string>() != "icecore.training_set") {
    return MakeError(ErrorCode::kBadInput, "no card of a training set");
  }
  if (const int format = json.at("format").get<int>(); format > kFormat) {
    return MakeError(ErrorCode::kUnsupported, "a card of format " + std::to_string(format) +
                                                  "; this version knows " +
                                                  std::to_string(kFormat));
  }
  TrainingCard card;
  card.icecore_version = json.at("icecore").get<std::string>();
  card.training_set = json.at("training_set").get<std::string>();
  card.definition = json.at("definition").get<std::string>();
  const Json& service = json.at("service");
  card.service = service.at("name").get<std::string>();
  card.service_fingerprint = service.at("fingerprint").get<std::string>();
  card.definition_version = service.at("catalog_version").get<int64_t>();
  ARROW_ASSIGN_OR_RAISE(card.now_us, base::ParseInstant(json.at("now").get<std::string>()));
  ARROW_ASSIGN_OR_RAISE(card.known_at, CutOf(json.at("known_at").get<std::string>()));
  if (json.contains("cut")) {
    ARROW_ASSIGN_OR_RAISE(card.cut_us, base::ParseInstant(json.at("cut").get<std::string>()));
  }
  card.spine_from = json.at("spine").at("from").get<std::string>();
  card.spine_rows = json.at("spine").at("rows").get<int64_t>();
  card.spine_digest = json.at("spine").at("digest").get<std::string>();
  for (const Json& input : json.at("inputs")) {
    card.inputs.push_back(InputOf(input));
  }
  card.digest = json.at("set").at("digest").get<std::string>();
  return card;
}

}  // namespace

std::string CardPath(const std::string& set_path) { return set_path + ".card.json"; }

std::string ToJson(const TrainingCard& card) {
  Json document = {{"card", "icecore.training_set"},
                   {"format", kFormat},
                   {"icecore", card.icecore_version},
                   {"training_set", card.training_set},
                   {"definition", card.definition},
                   {"service",
                    {{"name", card.service},
                     {"fingerprint", card.service_fingerprint},
                     {"catalog_version", card.definition_version}}},
                   {"made_at", base::FormatInstant(card.made_at_us)},
                   {"now", base::FormatInstant(card.now_us)},
                   {"known_at", CutText(card.known_at)}};
  if (card.cut_us) {
    document["cut"] = base::FormatInstant(*card.cut_us);
  }
  document["spine"] = SpineJson(card);
  document["inputs"] = Json::array();
  for (const CardInput& input : card.inputs) {
    document["inputs"].push_back({{"table", input.table},
                                  {"table_id", input.table_id},
                                  {"generation", input.generation},
                                  {"version", input.version},
                                  {"seq_up_to", input.seq_up_to},
                                  {"rows", input.rows}});
  }
  document["set"] = {
      {"file", card.file}, {"rows", card.rows}, {"columns", card.columns}, {"digest", card.digest}};
  document["features"] = Json::array();
  for (const FeatureCard& feature : card.features) {
    document["features"].push_back(FeatureJson(feature));
  }
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

arrow::Result<TrainingCard> CardFromJson(const std::string& text) {
  try {
    return Parse(text);
  } catch (const nlohmann::json::exception& error) {
    return MakeError(ErrorCode::kBadInput,
                     std::string("no card of a training set: ") + error.what());
  }
}

arrow::Result<std::string> ServiceFingerprint(const spec::Project& project,
                                              const spec::FeatureService& service) {
  ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(project, service));
  std::map<std::string, std::set<std::string>> taken;  // features by view
  for (const spec::ServiceFeature& feature : features) {
    taken[feature.view->name].insert(feature.feature->name);
    for (const spec::ViewInput& input : feature.view->inputs) {
      taken[input.view].insert(input.feature);
    }
  }
  std::string text = spec::Fingerprint(service);
  for (const auto& [name, names] : taken) {
    const spec::FeatureView* whole = project.FindView(name);
    if (whole == nullptr) {
      continue;
    }
    spec::FeatureView view = *whole;
    std::erase_if(view.features,
                  [&](const spec::Feature& feature) { return !names.contains(feature.name); });
    text += "/" + name + "/" + spec::Fingerprint(view, project.FindEntity(view.entity));
    const ViewTimes times = TimesOf(project, view);
    text += "/" + (times.event_time ? times.event_time->column : "") + "/" +
            std::to_string(static_cast<int>(times.known_at.kind)) + "/" + times.known_at.column +
            "/" + std::to_string(times.known_at.delay_us);
  }
  return base::Sha256Hex(text);
}

}  // namespace icecore::pipeline
