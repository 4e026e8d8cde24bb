#include <expat.h>

#include <charconv>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/s3/s3_xml_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxMessage = 300;

struct ParserDeleter {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};
using Parser = std::unique_ptr<std::remove_pointer_t<XML_Parser>, ParserDeleter>;

// Hands out the text of each element with the names that lead to it:
// "ListBucketResult/Contents/Key".
struct Walk {
  XML_Parser parser = nullptr;
  std::vector<std::string> names;
  std::string text;
  std::function<void(const std::string& path, const std::string& text)> on_element;
};

void Stop(Walk* walk) { XML_StopParser(walk->parser, XML_FALSE); }

void OnStart(void* user, const XML_Char* name, const XML_Char**) {
  auto* walk = static_cast<Walk*>(user);
  if (walk->names.size() >= kMaxDepth) {
    Stop(walk);
    return;
  }
  try {
    std::string_view local = name;
    if (const size_t colon = local.rfind(':'); colon != std::string_view::npos) {
      local.remove_prefix(colon + 1);
    }
    walk->names.emplace_back(local);
    walk->text.clear();
  } catch (const std::bad_alloc&) {
    Stop(walk);
  }
}

void OnEnd(void* user, const XML_Char*) {
  auto* walk = static_cast<Walk*>(user);
  try {
    std::string path;
    for (const std::string& name : walk->names) {
      path += (path.empty() ? "" : "/") + name;
    }
    walk->on_element(path, walk->text);
    walk->text.clear();
    walk->names.pop_back();
  } catch (const std::bad_alloc&) {
    Stop(walk);
  }
}

void OnText(void* user, const XML_Char* data, int length) {
  auto* walk = static_cast<Walk*>(user);
  try {
    walk->text.append(data, static_cast<size_t>(length));
  } catch (const std::bad_alloc&) {
    Stop(walk);
  }
}

// No answer of S3 declares a document type; entities of strangers are not expanded.
void OnDoctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  Stop(static_cast<Walk*>(user));
}

bool WalkXml(std::string_view xml,
             std::function<void(const std::string&, const std::string&)> on_element) {
  const Parser parser(XML_ParserCreate(nullptr));
  if (parser == nullptr || xml.size() > size_t{INT32_MAX}) {
    return false;
  }
  Walk walk;
  walk.parser = parser.get();
  walk.on_element = std::move(on_element);
  XML_SetUserData(parser.get(), &walk);
  XML_SetElementHandler(parser.get(), OnStart, OnEnd);
  XML_SetCharacterDataHandler(parser.get(), OnText);
  XML_SetStartDoctypeDeclHandler(parser.get(), OnDoctype);
  return XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE) ==
         XML_STATUS_OK;
}

arrow::Status NotS3(const char* what, std::string_view xml) {
  std::string begin(xml.substr(0, 80));
  for (char& c : begin) {
    c = c < ' ' || c > '~' ? ' ' : c;
  }
  return MakeError(ErrorCode::kUnavailable, std::string("the answer is not ") + what +
                                                " of S3; is this the endpoint of an object "
                                                "store? It begins with: " +
                                                begin);
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// encoding-type=url: %XX, and + for a space. A % that begins nothing stays.
std::string DecodeUrl(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_code = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                         HexValue(text[i + 2]) >= 0;
    if (is_code) {
      out += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// 0 for what is no number.
int64_t NumberOf(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// 0 for what is no instant.
int64_t InstantOf(const std::string& text) { return base::ParseInstant(text).ValueOr(0); }

}  // namespace

arrow::Result<S3ListPage> ParseListPage(std::string_view xml) {
  S3ListPage page;
  S3Listed object;
  bool is_list = false;
  bool is_url_encoded = false;
  const bool is_whole = WalkXml(xml, [&](const std::string& path, const std::string& text) {
    if (path == "ListBucketResult/Contents/Key") {
      object.key = text;
    } else if (path == "ListBucketResult/Contents/Size") {
      object.size = NumberOf(text);
    } else if (path == "ListBucketResult/Contents/LastModified") {
      object.modified_us = InstantOf(text);
    } else if (path == "ListBucketResult/Contents") {
      page.objects.push_back(std::exchange(object, S3Listed()));
    } else if (path == "ListBucketResult/IsTruncated") {
      page.truncated = text == "true";
    } else if (path == "ListBucketResult/NextContinuationToken") {
      page.next_token = text;
    } else if (path == "ListBucketResult/EncodingType") {
      is_url_encoded = text == "url";
    } else if (path == "ListBucketResult") {
      is_list = true;
    }
  });
  if (!is_whole || !is_list || (page.truncated && page.next_token.empty())) {
    return NotS3("a list", xml);
  }
  if (is_url_encoded) {
    for (S3Listed& listed : page.objects) {
      listed.key = DecodeUrl(listed.key);
    }
  }
  return page;
}

arrow::Result<S3UploadsPage> ParseUploadsPage(std::string_view xml) {
  S3UploadsPage page;
  S3Upload upload;
  bool is_list = false;
  bool is_url_encoded = false;
  const bool is_whole = WalkXml(xml, [&](const std::string& path, const std::string& text) {
    if (path == "ListMultipartUploadsResult/Upload/Key") {
      upload.key = text;
    } else if (path == "ListMultipartUploadsResult/Upload/UploadId") {
      upload.upload_id = text;
    } else if (path == "ListMultipartUploadsResult/Upload/Initiated") {
      upload.started_us = InstantOf(text);
    } else if (path == "ListMultipartUploadsResult/Upload") {
      page.uploads.push_back(std::exchange(upload, S3Upload()));
    } else if (path == "ListMultipartUploadsResult/IsTruncated") {
      page.truncated = text == "true";
    } else if (path == "ListMultipartUploadsResult/NextKeyMarker") {
      page.next_key = text;
    } else if (path == "ListMultipartUploadsResult/NextUploadIdMarker") {
      page.next_upload_id = text;
    } else if (path == "ListMultipartUploadsResult/EncodingType") {
      is_url_encoded = text == "url";
    } else if (path == "ListMultipartUploadsResult") {
      is_list = true;
    }
  });
  if (!is_whole || !is_list || (page.truncated && page.next_key.empty())) {
    return NotS3("a list of uploads", xml);
  }
  if (is_url_encoded) {
    for (S3Upload& one : page.uploads) {
      one.key = DecodeUrl(one.key);
    }
    page.next_key = DecodeUrl(page.next_key);
  }
  return page;
}

arrow::Result<std::string> ParseUploadId(std::string_view xml) {
  std::string id;
  const bool is_whole = WalkXml(xml, [&](const std::string& path, const std::string& text) {
    if (path == "InitiateMultipartUploadResult/UploadId") {
      id = text;
    }
  });
  if (!is_whole || id.empty()) {
    return NotS3("a multi-part upload", xml);
  }
  return id;
}

S3ErrorBody ParseErrorBody(std::string_view xml) {
  S3ErrorBody error;
  const bool is_whole = WalkXml(xml, [&](const std::string& path, const std::string& text) {
    // Some servers wrap it: ErrorResponse/Error.
    if (path == "Error/Code" || path == "ErrorResponse/Error/Code") {
      error.code = text;
    } else if (path == "Error/Message" || path == "ErrorResponse/Error/Message") {
      error.message = text.substr(0, kMaxMessage);
    } else if (path == "Error/Region") {
      error.region = text;
    } else if (path == "Error/RequestId" || path == "ErrorResponse/RequestId") {
      error.request_id = text;
    }
  });
  return is_whole ? error : S3ErrorBody();
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (c >= 0 && c < ' ') {
          out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace icecore::lake
