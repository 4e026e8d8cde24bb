#include "icecore/cli/top.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/cli/text_table.h"

namespace icecore::cli {
namespace {

using nlohmann::json;
using Labels = std::map<std::string, std::string>;

// Samples by name and labels.
using Index = std::map<std::pair<std::string, Labels>, double>;

Index IndexOf(const std::vector<MetricSample>& samples) {
  Index index;
  for (const MetricSample& sample : samples) {
    index[{sample.name, sample.labels}] = sample.value;
  }
  return index;
}

double Came(const Index& before, const MetricSample& sample) {
  const auto found = before.find({sample.name, sample.labels});
  const double old = found == before.end() ? 0 : found->second;
  return sample.value >= old ? sample.value - old : sample.value;
}

const std::string& Label(const MetricSample& sample, const char* name) {
  static const std::string none;
  const auto found = sample.labels.find(name);
  return found == sample.labels.end() ? none : found->second;
}

double BoundOf(const MetricSample& bucket) {
  const std::string& text = Label(bucket, "le");
  return text == "+Inf" ? std::numeric_limits<double>::infinity()
                        : std::strtod(text.c_str(), nullptr);
}

// What is gathered of one service before it is divided.
struct Gathered {
  double requests = 0, failed = 0, rows = 0, values = 0, present = 0;
  Buckets before, after;
};

void Gather(const Index& before, const MetricSample& sample, Gathered* service) {
  const double came = Came(before, sample);
  if (sample.name == "icecore_feature_requests_total") {
    service->requests += came;
    service->failed += Label(sample, "status") >= "400" ? came : 0;
  } else if (sample.name == "icecore_feature_rows_total") {
    service->rows += came;
  } else if (sample.name == "icecore_feature_values_total") {
    service->values += came;
    service->present += Label(sample, "status") == "present" ? came : 0;
  } else if (sample.name == "icecore_feature_request_duration_seconds_bucket") {
    const double bound = BoundOf(sample);
    service->after[bound] = sample.value;
    service->before[bound] = sample.value - came;
  }
}

double Milliseconds(double seconds) { return seconds < 0 ? -1 : seconds * 1e3; }

void ReadGauge(const MetricSample& sample, ServerLoad* load) {
  const std::pair<const char*, double*> places[] = {
      {"icecore_http_requests_in_flight", &load->in_flight},
      {"icecore_http_requests_queued", &load->queued},
      {"icecore_http_connections", &load->connections},
      {"icecore_store_bytes", &load->store_bytes},
      {"icecore_definitions_version", &load->definitions_version}};
  for (const auto& [name, place] : places) {
    if (sample.name == name) *place = sample.value;
  }
  if (sample.name == "icecore_store_ready") {
    load->store_ready = sample.value > 0;
  }
}

std::string Number(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return value < 0 ? "" : buffer;
}

// "1.5 s", "3 min", "2 h", "4 d".
std::string Age(double seconds) {
  if (seconds < 120) return Number("%.1f s", std::max(seconds, 0.0));
  if (seconds < 7200) return Number("%.0f min", seconds / 60);
  if (seconds < 172800) return Number("%.0f h", seconds / 3600);
  return Number("%.0f d", seconds / 86400);
}

}  // namespace

ServerLoad LoadBetween(const std::vector<MetricSample>& before,
                       const std::vector<MetricSample>& after, double seconds) {
  const Index index = IndexOf(before);
  ServerLoad load;
  std::map<std::string, Gathered> services;
  std::map<std::string, ViewAge> views;
  for (const MetricSample& sample : after) {
    ReadGauge(sample, &load);
    if (sample.name == "icecore_http_requests_total") {
      load.requests_per_second += Came(index, sample) / seconds;
    } else if (sample.name == "icecore_http_refused_total") {
      load.refused_per_second += Came(index, sample) / seconds;
    }
    if (const std::string& service = Label(sample, "service"); !service.empty()) {
      Gather(index, sample, &services[service]);
    }
    if (const std::string& view = Label(sample, "view"); !view.empty()) {
      views[view].name = view;
      if (sample.name == "icecore_view_freshness_seconds") views[view].freshness_s = sample.value;
      if (sample.name == "icecore_view_applied_sequence") views[view].sequence = sample.value;
    }
  }
  for (auto& [name, service] : services) {
    load.services.push_back({name, service.requests / seconds, service.failed / seconds,
                             service.rows / seconds,
                             Milliseconds(QuantileBetween(service.before, service.after, 0.5)),
                             Milliseconds(QuantileBetween(service.before, service.after, 0.99)),
                             service.values > 0 ? service.present / service.values : -1});
  }
  for (auto& [name, view] : views) {
    load.views.push_back(std::move(view));
  }
  return load;
}

std::string LoadText(const ServerLoad& load) {
  char line[256];
  std::snprintf(line, sizeof line,
                "%.1f requests/s, %.1f refused/s; %.0f in flight, %.0f queued, %.0f connections\n"
                "definitions %.0f, store %s, %.1f MiB\n\n",
                load.requests_per_second, load.refused_per_second, load.in_flight, load.queued,
                load.connections, load.definitions_version,
                load.store_ready ? "ready" : "NOT READY", load.store_bytes / (1 << 20));
  std::string text = line;
  TextTable services(
      {"service", "requests/s", "failed/s", "rows/s", "p50 ms", "p99 ms", "present"});
  for (const ServiceLoad& service : load.services) {
    services.Add({service.name, Number("%.1f", service.requests_per_second),
                  Number("%.1f", service.failed_per_second),
                  Number("%.1f", service.rows_per_second), Number("%.3f", service.p50_ms),
                  Number("%.3f", service.p99_ms),
                  service.present_share < 0 ? "" : Number("%.1f %%", service.present_share * 100)});
  }
  TextTable views({"view", "applied", "seq"});
  for (const ViewAge& view : load.views) {
    views.Add({view.name, Age(view.freshness_s) + " ago", Number("%.0f", view.sequence)});
  }
  return text + services.ToString() + "\n" + views.ToString();
}

std::string LoadJson(const ServerLoad& load) {
  const auto known = [](double value) { return value < 0 ? json() : json(value); };
  json services = json::array();
  for (const ServiceLoad& service : load.services) {
    services.push_back({{"service", service.name},
                        {"requests_per_second", service.requests_per_second},
                        {"failed_per_second", service.failed_per_second},
                        {"rows_per_second", service.rows_per_second},
                        {"p50_ms", known(service.p50_ms)},
                        {"p99_ms", known(service.p99_ms)},
                        {"present_share", known(service.present_share)}});
  }
  json views = json::array();
  for (const ViewAge& view : load.views) {
    views.push_back(
        {{"view", view.name}, {"freshness_s", view.freshness_s}, {"sequence", view.sequence}});
  }
  return json{{"requests_per_second", load.requests_per_second},
              {"refused_per_second", load.refused_per_second},
              {"in_flight", load.in_flight},
              {"queued", load.queued},
              {"connections", load.connections},
              {"store_ready", load.store_ready},
              {"store_bytes", load.store_bytes},
              {"definitions_version", load.definitions_version},
              {"services", services},
              {"views", views}}
      .dump(1);
}

}  // namespace icecore::cli
