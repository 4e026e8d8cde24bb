#include "icecore/server/flight_service.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/suggest.h"
#include "icecore/server/counted_features.h"
#include "icecore/server/flight_batches.h"
#include "icecore/server/flight_command.h"
#include "icecore/server/response_json.h"

namespace icecore::server {
namespace {

using base::ErrorCode;
using base::MakeError;
using govern::Right;

// Marks the errors of callers without a valid token.
class NoToken : public arrow::StatusDetail {
 public:
  const char* type_id() const override { return kTypeId; }
  std::string ToString() const override { return "no valid token"; }
  static constexpr char kTypeId[] = "icecore::server::NoToken";
};

bool IsNoToken(const arrow::Status& status) {
  return status.detail() != nullptr &&
         std::string_view(status.detail()->type_id()) == NoToken::kTypeId;
}

arrow::Status Draining() {
  return MakeError(ErrorCode::kUnavailable,
                   "the server is going down; ask again elsewhere or later");
}

// The status as the log and the metrics have it, which is that of HTTP.
unsigned HttpStatus(const arrow::Status& status) {
  if (status.ok()) return 200;
  if (IsNoToken(status)) return 401;
  if (status.IsCancelled()) return 499;
  return static_cast<unsigned>(base::HttpStatusOf(base::CodeOf(status)));
}

std::string_view StatusLabel(const arrow::Status& status) {
  if (status.ok()) return "ok";
  if (IsNoToken(status)) return "unauthenticated";
  if (status.IsCancelled()) return "cancelled";
  return base::ErrorCodeName(base::CodeOf(status));
}

// An exception of the API is an answer, too.
template <typename Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return MakeError(ErrorCode::kInternal, std::string("unexpected: ") + error.what());
  }
}

bool IsStream(std::string_view method) { return method == "DoExchange" || method == "DoPut"; }

}  // namespace

// Holds up the end of a drain while it lives.
class FlightService::Working {
 public:
  explicit Working(FlightService* service) : service_(service) { service_->AddWork(1); }
  ~Working() { service_->AddWork(-1); }
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;

 private:
  FlightService* const service_;
};

class FlightService::Call : public FlightCall {
 public:
  Call(FlightService* service, std::string_view method, std::string_view authorization,
       std::shared_ptr<const govern::AccessToken> caller)
      : service_(service),
        method_(method),
        authorization_(authorization),
        caller_(std::move(caller)),
        begin_ns_(base::MonotonicNanos()) {
    service_->metrics_->AddFlightCalls(1);
    // A stream waits for its client most of the time: it works while it answers a batch.
    if (!IsStream(method)) working_.emplace(service);
  }

  arrow::Result<std::vector<FlightDescription>> List() override {
    return Guarded([&]() -> arrow::Result<std::vector<FlightDescription>> {
      ARROW_ASSIGN_OR_RAISE(const auto services, service_->api_->ListServices());
      std::vector<FlightDescription> list;
      for (const ServiceDescription& service : services) {
        if (Allows(Right::kRead, service.name)) {
          list.push_back(DescriptionOf(service, {}));
        }
      }
      return list;
    });
  }

  arrow::Result<FlightDescription> Describe(const FlightTarget& target) override {
    return Guarded([&]() -> arrow::Result<FlightDescription> {
      ARROW_ASSIGN_OR_RAISE(const FlightRead read, ParseFlightRead(target, service_->parser_));
      ARROW_ASSIGN_OR_RAISE(FlightDescription description, Find(read));
      description.ticket = read.options.has_entities ? target.command : "";
      return description;
    });
  }

  arrow::Result<std::unique_ptr<FlightReads>> OpenReads(const FlightTarget& target) override;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Get(const std::string& ticket) override;
  arrow::Result<std::unique_ptr<FlightPushes>> OpenPushes(const FlightTarget& target) override;
  void End(const arrow::Status& status) override;

