// Arrow Flight over gRPC: bytes of the wire to calls of FlightCalls and back. A library of its own,
// so that gRPC is loaded by `serve --flight` and by no other command.

#include <arrow/flight/server.h>
#include <arrow/flight/server_middleware.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/util/align_util.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/server/flight_calls.h"

namespace icecore::server {
namespace {

namespace flight = arrow::flight;

constexpr char kMiddleware[] = "icecore";

// The error in the words of Flight, which knows some codes as such and some as Arrow's.
arrow::Status ToFlight(const FlightCalls& calls, const arrow::Status& status) {
  if (status.ok() || status.IsCancelled() ||
      flight::FlightStatusDetail::UnwrapStatus(status) != nullptr) {
    return status;
  }
  const std::string& message = status.message();
  switch (calls.CodeOf(status)) {
    case FlightCode::kInvalidArgument:
      return arrow::Status::Invalid(message);
    case FlightCode::kNotFound:
      return arrow::Status::KeyError(message);
    case FlightCode::kUnsupported:
      return arrow::Status::NotImplemented(message);
    case FlightCode::kUnauthenticated:
      return flight::MakeFlightError(flight::FlightStatusCode::Unauthenticated, message);
    case FlightCode::kDenied:
      return flight::MakeFlightError(flight::FlightStatusCode::Unauthorized, message);
    case FlightCode::kUnavailable:
      return flight::MakeFlightError(flight::FlightStatusCode::Unavailable, message);
    case FlightCode::kInternal:
      break;
  }
  return flight::MakeFlightError(flight::FlightStatusCode::Internal, message);
}

// Carries a call from its headers to its end.
class CallMiddleware : public flight::ServerMiddleware {
 public:
  explicit CallMiddleware(std::shared_ptr<FlightCall> call) : call_(std::move(call)) {}

  FlightCall& call() { return *call_; }
  void set_error(const arrow::Status& error) { error_ = error; }

  std::string name() const override { return kMiddleware; }
  void SendingHeaders(flight::AddCallHeaders* /*headers*/) override {}
  void CallCompleted(const arrow::Status& status) override {
    call_->End(error_.ok() ? status : error_);
  }

 private:
  const std::shared_ptr<FlightCall> call_;
  arrow::Status error_;  // as it was before Flight's words
};

class CallMiddlewareFactory : public flight::ServerMiddlewareFactory {
 public:
  explicit CallMiddlewareFactory(FlightCalls* calls) : calls_(calls) {}

  arrow::Status StartCall(const flight::CallInfo& info, const flight::ServerCallContext& context,
                          std::shared_ptr<flight::ServerMiddleware>* middleware) override {
    const auto& headers = context.incoming_headers();
    const auto found = headers.find("authorization");
    const std::string authorization(found == headers.end() ? std::string_view() : found->second);
    auto call = calls_->Begin(flight::ToString(info.method), authorization);
    if (!call.ok()) {
      return ToFlight(*calls_, call.status());
    }
    *middleware = std::make_shared<CallMiddleware>(*std::move(call));
    return arrow::Status::OK();
  }

 private:
  FlightCalls* const calls_;
};

FlightTarget TargetOf(const flight::FlightDescriptor& descriptor) {
  FlightTarget target;
  if (descriptor.type == flight::FlightDescriptor::CMD) {
    target.command = descriptor.cmd;
  } else {
    target.path = descriptor.path;
  }
  return target;
}

arrow::Result<flight::FlightInfo> InfoOf(const FlightDescription& description,
                                         const flight::FlightDescriptor& descriptor) {
  std::vector<flight::FlightEndpoint> endpoints;
  if (!description.ticket.empty()) {
    endpoints.push_back({flight::Ticket(description.ticket), {}, std::nullopt, ""});
  }
  return flight::FlightInfo::Make(description.answer, descriptor, endpoints, -1, -1,
                                  /*ordered=*/true, description.json);
}

// The next batch of a stream; nullptr data at its end. Its buffers lie where gRPC's bytes happened
// to lie: they are moved to where values may be read. A message without a batch is nothing here:
// taken for the end, it would hide the batches behind it.
arrow::Result<flight::FlightStreamChunk> NextBatch(flight::FlightMessageReader* reader) {
  ARROW_ASSIGN_OR_RAISE(auto chunk, reader->Next());
  if (chunk.data == nullptr && chunk.app_metadata != nullptr) {
    return arrow::Status::Invalid("a message has app_metadata and no batch");
  }
  if (chunk.data != nullptr) {
    constexpr int64_t kWidestValue = 8;
    ARROW_ASSIGN_OR_RAISE(chunk.data,
                          arrow::util::EnsureAlignment(std::move(chunk.data), kWidestValue,
                                                       arrow::default_memory_pool()));
  }
  return chunk;
}

class Server : public flight::FlightServerBase {
 public:
  explicit Server(FlightCalls* calls) : calls_(calls) {}

