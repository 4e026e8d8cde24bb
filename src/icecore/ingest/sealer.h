#pragma once
// The one place that landed bytes pass on their way into the lake and out of it. Identity now;
// encryption under a key that can be thrown away comes here.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

namespace arrow::io {
class OutputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace icecore::ingest {

// Thread safe.
class Sealer {
 public:
  virtual ~Sealer() = default;

  // A stream that seals what is written to it and passes it to `sealed`.
  virtual arrow::Result<std::shared_ptr<arrow::io::OutputStream>> Seal(
      std::shared_ptr<arrow::io::OutputStream> sealed) const = 0;
  // The bytes as they were before Seal.
  virtual arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> Unseal(
      std::shared_ptr<arrow::io::RandomAccessFile> sealed) const = 0;
};

// Bytes rest as they came. A process-wide instance without state.
const Sealer& IdentitySealer();

}  // namespace icecore::ingest
