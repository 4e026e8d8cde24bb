#pragma once
// A push source behind the connector seam: one partition, the journal; a transaction is one or more
// pushes. Rows are text, as received, with _file ("push"), _row (from 1 within the source),
// _problem and _raw as those of JSON files, but that every row has its bytes in _raw.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/ingest/connector.h"
#include "icecore/ingest/push/journal.h"

namespace icecore::ingest {

// How far a journal was taken.
struct PushPosition {
  int64_t number = 0;  // of the last entry taken
  int64_t rows = 0;    // of all entries up to it

  std::string Serialize() const;
  // kCorrupt for what Serialize did not give; "" is the beginning.
  static arrow::Result<PushPosition> Parse(const std::string& text);
};

class PushConnector : public Connector {
 public:
  // A transaction ends with the entry that brings its rows above batch_bytes, and with each batch
  // that was closed. What is read is closed first, at `closed_at_us`. The journal is borrowed.
  PushConnector(PushJournal* journal, int64_t batch_bytes, int64_t closed_at_us)
      : journal_(journal), batch_bytes_(batch_bytes), closed_at_us_(closed_at_us) {}

  Capabilities capabilities() const override;
  arrow::Result<std::vector<Partition>> Partitions() override;
  arrow::Result<std::unique_ptr<Reader>> Read(const Partition& partition,
                                              const std::string& position,
                                              std::stop_token stop) override;
  // Lets the journal go on without the entries.
  arrow::Status Committed(const Partition& partition, const std::string& position) override;
  std::string PrintPosition(const std::string& position) const override;

 private:
  PushJournal* const journal_;
  const int64_t batch_bytes_;
  const int64_t closed_at_us_;
};

}  // namespace icecore::ingest
