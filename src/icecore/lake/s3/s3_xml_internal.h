#pragma once
// The XML answers of S3.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::lake {

struct S3Listed {
  std::string key;  // decoded
  int64_t size = 0;
  int64_t modified_us = 0;
};

struct S3ListPage {
  std::vector<S3Listed> objects;
  bool truncated = false;
  std::string next_token;
};

struct S3Upload {
  std::string key;  // decoded
  std::string upload_id;
  int64_t started_us = 0;
};

struct S3UploadsPage {
  std::vector<S3Upload> uploads;
  bool truncated = false;
  std::string next_key;  // decoded
  std::string next_upload_id;
};

struct S3ErrorBody {
  std::string code;  // "" where the body is no error document
  std::string message;
  std::string region;
  std::string request_id;
};

// An answer to ListObjectsV2. What is not well formed, another document, a document type
// declaration, or a truncated page without a token is kUnavailable: something else than an object
// store answered.
arrow::Result<S3ListPage> ParseListPage(std::string_view xml);
// An answer to ListMultipartUploads; errors as above.
arrow::Result<S3UploadsPage> ParseUploadsPage(std::string_view xml);
// An answer to CreateMultipartUpload.
arrow::Result<std::string> ParseUploadId(std::string_view xml);
// Never fails.
S3ErrorBody ParseErrorBody(std::string_view xml);

// The text with & < > " and bytes below 0x20 escaped.
std::string EscapeXml(std::string_view text);

}  // namespace icecore::lake
