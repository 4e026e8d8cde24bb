#pragma once
// `icecore verify`: recomputes served vectors offline, at the times and positions at which they
// were served, and compares them bit for bit (docs/verify.md).

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/engine/engine.h"
#include "icecore/online/served_log.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

struct VerifyRequest {
  std::string service;
  std::optional<int64_t> since_us;  // vectors served for an earlier t are passed over; of the log
  // Keys to ask for now, in the place of the log: in a file or in memory.
  std::string spine_path;
  std::shared_ptr<arrow::Table> spine;
  int64_t limit = 100'000;  // vectors at most, the newest

  bool asks_now() const { return !spine_path.empty() || spine != nullptr; }
};

// For since_us: a time, or a duration back from `now_us` ("24h").
arrow::Result<int64_t> ParseSince(const std::string& text, int64_t now_us);

// Why a served value is not what its rows give, or why that cannot be told.
enum class VerifyCause {
  kDefinition,  // the definition that served it cannot be had any more
  kGeneration,  // the table was rebuilt, and its log does not tell of the generation any more
  kRetention,   // rows of the version are gone: vacuum, erasure, a log that was cut
  kNotLanded,   // served before the lake had the rows, which it does not have yet
  kExpired,     // the store gave what the ttl had ended, or called an equal value expired
  kPosition,    // the answer holds rows beyond the position it names
  kDamaged,     // the store could not read its own bytes, and said so
  kBug,         // none of these: the store gave what its rows do not
};
// "definition", "generation" …
std::string_view VerifyCauseName(VerifyCause cause);

struct Mismatch {
  std::string feature;
  std::string view;
  std::string key;  // "carrier=UA origin=JFK"
  int64_t t_us = 0;
  std::string served;  // with its status where the values are equal: "null (expired)"
  std::string recomputed;
  VerifyCause cause = VerifyCause::kBug;
};

// Rows that had become visible when a vector was served, and that its position did not hold yet.
struct ViewFreshness {
  std::string view;
  int64_t rows = 0;
  int64_t vectors = 0;          // that lacked at least one
  int64_t greatest_age_us = 0;  // of t - known_at
};

struct VerifyReport {
  std::string service;
  bool from_spine = false;
  int64_t vectors = 0;
  int64_t passed_over = 0;  // beyond the limit
  int64_t values = 0;
  int64_t equal = 0;
  int64_t mismatched = 0;
  std::map<std::string, int64_t> mismatches_by_cause;  // values
  int64_t unverified = 0;                              // values
  std::map<std::string, int64_t> unverified_by_cause;  // values
  std::vector<std::string> unverified_because;         // each reason once
  std::map<int64_t, int64_t> vectors_by_version;       // of the catalog, that served them
  int64_t current_version = 0;
  std::vector<Mismatch> examples;  // the first 20
  std::vector<ViewFreshness> freshness;
  int64_t stale_vectors = 0;  // asked for a time that the store was not loaded for
  online::ServedLogSummary log;

  // An error is never a pass: what could not be compared has not passed.
  bool passed() const { return mismatched == 0 && unverified == 0 && log.damaged == 0; }
};

// `online`: to ask now, where the request has a spine. kNotFound: there is nothing to compare;
// kInvalidArgument: a spine and since_us exclude each other.
arrow::Result<VerifyReport> VerifyService(const pipeline::Workspace& workspace,
                                          const pipeline::AnalysedProject& project,
                                          int64_t catalog_version, const OnlineService* online,
                                          const VerifyRequest& request);

}  // namespace icecore::engine
