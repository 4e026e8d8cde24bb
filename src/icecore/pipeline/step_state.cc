#include "icecore/pipeline/step_state.h"

#include <nlohmann/json.hpp>

#include "icecore/base/error.h"

namespace icecore::pipeline {

using nlohmann::json;

std::string ToJson(const StepState& state) {
  json inputs = json::object();
  for (const auto& [name, mark] : state.inputs) {
    inputs[name] = {
        {"table_id", mark.table_id}, {"version", mark.version}, {"generation", mark.generation}};
  }
  return json{{"format", 1},
              {"definition", state.definition},
              {"generation", state.generation},
              {"driver", state.driver},
              {"seq_after", state.seq_after},
              {"seq_up_to", state.seq_up_to},
              {"inputs", inputs}}
      .dump();
}

arrow::Result<StepState> StepStateFromJson(const std::string& text) {
  try {
    const json parsed = json::parse(text);
    if (parsed.at("format").get<int>() != 1) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "step state of format " + parsed.at("format").dump());
    }
    StepState state;
    state.definition = parsed.at("definition").get<std::string>();
    state.generation = parsed.at("generation").get<int64_t>();
    state.driver = parsed.at("driver").get<std::string>();
    state.seq_after = parsed.at("seq_after").get<int64_t>();
    state.seq_up_to = parsed.at("seq_up_to").get<int64_t>();
    for (const auto& [name, mark] : parsed.at("inputs").items()) {
      state.inputs[name] = {mark.at("table_id").get<std::string>(),
                            mark.at("version").get<int64_t>(),
                            mark.at("generation").get<int64_t>()};
    }
    return state;
  } catch (const json::exception& e) {
    return base::MakeError(base::ErrorCode::kCorrupt, std::string("step state: ") + e.what());
  }
}

arrow::Result<StepState> StepStateOf(const lake::Snapshot& snapshot) {
  const auto domain = snapshot.Domain(kStepDomain);
  if (!domain) {
    return StepState{};
  }
  auto state = StepStateFromJson(*domain);
  return state.ok() ? state : base::WithContext(state.status(), snapshot.table_path);
}

std::string QuarantineDomain(const std::string& origin) { return "icecore.range/" + origin; }

arrow::Result<std::optional<StepState>> QuarantineStateOf(const lake::Snapshot& quarantine,
                                                          const std::string& origin) {
  const auto domain = quarantine.Domain(QuarantineDomain(origin));
  if (!domain) {
    return std::optional<StepState>();
  }
  auto state = StepStateFromJson(*domain);
  if (!state.ok()) {
    return base::WithContext(state.status(), quarantine.table_path);
  }
  return std::optional<StepState>(std::move(*state));
}

}  // namespace icecore::pipeline
