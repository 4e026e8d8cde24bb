#pragma once
// The corpus of a fuzz target, run without a fuzzer: the build makes one such test of every
// *_fuzz.cc.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace icecore::base {

// The folder in the repository that holds this binary: what is compiled is the same in every clone.
inline std::filesystem::path InRepository(const std::string& folder) {
  std::filesystem::path root = std::filesystem::canonical("/proc/self/exe");
  while (root.has_relative_path() && !std::filesystem::is_directory(root / folder)) {
    root = root.parent_path();
  }
  return root / folder;
}

// Every file of the folder, whose path is relative to the repository, in the order of their names.
// What the target aborts on ends the test binary; the name that stdout ends with is that input. A
// folder without files fails.
inline void ReplayCorpus(const std::string& folder, int (*target)(const uint8_t*, size_t)) {
  const std::filesystem::path place = InRepository(folder);
  ASSERT_TRUE(std::filesystem::is_directory(place)) << folder << ": a fuzz target needs a corpus";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(place)) {
    files.push_back(entry.path());
  }
  ASSERT_FALSE(files.empty()) << folder;
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    ASSERT_TRUE(in) << file;
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::cout << file.filename().string() << std::endl;
    EXPECT_EQ(target(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), 0);
  }
}

}  // namespace icecore::base
