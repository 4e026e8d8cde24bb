#include "icecore/server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <utility>

namespace icecore::server {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025,   0.05,   0.1,     0.25,   0.5,   1,      2.5,   10};

template <typename Builder>
auto& Family(const Builder& builder, const char* name, const char* help,
             prometheus::Registry& registry) {
  return builder().Name(name).Help(help).Register(registry);
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

}  // namespace

struct Metrics::Impl {
  using CounterFamily = prometheus::Family<prometheus::Counter>;
  using GaugeFamily = prometheus::Family<prometheus::Gauge>;
  using HistogramFamily = prometheus::Family<prometheus::Histogram>;
  using Key = std::pair<std::string, unsigned>;

  prometheus::Registry registry;
  CounterFamily& requests = Family(prometheus::BuildCounter, "icecore_http_requests_total",
                                   "HTTP requests answered, by route and status.", registry);
  HistogramFamily& durations =
      Family(prometheus::BuildHistogram, "icecore_http_request_duration_seconds",
             "From the last byte of a request to its answer, by route.", registry);
  CounterFamily& service_requests =
      Family(prometheus::BuildCounter, "icecore_feature_requests_total",
             "Calls for feature vectors, by service and status.", registry);
  CounterFamily& service_rows = Family(prometheus::BuildCounter, "icecore_feature_rows_total",
                                       "Feature vectors given back, by service.", registry);
  HistogramFamily& service_durations =
      Family(prometheus::BuildHistogram, "icecore_feature_request_duration_seconds",
             "Time to compute an answer, by service.", registry);
  GaugeFamily& applied_at =
      Family(prometheus::BuildGauge, "icecore_view_applied_at_seconds",
             "Time (seconds since 1970) up to which a view's data had entered the online store.",
             registry);
  GaugeFamily& sequence =
      Family(prometheus::BuildGauge, "icecore_view_applied_sequence",
             "_seq up to which a view's rows are in the online store.", registry);
  CounterFamily& refusals =
      Family(prometheus::BuildCounter, "icecore_http_refused_total",
             "Requests and connections refused under load, by reason.", registry);
  prometheus::Counter& refused_connections = refusals.Add({{"reason", "connections"}});
  prometheus::Counter& refused_queue = refusals.Add({{"reason", "queue"}});
  prometheus::Counter& refused_memory = refusals.Add({{"reason", "memory"}});
  prometheus::Counter& refused_deadline = refusals.Add({{"reason", "deadline"}});
  prometheus::Counter& timeouts =
      Family(prometheus::BuildCounter, "icecore_http_timeouts_total",
             "Connections cut because the client was too slow or idle.", registry)
          .Add({});
  prometheus::Gauge& in_flight = Family(prometheus::BuildGauge, "icecore_http_requests_in_flight",
                                        "Requests being answered now.", registry)
                                     .Add({});
  prometheus::Gauge& connections =
      Family(prometheus::BuildGauge, "icecore_http_connections", "Connections open now.", registry)
          .Add({});

  // Series once made are found here without building label maps.
  template <typename Metric>
  struct Cache {
    std::mutex mutex;
    std::map<Key, Metric*> series;
    template <typename Make>
    Metric& Find(std::string_view name, unsigned status, const Make& make) {
      std::lock_guard lock(mutex);
      Metric*& metric = series[Key(name, status)];
      if (metric == nullptr) {
        metric = make();
      }
      return *metric;
    }
  };
  Cache<prometheus::Counter> request_series, service_series, row_series;
  Cache<prometheus::Histogram> duration_series, service_duration_series;
  Cache<prometheus::Gauge> applied_series, sequence_series;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::CountRequest(std::string_view route, unsigned status, int64_t duration_ns) {
  const std::string name(route);
  impl_->request_series
      .Find(name, status,
            [&] {
              return &impl_->requests.Add({{"route", name}, {"status", std::to_string(status)}});
            })
      .Increment();
  impl_->duration_series
      .Find(name, 0, [&] { return &impl_->durations.Add({{"route", name}}, kSeconds); })
      .Observe(Seconds(duration_ns));
}

void Metrics::CountService(const std::string& service, unsigned status, int64_t rows,
                           int64_t duration_ns) {
  impl_->service_series
      .Find(service, status,
            [&] {
              return &impl_->service_requests.Add(
                  {{"service", service}, {"status", std::to_string(status)}});
            })
      .Increment();
  impl_->row_series
      .Find(service, 0, [&] { return &impl_->service_rows.Add({{"service", service}}); })
      .Increment(static_cast<double>(rows));
  impl_->service_duration_series
      .Find(service, 0,
            [&] { return &impl_->service_durations.Add({{"service", service}}, kSeconds); })
      .Observe(Seconds(duration_ns));
}

void Metrics::SetFreshness(const ViewFreshness& view) {
  impl_->applied_series
      .Find(view.view, 0, [&] { return &impl_->applied_at.Add({{"view", view.view}}); })
      .Set(static_cast<double>(view.applied_at) * 1e-6);
  impl_->sequence_series
      .Find(view.view, 0, [&] { return &impl_->sequence.Add({{"view", view.view}}); })
      .Set(static_cast<double>(view.seq));
}

void Metrics::CountRefusal(Refusal refusal) {
  switch (refusal) {
    case Refusal::kConnections:
      return impl_->refused_connections.Increment();
    case Refusal::kQueue:
      return impl_->refused_queue.Increment();
    case Refusal::kMemory:
      return impl_->refused_memory.Increment();
    case Refusal::kDeadline:
      return impl_->refused_deadline.Increment();
  }
}

void Metrics::CountTimeout() { impl_->timeouts.Increment(); }

void Metrics::AddInFlight(int change) { impl_->in_flight.Increment(change); }

void Metrics::AddConnections(int change) { impl_->connections.Increment(change); }

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace icecore::server
