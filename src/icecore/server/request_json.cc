#include "icecore/server/request_json.h"

#include <simdjson.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"

namespace icecore::server {
namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxDepth = 8;  // the form has three levels

arrow::Result<JsonScalar> ParseScalar(const dom::element& element, const std::string& field) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return JsonScalar{};
    case dom::element_type::BOOL:
      return JsonScalar(element.get_bool().value_unsafe());
    case dom::element_type::INT64:
      return JsonScalar(element.get_int64().value_unsafe());
    case dom::element_type::UINT64:
      return JsonScalar(element.get_uint64().value_unsafe());
    case dom::element_type::DOUBLE:
      return JsonScalar(element.get_double().value_unsafe());
    case dom::element_type::STRING:
      return JsonScalar(std::string(element.get_string().value_unsafe()));
    default:
      return FieldError(field, "expected a string, number, true, false or null");
  }
}

arrow::Status ParseValues(const dom::element& element, const std::string& field, int64_t max_rows,
                          std::vector<JsonScalar>* values) {
  dom::array list;
  if (element.get_array().get(list) != simdjson::SUCCESS) {
    ARROW_ASSIGN_OR_RAISE(JsonScalar scalar, ParseScalar(element, field));
    values->push_back(std::move(scalar));
    return arrow::Status::OK();
  }
  int64_t index = 0;
  for (const dom::element item : list) {
    if (index == max_rows) {
      return base::MakeError(base::ErrorCode::kLimit, "'" + field + "': more than " +
                                                          std::to_string(max_rows) +
                                                          " values in one request; ask in several");
    }
    if (item.is_array() || item.is_object()) {
      return FieldError(field + "[" + std::to_string(index) + "]",
                        "expected a string, number, true, false or null");
    }
    ARROW_ASSIGN_OR_RAISE(JsonScalar scalar, ParseScalar(item, field));
    values->push_back(std::move(scalar));
    ++index;
  }
  return arrow::Status::OK();
}

arrow::Status ParseColumns(const dom::element& element, const std::string& section,
                           int64_t max_rows, std::vector<RequestValues>* columns) {
  dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) {
    return FieldError(section, "expected an object of names with a value or a list of values");
  }
  std::set<std::string_view> seen;
  for (const dom::key_value_pair pair : object) {
    const std::string field = section + "." + std::string(pair.key);
    if (!seen.insert(pair.key).second) {
      return FieldError(field, "given twice");
    }
    RequestValues column;
    column.name = std::string(pair.key);
    ARROW_RETURN_NOT_OK(ParseValues(pair.value, field, max_rows, &column.values));
    columns->push_back(std::move(column));
  }
  return arrow::Status::OK();
}

arrow::Result<int64_t> ParseAt(const dom::element& element) {
  std::string_view text;
  if (element.get_string().get(text) != simdjson::SUCCESS) {
    return FieldError("at", "expected a time as text, e.g. \"2013-12-01T12:00:00Z\"");
  }
  const arrow::Result<int64_t> at = base::ParseInstant(text);
  if (!at.ok()) {
    return FieldError("at", at.status().message());
  }
  return at;
}

// The one length of all lists that have not exactly one value, else 1.
arrow::Status CountRows(FeatureRequest* request) {
  request->num_rows = 1;
  std::string decided_by;
  const auto visit = [&](const char* section,
                         const std::vector<RequestValues>& columns) -> arrow::Status {
    for (const RequestValues& column : columns) {
      const int64_t length = static_cast<int64_t>(column.values.size());
      if (length == 1) {
        continue;
      }
      const std::string field = std::string(section) + "." + column.name;
      if (!decided_by.empty() && length != request->num_rows) {
        return FieldError(field, "has " + std::to_string(length) + " values, " + decided_by +
                                     " has " + std::to_string(request->num_rows) +
                                     "; lists must be of equal length, or of length one");
      }
      decided_by = field;
      request->num_rows = length;
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(visit("entities", request->entities));
  return visit("request", request->request);
}

}  // namespace

struct FeatureRequestParser::Impl {
  explicit Impl(size_t max_bytes) : parser(max_bytes) {}
  dom::parser parser;
};

FeatureRequestParser::FeatureRequestParser(int64_t max_body_bytes, int64_t max_rows)
    : impl_(std::make_unique<Impl>(static_cast<size_t>(max_body_bytes))),
      max_body_bytes_(max_body_bytes),
      max_rows_(max_rows) {}

FeatureRequestParser::~FeatureRequestParser() = default;

arrow::Result<FeatureRequest> FeatureRequestParser::Parse(const std::string& body) {
  if (static_cast<int64_t>(body.size()) > max_body_bytes_) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the body is longer than " + std::to_string(max_body_bytes_) + " bytes");
  }
  if (impl_->parser.max_depth() != kMaxDepth) {
    const size_t first = std::min<size_t>(64 << 10, static_cast<size_t>(max_body_bytes_));
    if (impl_->parser.allocate(first, kMaxDepth) != simdjson::SUCCESS) {
      return base::MakeError(base::ErrorCode::kUnavailable, "out of memory");
    }
  }
  dom::element root;
  const simdjson::error_code error = impl_->parser.parse(body).get(root);
  if (error != simdjson::SUCCESS) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           std::string("the body is not JSON: ") + simdjson::error_message(error));
  }
  dom::object object;
  if (root.get_object().get(object) != simdjson::SUCCESS) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "expected an object: {\"service\": …, \"entities\": {…}}");
  }
  FeatureRequest request;
  std::set<std::string_view> seen;
  for (const dom::key_value_pair pair : object) {
    if (!seen.insert(pair.key).second) {
      return FieldError(std::string(pair.key), "given twice");
    }
    if (pair.key == "service") {
      std::string_view name;
      if (pair.value.get_string().get(name) != simdjson::SUCCESS || name.empty()) {
        return FieldError("service", "expected the name of a feature service");
      }
      request.service = std::string(name);
    } else if (pair.key == "entities") {
      ARROW_RETURN_NOT_OK(ParseColumns(pair.value, "entities", max_rows_, &request.entities));
    } else if (pair.key == "request") {
      ARROW_RETURN_NOT_OK(ParseColumns(pair.value, "request", max_rows_, &request.request));
    } else if (pair.key == "at") {
      ARROW_ASSIGN_OR_RAISE(request.at_us, ParseAt(pair.value));
    } else {
      return FieldError(
          std::string(pair.key),
          "unknown field" + base::DidYouMean(pair.key, {"service", "entities", "request", "at"}));
    }
  }
  if (request.service.empty()) {
    return FieldError("service", "missing");
  }
  if (!seen.contains("entities")) {
    return FieldError("entities", "missing");
  }
  ARROW_RETURN_NOT_OK(CountRows(&request));
  return request;
}

}  // namespace icecore::server
