#include "icecore/server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::server {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025,   0.05,   0.1,     0.25,   0.5,   1,      2.5,   10};
constexpr unsigned kFirstStatus = 100;
constexpr size_t kStatuses = 500;

template <typename Builder>
auto& Family(const Builder& builder, const char* name, const char* help,
             prometheus::Registry& registry) {
  return builder().Name(name).Help(help).Register(registry);
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

// Counters of one label by status, made when they are first needed; found without a lock.
class ByStatus {
 public:
  ByStatus(CounterFamily* family, const char* label, std::string value)
      : family_(family), label_(label), value_(std::move(value)) {}

  void Count(unsigned status) {
    if (status < kFirstStatus || status - kFirstStatus >= kStatuses) {
      return;
    }
    std::atomic<prometheus::Counter*>& counter = counters_[status - kFirstStatus];
    prometheus::Counter* known = counter.load(std::memory_order_acquire);
    if (known == nullptr) {
      known = &family_->Add({{label_, value_}, {"status", std::to_string(status)}});
      counter.store(known, std::memory_order_release);
    }
    known->Increment();
  }

 private:
  CounterFamily* const family_;
  const char* const label_;
  const std::string value_;
  std::array<std::atomic<prometheus::Counter*>, kStatuses> counters_ = {};
};

// Series of one name each, made once; names are found without building strings.
template <typename Series>
class Named {
 public:
  template <typename Make>
  Series& Find(std::string_view name, const Make& make) {
    {
      std::shared_lock lock(mutex_);
      if (const auto found = series_.find(name); found != series_.end()) {
        return *found->second;
      }
    }
    std::unique_lock lock(mutex_);
    auto& place = series_[std::string(name)];
    if (place == nullptr) {
      place = make(std::string(name));
    }
    return *place;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  std::shared_mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Series>, Hash, std::equal_to<>> series_;
};

}  // namespace

struct Metrics::Impl {
  struct RouteSeries {
    ByStatus requests;
    prometheus::Histogram& duration;
  };
  struct ServiceSeries {
    ByStatus requests;
    prometheus::Counter& rows;
    prometheus::Histogram& duration;
    std::array<prometheus::Counter*, state::kValueStatuses> values;
  };

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
  CounterFamily& values =
      Family(prometheus::BuildCounter, "icecore_feature_values_total",
             "Feature values given back, by service and status of the value.", registry);
  HistogramFamily& service_durations =
      Family(prometheus::BuildHistogram, "icecore_feature_request_duration_seconds",
             "Time to compute an answer, by service.", registry);
  CounterFamily& pushed_rows =
      Family(prometheus::BuildCounter, "icecore_pushed_rows_total",
             "Rows that were made durable, by source of pushes.", registry);
  CounterFamily& store_errors =
      Family(prometheus::BuildCounter, "icecore_store_errors_total",
             "Calls that the online store could not answer, by code.", registry);
  // There from the start, so that the first error is a change that can be seen.
  prometheus::Counter& unavailable = store_errors.Add({{"code", "unavailable"}});
  prometheus::Counter& corrupt = store_errors.Add({{"code", "corrupt"}});
  CounterFamily& refusals =
      Family(prometheus::BuildCounter, "icecore_http_refused_total",
             "Requests and connections refused under load, by reason.", registry);
  std::array<prometheus::Counter*, 5> refused = {
      &refusals.Add({{"reason", "connections"}}), &refusals.Add({{"reason", "queue"}}),
      &refusals.Add({{"reason", "memory"}}), &refusals.Add({{"reason", "deadline"}}),
      &refusals.Add({{"reason", "shed"}})};
  prometheus::Counter& timeouts =
      Family(prometheus::BuildCounter, "icecore_http_timeouts_total",
             "Connections cut because the client was too slow or idle.", registry)
          .Add({});
  prometheus::Counter& unauthenticated =
      Family(prometheus::BuildCounter, "icecore_http_unauthenticated_total",
             "Requests without a valid access token, where one is asked for.", registry)
          .Add({});
  prometheus::Gauge& in_flight = Family(prometheus::BuildGauge, "icecore_http_requests_in_flight",
                                        "Requests being answered now.", registry)
                                     .Add({});
  prometheus::Gauge& queued = Family(prometheus::BuildGauge, "icecore_http_requests_queued",
                                     "Requests waiting for a worker now.", registry)
                                  .Add({});
  prometheus::Gauge& connections =
      Family(prometheus::BuildGauge, "icecore_http_connections", "Connections open now.", registry)
          .Add({});
  CounterFamily& flight_calls = Family(prometheus::BuildCounter, "icecore_flight_calls_total",
                                       "Arrow Flight calls ended, by method and status.", registry);
  HistogramFamily& flight_batches =
      Family(prometheus::BuildHistogram, "icecore_flight_batch_duration_seconds",
             "From a batch of rows to its answer, by Arrow Flight's method.", registry);
  prometheus::Gauge& flight_under_way =
      Family(prometheus::BuildGauge, "icecore_flight_calls_in_flight",
             "Arrow Flight calls under way now, idle streams among them.", registry)
          .Add({});

  Named<RouteSeries> by_route;
  Named<ServiceSeries> by_service;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::CountRequest(std::string_view route, unsigned status, int64_t duration_ns) {
  auto& series = impl_->by_route.Find(route, [&](const std::string& name) {
    return std::unique_ptr<Impl::RouteSeries>(new Impl::RouteSeries{
        {&impl_->requests, "route", name}, impl_->durations.Add({{"route", name}}, kSeconds)});
  });
  series.requests.Count(status);
  series.duration.Observe(Seconds(duration_ns));
}

void Metrics::CountService(std::string_view service, unsigned status, int64_t rows,
                           const StatusCounts& values, int64_t duration_ns) {
  auto& series = impl_->by_service.Find(service, [&](const std::string& name) {
    std::array<prometheus::Counter*, state::kValueStatuses> by_status = {};
    for (size_t i = 0; i < by_status.size(); ++i) {
      const auto value = static_cast<state::ValueStatus>(i);
      by_status[i] = &impl_->values.Add(
          {{"service", name}, {"status", std::string(state::ValueStatusName(value))}});
    }
    return std::unique_ptr<Impl::ServiceSeries>(
        new Impl::ServiceSeries{{&impl_->service_requests, "service", name},
                                impl_->service_rows.Add({{"service", name}}),
                                impl_->service_durations.Add({{"service", name}}, kSeconds),
                                by_status});
  });
  series.requests.Count(status);
  series.rows.Increment(static_cast<double>(rows));
  series.duration.Observe(Seconds(duration_ns));
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > 0) {
      series.values[i]->Increment(static_cast<double>(values[i]));
    }
  }
}

