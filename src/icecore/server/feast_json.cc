#include "icecore/server/feast_json.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/instant_text.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"

namespace icecore::server {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;  // of what is skipped
constexpr size_t kMaxFeatures = 10'000;

// Fills a request from the parser's events. An event returns false to stop; status() says why.
class FeastBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit FeastBuilder(int64_t max_rows) : max_rows_(max_rows) {}

  const arrow::Status& status() const { return status_; }
  FeastRequest&& Take() { return std::move(feast_); }
  bool saw_entities() const { return saw_entities_; }

  bool null() override { return Value(JsonScalar{}); }
  bool boolean(bool value) override { return Value(JsonScalar(value)); }
  bool number_integer(number_integer_t value) override { return Value(JsonScalar(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return Value(value <= uint64_t{INT64_MAX} ? JsonScalar(static_cast<int64_t>(value))
                                              : JsonScalar(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Value(JsonScalar(value));
  }
  bool string(string_t& value) override { return Value(JsonScalar(std::move(value))); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (skipped_ > 0) return Deeper();
    if (place_ == Place::kOutside) {
      place_ = Place::kRequest;
      return true;
    }
    if (place_ != Place::kRequest) return Wrong();
    if (field_ == "entities") {
      place_ = Place::kEntities;
      return true;
    }
    return IsOurs() ? Wrong() : Deeper();
  }
  bool end_object() override {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      place_ = place_ == Place::kEntities ? Place::kRequest : Place::kOutside;
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (skipped_ > 0) return Deeper();
    if (place_ == Place::kEntities) {
      place_ = Place::kColumn;
      return true;
    }
    if (place_ != Place::kRequest) return Wrong();
    if (field_ == "features") {
      place_ = Place::kFeatures;
      return true;
    }
    return IsOurs() ? Wrong() : Deeper();
  }
  bool end_array() override {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      place_ = place_ == Place::kColumn ? Place::kEntities : Place::kRequest;
    }
    return true;
  }
  bool key(string_t& name) override {
    if (skipped_ > 0) return true;
    if (place_ == Place::kRequest) {
      field_ = name;
      saw_entities_ = saw_entities_ || name == "entities";
      return fields_.insert(name).second || Fail(FieldError(name, "given twice"));
    }
    feast_.request.entities.push_back(RequestValues{name, {}});
    return columns_.insert(name).second || Fail(FieldError(FieldName(), "given twice"));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Fail(
        FieldError(std::to_string(position), std::string("the body is not JSON: ") + error.what()));
  }

 private:
  enum class Place { kOutside, kRequest, kEntities, kColumn, kFeatures };

  bool Fail(arrow::Status status) {
    status_ = std::move(status);
    return false;
  }
  bool Wrong() { return Fail(FieldError(FieldName(), Expected())); }
  bool Deeper() {
    ++skipped_;
    return skipped_ <= kMaxDepth || Fail(FieldError(field_, "nested too deeply"));
  }
  bool IsOurs() const {
    return field_ == "entities" || field_ == "features" || field_ == "feature_service" ||
           field_ == "full_feature_names";
  }
  std::string FieldName() const {
    return place_ == Place::kEntities || place_ == Place::kColumn
               ? "entities." + feast_.request.entities.back().name
               : field_;
  }
  std::string Expected() const {
    switch (place_) {
      case Place::kOutside:
        return "expected an object";
      case Place::kEntities:
        return "expected a list of values";
      case Place::kColumn:
        return "expected strings, numbers, true, false or null";
      case Place::kFeatures:
        return "expected \"VIEW:FEATURE\"";
      case Place::kRequest:
        break;
    }
    return field_ == "entities"             ? "expected an object of lists"
           : field_ == "features"           ? "expected a list of \"VIEW:FEATURE\""
           : field_ == "full_feature_names" ? "expected true or false"
                                            : "expected the name of a feature service";
  }
  bool Value(JsonScalar value) {
    if (skipped_ > 0) return true;
    switch (place_) {
      case Place::kOutside:
      case Place::kEntities:
        return Wrong();
      case Place::kRequest:
        return Setting(value);
      case Place::kColumn:
        return Element(std::move(value));
      case Place::kFeatures:
        return Feature(value);
    }
    return false;
  }
  bool Element(JsonScalar value) {
    auto& values = feast_.request.entities.back().values;
    if (static_cast<int64_t>(values.size()) == max_rows_) {
      return Fail(base::MakeError(base::ErrorCode::kLimit,
                                  "'" + FieldName() + "': more than " + std::to_string(max_rows_) +
                                      " values in one request; ask in several"));
    }
    values.push_back(std::move(value));
    return true;
  }
  bool Feature(const JsonScalar& value) {
    const std::string* text = std::get_if<std::string>(&value);
    if (text == nullptr || text->find(':') == std::string::npos) return Wrong();
    auto& features = feast_.request.features;
    if (features.size() == kMaxFeatures) {
      return Fail(base::MakeError(base::ErrorCode::kLimit, "too many features in one request"));
    }
    if (asked_.insert(*text).second) features.push_back(*text);
    return true;
  }
  bool Setting(const JsonScalar& value) {
    const bool* flag = std::get_if<bool>(&value);
    const std::string* text = std::get_if<std::string>(&value);
    if (!IsOurs()) return true;
    if (field_ == "full_feature_names" && flag != nullptr) {
      feast_.full_feature_names = *flag;
      return true;
    }
    if (field_ == "feature_service") {
      if (std::holds_alternative<std::monostate>(value)) return true;
      if (text != nullptr) {
        feast_.request.service = *text;
        return true;
      }
    }
    return Wrong();
  }

  const int64_t max_rows_;
  FeastRequest feast_;
  arrow::Status status_;
  Place place_ = Place::kOutside;
  int skipped_ = 0;  // depth inside a value that is skipped
  bool saw_entities_ = false;
  std::string field_;
  std::set<std::string> fields_, columns_, asked_;
};

void AppendScalar(const JsonScalar& value, std::string* out) {
  if (std::holds_alternative<std::monostate>(value)) {
    out->append("null");
  } else if (const bool* flag = std::get_if<bool>(&value)) {
    out->append(*flag ? "true" : "false");
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    base::AppendJsonInt(*whole, out);
  } else if (const auto* large = std::get_if<uint64_t>(&value)) {
    out->append(std::to_string(*large));
  } else if (const auto* number = std::get_if<double>(&value)) {
    base::AppendJsonDouble(*number, out);
  } else {
    base::AppendJsonString(std::get<std::string>(value), out);
  }
}

arrow::Status AppendValue(const arrow::Array& array, int64_t row, std::string* out) {
  bool is_number = true;
  switch (array.type_id()) {
    case arrow::Type::DOUBLE:
      is_number = std::isfinite(static_cast<const arrow::DoubleArray&>(array).Value(row));
      break;
    case arrow::Type::FLOAT:
      is_number = std::isfinite(static_cast<const arrow::FloatArray&>(array).Value(row));
      break;
    case arrow::Type::TIMESTAMP:
      if (!array.IsNull(row)) {
        const int64_t micros = static_cast<const arrow::TimestampArray&>(array).Value(row);
        base::AppendJsonInt(base::FloorDiv(micros, base::kMicrosPerSecond), out);
        return arrow::Status::OK();
      }
      break;
    default:
      break;
  }
  if (array.IsNull(row) || !is_number) {
    out->append("null");
    return arrow::Status::OK();
  }
  return base::AppendJsonValue(array, row, out);
}

std::string_view FeastStatus(state::ValueStatus status) {
  switch (status) {
    case state::ValueStatus::kPresent:
      return "PRESENT";
    case state::ValueStatus::kNull:
      return "NULL_VALUE";
    case state::ValueStatus::kNotFound:
      return "NOT_FOUND";
    case state::ValueStatus::kExpired:
      return "OUTSIDE_MAX_AGE";
    case state::ValueStatus::kError:
      return "INVALID";  // none of Feast's statuses says that a value could not be read
  }
  return "INVALID";
}

// "x" of "VIEW:x".
std::string_view NameIn(std::string_view feature) { return feature.substr(feature.find(':') + 1); }

constexpr std::string_view kNoTime = "1970-01-01T00:00:00Z";

// With no, three or six digits below the second: older Pythons read no others.
void AppendTime(int64_t micros, std::string* out) {
  base::AppendInstant(micros, out);
  const int64_t below = base::FloorMod(micros, base::kMicrosPerSecond);
  const size_t digits = below == 0 ? 7 : below % 1000 == 0 ? 3 : 0;  // ".000000", "000"
  out->resize(out->size() - 1 - digits);
  out->push_back('Z');
}

// {"values":[…],"statuses":[…],"event_timestamps":[…]}, each through a function of the row; `time`
// appends.
template <typename Value, typename Status, typename Time>
arrow::Status AppendResult(int64_t rows, const Value& value, const Status& status, const Time& time,
                           std::string* out) {
  out->append("{\"values\":[");
  for (int64_t row = 0; row < rows; ++row) {
    if (row > 0) out->push_back(',');
    ARROW_RETURN_NOT_OK(value(row));
  }
  out->append("],\"statuses\":[");
  for (int64_t row = 0; row < rows; ++row) {
    out->append(row > 0 ? ",\"" : "\"").append(status(row)).push_back('"');
  }
  out->append("],\"event_timestamps\":[");
  for (int64_t row = 0; row < rows; ++row) {
    out->append(row > 0 ? ",\"" : "\"");
    time(row);
    out->push_back('"');
  }
  out->append("]}");
  return arrow::Status::OK();
}

arrow::Status AppendKey(const RequestValues& column, int64_t rows, std::string* out) {
  const auto value = [&](int64_t row) {
    AppendScalar(column.values[static_cast<size_t>(row)], out);
    return arrow::Status::OK();
  };
  return AppendResult(
      rows, value, [](int64_t) { return std::string_view("PRESENT"); },
      [out](int64_t) { out->append(kNoTime); }, out);
}

arrow::Status AppendFeature(const FeatureValues& feature, int64_t rows, std::string* out) {
  const std::shared_ptr<arrow::Array> values = feature.answers.ToArray();
  const auto value = [&](int64_t row) { return AppendValue(*values, row, out); };
  const auto status = [&](int64_t row) { return FeastStatus(feature.answers.slot(row).status); };
  const auto time = [&](int64_t row) {
    const state::AnswerSlot& slot = feature.answers.slot(row);
    if (slot.has_time) {
      AppendTime(slot.event_time, out);
    } else {
      out->append(kNoTime);
    }
  };
  return AppendResult(rows, value, status, time, out);
}

}  // namespace

arrow::Result<FeastRequest> ParseFeastRequest(const std::string& body, int64_t max_body_bytes,
                                              int64_t max_rows) {
  if (static_cast<int64_t>(body.size()) > max_body_bytes) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the body is longer than " + std::to_string(max_body_bytes) + " bytes");
  }
  FeastBuilder builder(max_rows);
  if (!Json::sax_parse(body, &builder)) {
    return builder.status();
  }
  if (!builder.saw_entities()) {
    return FieldError("entities", "missing");
  }
  FeastRequest feast = builder.Take();
  FeatureRequest& request = feast.request;
  request.columns_together = true;
  if (request.service.empty() && request.features.empty()) {
    return FieldError("features", "no features specified: name some, or a feature_service");
  }
  if (!request.service.empty()) {
    request.features.clear();
  }
  std::set<std::string_view> names;
  for (const std::string& feature : request.features) {
    if (!feast.full_feature_names && !names.insert(NameIn(feature)).second) {
      return FieldError("features", "two views have a feature '" + std::string(NameIn(feature)) +
                                        "'; say full_feature_names");
    }
  }
  request.num_rows =
      request.entities.empty() ? 0 : static_cast<int64_t>(request.entities.front().values.size());
  for (const RequestValues& column : request.entities) {
    if (static_cast<int64_t>(column.values.size()) != request.num_rows) {
      return FieldError("entities." + column.name,
                        "has " + std::to_string(column.values.size()) + " values, the first has " +
                            std::to_string(request.num_rows) + "; lists must be of one length");
    }
  }
  return feast;
}

arrow::Status AppendFeastResponse(const FeastRequest& feast, const FeatureResponse& response,
                                  std::string* out) {
  std::string names;
  const auto begin = [&](std::string_view name) {
    if (!names.empty()) {
      names.push_back(',');
      out->push_back(',');
    }
    base::AppendJsonString(name, &names);
  };
  out->append("{\"results\":[");
  for (const RequestValues& column : feast.request.entities) {
    if (std::find(response.keys.begin(), response.keys.end(), column.name) != response.keys.end()) {
      begin(column.name);
      ARROW_RETURN_NOT_OK(AppendKey(column, response.num_rows, out));
    }
  }
  for (size_t i = 0; i < response.features.size(); ++i) {
    const FeatureValues& feature = response.features[i];
    const std::string& full_name = response.full_names[i];
    // Features asked for one by one come back in the order asked; a service has names of its own.
    const auto& asked = feast.request.features;
    begin(feast.full_feature_names ? std::string_view(full_name)
          : asked.empty()          ? std::string_view(feature.name)
                                   : NameIn(asked[i]));
    ARROW_RETURN_NOT_OK(AppendFeature(feature, response.num_rows, out));
  }
  out->append("],\"metadata\":{\"feature_names\":[").append(names).append("]}}");
  return arrow::Status::OK();
}

void AppendFeastError(const arrow::Status& status, Missing missing, std::string* out) {
  const base::ErrorCode code = base::CodeOf(status);
  if (const std::string field = FieldOf(status); !field.empty()) {
    out->append(R"({"detail":[{"type":"value_error","loc":["body",)");
    base::AppendJsonString(field, out);
    out->append("],\"msg\":");
    base::AppendJsonString(status.message(), out);
    out->append("}]}");
    return;
  }
  if (code != base::ErrorCode::kNotFound) {
    return base::AppendJsonString(status.message(), out);
  }
  std::string detail = R"({"module":"feast.errors","class":")";
  detail += missing == Missing::kService ? "FeatureServiceNotFoundException"
            : missing == Missing::kView  ? "FeatureViewNotFoundException"
                                         : "PushSourceNotFoundException";
  detail += "\",\"message\":";
  base::AppendJsonString(status.message(), &detail);
  detail += "}";
  base::AppendJsonString(detail, out);
}

}  // namespace icecore::server
