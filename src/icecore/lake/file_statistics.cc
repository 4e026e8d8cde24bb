#include "icecore/lake/file_statistics_internal.h"

#include <nlohmann/json.hpp>

namespace icecore::lake {
namespace {

using nlohmann::json;

// Takes the wanted values out of the stream; numbers keep their text.
class StatisticsHandler : public nlohmann::json_sax<json> {
 public:
  explicit StatisticsHandler(std::string_view column) : column_(column) {}

  ColumnStatistics Take() { return std::move(found_); }

  bool null() override { return true; }
  bool boolean(bool value) override {
    Text(value ? "true" : "false");
    return true;
  }
  bool number_integer(number_integer_t value) override {
    Integer(value, std::to_string(value));
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<number_unsigned_t>(INT64_MAX)) {
      Integer(static_cast<int64_t>(value), std::to_string(value));
    }
    return true;
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    Text(text);
    return true;
  }
  bool string(string_t& text) override {
    Text(text);
    return true;
  }
  bool binary(binary_t& /*bytes*/) override { return true; }
  bool start_object(std::size_t /*size*/) override {
    ++depth_;
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      section_ = name;
    }
    is_wanted_ = depth_ == 2 && name == column_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t /*size*/) override {
    depth_ += kArray;
    return true;
  }
  bool end_array() override {
    depth_ -= kArray;
    return true;
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const json::exception& /*error*/) override {
    found_ = ColumnStatistics();
    return false;
  }

 private:
  // Nothing within an array is wanted.
  static constexpr int64_t kArray = int64_t{1} << 32;

  void Integer(int64_t value, std::string text) {
    if (depth_ == 1 && section_ == "numRecords") {
      found_.num_records = value;
    } else if (depth_ == 2 && is_wanted_ && section_ == "nullCount") {
      found_.null_count = value;
    } else {
      Text(std::move(text));
    }
  }

  void Text(std::string text) {
    if (depth_ != 2 || !is_wanted_) {
      return;
    }
    if (section_ == "minValues") {
      found_.min = std::move(text);
    } else if (section_ == "maxValues") {
      found_.max = std::move(text);
    }
  }

  const std::string_view column_;
  ColumnStatistics found_;
  std::string section_;
  int64_t depth_ = 0;
  bool is_wanted_ = false;
};

}  // namespace

ColumnStatistics StatisticsOf(std::string_view stats_json, std::string_view physical_name) {
  if (stats_json.empty()) {
    return {};
  }
  StatisticsHandler handler(physical_name);
  json::sax_parse(stats_json, &handler, json::input_format_t::json, /*strict=*/true);
  return handler.Take();
}

}  // namespace icecore::lake
