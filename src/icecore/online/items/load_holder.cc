#include "icecore/online/items/load_holder.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

namespace icecore::online {
namespace {

// The kernel's boot and the PID namespace: within both a PID and its start time name one process.
std::string Place() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  std::array<char, 64> target{};
  const ssize_t size = readlink("/proc/self/ns/pid", target.data(), target.size());
  if (boot.empty() || size <= 0) return "";
  return boot + "/" + std::string(target.data(), static_cast<size_t>(size));
}

// Field 22 of /proc/PID/stat, in clock ticks since boot; "" where there is no such process.
std::string StartOf(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  // The name in parentheses may hold anything, spaces and parentheses too.
  const size_t end = line.rfind(')');
  if (end == std::string::npos) return "";
  std::istringstream fields(line.substr(end + 1));
  std::string field;
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return "";
  for (int i = 4; i <= 22; ++i) fields >> field;
  return field;
}

}  // namespace

const std::string& LoadHolder() {
  static const std::string kHolder = [] {
    const std::string pid = std::to_string(getpid());
    return Place() + "/" + pid + "/" + StartOf(pid);
  }();
  return kHolder;
}

bool HolderIsGone(const std::string& holder) {
  const size_t start_at = holder.rfind('/');
  const size_t pid_at = start_at == std::string::npos || start_at == 0
                            ? std::string::npos
                            : holder.rfind('/', start_at - 1);
  if (pid_at == std::string::npos) return false;
  const std::string place = Place();
  if (place.empty() || holder.substr(0, pid_at) != place) return false;
  const std::string pid = holder.substr(pid_at + 1, start_at - pid_at - 1);
  return StartOf(pid) != holder.substr(start_at + 1);
}

}  // namespace icecore::online
