#pragma once
// What an audit finds wrong.

#include <string>
#include <vector>

namespace icecore::lake {

// One thing that is not as it should be.
struct Finding {
  // Known and healed by itself or by the next run; no reason to fail.
  bool is_note = false;
  std::string code;      // a closed set, docs/maintenance.md: "missing_file", "log_gap", …
  std::string table;     // path of the table below the lake's root, e.g. "processing/flights"
  std::string file;      // the file below the lake's root; "" where no single one is to blame
  std::string found;     // what is there
  std::string expected;  // what should be there
  std::string advice;    // what to do
};

}  // namespace icecore::lake
