#pragma once
// The example projects, carried in the binary (made by cmake/EmbedFiles.cmake).

#include <string>
#include <vector>

namespace icecore::engine {

struct ExampleFile {
  std::string path;  // relative to the project
  std::string text;
};

const std::vector<ExampleFile>& FlightsExample();

}  // namespace icecore::engine
