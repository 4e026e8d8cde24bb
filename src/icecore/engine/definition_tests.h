#pragma once
// Runs the project's tests: rows given, a question, the answer expected; offline and online.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/spec/model.h"

namespace icecore::engine {

// A feature whose values are not equal, as JSON text.
struct TestDifference {
  std::string feature;
  std::string expected;  // "" where nothing was: offline and online differ
  std::string offline;
  std::string online;
};

struct TestOutcome {
  std::string name;
  std::string location;
  std::string error;  // why it could not be asked; a failure
  std::vector<TestDifference> differences;
  std::vector<std::string> notes;  // rows that checks put into quarantine
  int64_t duration_us = 0;

  bool passed() const { return error.empty() && differences.empty(); }
};

// Runs one test in a temporary folder, which goes afterwards; the project's own lake and stores are
// not touched. The test's tables hold the rows given. What the service needs beyond them is
// computed from them, as a run would, or empty where nothing is given; what lies before a given
// table is not computed. The clock stands at the time asked for. Views need not be `online`.
//
// Floats are equal within a relative 1e-9 (float32 1e-6), everything else exactly; offline and
// online must give the same bits, for every feature of the service.
TestOutcome RunDefinitionTest(const spec::Project& project,
                              const pipeline::AnalysedProject& analysed,
                              const spec::DefinitionTest& test);

}  // namespace icecore::engine
