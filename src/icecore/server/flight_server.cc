#include "icecore/server/flight_server.h"

#include <dlfcn.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/server/listen_address.h"

namespace icecore::server {
namespace {

constexpr char kLibrary[] = "libicecore_flight.so";
// Streams that wait for their clients are cut; an answer's last bytes are given this time to leave.
constexpr int64_t kLastBytesMs = 1000;
// What calls have to end by themselves when another certificate is taken over.
constexpr int64_t kTakeOverMs = 5000;
// How long the port may take to be free again.
constexpr int64_t kPortMs = 2000;
constexpr std::chrono::milliseconds kPortPause{2};

arrow::Result<std::string> ReadText(const std::string& path, const std::string& what) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file || text.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           what + " " + path + ": cannot be read");
  }
  return text;
}

// In lib/ beside the folder of the program, else where the system looks. Not by a search path in
// the program: a sanitizer's dlopen does not know it.
std::string LibraryPath() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto ours = program.parent_path().parent_path() / "lib" / kLibrary;
  return !error && std::filesystem::exists(ours, error) ? ours.string() : std::string(kLibrary);
}

// Never unloaded: gRPC's threads may outlive the last server.
arrow::Result<FlightTransportEntry> LoadTransport() {
  void* const library = ::dlopen(LibraryPath().c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const entry = library == nullptr ? nullptr : ::dlsym(library, kFlightTransportEntry);
  if (entry == nullptr) {
    const char* why = ::dlerror();
    return base::MakeError(
        base::ErrorCode::kUnavailable,
        std::string("Arrow Flight cannot be loaded: ") + (why == nullptr ? kLibrary : why));
  }
  return reinterpret_cast<FlightTransportEntry>(entry);
}

}  // namespace

FlightServer::FlightServer(const Options& options, std::string host, FeatureApi* api,
                           Metrics* metrics)
    : options_(options), host_(std::move(host)), service_(options.service, api, metrics) {}

arrow::Result<std::unique_ptr<FlightServer>> FlightServer::Start(const Options& options,
                                                                 FeatureApi* api,
                                                                 Metrics* metrics) {
  const bool tls = !options.tls_certificate.empty();
  if (tls == options.tls_key.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "TLS needs both a certificate and its key");
  }
  ARROW_ASSIGN_OR_RAISE(
      const ListenAddress address,
      CheckListenAddress(options.address, {tls, options.service.access, options.insecure}));
  std::unique_ptr<FlightServer> server(
      new FlightServer(options, address.is_v6 ? "[" + address.ip + "]" : address.ip, api, metrics));
  ARROW_ASSIGN_OR_RAISE(const FlightTransport::Options transport, server->ReadOptions());
  ARROW_ASSIGN_OR_RAISE(const FlightTransportEntry entry, LoadTransport());
  ARROW_RETURN_NOT_OK(server->Listen(transport, entry));
  return server;
}

arrow::Result<FlightTransport::Options> FlightServer::ReadOptions() const {
  FlightTransport::Options options;
  options.address = host_;
  options.port = port_ != 0 ? port_ : options_.port;
  if (!options_.tls_certificate.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.tls_certificate,
                          ReadText(options_.tls_certificate, "the certificate"));
    ARROW_ASSIGN_OR_RAISE(options.tls_key, ReadText(options_.tls_key, "the private key"));
  }
  return options;
}

arrow::Status FlightServer::Listen(const FlightTransport::Options& options,
                                   FlightTransportEntry entry) {
  arrow::Status error;
  transport_.reset(entry(options, &service_, &error));
  if (transport_ == nullptr) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot listen on " + host_ + ":" + std::to_string(options.port) +
                               " for Arrow Flight: " + error.message());
  }
  port_ = transport_->port();
  return arrow::Status::OK();
}

arrow::Status FlightServer::ReloadTls() {
  if (ended_ || drain_ns_ != 0) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(FlightTransport::Options options, ReadOptions());
  ARROW_ASSIGN_OR_RAISE(const FlightTransportEntry entry, LoadTransport());
  // Tried on another port first: what does not fit must not take the place of what does.
  FlightTransport::Options tried = options;
  tried.port = 0;
  arrow::Status error;
  const std::unique_ptr<FlightTransport> trial(entry(tried, &service_, &error));
  if (trial == nullptr) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "Arrow Flight keeps its certificate: " + error.message());
  }
  trial->Shutdown(0);
  // gRPC has no other certificate for a port that is listened on, and a port has one listener; an
  // end begins with closing that.
  if (transport_ != nullptr) {
    closing_.emplace_back([old = std::move(transport_)]() mutable { old->Shutdown(kTakeOverMs); });
  }
  const int64_t until_ns = base::MonotonicNanos() + kPortMs * 1'000'000;
  arrow::Status listening = Listen(options, entry);
  while (!listening.ok() && base::MonotonicNanos() < until_ns) {
    std::this_thread::sleep_for(kPortPause);
    listening = Listen(options, entry);
  }
  return listening;
}

FlightServer::~FlightServer() {
  if (port_ != 0) {
    Drain();
    Wait();
  }
}

std::string FlightServer::Url() const {
  const std::string scheme = options_.tls_certificate.empty() ? "grpc+tcp" : "grpc+tls";
  return scheme + "://" + host_ + ":" + std::to_string(port());
}

void FlightServer::Drain() {
  int64_t not_yet = 0;
  drain_ns_.compare_exchange_strong(not_yet, base::MonotonicNanos());
  service_.Drain();
}

void FlightServer::Cut() {
  Drain();
  service_.Cut();
}

void FlightServer::Wait() {
  if (std::exchange(ended_, true)) {
    return;
  }
  service_.AwaitIdle(drain_ns_ + options_.drain_timeout_ms * 1'000'000);
  if (transport_ != nullptr) {
    transport_->Shutdown(kLastBytesMs);
  }
  closing_.clear();
}

}  // namespace icecore::server
