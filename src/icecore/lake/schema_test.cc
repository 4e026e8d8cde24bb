#include "icecore/lake/schema.h"

#include <arrow/util/key_value_metadata.h>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using arrow::field;
using base::ErrorCode;

// Every declared type that a table can have.
std::shared_ptr<arrow::Schema> EveryType() {
  return arrow::schema({
      field("b", arrow::boolean()),
      field("i8", arrow::int8()),
      field("i64", arrow::int64(), false),
      field("u8", arrow::uint8()),
      field("u16", arrow::uint16()),
      field("u32", arrow::uint32()),
      field("u64", arrow::uint64()),
      field("f", arrow::float32()),
      field("d", arrow::float64()),
      field("dec", arrow::decimal128(10, 2)),
      field("s", arrow::utf8(), true, arrow::key_value_metadata({"unit"}, {"min"})),
      field("bin", arrow::binary()),
      field("date", arrow::date32()),
      field("time", arrow::time64(arrow::TimeUnit::MICRO)),
      field("ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      field("ts_ns", arrow::timestamp(arrow::TimeUnit::NANO, "UTC")),
      field("wall", arrow::timestamp(arrow::TimeUnit::MICRO)),
      field("list", arrow::list(arrow::uint64())),
      field("embedding", arrow::fixed_size_list(arrow::float32(), 3)),
      field("map", arrow::map(arrow::utf8(), arrow::uint8())),
      field("struct", arrow::struct_({field("a", arrow::uint16()),
                                      field("b", arrow::list(arrow::list(arrow::int32())))})),
  });
}

TEST(SchemaTest, DeltaJsonRoundTripKeepsTypesIdsAndMetadata) {
  int64_t last_id = 0;
  const auto schema = Must(AssignIds(*EveryType(), &last_id));
  const auto json = Must(SchemaToDelta(*schema));
  const auto back = Must(SchemaFromDelta(json));
  EXPECT_TRUE(back->Equals(*schema, /*check_metadata=*/true)) << back->ToString(true) << "\n"
                                                              << schema->ToString(true);
  // 21 columns, 1 list element, 1 embedding element, 2 of the map, 2 members, 2 nested elements.
  EXPECT_EQ(last_id, 29);
}

TEST(SchemaTest, DeltaNamesOfTypes) {
  const auto json = Must(SchemaToDelta(*EveryType()));
  for (
      const char* part :
      {R"~("metadata":{"icecore.type":"uint64"},"name":"u64","nullable":true,"type":"decimal(20,0)")~",
       R"("type":"timestamp_ntz")", R"~("icecore.type":"embedding(3)")~", R"("unit":"min")",
       R"("icecore.type":"time")"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
  EXPECT_TRUE(NeedsTimestampNtz(*EveryType()));
}

TEST(SchemaTest, EquivalentTypesBecomeOne) {
  const auto canonical = Must(CanonicalSchema(*arrow::schema({
      field("a", arrow::large_utf8()),
      field("b", arrow::dictionary(arrow::int32(), arrow::utf8())),
      field("c", arrow::timestamp(arrow::TimeUnit::SECOND, "Europe/Paris")),
      field("d", arrow::large_list(arrow::float16())),
      field("e", arrow::date64()),
  })));
  EXPECT_TRUE(canonical->Equals(*arrow::schema({
      field("a", arrow::utf8()),
      field("b", arrow::utf8()),
      field("c", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      field("d", arrow::list(arrow::float32())),
      field("e", arrow::date32()),
  })));
}

TEST(SchemaTest, UnsupportedTypesAreNamed) {
  for (const auto& type : {arrow::null(), arrow::duration(arrow::TimeUnit::MICRO),
                           arrow::decimal256(50, 2), arrow::list(arrow::null())}) {
    const auto schema = StorageSchema(*arrow::schema({field("odd", type)}));
    EXPECT_EQ(CodeOfFailed(schema), ErrorCode::kUnsupported);
    EXPECT_NE(schema.status().message().find("odd"), std::string::npos);
  }
}

TEST(SchemaTest, BrokenJsonIsCorrupt) {
  for (const char* json :
       {"", "{", "[]", R"({"type":"struct"})", R"({"type":"struct","fields":[{"name":"a"}]})"}) {
    EXPECT_EQ(CodeOfFailed(SchemaFromDelta(json)), ErrorCode::kCorrupt) << json;
  }
  EXPECT_EQ(CodeOfFailed(SchemaFromDelta(
                R"({"type":"struct","fields":[{"name":"a","type":"variant","nullable":true}]})")),
            ErrorCode::kUnsupported);
}

TEST(SchemaTest, ValuesSurviveStorage) {
  const auto declared = arrow::schema({
      field("u64", arrow::uint64()),
      field("time", arrow::time64(arrow::TimeUnit::MICRO)),
      field("embedding", arrow::fixed_size_list(field("element", arrow::float32()), 2)),
      field("list", arrow::list(field("element", arrow::uint32()))),
      field("struct", arrow::struct_({field("a", arrow::uint64())})),
      field("map", arrow::map(arrow::utf8(), arrow::uint8())),
  });
  const auto batch = arrow::RecordBatch::Make(
      declared, 3,
      {Must(arrow::json::ArrayFromJSONString(declared->field(0)->type(),
                                             "[18446744073709551615, null, 0]")),
       Must(arrow::json::ArrayFromJSONString(declared->field(1)->type(), "[1, null, 86399999999]")),
       Must(arrow::json::ArrayFromJSONString(declared->field(2)->type(),
                                             "[[1.5, 2.5], null, [null, 3]]")),
       Must(arrow::json::ArrayFromJSONString(declared->field(3)->type(),
                                             "[[4294967295], null, []]")),
       Must(arrow::json::ArrayFromJSONString(
           declared->field(4)->type(), R"([{"a": 18446744073709551615}, null, {"a": null}])")),
       Must(arrow::json::ArrayFromJSONString(declared->field(5)->type(),
                                             R"([[["k", 255]], null, [["l", null]]])"))});
  const auto stored = Must(ToStorage(batch, Must(StorageSchema(*declared))));
  EXPECT_TRUE(stored->column(0)->type()->Equals(*arrow::decimal128(20, 0)));
  const auto back = Must(FromStorage(stored, declared));
  EXPECT_TRUE(back->Equals(*batch)) << back->ToString();
}

TEST(SchemaTest, EvolutionKeepsIdsOfWhatStays) {
  int64_t last_id = 0;
  const auto before =
      Must(AssignIds(*arrow::schema({field("a", arrow::int64()), field("b", arrow::utf8()),
                                     field("wider", arrow::int16()),
                                     field("s", arrow::struct_({field("x", arrow::int64())}))}),
                     &last_id));
  const auto after = Must(EvolveIds(
      *before,
      *arrow::schema(
          {field("b", arrow::utf8()), field("c", arrow::int8()), field("a", arrow::utf8()),
           field("wider", arrow::int32()),
           field("s", arrow::struct_({field("y", arrow::int64()), field("x", arrow::int64())}))}),
      &last_id));
  const auto id = [](const std::shared_ptr<arrow::Field>& of) {
    return Must(of->metadata()->Get(std::string(kFieldId)));
  };
  EXPECT_EQ(id(after->field(0)), "2");
  EXPECT_EQ(id(after->field(1)), "6");
  EXPECT_EQ(id(after->field(2)), "7");  // another type is another column
  EXPECT_EQ(id(after->field(3)), "3");
  EXPECT_EQ(id(after->field(4)), "4");
  EXPECT_EQ(id(after->field(4)->type()->field(0)), "8");
  EXPECT_EQ(id(after->field(4)->type()->field(1)), "5");
  EXPECT_EQ(last_id, 8);
}

}  // namespace
}  // namespace icecore::lake