  // For a batch of a stream: its token may have been revoked meanwhile.
  arrow::Status CheckCaller() {
    ARROW_ASSIGN_OR_RAISE(caller_, service_->Authenticate(authorization_));
    return service_->draining_ ? Draining() : arrow::Status::OK();
  }
  arrow::Status CheckAllows(Right right, const std::string& name) const {
    return Allows(right, name)
               ? arrow::Status::OK()
               : MakeError(ErrorCode::kDenied,
                           "the token lacks the scope " + govern::Scope{right, name}.ToString());
  }
  std::string CallerId() const { return caller_ == nullptr ? std::string() : caller_->id; }
  int64_t Deadline() const {
    return base::MonotonicNanos() + service_->options_.answer_timeout_ms * 1'000'000;
  }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Answer(const FlightRead& read) {
    FeatureRequest request = read.request;
    request.caller = CallerId();
    const auto asked = AskCounted(service_->api_, service_->metrics_, request, Deadline());
    ARROW_RETURN_NOT_OK(asked->status());
    const FeatureResponse& response = **asked;
    // Without statuses nothing tells a damaged value from a null.
    if (!response.errors.empty() && !read.options.statuses) return ErrorOf(response);
    return AnswerBatch(response, read.options);
  }

 private:
  bool Allows(Right right, std::string_view name) const {
    const AccessControl* access = service_->options_.access;
    return access == nullptr || !access->enforced() ||
           (caller_ != nullptr && caller_->Allows(right, name));
  }

  static FlightDescription DescriptionOf(const ServiceDescription& service,
                                         const TicketOptions& options) {
    FlightDescription description;
    description.service = service.name;
    description.answer = AnswerSchema(service, options);
    description.request = RequestSchema(service);
    AppendService(service, &description.json);
    return description;
  }

  // kDenied, or kNotFound that names the nearest.
  arrow::Result<FlightDescription> Find(const FlightRead& read) {
    service_name_ = read.request.service;
    ARROW_RETURN_NOT_OK(CheckAllows(Right::kRead, read.request.service));
    ARROW_ASSIGN_OR_RAISE(const auto services, service_->api_->ListServices());
    std::vector<std::string> names;
    for (const ServiceDescription& service : services) {
      if (service.name == read.request.service) {
        return DescriptionOf(service, read.options);
      }
      names.push_back(service.name);
    }
    // Knows services that cannot be asked, too, and says why.
    FeatureRequest asks;
    asks.service = read.request.service;
    asks.caller = CallerId();
    ARROW_RETURN_NOT_OK(service_->api_->GetFeatures(asks, Deadline()).status());
    return MakeError(ErrorCode::kNotFound, "no feature service '" + read.request.service + "'" +
                                               base::DidYouMean(read.request.service, names));
  }

  FlightService* const service_;
  const std::string method_;
  const std::string authorization_;
  std::shared_ptr<const govern::AccessToken> caller_;
  const int64_t begin_ns_;
  std::optional<Working> working_;
  std::string service_name_;  // asked for, for the log
};

class FlightService::Reads : public FlightReads {
 public:
  Reads(FlightService* service, Call* call, FlightRead read, std::shared_ptr<arrow::Schema> schema)
      : service_(service), call_(call), read_(std::move(read)), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status Answer(const std::shared_ptr<arrow::RecordBatch>& batch,
                       const Send& send) override {
    const Working working(service_);
    return Guarded([&]() -> arrow::Status {
      const int64_t begin_ns = base::MonotonicNanos();
      const Options& options = service_->options_;
      ARROW_RETURN_NOT_OK(call_->CheckCaller());
      ARROW_RETURN_NOT_OK(call_->CheckAllows(Right::kRead, read_.request.service));
      ARROW_RETURN_NOT_OK(CheckBatch(*batch, options.max_rows, options.max_body_bytes));
      read_.request.batch = batch;
      read_.request.num_rows = batch->num_rows();
      ARROW_ASSIGN_OR_RAISE(const auto answer, call_->Answer(read_));
      if (!answer->schema()->Equals(*schema_, /*check_metadata=*/false)) {
        return MakeError(ErrorCode::kUnavailable,
                         "service " + read_.request.service +
                             " has other features since this exchange began; begin another");
      }
      service_->metrics_->CountFlightBatch("DoExchange", base::MonotonicNanos() - begin_ns);
      return send(*answer);
    });
  }

 private:
  FlightService* const service_;
  Call* const call_;
  FlightRead read_;
  const std::shared_ptr<arrow::Schema> schema_;
};

class FlightService::Pushes : public FlightPushes {
 public:
  Pushes(FlightService* service, Call* call, PushedRows rows)
      : service_(service), call_(call), rows_(std::move(rows)) {}

