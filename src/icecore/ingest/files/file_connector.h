#pragma once
// A `files` source behind the connector seam: one partition; a transaction is one whole file; a
// position is a serialised Manifest.

#include <memory>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/ingest/connector.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/spec/model.h"

namespace icecore::ingest {

class FileConnector : public Connector {
 public:
  // root: the project's folder, absolute. clock: the machine's; it must outlive the connector, as
  // must what `options` points to.
  FileConnector(spec::Source source, std::string root, FileReadOptions options,
                const base::Clock* clock);

  Capabilities capabilities() const override;
  arrow::Result<std::vector<Partition>> Partitions() override;
  // Plans at once; files that come later belong to the next Read. Every file is a batch of its own,
  // so first_seq in the positions stays 0: who numbers rows keeps a manifest of his own.
  arrow::Result<std::unique_ptr<Reader>> Read(const Partition& partition,
                                              const std::string& position,
                                              std::stop_token stop) override;
  arrow::Status Committed(const Partition& partition, const std::string& position) override;
  std::string PrintPosition(const std::string& position) const override;

 private:
  const spec::Source source_;
  const std::string root_;
  const FileReadOptions options_;
  const base::Clock* const clock_;
};

}  // namespace icecore::ingest
