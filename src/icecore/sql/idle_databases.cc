#include "icecore/sql/idle_databases_internal.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace icecore::sql {
namespace {

constexpr size_t kMostIdle = 4;  // one holds some megabytes

struct Idle {
  std::mutex mutex;
  std::vector<std::pair<std::string, std::unique_ptr<Database>>> databases;  // oldest first
};

// Never destroyed: nobody waits for DuckDB to close at the end of the program.
Idle& TheIdle() {
  static auto* const idle = new Idle;
  return *idle;
}

}  // namespace

std::unique_ptr<Database> TakeIdle(const std::string& settings) {
  Idle& idle = TheIdle();
  const std::lock_guard lock(idle.mutex);
  const auto found = std::find_if(idle.databases.rbegin(), idle.databases.rend(),
                                  [&](const auto& entry) { return entry.first == settings; });
  if (found == idle.databases.rend()) return nullptr;
  std::unique_ptr<Database> database = std::move(found->second);
  idle.databases.erase(std::next(found).base());
  return database;
}

void LeaveIdle(const std::string& settings, std::unique_ptr<Database> database) {
  std::unique_ptr<Database> oldest;  // closed after the lock
  Idle& idle = TheIdle();
  const std::lock_guard lock(idle.mutex);
  idle.databases.emplace_back(settings, std::move(database));
  if (idle.databases.size() > kMostIdle) {
    oldest = std::move(idle.databases.front().second);
    idle.databases.erase(idle.databases.begin());
  }
}

}  // namespace icecore::sql
