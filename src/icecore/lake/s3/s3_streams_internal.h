#pragma once
// Conditional writes, and objects as streams.

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "icecore/lake/s3/s3_client_internal.h"

namespace icecore::lake {

// false: another writer's object is there. kOutcomeUnknown where neither can be said.
arrow::Result<bool> PutS3IfAbsent(S3Client* client, const std::string& path,
                                  std::string_view bytes);

// Up to `part_bytes` go up as one conditional write at Close, more as parts while they come, some
// at once, and become one object at Close. Bounds: 10,000 parts (kLimit).
arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenS3Output(
    std::shared_ptr<S3Client> client, const std::string& path, int64_t part_bytes);

// One request gives the size and the object's end, where Parquet keeps its footer; what was read
// stays for the next read, and reading on in small steps fetches larger pieces ahead. kNotFound
// where there is no object.
arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenS3Input(
    std::shared_ptr<S3Client> client, const std::string& path);

}  // namespace icecore::lake
