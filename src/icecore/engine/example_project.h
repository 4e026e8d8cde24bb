#pragma once
// `icecore init`.

#include <arrow/result.h>

#include <string>
#include <vector>

namespace icecore::engine {

struct InitReport {
  std::vector<std::string> files;  // written or linked, relative to the folder
  std::vector<std::string> next;   // what to do next, a line each
};

// Makes a project in `directory` (kInvalidArgument where it holds anything). `example`: "" for a
// small commented start, or "flights", whose data are linked from where ./dev setup put them; where
// they are not, `next` names the command that fetches them.
arrow::Result<InitReport> InitProject(const std::string& directory, const std::string& example);

}  // namespace icecore::engine
