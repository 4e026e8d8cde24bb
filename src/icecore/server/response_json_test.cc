#include "icecore/server/response_json.h"

#include <arrow/json/from_string.h>
#include <arrow/type.h>

#include "icecore/base/error.h"

namespace icecore::server {
namespace {

using state::ValueStatus;

FeatureValues Feature(const std::string& name, const std::string& values,
                      std::vector<ValueStatus> statuses,
                      std::vector<std::optional<int64_t>> event_times) {
  auto array = arrow::json::ArrayFromJSONString(arrow::int64(), values).ValueOrDie();
  return {name, std::move(array), std::move(statuses), std::move(event_times)};
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
  response.features.push_back(Feature("a", "[1, 2]", present, {0, 1}));
  response.features.push_back(Feature("b", "[3, 4]", present, {0, 1}));
  response.features.push_back(Feature("c", "[5, 6]", present, {0, 2}));
  response.features.push_back(Feature("d", "[7, null]", missing, {0, std::nullopt}));
  response.features.push_back(Feature("e", "[8, null]", missing, {std::nullopt, std::nullopt}));
  response.features.push_back(Feature("f", "[9, 9]", missing, {std::nullopt, std::nullopt}));
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

TEST(FeatureResponseJson, AFeatureOfAnotherLengthIsAnError) {
  FeatureResponse response;
  response.num_rows = 2;
  response.features.push_back(Feature("a", "[1]", {ValueStatus::kPresent}, {std::nullopt}));
  std::string out;
  EXPECT_EQ(base::CodeOf(AppendFeatureResponse("s", response, &out)), base::ErrorCode::kInternal);
}

}  // namespace
}  // namespace icecore::server
