#pragma once
// What was served, for a sample of keys, so that it can be recomputed later (`icecore verify`).
// Bytes: docs/formats/served.md. The log is evidence, not data: it is bounded in size, its oldest
// part goes first, and serving never waits for it.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/store.h"

namespace icecore::online {

// A service as it was opened: what all its vectors have in common. Immutable, shared.
struct ServedService {
  std::string name;
  std::string definition;       // fingerprint of the service and of every view it uses
  int64_t catalog_version = 0;  // of the definitions it was opened with
  std::vector<std::string> key_names;
  std::vector<std::string> request_names;
  std::vector<std::string> feature_names;
};

struct ServedView {
  std::string name;
  ViewPosition position;
};

// Vectors of one service, answered at the same positions: one element of every array and of
// `times` per vector.
struct ServedVectors {
  std::shared_ptr<const ServedService> service;
  std::vector<ServedView> views;
  std::vector<int64_t> times;  // t, UTC microseconds
  std::vector<std::shared_ptr<arrow::Array>> keys;
  std::vector<std::shared_ptr<arrow::Array>> request;
  std::vector<std::shared_ptr<arrow::Array>> values;      // one per feature
  std::vector<std::vector<state::ValueStatus>> statuses;  // one per feature

  int64_t size() const { return static_cast<int64_t>(times.size()); }
};

struct ServedLogOptions {
  std::string folder;                      // made where it is missing
  double fraction = 0;                     // of keys, 0 to 1
  int64_t max_bytes = int64_t{256} << 20;  // of all files together
  int64_t max_queued = 4096;               // vectors that wait to be written
  int64_t max_record_rows = 1024;
  // How long the writer waits for more vectors before it writes: what describes the columns is
  // written once for all of a record.
  int64_t gather_ms = 200;
};

// Thread safe. Several processes may write one folder.
class ServedLog {
 public:
  static arrow::Result<std::unique_ptr<ServedLog>> Open(const ServedLogOptions& options);
  // Writes what waits.
  virtual ~ServedLog() = default;

  // Which of `num_rows` keys are in the sample: those whose hash of the encoded key
  // (key_encoding.h) lies below the fraction, so a key is logged always or never.
  virtual arrow::Result<std::vector<int64_t>> Sample(
      const std::vector<std::shared_ptr<arrow::Array>>& keys, int64_t num_rows) const = 0;
  // Takes these rows of the vectors. Does no I/O. Where the queue is full, they are dropped and
  // counted.
  virtual arrow::Status Offer(const ServedVectors& vectors, const std::vector<int64_t>& rows) = 0;
  // Returns when everything offered before is written, or with why it was not.
  virtual arrow::Status Flush() = 0;
  virtual int64_t dropped() const = 0;
};

// Whether a key is in the sample.
bool IsSampled(std::string_view encoded_key, double fraction);

struct ServedLogSummary {
  int64_t files = 0;
  int64_t records = 0;
  int64_t vectors = 0;
  int64_t dropped = 0;     // vectors that writers had to leave out, as the records tell
  int64_t torn_bytes = 0;  // of records that were cut off while they were written
  int64_t damaged = 0;     // whole records whose bytes are not what was written
};

// Every record of the folder, oldest file first. A folder that does not exist holds none. A record
// that was cut off is passed over and counted; so is a damaged one, which is an error of the log
// that the caller has to report. An error of the visitor ends the reading.
arrow::Result<ServedLogSummary> ReadServedLog(
    const std::string& folder, const std::function<arrow::Status(ServedVectors)>& visit);

}  // namespace icecore::online
