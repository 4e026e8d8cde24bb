#pragma once
// What every source looks like to the pipeline: partitions that are read from a position, batch by
// batch, and told what has been committed. connector_contract.h holds the behaviours all must show.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace icecore::ingest {

// What a connector can do, as data: the pipeline and `plan` decide by it.
struct Capabilities {
  bool replayable = false;  // rows after any position can be read again
  bool ordered = false;  // the same position is always followed by the same rows in the same order
  bool deletes = false;  // rows carry _op and may be deletes
  bool schema_changes = false;  // the columns of `rows` may change within one Read
  bool push = false;            // rows come to us; nothing is read
};

// What is read and committed by itself, in its own order.
struct Partition {
  std::string id;           // stable over time, unique within the connector
  std::string description;  // for people
};

struct Batch {
  // Never null; may have 0 rows. User columns first, then those envelope columns that the source
  // knows (connectors over files: _file, _row, _problem, _raw).
  std::shared_ptr<arrow::RecordBatch> rows;
  // Reading may go on here once the rows up to and with this batch are durable. Opaque bytes, set
  // exactly where transaction_end is: only there may a commit end.
  std::string position_after;
  bool transaction_end = false;
  bool schema_changed = false;  // `rows` has other columns than the batch before it
  // What its rows have for _arrived_at, where the source keeps that; else the commit tells.
  std::optional<int64_t> arrived_us;
  std::optional<int64_t> watermark_us;  // no earlier event is expected after this batch
};

// Not thread safe. Destruction frees whatever is open.
class Reader {
 public:
  virtual ~Reader() = default;

  // nullopt: nothing more for now. After an error the reader is finished: what came since the last
  // transaction end must not be committed. A requested stop is kUnavailable, within one batch.
  virtual arrow::Result<std::optional<Batch>> Next() = 0;
};

// Not thread safe.
class Connector {
 public:
  virtual ~Connector() = default;

  virtual Capabilities capabilities() const = 0;

  virtual arrow::Result<std::vector<Partition>> Partitions() = 0;

  // position: a position_after of this partition, or "" for its beginning; anything else is
  // kCorrupt. The connector must outlive the reader.
  virtual arrow::Result<std::unique_ptr<Reader>> Read(const Partition& partition,
                                                      const std::string& position,
                                                      std::stop_token stop) = 0;

  // Called after the durable commit of everything up to `position` (acks, slots, offsets). May come
  // again for the same position.
  virtual arrow::Status Committed(const Partition& partition, const std::string& position) = 0;

  // One line for people; "the beginning" for "".
  virtual std::string PrintPosition(const std::string& position) const = 0;
};

}  // namespace icecore::ingest
