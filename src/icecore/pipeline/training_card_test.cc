// Cards: what is read back is what was written; what is no card is refused.
#include "icecore/pipeline/training_card.h"

#include <gtest/gtest.h>

#include "icecore/base/error.h"
#include "icecore/spec/parse.h"

namespace icecore::pipeline {
namespace {

TrainingCard ExampleCard() {
  TrainingCard card;
  card.icecore_version = "1.2.3";
  card.training_set = "d";
  card.definition = "abc";
  card.service = "s";
  card.service_fingerprint = "def";
  card.definition_version = 7;
  card.now_us = 1'700'000'000'000'001;
  card.known_at = {feature::KnowledgeCut::Kind::kTime, 1'600'000'000'000'002};
  card.cut_us = -5;
  card.spine_from = "sql";
  card.spine_digest = "sha256:1";
  card.spine_rows = 3;
  card.inputs = {{"processing.a", "id-1", 2, 3, INT64_MAX, 5}, {"history.b", "id-2", 1, 0, 0, 0}};
  card.digest = "sha256:2";
  FeatureCard feature;
  feature.name = "x";
  feature.age = FeatureAge{1'000'000, 2'500'000, 3'000'000};
  feature.leaked = 2;
  card.features = {feature};
  return card;
}

TEST(TrainingCard, ReadsBackWhatMakesTheSetAgain) {
  const TrainingCard card = ExampleCard();
  const TrainingCard read = CardFromJson(ToJson(card)).ValueOrDie();
  EXPECT_EQ(read.training_set, card.training_set);
  EXPECT_EQ(read.definition, card.definition);
  EXPECT_EQ(read.service, card.service);
  EXPECT_EQ(read.service_fingerprint, card.service_fingerprint);
  EXPECT_EQ(read.definition_version, card.definition_version);
  EXPECT_EQ(read.now_us, card.now_us);
  EXPECT_EQ(read.known_at.kind, card.known_at.kind);
  EXPECT_EQ(read.known_at.time_us, card.known_at.time_us);
  EXPECT_EQ(read.cut_us, card.cut_us);
  EXPECT_EQ(read.spine_digest, card.spine_digest);
  EXPECT_EQ(read.inputs, card.inputs);
  EXPECT_EQ(read.digest, card.digest);
}

TEST(TrainingCard, TellsAgesInSeconds) {
  const std::string json = ToJson(ExampleCard());
  EXPECT_NE(json.find("\"median\": 2.5"), std::string::npos) << json;
}

// Of a service that takes `only` of a view with these features.
std::string FingerprintOf(const std::string& features, const std::string& only,
                          const std::string& ttl = "1d") {
  base::Diagnostics diagnostics;
  const spec::Project project = spec::ParseText("all.yaml",
                                                R"(source: taps
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns: [{name: user, type: int64}, {name: at, type: timestamp}, {name: x, type: float64}]
---
table: taps
zone: processing
sql: select * from landing.taps
mode: append
---
entity: user
keys: [{name: user, type: int64}]
---
feature_view: seen
entity: user
from: processing.taps
event_time: at
ttl: )" + ttl + R"(
features: [)" + features + R"(]
---
feature_view: asked
request: [{name: price, type: float64}]
inputs: {x: seen.x}
features: [{name: ratio, expression: "price / x"}]
---
feature_service: s
features: [)" + only + R"(]
)",
                                                &diagnostics);
  EXPECT_TRUE(diagnostics.ToStatus().ok()) << diagnostics.ToStatus().message();
  return ServiceFingerprint(project, *project.FindService("s")).ValueOrDie();
}

TEST(ServiceFingerprint, IsThatOfTheFeaturesTaken) {
  const std::string more = "x, {name: n, aggregate: count, windows: [7d]}";
  for (const char* only : {"{view: seen, only: [x]}", "asked"}) {
    EXPECT_EQ(FingerprintOf("x", only), FingerprintOf(more, only)) << only;
    EXPECT_NE(FingerprintOf("x", only), FingerprintOf("{name: x, of: x, default: 1}", only))
        << only;
    EXPECT_NE(FingerprintOf("x", only), FingerprintOf("x", only, "2d")) << only;
  }
  EXPECT_NE(FingerprintOf("x", "seen"), FingerprintOf(more, "seen"));
}

TEST(TrainingCard, RefusesWhatIsNoCard) {
  for (const char* text :
       {"", "{}", "[1]", "{\"card\": 1}", "{\"card\": \"other\", \"format\": 1}"}) {
    EXPECT_EQ(base::CodeOf(CardFromJson(text).status()), base::ErrorCode::kBadInput) << text;
  }
  std::string later = ToJson(ExampleCard());
  later.replace(later.find("\"format\": 1"), 11, "\"format\": 2");
  EXPECT_EQ(base::CodeOf(CardFromJson(later).status()), base::ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace icecore::pipeline