void Metrics::CountPush(std::string_view source, int64_t rows) {
  impl_->pushed_rows.Add({{"source", std::string(source)}}).Increment(static_cast<double>(rows));
}

void Metrics::CountStoreError(std::string_view code) {
  impl_->store_errors.Add({{"code", std::string(code)}}).Increment();
}

void Metrics::CountRefusal(Refusal refusal) {
  impl_->refused[static_cast<size_t>(refusal)]->Increment();
}

void Metrics::CountTimeout() { impl_->timeouts.Increment(); }

void Metrics::CountUnauthenticated() { impl_->unauthenticated.Increment(); }

void Metrics::AddInFlight(int change) { impl_->in_flight.Increment(change); }

void Metrics::AddConnections(int change) { impl_->connections.Increment(change); }

void Metrics::SetQueued(size_t requests) { impl_->queued.Set(static_cast<double>(requests)); }

void Metrics::CountFlightCall(std::string_view method, std::string_view status) {
  impl_->flight_calls.Add({{"method", std::string(method)}, {"status", std::string(status)}})
      .Increment();
}

void Metrics::CountFlightBatch(std::string_view method, int64_t duration_ns) {
  impl_->flight_batches.Add({{"method", std::string(method)}}, kSeconds)
      .Observe(Seconds(duration_ns));
}

void Metrics::AddFlightCalls(int change) { impl_->flight_under_way.Increment(change); }

