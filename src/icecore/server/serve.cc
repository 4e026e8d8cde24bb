#include "icecore/server/serve.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/engine/push_follower.h"
#include "icecore/server/engine_feature_api.h"
#include "icecore/server/flight_server.h"
#include "icecore/server/http_server.h"
#include "icecore/server/listen_address.h"

namespace icecore::server {
namespace {

constexpr std::chrono::seconds kLookInterval{1};
// Answers are good for an hour after a load (docs/decisions/online-horizon.md): several may fail.
constexpr engine::PushFollower::Pace kPace{.look_us = 50'000, .advance_us = 600'000'000};
constexpr int kRemoteWorkers = 16;
constexpr size_t kLogBytes = size_t{4} << 20;

const std::string& Either(const std::string& said, const std::string& defined) {
  return said.empty() ? defined : said;
}

// Paths of icecore.yaml are relative to the project, those of the command line to where it is
// given, which is the same folder.
std::string PathIn(const spec::Project& project, const std::string& path) {
  return path.empty() || path.starts_with('/') ? path : project.root + "/" + path;
}

void TakeLimits(const spec::Project& project, HttpServer::Options* options) {
  const spec::ServeLimits& limits = project.serve.limits;
  const auto take = [](const std::optional<int64_t>& said, int64_t unit, int64_t* value) {
    if (said) *value = *said * unit;
  };
  const auto take_ms = [](const std::optional<int64_t>& said_us, int64_t* value) {
    if (said_us) *value = *said_us / 1000;
  };
  // They wait for servers elsewhere, not for this machine's cores.
  if (!project.online.starts_with("lmdb:")) options->workers = kRemoteWorkers;
  if (limits.workers) options->workers = static_cast<int>(*limits.workers);
  take(limits.rows, 1, &options->max_rows);
  take(limits.body_mib, int64_t{1} << 20, &options->max_body_bytes);
  options->max_pending_bytes = std::max(options->max_pending_bytes, 4 * options->max_body_bytes);
  take(limits.connections, 1, &options->max_connections);
  take(limits.waiting, 1, &options->max_queued_requests);
  take_ms(limits.request_us, &options->request_timeout_ms);
  take_ms(limits.answer_us, &options->answer_timeout_ms);
  take_ms(limits.idle_us, &options->idle_timeout_ms);
  take_ms(limits.drain_us, &options->drain_timeout_ms);
}

arrow::Status FillOptions(const spec::Project& project, const spec::ServeSettings& said,
                          HttpServer::Options* options) {
  const std::string http = Either(said.http, project.serve.http);
  ARROW_RETURN_NOT_OK(SplitAddress(http.empty() ? "127.0.0.1:8080" : http, "--http",
                                   &options->address, &options->port));
  if (said.tls_cert.empty() != said.tls_key.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "--tls-cert and --tls-key belong together");
  }
  options->tls_certificate = PathIn(project, Either(said.tls_cert, project.serve.tls_cert));
  options->tls_key = PathIn(project, Either(said.tls_key, project.serve.tls_key));
  options->insecure = said.insecure;
  options->drain_on_signals = true;
  options->log_every_request = said.log_requests;
  const int cores = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  // They answer from memory themselves, so each core can have one.
  options->io_threads = std::clamp(cores, 1, 16);
  options->workers = std::clamp(cores / 2, 2, 16);
  TakeLimits(project, options);
  return arrow::Status::OK();
}

// The Flight server beside the HTTP server, under the same rules; nullptr where nobody asks for it.
arrow::Result<std::unique_ptr<FlightServer>> StartFlight(const std::string& address,
                                                         const HttpServer::Options& http,
                                                         FeatureApi* api, HttpServer* server) {
  if (address.empty()) {
    return nullptr;
  }
  FlightServer::Options options;
  ARROW_RETURN_NOT_OK(SplitAddress(address, "--flight", &options.address, &options.port));
  options.tls_certificate = http.tls_certificate;
  options.tls_key = http.tls_key;
  options.insecure = http.insecure;
  options.drain_timeout_ms = http.drain_timeout_ms;
  options.service.access = http.access;
  options.service.max_body_bytes = http.max_body_bytes;
  options.service.max_rows = http.max_rows;
  options.service.answer_timeout_ms = http.answer_timeout_ms;
  options.service.request_log = http.request_log;
  options.service.log_every_request = http.log_every_request;
  return FlightServer::Start(options, api, server->metrics());
}

// Follows what changes on the disk. Looks once a second, and at once when it is woken.
class Watcher {
 public:
  using Look = std::function<void()>;

  explicit Watcher(Look look) : look_(std::move(look)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

  void Wake() {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_all();
  }

 private:
  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look_();
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kLookInterval, [this] { return woken_; });
      woken_ = false;
    }
  }

  const Look look_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;
  std::jthread thread_;
};

// A change that cannot be taken over is said, and what was there goes on.
void Report(const arrow::Status& status) {
  if (!status.ok()) {
    base::Log(base::LogLevel::kError, status.message());
  }
}

// When the files of TLS were written last, as far as that can be seen.
std::string FileTimes(const HttpServer::Options& options) {
  std::string times;
  for (const std::string& path : {options.tls_certificate, options.tls_key}) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(path, error);
    times += error ? "?" : std::to_string(time.time_since_epoch().count());
    times += " ";
  }
  return times;
}

