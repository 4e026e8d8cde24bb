#pragma once
// An LMDB store in a folder of its own, and children that use it.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/online/store_test_data.h"

namespace icecore::online::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "icecore-online-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class LmdbStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> Open(const std::string& parameters = "?map_bytes=268435456") {
    auto store = OpenStore("lmdb:online" + parameters, folder_.path());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(*store) : nullptr;
  }
  std::string directory() const { return folder_.path() + "/online"; }

  TemporaryFolder folder_;
};

// Rows of keys k0, k1, …, one of each, whose value is the number of the load.
inline std::vector<TestRow> RowsOf(int64_t load, int keys) {
  std::vector<TestRow> rows;
  for (int key = 0; key < keys; ++key) {
    rows.push_back(
        {"k" + std::to_string(key), kStart + load, kStart + load, load * keys + key, load});
  }
  return rows;
}

// What a child does; it must not return into the test runner.
template <typename Work>
pid_t InChild(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(work());
  }
  return child;
}

// The exit code, or minus the signal.
inline int WaitFor(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace icecore::online::testing
