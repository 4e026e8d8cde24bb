#include "icecore/engine/usage_document.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "icecore/base/time.h"
#include "icecore/engine/usage.h"

namespace icecore::engine {
namespace {

using nlohmann::json;

// Days of a window, and how its members are called; the last window is all that is kept.
struct Window {
  int64_t days;
  const char* requests;
  const char* rows;
};
constexpr std::array<Window, 3> kWindows = {
    {{7, "requests_7d", "rows_7d"}, {30, "requests_30d", "rows_30d"}, {kUsageDays, "", ""}}};

struct Sums {
  std::array<int64_t, kWindows.size()> requests = {};
  std::array<int64_t, kWindows.size()> rows = {};
  int64_t last_used_us = INT64_MIN;

  void Add(size_t window, const catalog::Usage& usage) {
    requests[window] += usage.requests;
    rows[window] += usage.rows;
    last_used_us = std::max(last_used_us, usage.last_used_us);
  }
};

using SumsByCaller = std::map<std::string, Sums>;

json ToJson(const Sums& sums) {
  json object;
  for (size_t i = 0; i + 1 < kWindows.size(); ++i) {
    object[kWindows[i].requests] = sums.requests[i];
    object[kWindows[i].rows] = sums.rows[i];
  }
  const bool is_used = sums.last_used_us != INT64_MIN;
  object["last_used_at"] = is_used ? json(base::FormatInstant(sums.last_used_us)) : json();
  return object;
}

// The most used first; equals by name.
json ListOf(const std::string& member, const std::map<std::string, json>& objects) {
  std::vector<json> list;
  for (const auto& [name, object] : objects) {
    list.push_back(object);
    list.back()[member] = name;
  }
  std::stable_sort(list.begin(), list.end(), [](const json& a, const json& b) {
    return a.at("requests_30d").get<int64_t>() > b.at("requests_30d").get<int64_t>();
  });
  return list;
}

json WithCallers(const SumsByCaller& callers) {
  Sums total;
  std::map<std::string, json> objects;
  for (const auto& [caller, sums] : callers) {
    for (size_t i = 0; i < kWindows.size(); ++i) {
      total.requests[i] += sums.requests[i];
      total.rows[i] += sums.rows[i];
    }
    total.last_used_us = std::max(total.last_used_us, sums.last_used_us);
    objects[caller] = ToJson(sums);
  }
  json object = ToJson(total);
  object["callers"] = ListOf("caller", objects);
  return object;
}

}  // namespace

arrow::Result<std::string> UsageDocument(catalog::UsageBook* book, const std::string& name,
                                         const std::vector<std::string>& features, int64_t now_us) {
  std::map<std::string, SumsByCaller> by_name;
  by_name[name];
  for (const std::string& feature : features) {
    by_name[name + "." + feature];
  }
  for (size_t i = 0; i < kWindows.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto usage,
                          book->UsageSince(name, DayOf(now_us) - kWindows[i].days + 1));
    for (const catalog::Usage& one : usage) {
      by_name[one.name][one.caller].Add(i, one);
    }
  }
  json document = WithCallers(by_name.at(name));
  if (name.starts_with("view.")) {
    std::map<std::string, json> objects;
    for (const auto& [full, callers] : by_name) {
      if (full != name) {
        objects[full.substr(name.size() + 1)] = WithCallers(callers);
      }
    }
    document["features"] = ListOf("feature", objects);
  }
  return document.dump();
}

}  // namespace icecore::engine
