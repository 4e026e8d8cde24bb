#include "icecore/server/response_json.h"

#include <arrow/json/from_string.h>
#include <arrow/type.h>

#include "icecore/base/error.h"
#include "icecore/server/feature_answers_fixture.h"

namespace icecore::server {
namespace {

using state::ValueStatus;

void Add(FeatureResponse* response, std::string_view name, const std::string& values,
         std::vector<ValueStatus> statuses, std::vector<std::optional<int64_t>> event_times,
         const std::shared_ptr<arrow::DataType>& type = arrow::int64()) {
  auto array = arrow::json::ArrayFromJSONString(type, values).ValueOrDie();
  AddFeature(name, {std::move(array), std::move(statuses), std::move(event_times)}, response);
}

std::string Features(const FeatureResponse& response) {
  std::string out;
  EXPECT_TRUE(AppendFeatureResponse("s", response, &out).ok());
  const size_t begin = out.find("\"features\":") + 11;
  return out.substr(begin, out.find(",\"views\"") - begin);
}

TEST(FeatureResponseJson, SaysOfEachFeatureWhatIsItsOwn) {
  const std::vector<ValueStatus> present = {ValueStatus::kPresent, ValueStatus::kPresent};
  const std::vector<ValueStatus> missing = {ValueStatus::kPresent, ValueStatus::kNotFound};
  FeatureResponse response;
  response.num_rows = 2;
  Add(&response, "a", "[1, 2]", present, {0, 1});
  Add(&response, "b", "[3, 4]", present, {0, 1});
  Add(&response, "c", "[5, 6]", present, {0, 2});
  Add(&response, "d", "[7, null]", missing, {0, std::nullopt});
  Add(&response, "e", "[8, null]", missing, {std::nullopt, std::nullopt});
  Add(&response, "f", "[9, 9]", missing, {std::nullopt, std::nullopt});
  const std::string zero = "\"1970-01-01T00:00:00.000000Z\"";
  const std::string both = R"(,"statuses":["present","present"],"event_times":[)" + zero;
  const std::string one = R"(,"statuses":["present","not_found"])";
  EXPECT_EQ(Features(response), "{\"a\":{\"values\":[1,2]" + both +
                                    ",\"1970-01-01T00:00:00.000001Z\"]},"
                                    "\"b\":{\"values\":[3,4]" +
                                    both +
                                    ",\"1970-01-01T00:00:00.000001Z\"]},"
                                    "\"c\":{\"values\":[5,6]" +
                                    both +
                                    ",\"1970-01-01T00:00:00.000002Z\"]},"
                                    "\"d\":{\"values\":[7,null]" +
                                    one + ",\"event_times\":[" + zero +
                                    ",null]},"
                                    "\"e\":{\"values\":[8,null]" +
                                    one +
                                    "},"
                                    "\"f\":{\"values\":[9,9]" +
                                    one + "}}");
}

// Values that slots hold, and values that only arrays hold; a default stands beside its status.
TEST(FeatureResponseJson, ValuesOfEveryKind) {
  const std::vector<ValueStatus> missing = {ValueStatus::kPresent, ValueStatus::kNotFound};
  const std::vector<std::optional<int64_t>> no_times = {std::nullopt, std::nullopt};
  FeatureResponse response;
  response.num_rows = 2;
  const auto add = [&](std::string_view name, const std::string& values, const auto& type) {
    Add(&response, name, values, missing, no_times, type);
  };
  add("i32", "[-7, 0]", arrow::int32());
  add("i64", "[-9223372036854775808, null]", arrow::int64());
  add("u64", "[18446744073709551615, null]", arrow::uint64());
  add("f32", "[0.1, null]", arrow::float32());
  add("f64", "[-0.1, 2]", arrow::float64());
  add("b", "[true, null]", arrow::boolean());
  add("s", "[\"a\\\"\", null]", arrow::utf8());
  add("d", "[1, null]", arrow::date32());
  add("l", "[[1.5, null], null]", arrow::list(arrow::float64()));
  const std::string why = R"(,"statuses":["present","not_found"]})";
  const auto one = [&](const std::string& name, const std::string& values) {
    return "\"" + name + "\":{\"values\":" + values + why;
  };
  EXPECT_EQ(Features(response),
            "{" + one("i32", "[-7,0]") + "," + one("i64", "[-9223372036854775808,null]") + "," +
                one("u64", "[18446744073709551615,null]") + "," + one("f32", "[0.1,null]") + "," +
                one("f64", "[-0.1,2.0]") + "," + one("b", "[true,null]") + "," +
                one("s", R"(["a\"",null])") + "," + one("d", R"(["1970-01-02",null])") + "," +
                one("l", "[[1.5,null],null]") + "}");
}

TEST(FeatureResponseJson, AFeatureOfAnotherLengthIsAnError) {
  FeatureResponse response;
  response.num_rows = 2;
  Add(&response, "a", "[1]", {ValueStatus::kPresent}, {std::nullopt});
  std::string out;
  EXPECT_EQ(base::CodeOf(AppendFeatureResponse("s", response, &out)), base::ErrorCode::kInternal);
}

}  // namespace
}  // namespace icecore::server
