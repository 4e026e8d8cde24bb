#pragma once
// What the HTTP shell asks of whoever answers: feature vectors, the list of services, and whether
// the store can be read. The shell knows nothing of what lies behind; the engine implements this.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/push/checked_rows.h"
#include "icecore/pipeline/delay_counts.h"
#include "icecore/state/answer_block.h"

namespace icecore::server {

// A JSON scalar as it was written: null, bool, integer (uint64 only above the int64s), number with
// fraction or exponent, string. Casting to the declared type is the implementer's part.
using JsonScalar = std::variant<std::monostate, bool, int64_t, double, std::string, uint64_t>;

// One named column of a request: a list, or a scalar as a list of one.
struct RequestValues {
  std::string name;
  std::vector<JsonScalar> values;
};

struct FeatureRequest {
  std::string service;
  std::vector<std::string> features;    // "VIEW:FEATURE", each once; where no service is named
  std::vector<RequestValues> entities;  // names are key columns; in the order given, each once
  std::vector<RequestValues> request;   // request-time data
  // Where this is set, keys and request-time data are its columns, by name, of num_rows rows; the
  // two above are empty.
  std::shared_ptr<arrow::RecordBatch> batch;
  // Request-time data stand among the entities, and columns that nobody needs are left out.
  bool columns_together = false;
  // Rows of the answer: every list has this length, or one element that holds for all rows.
  int64_t num_rows = 0;
  std::optional<int64_t> at_us;  // UTC microseconds; nullopt: now
  std::string caller;            // id of the access token, for the counts of usage; may be empty
};

// One feature of the answer: num_rows values, defaults applied, with statuses, and of as-of
// features the event time of the row chosen.
struct FeatureValues {
  std::string_view name;
  state::FeatureAnswers answers;
};

// How far a view's data had reached when it answered (law 5).
struct AnsweredView {
  std::string_view view;
  std::string_view fingerprint;  // of the definition that answered
  int64_t seq = 0;               // rows up to this _seq are in
  int64_t applied_at = 0;        // UTC us
  bool stale = false;            // the answer's time lies beyond what the store can promise
};

// Rows for which the store holds damaged bytes of one view: their values are null, with the status
// "error".
struct AnswerError {
  std::string view;
  std::vector<std::string> features;  // of the answer, that come from it
  std::vector<int64_t> rows;          // positions in the request, ascending
  std::string message;                // with what heals it; no key
};

// How far a view's data has reached.
struct ViewFreshness {
  std::string view;
  std::string fingerprint;  // of its definition
  int64_t seq = 0;          // rows up to this _seq are in
  int64_t applied_at = 0;   // UTC us
};

struct FeatureResponse {
  int64_t t_us = 0;  // the one time of the whole answer
  int64_t num_rows = 0;
  std::vector<FeatureValues> features;  // in declared order
  std::vector<AnsweredView> views;
  std::vector<AnswerError> errors;
  std::vector<std::string> keys;        // names of the key columns
  std::vector<std::string> full_names;  // of each feature: VIEW__FEATURE
  std::shared_ptr<const void> memory;   // what names and answers look into
};

// Whether a row has all its values; true where there are no rows.
bool IsAnyRowWhole(const FeatureResponse& response);
// kCorrupt, with the messages of all errors.
arrow::Status ErrorOf(const FeatureResponse& response);

struct NamedType {
  std::string name;
  std::string type;  // as in definitions, e.g. "string"
  std::shared_ptr<arrow::DataType> arrow_type = nullptr;
};

struct ServiceDescription {
  std::string name;
  std::string description;
  std::vector<NamedType> keys;
  std::vector<NamedType> request;
  std::vector<NamedType> features;
};

// Rows that a client sends to a source, or, as Feast does, to a view.
struct PushedRows {
  std::string source;
  std::string view;  // where no source is named: the one that its rows come from takes them
  std::vector<std::string> columns;  // of rows for a view, where they are known
  ingest::CheckedRows lines;
  std::string key;  // idempotency key; "" for none
};

struct PushAnswer {
  std::string source;  // that took them
  int64_t row_count = 0;
  bool duplicate = false;  // the key was known: nothing was added
};

// How long the rows of a view took to become servable, since the server started.
struct ViewDelays {
  std::string view;
  pipeline::LoadDelays delays;
};

// How long pushes to a source took from their acceptance to when every online view behind it had
// their rows.
struct PushDelays {
  std::string source;
  pipeline::DelayCounts delays;
};

// Rows of a source that were pushed and have not landed.
struct PushBacklog {
  std::string source;
  int64_t rows = 0;
};

// Loads of a view that failed, since the server started.
struct LoadErrors {
  std::string view;
  base::ErrorCode code = base::ErrorCode::kInternal;
  int64_t count = 0;
};

// Keys of a view that answered with an error because their bytes are damaged, since the server
// started; each counts once an answer.
struct DamagedKeys {
  std::string view;
  int64_t count = 0;
};

// What the API says of itself for the metrics, as last looked up.
struct ApiState {
  int64_t now_us = 0;  // the project's clock
  int64_t definitions_version = 0;
  int64_t pending_services = 0;  // that answer by older definitions
  int64_t reloads = 0;
  int64_t failed_reloads = 0;
  bool store_ready = false;
  int64_t store_bytes = 0;
  int64_t store_cells = 0;
  std::vector<ViewFreshness> views;
  std::vector<ViewDelays> view_delays;
  std::vector<PushDelays> push_delays;
  std::vector<PushBacklog> push_backlog;
  int64_t push_runs = 0;  // that brought pushes into lake and store
  int64_t failed_push_runs = 0;
  std::vector<LoadErrors> load_errors;    // every view that is defined has one for kUnavailable
  std::vector<DamagedKeys> damaged_keys;  // every view that is defined has one
  int64_t served_log_dropped = 0;         // vectors
};

// Thread safe: the server's workers call it at the same time. Calls may block; they should not take
// longer than `deadline_ns` (base::MonotonicNanos) allows.
class FeatureApi {
 public:
  virtual ~FeatureApi() = default;
  // kNotFound for an unknown service, naming the nearest; a FieldError for a missing, unknown or
  // uncastable key or request column.
  virtual arrow::Result<FeatureResponse> GetFeatures(const FeatureRequest& request,
                                                     int64_t deadline_ns) = 0;
  // As GetFeatures, where the answer lies in this machine's memory and nothing has to be opened
  // first; else nullopt. Never waits.
  virtual std::optional<arrow::Result<FeatureResponse>> TryGetFeatures(
      const FeatureRequest& /*request*/) {
    return std::nullopt;
  }
  virtual arrow::Result<std::vector<ServiceDescription>> ListServices() = 0;
  // The source that takes rows pushed to `rows`: kNotFound with the nearest name; kUnsupported for
  // a view that no source of pushes feeds, or several.
  virtual arrow::Result<std::string> PushTarget(const PushedRows& rows) = 0;
  // The rows are durable when this returns, and reach lake and store with the next small run. Of
  // rows for a view, a FieldError for a column that its source lacks, or requires and misses.
  virtual arrow::Result<PushAnswer> Push(const PushedRows& rows) = 0;
  // OK when the store could be read when it was last looked at. At once, without asking it.
  virtual arrow::Status CheckReady() = 0;
  // At once, without asking the store.
  virtual ApiState State() = 0;
};

// kInvalidArgument that names the field at fault, e.g. "entities.carrier": the message begins with
// it in quotes, and the server gives it back as error.field.
arrow::Status FieldError(std::string field, std::string_view message);
// The field of a FieldError, or "".
std::string FieldOf(const arrow::Status& status);

}  // namespace icecore::server
