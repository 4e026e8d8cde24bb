// The header is of another version of DuckDB than the library: every function of the header that
// the module's sources name must be exported by the library that is loaded.

#include <dlfcn.h>
#include <duckdb.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace icecore::sql {
namespace {

std::string ReadAll(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(DuckDbSymbols, EveryFunctionUsedIsExported) {
  void* library = dlopen("libduckdb.so", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << dlerror();
  const std::regex call("\\b(duckdb_[a-z0-9_]+)\\(");
  std::set<std::string> used;
  for (const auto& entry :
       std::filesystem::directory_iterator(ICECORE_SOURCE_DIR "/src/icecore/sql")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".cc") || name.ends_with("_test.cc")) continue;
    const std::string text = ReadAll(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
      used.insert((*it)[1]);
    }
  }
  used.erase("duckdb_functions");  // a table function in SQL text
  EXPECT_GE(used.size(), 40u);
  for (const std::string& name : used) {
    EXPECT_NE(dlsym(library, name.c_str()), nullptr) << name;
  }
  dlclose(library);
}

// The analysis reads the JSON of the parse tree, whose shape belongs to the minor version.
TEST(DuckDbSymbols, TheLibraryIsOfTheVersionWeTested) {
  EXPECT_TRUE(std::string(duckdb_library_version()).starts_with("v1.5."))
      << duckdb_library_version();
}

}  // namespace
}  // namespace icecore::sql