  arrow::Status Push(const arrow::RecordBatch& batch, const std::string& key,
                     const Send& send) override {
    const Working working(service_);
    return Guarded([&]() -> arrow::Status {
      const int64_t begin_ns = base::MonotonicNanos();
      const Options& options = service_->options_;
      ARROW_RETURN_NOT_OK(call_->CheckCaller());
      ARROW_RETURN_NOT_OK(call_->CheckAllows(Right::kPush, rows_.source));
      if (key.empty() && !rows_.key.empty() && pushed_) {
        return FieldError("idempotency_key",
                          "stands for one batch; give each of several its own as its app_metadata");
      }
      ARROW_RETURN_NOT_OK(CheckBatch(batch, options.max_rows, options.max_body_bytes));
      PushedRows rows = rows_;
      rows.key = key.empty() ? rows_.key : key;
      ARROW_ASSIGN_OR_RAISE(const std::string lines, LinesOfBatch(batch, options.max_body_bytes));
      // No rows are an error of the source's door, which knows the source first.
      if (!lines.empty()) {
        ARROW_ASSIGN_OR_RAISE(rows.lines, ingest::CheckedRows::Of(lines));
      }
      ARROW_ASSIGN_OR_RAISE(const PushAnswer answer, service_->api_->Push(rows));
      pushed_ = true;
      service_->metrics_->CountPush(answer.source, answer.duplicate ? 0 : answer.row_count);
      service_->metrics_->CountFlightBatch("DoPut", base::MonotonicNanos() - begin_ns);
      std::string receipt;
      AppendPushAnswer(answer, &receipt);
      return send(receipt);
    });
  }

 private:
  FlightService* const service_;
  Call* const call_;
  const PushedRows rows_;
  bool pushed_ = false;
};

arrow::Result<std::unique_ptr<FlightReads>> FlightService::Call::OpenReads(
    const FlightTarget& target) {
  return Guarded([&]() -> arrow::Result<std::unique_ptr<FlightReads>> {
    ARROW_ASSIGN_OR_RAISE(FlightRead read, ParseFlightRead(target, service_->parser_));
    if (read.options.has_entities) {
      return FieldError("entities",
                        "come as the batches of an exchange; a ticket of DoGet names them");
    }
    ARROW_ASSIGN_OR_RAISE(auto description, Find(read));
    return std::make_unique<Reads>(service_, this, std::move(read), std::move(description.answer));
  });
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> FlightService::Call::Get(
    const std::string& ticket) {
  return Guarded([&]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
    const int64_t begin_ns = base::MonotonicNanos();
    if (ticket.empty()) {
      return FieldError("ticket", "is empty; expected {\"service\": …, \"entities\": {…}}");
    }
    ARROW_ASSIGN_OR_RAISE(const FlightRead read,
                          ParseFlightRead(FlightTarget{{}, ticket}, service_->parser_));
    if (!read.options.has_entities) {
      return FieldError("entities", "missing; send many keys as batches, by DoExchange");
    }
    service_name_ = read.request.service;
    ARROW_RETURN_NOT_OK(CheckAllows(Right::kRead, read.request.service));
    auto answer = Answer(read);
    service_->metrics_->CountFlightBatch("DoGet", base::MonotonicNanos() - begin_ns);
    return answer;
  });
}

arrow::Result<std::unique_ptr<FlightPushes>> FlightService::Call::OpenPushes(
    const FlightTarget& target) {
  return Guarded([&]() -> arrow::Result<std::unique_ptr<FlightPushes>> {
    ARROW_ASSIGN_OR_RAISE(PushedRows rows,
                          ParseFlightPush(target, service_->options_.max_body_bytes));
    const auto source = service_->api_->PushTarget(rows);
    // Who may push nothing at all learns nothing of what there is.
    const AccessControl* access = service_->options_.access;
    if (access != nullptr && access->enforced() &&
        (caller_ == nullptr || !caller_->AllowsSome(Right::kPush))) {
      return MakeError(ErrorCode::kDenied, "the token lacks the scope push");
    }
    ARROW_RETURN_NOT_OK(source.status());
    ARROW_RETURN_NOT_OK(CheckAllows(Right::kPush, *source));
    rows.source = *source;
    rows.view.clear();
    return std::make_unique<Pushes>(service_, this, std::move(rows));
  });
}

