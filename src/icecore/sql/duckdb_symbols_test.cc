// The header is of another version of DuckDB than the library: every function of the header that
// the module's sources name must be exported by the library that is loaded.

#include <dlfcn.h>
#include <duckdb.h>
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
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

// Names that begin with duckdb_ and stand before a parenthesis.
std::set<std::string> CallsIn(const std::string& text) {
  static constexpr char kPrefix[] = "duckdb_";
  std::set<std::string> names;
  for (size_t at = text.find(kPrefix); at != std::string::npos; at = text.find(kPrefix, at + 1)) {
    const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
    const char before = at == 0 ? ' ' : text[at - 1];
    if (end != std::string::npos && text[end] == '(' && before != '_' && !std::isalnum(before)) {
      names.insert(text.substr(at, end - at));
    }
  }
  return names;
}

TEST(DuckDbSymbols, EveryFunctionUsedIsExported) {
  void* library = dlopen("libduckdb.so", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << dlerror();
  std::set<std::string> used;
  for (const auto& entry :
       std::filesystem::directory_iterator(ICECORE_SOURCE_DIR "/src/icecore/sql")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".cc") || name.ends_with("_test.cc")) continue;
    for (const std::string& call : CallsIn(ReadAll(entry.path()))) {
      used.insert(call);
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
