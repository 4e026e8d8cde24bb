#include "icecore/server/request_json.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/server/plain_request.h"

namespace icecore::server {
namespace {

arrow::Status NotAnObject() {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "expected an object: {\"service\": …, \"entities\": {…}}");
}

// Fills a request from the parser's events. An event returns false to stop; status() says why.
class RequestBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  // `options`: of a ticket, else nullptr.
  RequestBuilder(int64_t max_rows, TicketOptions* options)
      : max_rows_(max_rows), options_(options) {
    if (options != nullptr) {
      known_.insert(known_.end(), {"statuses", "event_times"});
    }
  }

  const arrow::Status& status() const { return status_; }
  FeatureRequest&& TakeRequest() { return std::move(request_); }
  bool saw(const std::string& field) const { return fields_.contains(field); }

  bool null() override { return Scalar(JsonScalar{}); }
  bool boolean(bool value) override {
    if (place_ == Place::kRequest && options_ != nullptr &&
        (field_ == "statuses" || field_ == "event_times")) {
      (field_ == "statuses" ? options_->statuses : options_->event_times) = value;
      return true;
    }
    return Scalar(JsonScalar(value));
  }
  bool number_integer(number_integer_t value) override { return Scalar(JsonScalar(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return Scalar(value <= uint64_t{INT64_MAX} ? JsonScalar(static_cast<int64_t>(value))
                                               : JsonScalar(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) {
      return Fail(FieldError(Field(), "an integer of more than 64 bits"));
    }
    return Scalar(JsonScalar(value));
  }
  bool string(string_t& value) override { return Scalar(JsonScalar(std::move(value))); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) {
      place_ = Place::kRequest;
      return true;
    }
    if (place_ == Place::kRequest && (field_ == "entities" || field_ == "request")) {
      place_ = Place::kSection;
      columns_ = field_ == "entities" ? &request_.entities : &request_.request;
      names_.clear();
      return true;
    }
    return Fail(FieldError(Field(), Expected()));
  }
  bool end_object() override {
    place_ = place_ == Place::kSection ? Place::kRequest : Place::kOutside;
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::kSection) {
      place_ = Place::kList;
      return true;
    }
    return Fail(place_ == Place::kOutside ? NotAnObject() : FieldError(Field(), Expected()));
  }
  bool end_array() override {
    place_ = Place::kSection;
    return true;
  }
  bool key(string_t& name) override {
    if (place_ == Place::kSection) {
      columns_->push_back(RequestValues{name, {}});
      return names_.insert(name).second || Fail(FieldError(Field(), "given twice"));
    }
    field_ = name;
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      return Fail(FieldError(name, "unknown field" + base::DidYouMean(name, known_)));
    }
    return fields_.insert(name).second || Fail(FieldError(name, "given twice"));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Fail(base::MakeError(
        base::ErrorCode::kInvalidArgument,
        "the body is not JSON, at byte " + std::to_string(position) + ": " + error.what()));
  }

 private:
  enum class Place { kOutside, kRequest, kSection, kList };

  bool Fail(arrow::Status status) {
    status_ = std::move(status);
    return false;
  }
  // "entities.carrier[3]", "at".
  std::string Field() const {
    if (place_ == Place::kRequest || place_ == Place::kOutside) {
      return field_;
    }
    const std::string column = field_ + "." + columns_->back().name;
    return place_ == Place::kSection
               ? column
               : column + "[" + std::to_string(columns_->back().values.size()) + "]";
  }
  std::string Expected() const {
    if (place_ != Place::kRequest) {
      return "expected a string, number, true, false or null";
    }
    return field_ == "service"       ? "expected the name of a feature service"
           : field_ == "statuses"    ? "expected true or false"
           : field_ == "event_times" ? "expected true or false"
           : field_ == "at"          ? "expected a time as text, e.g. \"2013-12-01T12:00:00Z\""
                            : "expected an object of names with a value or a list of values";
  }
  bool Scalar(JsonScalar value) {
    switch (place_) {
      case Place::kOutside:
        return Fail(NotAnObject());
      case Place::kRequest:
        return Setting(value);
      case Place::kList:
        if (static_cast<int64_t>(columns_->back().values.size()) == max_rows_) {
          return Fail(base::MakeError(base::ErrorCode::kLimit,
                                      "'" + field_ + "." + columns_->back().name + "': more than " +
                                          std::to_string(max_rows_) +
                                          " values in one request; ask in several"));
        }
        [[fallthrough]];
      case Place::kSection:
        columns_->back().values.push_back(std::move(value));
        return true;
    }
    return false;
  }
  bool Setting(const JsonScalar& value) {
    const std::string* text = std::get_if<std::string>(&value);
    if (text == nullptr || (field_ != "service" && field_ != "at") ||
        (field_ == "service" && text->empty())) {
      return Fail(FieldError(field_, Expected()));
    }
    if (field_ == "service") {
      request_.service = *text;
      return true;
    }
    const arrow::Result<int64_t> at = base::ParseInstant(*text);
    if (!at.ok()) {
      return Fail(FieldError("at", at.status().message()));
    }
    request_.at_us = *at;
    return true;
  }

  const int64_t max_rows_;
  TicketOptions* const options_;
  std::vector<std::string> known_ = {"service", "entities", "request", "at"};
  FeatureRequest request_;
  arrow::Status status_;
  Place place_ = Place::kOutside;
  std::string field_;  // of the request
  std::set<std::string> fields_;
  std::set<std::string> names_;  // of the section
  std::vector<RequestValues>* columns_ = nullptr;
};

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

arrow::Result<FeatureRequest> FeatureRequestParser::Read(const std::string& text,
                                                         TicketOptions* options) const {
  if (static_cast<int64_t>(text.size()) > max_body_bytes_) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the body is longer than " + std::to_string(max_body_bytes_) + " bytes");
  }
  RequestBuilder builder(max_rows_, options);
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return builder.status();
  }
  if (!builder.saw("service")) {
    return FieldError("service", "missing");
  }
  const bool keys_follow = options != nullptr && !builder.saw("request");
  if (!builder.saw("entities") && !keys_follow) {
    return FieldError("entities", "missing");
  }
  FeatureRequest request = builder.TakeRequest();
  if (options != nullptr) {
    options->has_entities = builder.saw("entities");
  }
  if (builder.saw("entities")) {
    ARROW_RETURN_NOT_OK(CountRows(&request));
  }
  return request;
}

arrow::Result<FeatureRequest> FeatureRequestParser::Parse(const std::string& body) const {
  if (static_cast<int64_t>(body.size()) <= max_body_bytes_) {
    if (auto plain = ReadPlainRequest(body, max_rows_)) {
      ARROW_RETURN_NOT_OK(CountRows(&*plain));
      return *std::move(plain);
    }
  }
  return Read(body, nullptr);
}

arrow::Result<FeatureRequest> FeatureRequestParser::ParseTicket(const std::string& ticket,
                                                                TicketOptions* options) const {
  *options = {};
  return Read(ticket, options);
}

}  // namespace icecore::server