  arrow::Status ListFlights(const flight::ServerCallContext& context,
                            const flight::Criteria* /*criteria*/,
                            std::unique_ptr<flight::FlightListing>* listing) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto descriptions, call.List());
      std::vector<flight::FlightInfo> infos;
      for (const FlightDescription& one : descriptions) {
        ARROW_ASSIGN_OR_RAISE(auto info,
                              InfoOf(one, flight::FlightDescriptor::Path({one.service})));
        infos.push_back(std::move(info));
      }
      *listing = std::make_unique<flight::SimpleFlightListing>(std::move(infos));
      return arrow::Status::OK();
    });
  }

  arrow::Status GetFlightInfo(const flight::ServerCallContext& context,
                              const flight::FlightDescriptor& descriptor,
                              std::unique_ptr<flight::FlightInfo>* info) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto description, call.Describe(TargetOf(descriptor)));
      ARROW_ASSIGN_OR_RAISE(auto made, InfoOf(description, descriptor));
      *info = std::make_unique<flight::FlightInfo>(std::move(made));
      return arrow::Status::OK();
    });
  }

  // A path of the service's name and "request": of the batches that are sent.
  arrow::Status GetSchema(const flight::ServerCallContext& context,
                          const flight::FlightDescriptor& descriptor,
                          std::unique_ptr<flight::SchemaResult>* schema) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      FlightTarget target = TargetOf(descriptor);
      const bool of_request = target.path.size() == 2 && target.path.back() == "request";
      if (of_request) target.path.pop_back();
      ARROW_ASSIGN_OR_RAISE(const auto description, call.Describe(target));
      return flight::SchemaResult::Make(of_request ? *description.request : *description.answer)
          .Value(schema);
    });
  }

  arrow::Status DoGet(const flight::ServerCallContext& context, const flight::Ticket& ticket,
                      std::unique_ptr<flight::FlightDataStream>* stream) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto batch, call.Get(ticket.ticket));
      const auto schema = batch->schema();
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::RecordBatchReader::Make({std::move(batch)}, schema));
      *stream = std::make_unique<flight::RecordBatchStream>(std::move(reader));
      return arrow::Status::OK();
    });
  }

  arrow::Status DoPut(const flight::ServerCallContext& context,
                      std::unique_ptr<flight::FlightMessageReader> reader,
                      std::unique_ptr<flight::FlightMetadataWriter> writer) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto pushes, call.OpenPushes(TargetOf(reader->descriptor())));
      const auto send = [&](const std::string& receipt) {
        return writer->WriteMetadata(*arrow::Buffer::FromString(receipt));
      };
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const auto chunk, NextBatch(reader.get()));
        if (chunk.data == nullptr) {
          return arrow::Status::OK();
        }
        const std::string key = chunk.app_metadata == nullptr ? "" : chunk.app_metadata->ToString();
        ARROW_RETURN_NOT_OK(pushes->Push(*chunk.data, key, send));
      }
    });
  }

  arrow::Status DoExchange(const flight::ServerCallContext& context,
                           std::unique_ptr<flight::FlightMessageReader> reader,
                           std::unique_ptr<flight::FlightMessageWriter> writer) override {
    return Run(context, [&](FlightCall& call) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto reads, call.OpenReads(TargetOf(reader->descriptor())));
      ARROW_RETURN_NOT_OK(writer->Begin(reads->schema()));
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const auto chunk, NextBatch(reader.get()));
        if (chunk.data == nullptr) {
          return arrow::Status::OK();
        }
        // A client that marks its batches finds the answers by the same marks.
        ARROW_RETURN_NOT_OK(reads->Answer(chunk.data, [&](const arrow::RecordBatch& answer) {
          return chunk.app_metadata == nullptr
                     ? writer->WriteRecordBatch(answer)
                     : writer->WriteWithMetadata(answer, chunk.app_metadata);
        }));
      }
    });
  }

 private:
  template <typename Work>
  arrow::Status Run(const flight::ServerCallContext& context, const Work& work) {
    auto* const middleware = static_cast<CallMiddleware*>(context.GetMiddleware(kMiddleware));
    const arrow::Status status = work(middleware->call());
    middleware->set_error(status);
    return ToFlight(*calls_, status);
  }

  FlightCalls* const calls_;
};

class Transport : public FlightTransport {
 public:
  explicit Transport(FlightCalls* calls) : calls_(calls), server_(calls) {}

  arrow::Status Listen(const Options& options) {
    const bool tls = !options.tls_certificate.empty();
    ARROW_ASSIGN_OR_RAISE(const auto location,
                          tls ? flight::Location::ForGrpcTls(options.address, options.port)
                              : flight::Location::ForGrpcTcp(options.address, options.port));
    flight::FlightServerOptions server_options(location);
    if (tls) {
      server_options.tls_certificates.push_back({options.tls_certificate, options.tls_key});
    }
    server_options.middleware.emplace_back(kMiddleware,
                                           std::make_shared<CallMiddlewareFactory>(calls_));
    return server_.Init(server_options);
  }

  uint16_t port() const override { return static_cast<uint16_t>(server_.port()); }

  void Shutdown(int64_t wait_ms) override {
    const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(wait_ms);
    // Neither fails for a server that listens.
    server_.Shutdown(&deadline).Warn();
    server_.Wait().Warn();
  }

 private:
  FlightCalls* const calls_;
  Server server_;
};

}  // namespace
}  // namespace icecore::server

// NOLINTBEGIN(readability-identifier-naming): a name of C, looked up by its text
extern "C" __attribute__((visibility("default"))) icecore::server::FlightTransport*
icecore_flight_transport(const icecore::server::FlightTransport::Options& options,
                         icecore::server::FlightCalls* calls, arrow::Status* error) {
  auto transport = std::make_unique<icecore::server::Transport>(calls);
  *error = transport->Listen(options);
  return error->ok() ? transport.release() : nullptr;
}
// NOLINTEND(readability-identifier-naming)