namespace {

void SetDelays(HistogramFamily* family, const char* label, const std::string& value,
               const pipeline::DelayCounts& delays) {
  const auto& bounds = pipeline::DelayCounts::kBoundsSeconds;
  const std::vector<double> counts(delays.counts().begin(), delays.counts().end());
  family
      ->Add({{label, value}}, prometheus::Histogram::BucketBoundaries(bounds.begin(), bounds.end()))
      .ObserveMultiple(counts, delays.sum_seconds());
}

void AddDelays(const ApiState& state, prometheus::Registry* registry) {
  auto& since_event =
      Family(prometheus::BuildHistogram, "icecore_view_event_to_servable_seconds",
             "From when a row happened to when the online store could serve it, by the project's "
             "clock; loads that began after the server.",
             *registry);
  auto& since_known =
      Family(prometheus::BuildHistogram, "icecore_view_known_to_servable_seconds",
             "From when a row was known to when the online store could serve it, by the project's "
             "clock; loads that began after the server.",
             *registry);
  auto& since_commit =
      Family(prometheus::BuildHistogram, "icecore_view_commit_to_servable_seconds",
             "From the commit of the lake table's version that brought a row to when the online "
             "store could serve it, by the project's clock; loads that began after the server.",
             *registry);
  for (const ViewDelays& view : state.view_delays) {
    SetDelays(&since_event, "view", view.view, view.delays.since_event);
    SetDelays(&since_known, "view", view.view, view.delays.since_known);
    SetDelays(&since_commit, "view", view.view, view.delays.since_commit);
  }
  auto& pushes = Family(prometheus::BuildHistogram, "icecore_push_to_servable_seconds",
                        "From the acceptance of a push to when every online view behind its source "
                        "had its rows.",
                        *registry);
  for (const PushDelays& push : state.push_delays) {
    SetDelays(&pushes, "source", push.source, push.delays);
  }
}

void AddPushesAndLoads(const ApiState& state, prometheus::Registry* registry) {
  auto& backlog =
      Family(prometheus::BuildGauge, "icecore_push_backlog",
             "Rows that were pushed and have not landed in the lake yet, by source.", *registry);
  for (const PushBacklog& one : state.push_backlog) {
    backlog.Add({{"source", one.source}}).Set(static_cast<double>(one.rows));
  }
  auto& runs = Family(prometheus::BuildCounter, "icecore_push_runs_total",
                      "Runs that bring pushes into lake and online store, by result.", *registry);
  runs.Add({{"result", "ok"}}).Increment(static_cast<double>(state.push_runs));
  runs.Add({{"result", "failed"}}).Increment(static_cast<double>(state.failed_push_runs));
  auto& errors = Family(prometheus::BuildCounter, "icecore_load_errors_total",
                        "Loads of a view into the online store by this server that failed, by view "
                        "and code.",
                        *registry);
  for (const LoadErrors& one : state.load_errors) {
    errors.Add({{"view", one.view}, {"code", std::string(base::ErrorCodeName(one.code))}})
        .Increment(static_cast<double>(one.count));
  }
  auto& damaged =
      Family(prometheus::BuildCounter, "icecore_view_damaged_keys_total",
             "Keys of a view that answered with an error because what the online store holds of "
             "them is damaged; once an answer. `icecore materialize --full VIEW` heals it.",
             *registry);
  for (const DamagedKeys& one : state.damaged_keys) {
    damaged.Add({{"view", one.view}}).Increment(static_cast<double>(one.count));
  }
  Family(prometheus::BuildCounter, "icecore_served_log_dropped_total",
         "Vectors of the sample that the served log had no room for.", *registry)
      .Add({})
      .Increment(static_cast<double>(state.served_log_dropped));
}

// What is looked up for one scrape and not counted on the way.
std::vector<prometheus::MetricFamily> StateFamilies(const ApiState& state) {
  prometheus::Registry registry;
  const auto gauge = [&](const char* name, const char* help) -> GaugeFamily& {
    return Family(prometheus::BuildGauge, name, help, registry);
  };
  const auto set = [&](const char* name, const char* help, double value) {
    gauge(name, help).Add({}).Set(value);
  };
  set("icecore_definitions_version", "Version of the catalog that answers.",
      static_cast<double>(state.definitions_version));
  set("icecore_definitions_pending_services",
      "Services that still answer by older definitions, until their views are materialised.",
      static_cast<double>(state.pending_services));
  auto& reloads = Family(prometheus::BuildCounter, "icecore_definitions_reloads_total",
                         "Definitions read anew, by result.", registry);
  reloads.Add({{"result", "ok"}}).Increment(static_cast<double>(state.reloads));
  reloads.Add({{"result", "failed"}}).Increment(static_cast<double>(state.failed_reloads));
  set("icecore_store_ready", "1 when the online store could be read last.", state.store_ready);
  set("icecore_store_bytes", "Bytes of the online store.", static_cast<double>(state.store_bytes));
  set("icecore_store_cells", "Cells of the online store.", static_cast<double>(state.store_cells));
  auto& applied = gauge("icecore_view_applied_at_seconds",
                        "Time (seconds since 1970) up to which a view's data had entered the "
                        "online store.");
  auto& age = gauge("icecore_view_freshness_seconds",
                    "How long ago a view's data was last brought into the online store, by the "
                    "project's clock.");
  auto& sequence = gauge("icecore_view_applied_sequence",
                         "_seq up to which a view's rows are in the online store.");
  for (const ViewFreshness& view : state.views) {
    applied.Add({{"view", view.view}}).Set(static_cast<double>(view.applied_at) * 1e-6);
    age.Add({{"view", view.view}}).Set(static_cast<double>(state.now_us - view.applied_at) * 1e-6);
    sequence.Add({{"view", view.view}}).Set(static_cast<double>(view.seq));
  }
  AddDelays(state, &registry);
  AddPushesAndLoads(state, &registry);
  return registry.Collect();
}

}  // namespace

std::string Metrics::Text(const ApiState& state) const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  for (prometheus::MetricFamily& family : StateFamilies(state)) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace icecore::server
