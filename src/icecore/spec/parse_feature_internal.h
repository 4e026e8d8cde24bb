#pragma once
// The features list of a view over a table, and that of a view computed when asked.

#include <optional>
#include <vector>

#include "icecore/spec/map_reader_internal.h"
#include "icecore/spec/model.h"

namespace icecore::spec {

// What a view gives its features.
struct FeatureDefaults {
  std::vector<Window> windows;  // hops not yet filled in
  std::optional<int64_t> hop_us;
};

// Windows as written, hop_us still 0.
std::vector<Window> ReadWindows(MapReader* reader, base::Diagnostics* diagnostics);
std::optional<int64_t> ReadHop(MapReader* reader);

// 5m below 12h, 1h below 12d, 1d from there on.
int64_t DefaultHop(int64_t window_us);

// One item of `features`, as one feature or, for aggregates, one per aggregate and window.
void ReadTableFeature(const YamlValue& item, const std::string& view_what,
                      const FeatureDefaults& defaults, base::Diagnostics* diagnostics,
                      std::vector<Feature>* features);
void ReadRequestFeature(const YamlValue& item, const std::string& view_what,
                        base::Diagnostics* diagnostics, std::vector<Feature>* features);

}  // namespace icecore::spec