void FlightService::Call::End(const arrow::Status& status) {
  working_.reset();
  const int64_t duration_ns = base::MonotonicNanos() - begin_ns_;
  service_->metrics_->AddFlightCalls(-1);
  service_->metrics_->CountFlightCall(method_, StatusLabel(status));
  --service_->calls_;
  const Options& options = service_->options_;
  const unsigned http_status = HttpStatus(status);
  if (options.request_log == nullptr || (!options.log_every_request && http_status < 500)) {
    return;
  }
  static const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  const std::string id = service_->id_prefix_ + std::to_string(++service_->last_call_);
  RequestRecord record;
  record.time_us = clock->NowMicros();
  record.request_id = id;
  record.method = "FLIGHT";
  record.path = method_;
  record.status = http_status;
  record.duration_ns = duration_ns;
  record.service = service_name_;
  record.token_id = caller_ == nullptr ? std::string_view() : caller_->id;
  if (!status.ok()) {
    record.code = StatusLabel(status);
    record.message = status.message();
  }
  options.request_log->Write(record);
}

FlightService::FlightService(const Options& options, FeatureApi* api, Metrics* metrics)
    : options_(options),
      api_(api),
      metrics_(metrics),
      parser_(options.max_body_bytes, options.max_rows),
      id_prefix_(base::NewUuid(base::SystemRandom()).substr(0, 8) + "-f") {}

arrow::Result<std::shared_ptr<const govern::AccessToken>> FlightService::Authenticate(
    std::string_view authorization) const {
  if (options_.access == nullptr || !options_.access->enforced()) {
    return std::shared_ptr<const govern::AccessToken>();
  }
  auto caller = options_.access->Authenticate(authorization);
  if (caller == nullptr) {
    return arrow::Status::FromArgs(arrow::StatusCode::Invalid,
                                   "no valid token: send the header 'authorization: Bearer TOKEN' "
                                   "(`icecore token new --scope read` makes one)")
        .WithDetail(std::make_shared<NoToken>());
  }
  return caller;
}

arrow::Result<std::shared_ptr<FlightCall>> FlightService::Begin(std::string_view method,
                                                                std::string_view authorization) {
  auto caller = Authenticate(authorization);
  arrow::Status status = caller.status();
  if (status.ok() && draining_) {
    status = Draining();
  }
  if (status.ok() && ++calls_ > options_.max_calls) {
    --calls_;
    status = MakeError(ErrorCode::kUnavailable, "too many calls at the same time; try again later");
  }
  if (!status.ok()) {
    metrics_->CountFlightCall(method, StatusLabel(status));
    return status;
  }
  return std::make_shared<Call>(this, method, authorization, *std::move(caller));
}

FlightCode FlightService::CodeOf(const arrow::Status& status) const {
  if (IsNoToken(status)) {
    return FlightCode::kUnauthenticated;
  }
  switch (base::CodeOf(status)) {
    case ErrorCode::kInvalidDefinition:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kContractViolation:
    case ErrorCode::kBadInput:
    case ErrorCode::kLimit:
      return FlightCode::kInvalidArgument;
    case ErrorCode::kNotFound:
      return FlightCode::kNotFound;
    case ErrorCode::kConflict:
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kUnavailable:
      return FlightCode::kUnavailable;
    case ErrorCode::kDenied:
      return FlightCode::kDenied;
    case ErrorCode::kUnsupported:
      return FlightCode::kUnsupported;
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal:
      return FlightCode::kInternal;
  }
  return FlightCode::kInternal;
}

void FlightService::AddWork(int change) {
  {
    std::lock_guard lock(mutex_);
    working_ += change;
  }
  idle_.notify_all();
}

void FlightService::Drain() { draining_ = true; }

void FlightService::AwaitIdle(int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  const auto left =
      std::chrono::nanoseconds(std::max<int64_t>(deadline_ns - base::MonotonicNanos(), 0));
  idle_.wait_for(lock, left, [this] { return working_ == 0 || cut_; });
}

void FlightService::Cut() {
  {
    std::lock_guard lock(mutex_);
    cut_ = true;
  }
  idle_.notify_all();
}

}  // namespace icecore::server
