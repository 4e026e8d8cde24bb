#include "icecore/pipeline/step_range.h"

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/commit_log.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

// version -1: as it was before the table was there; nullopt: the newest.
arrow::Result<PinnedInput> Pin(const Workspace& workspace, const std::string& name,
                               std::optional<int64_t> version) {
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, name));
  PinnedInput input;
  input.name = name;
  if (version == -1) {
    lake::Snapshot none;
    none.table_path = table->path();
    input.snapshot = std::make_shared<const lake::Snapshot>(std::move(none));
  } else if (version) {
    ARROW_ASSIGN_OR_RAISE(input.snapshot, table->Load(version));
  } else {
    ARROW_ASSIGN_OR_RAISE(input.snapshot, table->LoadOrEmpty());
  }
  ARROW_ASSIGN_OR_RAISE(input.generation, GenerationOf(*input.snapshot));
  return input;
}

// Why the table is not what its definition would make of its inputs; "" when it is.
std::string StaleBecause(const StepRequest& request, const StepState& state,
                         const std::vector<PinnedInput>& inputs) {
  if (request.full) {
    return "--full";
  }
  if (state.definition != request.definition) {
    return "its definition changed";
  }
  if (!state.driver.empty() && state.driver != request.driver) {
    return "it is driven by " + request.driver + " now";  // whose rows have other numbers
  }
  for (const PinnedInput& input : inputs) {
    const auto known = state.inputs.find(input.name);
    if (known == state.inputs.end() || known->second.version < 0 || !input.snapshot->exists()) {
      continue;  // a table that came later changes nothing that is there
    }
    if (known->second.generation != input.generation ||
        known->second.table_id != input.snapshot->table_id) {
      return input.name + " was rebuilt";
    }
    if (input.name == request.driver && request.driver_is_whole &&
        known->second.version != input.snapshot->version) {
      return input.name + " was computed anew";
    }
  }
  return "";
}

}  // namespace

arrow::Status SkipMaintenance(const Workspace& workspace, const std::string& input,
                              const lake::Snapshot& snapshot, StepState* state) {
  const auto mark = state->inputs.find(input);
  if (mark == state->inputs.end() || mark->second.version < 0 || !snapshot.exists() ||
      mark->second.table_id != snapshot.table_id || mark->second.version >= snapshot.version) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const bool changed,
                        lake::RowsChangedBetween(*workspace.store, snapshot.table_path,
                                                 mark->second.version, snapshot.version));
  if (!changed) {
    mark->second.version = snapshot.version;
  }
  return arrow::Status::OK();
}

bool IsAhead(const StepState& a, const StepState& b) {
  return a.generation > b.generation || (a.generation == b.generation && a.seq_up_to > b.seq_up_to);
}

int64_t TakenUpTo(const lake::Snapshot& snapshot, const StepState& state) {
  // Versions found by comparing whole states (snapshots of files, tables computed whole) are
  // numbered by their own log; its state speaks of another table's rows. A merge keeps its
  // driver's.
  const bool numbers_itself = snapshot.Domain(kVersionsDomain).has_value() &&
                              (state.driver.empty() || state.driver.ends_with(kRawSuffix));
  return state.generation > 0 && !numbers_itself ? state.seq_up_to : snapshot.last_seq();
}

const PinnedInput& StepRange::InputOf(const std::string& name) const {
  return *std::find_if(inputs.begin(), inputs.end(),
                       [&](const PinnedInput& input) { return input.name == name; });
}

arrow::Result<int64_t> GenerationOf(const lake::Snapshot& snapshot) {
  ARROW_ASSIGN_OR_RAISE(StepState state, StepStateOf(snapshot));
  return std::max<int64_t>(state.generation, 1);
}

arrow::Result<std::optional<StepRange>> NextRange(const Workspace& workspace,
                                                  const StepRequest& request) {
  StepRange range;
  ARROW_ASSIGN_OR_RAISE(range.before, LoadTable(workspace, request.table));
  ARROW_ASSIGN_OR_RAISE(range.quarantine_before, LoadTable(workspace, request.quarantine));
  ARROW_ASSIGN_OR_RAISE(StepState state, StepStateOf(*range.before));
  ARROW_ASSIGN_OR_RAISE(const auto rejected,
                        QuarantineStateOf(*range.quarantine_before, request.origin));
  const bool half_done = rejected && IsAhead(*rejected, state);
  if (half_done && rejected->definition == request.definition && !request.full) {
    for (const std::string& name : request.inputs) {
      const auto pinned = rejected->inputs.find(name);
      const bool was_read = pinned != rejected->inputs.end();
      ARROW_ASSIGN_OR_RAISE(
          auto input,
          Pin(workspace, name,
              was_read ? std::optional<int64_t>(pinned->second.version) : std::nullopt));
      range.inputs.push_back(std::move(input));
    }
    range.next = *rejected;
    if (rejected->generation == state.generation) {
      // A run that rejected nothing may have committed the first part of the range meanwhile.
      range.next.seq_after = std::max(rejected->seq_after, state.seq_up_to);
    }
    range.quarantine_done = true;
    range.new_generation = range.before->exists() && rejected->generation > state.generation;
    return std::optional<StepRange>(std::move(range));
  }
  for (const std::string& name : request.inputs) {
    ARROW_ASSIGN_OR_RAISE(auto input, Pin(workspace, name, std::nullopt));
    range.inputs.push_back(std::move(input));
  }
  const lake::Snapshot& driver = *range.InputOf(request.driver).snapshot;
  if (request.driver_is_whole) {
    ARROW_RETURN_NOT_OK(SkipMaintenance(workspace, request.driver, driver, &state));
  }
  const bool exists = range.before->exists();
  range.reason = exists ? StaleBecause(request, state, range.inputs) : "";
  range.new_generation = half_done || !range.reason.empty();
  const bool from_start = range.new_generation || !exists;
  range.next.definition = request.definition;
  range.next.driver = request.driver;
  range.next.generation = from_start
                              ? std::max(state.generation, rejected ? rejected->generation : 0) + 1
                              : state.generation;
  range.next.seq_after = from_start ? 0 : state.seq_up_to;
  ARROW_ASSIGN_OR_RAISE(const StepState driver_state, StepStateOf(driver));
  range.next.seq_up_to = TakenUpTo(driver, driver_state);
  if (!from_start && range.next.seq_up_to <= range.next.seq_after) {
    return std::optional<StepRange>();
  }
  for (const PinnedInput& input : range.inputs) {
    range.next.inputs[input.name] = {input.snapshot->table_id, input.snapshot->version,
                                     input.generation};
  }
  return std::optional<StepRange>(std::move(range));
}

}  // namespace icecore::pipeline
