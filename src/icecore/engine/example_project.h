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

struct InitRequest {
  std::string directory;
  // "" for a small commented start, or "flights", whose data are linked from where ./dev setup put
  // them; where they are not, `next` names the command that fetches them.
  std::string example;
  std::vector<std::string> from;  // files or globs that the definitions are drafted from
};

// Makes a project in the directory (kInvalidArgument where it holds anything). After an error
// nothing is left of it.
arrow::Result<InitReport> InitProject(const InitRequest& request);

}  // namespace icecore::engine
