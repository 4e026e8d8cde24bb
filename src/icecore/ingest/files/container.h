#pragma once
// What bytes are packed in: nothing, gzip, zstd, zip.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace arrow::io {
class InputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace icecore::ingest {

enum class Packing { kPlain, kGzip, kZstd, kZip };

// By the extension: .gz, .zst, .zip in any case.
Packing PackingOf(std::string_view path);

// What the first bytes say.
Packing PackingOfBytes(std::string_view first_bytes);

// The unpacked bytes of a plain, gzip or zstd stream. Bytes that are cut off or damaged are an
// IOError from Read.
arrow::Result<std::shared_ptr<arrow::io::InputStream>> Unpack(
    Packing packing, std::shared_ptr<arrow::io::InputStream> stream);

// Not thread safe, nor are its streams beside it.
class ZipArchive {
 public:
  // Cut-off or damaged archives are kBadInput with `name`.
  static arrow::Result<std::unique_ptr<ZipArchive>> Open(
      std::shared_ptr<arrow::io::RandomAccessFile> file, std::string name);
  virtual ~ZipArchive() = default;

  // Names of the members that are files, in byte order; of equal names the order in the archive.
  virtual const std::vector<std::string>& members() const = 0;
  // A stream that ends with an error when the member's checksum is wrong. The archive must outlive
  // it.
  virtual arrow::Result<std::shared_ptr<arrow::io::InputStream>> OpenMember(size_t member) = 0;
  // Bytes of the archive read so far.
  virtual int64_t bytes_read() const = 0;
};

}  // namespace icecore::ingest
