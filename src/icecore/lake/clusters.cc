#include "icecore/lake/clusters.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "icecore/base/error.h"

namespace icecore::lake {

using nlohmann::json;

std::string ToJson(const Clusters& clusters) {
  json runs = json::array();
  for (const SortedRun& run : clusters.runs) {
    runs.push_back({{"files", run.files}});
  }
  return json{{"format", 1}, {"columns", clusters.columns}, {"runs", runs}}.dump();
}

arrow::Result<Clusters> ClustersFromJson(const std::string& text) {
  try {
    const json parsed = json::parse(text);
    if (parsed.at("format").get<int>() != 1) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "clusters of format " + parsed.at("format").dump());
    }
    Clusters clusters;
    clusters.columns = parsed.at("columns").get<std::vector<std::string>>();
    std::unordered_set<std::string> seen;
    for (const json& run : parsed.at("runs")) {
      clusters.runs.push_back({run.at("files").get<std::vector<std::string>>()});
      for (const std::string& path : clusters.runs.back().files) {
        if (!seen.insert(path).second) {
          return base::MakeError(
              base::ErrorCode::kCorrupt,
              std::string(kClustersDomain) + ": file " + path + " is in it twice");
        }
      }
    }
    return clusters;
  } catch (const json::exception& error) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           std::string(kClustersDomain) + ": " + error.what());
  }
}

arrow::Result<Clusters> ClustersOf(const Snapshot& snapshot) {
  const auto domain = snapshot.Domain(kClustersDomain);
  if (!domain.has_value()) {
    return Clusters();
  }
  ARROW_ASSIGN_OR_RAISE(Clusters clusters, ClustersFromJson(*domain));
  std::unordered_set<std::string_view> live;
  for (const DataFile& file : snapshot.files) {
    live.insert(file.path);
  }
  std::erase_if(clusters.runs, [&](const SortedRun& run) {
    return run.files.empty() ||
           !std::all_of(run.files.begin(), run.files.end(),
                        [&](const std::string& path) { return live.contains(path); });
  });
  return clusters;
}

std::set<std::string> ClusteredFiles(const Snapshot& snapshot) {
  std::set<std::string> files;
  const auto domain = snapshot.Domain(kClustersDomain);
  const auto clusters = domain.has_value() ? ClustersFromJson(*domain) : Clusters();
  if (clusters.ok()) {
    for (const SortedRun& run : clusters->runs) {
      files.insert(run.files.begin(), run.files.end());
    }
  }
  return files;
}

}  // namespace icecore::lake