void PrintAddresses(const std::string& project, const HttpServer::Options& options, uint16_t port,
                    const FlightServer* flight) {
  const bool is_v6 = options.address.find(':') != std::string::npos;
  const char* tokens =
      options.access != nullptr && options.access->enforced() ? ", with tokens" : "";
  std::printf(
      "serving %s on %s://%s:%d%s  (POST /v1/features, GET /v1/services, /metrics, /healthz, "
      "/readyz, /openapi.json)\n",
      project.c_str(), options.tls_certificate.empty() ? "http" : "https",
      (is_v6 ? "[" + options.address + "]" : options.address).c_str(), port, tokens);
  if (flight != nullptr) {
    std::printf("serving %s on %s%s  (Arrow Flight)\n", project.c_str(), flight->Url().c_str(),
                tokens);
  }
  std::fflush(stdout);
}

// Takes over tokens and certificates that changed under a running server.
class AccessRenewal {
 public:
  // What is given outlives this; `access` and `flight` may be null.
  AccessRenewal(const HttpServer::Options& options, AccessControl* access, HttpServer* server,
                FlightServer* flight)
      : options_(options),
        access_(access),
        server_(server),
        flight_(flight),
        tls_times_(FileTimes(options)) {}

  void operator()() {
    if (access_ != nullptr) Report(access_->Refresh());
    if (std::string times = FileTimes(options_); times != tls_times_) {
      tls_times_ = std::move(times);
      const arrow::Status taken = server_->ReloadTls();
      Report(taken);
      flight_waits_ = taken.ok() && flight_ != nullptr;
    }
    if (flight_waits_) {
      const arrow::Status taken = flight_->ReloadTls();
      Report(taken);
      flight_waits_ = !taken.ok() && base::CodeOf(taken) == base::ErrorCode::kUnavailable;
    }
  }

 private:
  const HttpServer::Options& options_;
  AccessControl* const access_;
  HttpServer* const server_;
  FlightServer* const flight_;
  std::string tls_times_;
  bool flight_waits_ = false;  // for a certificate that HTTP has
};

// Definitions are looked at apart: that asks the store, and while one does not answer, a revoked
// token must not go on counting.
class Watchers {
 public:
  Watchers(AccessRenewal* access, EngineFeatureApi* api)
      : access_([access] { (*access)(); }), definitions_([api] { Report(api->Refresh()); }) {}

  void Wake() {
    access_.Wake();
    definitions_.Wake();
  }

 private:
  Watcher access_;
  Watcher definitions_;
};

}  // namespace

arrow::Status Serve(const engine::OpenOptions& given, const spec::ServeSettings& said,
                    const std::string& flight_address) {
  engine::OpenOptions open_options = given;
  open_options.journals = std::make_shared<pipeline::OpenJournals>();
  ARROW_ASSIGN_OR_RAISE(auto api, EngineFeatureApi::Open(open_options));
  const spec::Project& project = api->project();
  HttpServer::Options options;
  ARROW_RETURN_NOT_OK(FillOptions(project, said, &options));
  std::unique_ptr<AccessControl> access;
  if (said.insecure) {
    base::Log(base::LogLevel::kWarning,
              "--insecure: whoever can reach " + options.address +
                  (flight_address.empty() ? "" : " or " + flight_address) +
                  " can read every feature");
  } else {
    ARROW_ASSIGN_OR_RAISE(
        access, AccessControl::Open(PathIn(project, Either(said.tokens, project.serve.tokens))));
    options.access = access.get();
  }
  RequestLog request_log(stderr, kLogBytes);
  options.request_log = &request_log;
  std::atomic<Watchers*> watching = nullptr;
  options.on_hangup = [&watching] {
    if (Watchers* const watchers = watching) watchers->Wake();
  };
  std::atomic<engine::PushFollower*> following = nullptr;
  api->OnPushed([&following] {
    if (engine::PushFollower* const follower = following) follower->Wake();
  });
  std::atomic<FlightServer*> flying = nullptr;
  options.on_drain = [&flying](bool at_once) {
    FlightServer* const flight = flying;
    if (flight == nullptr) return;
    at_once ? flight->Cut() : flight->Drain();
  };
  ARROW_ASSIGN_OR_RAISE(auto server, HttpServer::Start(options, api.get()));
  // Goes first: it may be in the middle of a run.
  ARROW_ASSIGN_OR_RAISE(const auto follower,
                        engine::PushFollower::Start(open_options, kPace, api.get()));
  // Nothing can fail behind it, so that neither a drain nor a push meets one that has gone.
  ARROW_ASSIGN_OR_RAISE(const auto flight,
                        StartFlight(flight_address, options, api.get(), server.get()));
  following = follower.get();
  flying = flight.get();
  AccessRenewal renewal(options, access.get(), server.get(), flight.get());
  std::optional<Watchers> watchers;
  watchers.emplace(&renewal, api.get());
  watching = &*watchers;
  PrintAddresses(project.name, options, server->port(), flight.get());
  server->Wait();
  watching = nullptr;
  watchers.reset();  // they would give a server that ends another certificate
  if (flight != nullptr) {
    flight->Drain();  // had its drain begun before it was known
    flight->Wait();
  }
  return arrow::Status::OK();
}

}  // namespace icecore::server
