#pragma once
// Evidence as one JSON document each: `icecore verify`, `explain`, `compare` and `test` with
// --json, and the C interface, give the same bytes.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "icecore/engine/compare.h"
#include "icecore/engine/definition_tests.h"
#include "icecore/engine/explain.h"
#include "icecore/engine/verify.h"

namespace icecore::engine {

std::string VerifyDocument(const VerifyReport& report);
// At most `max_rows` rows and tiles of each feature are listed; all are counted.
arrow::Result<std::string> ExplanationDocument(const Explanation& explanation, int64_t max_rows);
std::string CompareDocument(const CompareReport& report);
std::string TestsDocument(const std::vector<TestOutcome>& outcomes);

// Rows that lie outside the question; they are counted, not listed.
bool IsFar(const feature::TracedRow& row);
// The first `max_rows` that matter, and the chosen one whatever stands before it.
std::vector<const feature::TracedRow*> ListedRows(const feature::FeatureTrace& trace,
                                                  int64_t max_rows);
// Rows of the key by verdict.
std::map<std::string, int64_t> CountsByVerdict(const feature::FeatureTrace& trace);

}  // namespace icecore::engine
