#pragma once
// What a derived table's log says about the step that fills it. Rests as JSON in the domain
// "icecore.step" of the table, and, while a step is half done, in "icecore.range/ORIGIN" of the
// quarantine table. Form: docs/formats/delta.md, section "Steps".

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "icecore/lake/snapshot.h"

namespace icecore::pipeline {

inline constexpr std::string_view kStepDomain = "icecore.step";

// One table as a step read it.
struct InputMark {
  std::string table_id;
  int64_t version = -1;
  int64_t generation = 0;
  friend bool operator==(const InputMark&, const InputMark&) = default;
};

struct StepState {
  std::string definition;  // fingerprint of what decided the rows
  int64_t generation = 0;  // of this table, counts from 1
  std::string driver;      // full name; "" of a table computed whole
  int64_t seq_after = 0;   // range of the driver: seq_after < _seq <= seq_up_to ...
  int64_t seq_up_to = 0;   // ... all up to here is in this table
  std::map<std::string, InputMark> inputs;  // by full name, the driver included
};

std::string ToJson(const StepState& state);
// kCorrupt for anything that ToJson did not write.
arrow::Result<StepState> StepStateFromJson(const std::string& json);

// The table's own state; generation 0 where it was never written.
arrow::Result<StepState> StepStateOf(const lake::Snapshot& snapshot);
// What a quarantine table says of the step of `origin`; nullopt: never.
arrow::Result<std::optional<StepState>> QuarantineStateOf(const lake::Snapshot& quarantine,
                                                          const std::string& origin);
std::string QuarantineDomain(const std::string& origin);

}  // namespace icecore::pipeline
