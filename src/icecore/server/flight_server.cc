#include "icecore/server/flight_server.h"

#include <dlfcn.h>

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
  FlightTransport::Options transport;
  transport.address = address.is_v6 ? "[" + address.ip + "]" : address.ip;
  transport.port = options.port;
  if (tls) {
    ARROW_ASSIGN_OR_RAISE(transport.tls_certificate,
                          ReadText(options.tls_certificate, "the certificate"));
    ARROW_ASSIGN_OR_RAISE(transport.tls_key, ReadText(options.tls_key, "the private key"));
  }
  ARROW_ASSIGN_OR_RAISE(const FlightTransportEntry entry, LoadTransport());
  std::unique_ptr<FlightServer> server(new FlightServer(options, transport.address, api, metrics));
  arrow::Status error;
  server->transport_.reset(entry(transport, &server->service_, &error));
  if (server->transport_ == nullptr) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot listen on " + address.WithPort(options.port) +
                               " for Arrow Flight: " + error.message());
  }
  return server;
}

FlightServer::~FlightServer() {
  if (transport_ != nullptr) {
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
  transport_->Shutdown(kLastBytesMs);
}

}  // namespace icecore::server
