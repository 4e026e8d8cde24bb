#include "icecore/server/serve.h"

#include <charconv>
#include <cstdio>

#include "icecore/base/error.h"
#include "icecore/server/engine_feature_api.h"
#include "icecore/server/http_server.h"

namespace icecore::server {
namespace {

arrow::Status ParseAddress(const std::string& text, HttpServer::Options* options) {
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options->port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "--http takes ADDRESS:PORT, e.g. 127.0.0.1:8080; got '" + text + "'");
  }
  if (colon != std::string::npos && colon > 0) {
    options->address = text.substr(0, colon);
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status Serve(engine::Engine* engine, const std::string& address) {
  HttpServer::Options options;
  ARROW_RETURN_NOT_OK(ParseAddress(address, &options));
  options.drain_on_signals = true;
  ARROW_ASSIGN_OR_RAISE(auto api, MakeEngineFeatureApi(engine));
  ARROW_ASSIGN_OR_RAISE(auto server, HttpServer::Start(options, api.get()));
  std::printf(
      "serving %s on http://%s:%d  (POST /v1/features, GET /v1/services, /metrics, /healthz, "
      "/readyz, /openapi.json)\n",
      engine->project().name.c_str(), options.address.c_str(), server->port());
  std::fflush(stdout);
  server->Wait();
  return arrow::Status::OK();
}

}  // namespace icecore::server
