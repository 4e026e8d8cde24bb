#pragma once
// What `icecore top` shows: two scrapes of a server's metrics, and what happened between them.

#include <map>
#include <string>
#include <vector>

#include "icecore/cli/prometheus_text.h"

namespace icecore::cli {

struct ServiceLoad {
  std::string name;
  double requests_per_second = 0;
  double failed_per_second = 0;  // answers of 400 and above
  double rows_per_second = 0;
  double p50_ms = -1;  // negative: no request
  double p99_ms = -1;
  double present_share = -1;  // of the values given; negative: none were
};

struct ViewAge {
  std::string name;
  double freshness_s = 0;
  double sequence = 0;
};

struct ServerLoad {
  double requests_per_second = 0;  // every path
  double refused_per_second = 0;
  double in_flight = 0;
  double queued = 0;
  double connections = 0;
  double store_bytes = 0;
  double definitions_version = 0;
  bool store_ready = false;
  std::vector<ServiceLoad> services;  // by name
  std::vector<ViewAge> views;         // by name
};

// `seconds` lie between the scrapes; counters that went back (another process) count from zero.
ServerLoad LoadBetween(const std::vector<MetricSample>& before,
                       const std::vector<MetricSample>& after, double seconds);

// For people, with a line end after each line.
std::string LoadText(const ServerLoad& load);
// One JSON document.
std::string LoadJson(const ServerLoad& load);

}  // namespace icecore::cli
