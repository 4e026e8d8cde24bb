#include "icecore/lake/add_line_internal.h"

#include <gtest/gtest.h>

#include <string>

#include "icecore/base/id.h"
#include "icecore/lake/log_fuzz_checks.h"

namespace icecore::lake {
namespace {

// As we, Spark, delta-rs and Python's json write it.
const char* const kPlain[] = {
    R"({"add":{"path":"a%20b/0.parquet","partitionValues":{},"size":7,"modificationTime":12,)"
    R"("dataChange":true,"stats":"{\"numRecords\":3,\"minValues\":{\"s\":\"a/b\"}}"}})",
    R"({"add":{"path":"d=2020-01-01/p.parquet","partitionValues":{"d":"2020-01-01","e":null},)"
    R"("size":0,"modificationTime":-1,"dataChange":false,"stats":null,"tags":null,)"
    R"("deletionVector":null,"baseRowId":null,"clusteringProvider":null}})",
    R"({"add": {"path": "p", "partitionValues": null, "size": 999999999999999999, )"
    R"("modificationTime": 1700000000000, "dataChange": true, "stats": "{\"numRecords\": 9}"}})",
    R"({"add":{"size":1,"path":"p","size":2,"path":"q","stats":"{}","stats":null}})"};

TEST(AddLine, PlainLinesAsTheGeneralParserReadsThem) {
  for (const std::string line : kPlain) {
    DataFile file;
    EXPECT_TRUE(ParseAddLine(line, &file)) << line;
    CheckAddLine(line);
  }
}

TEST(AddLine, OthersAreLeftToTheGeneralParser) {
  for (const char* const line : {
           "",
           "{}",
           R"({"add":{}})",
           R"({"add":{"path":"p"}})",
           R"({"add":{"size":1}})",
           R"({"add":{"path":"p","size":1})",
           R"({"add":{"path":"p","size":1}} x)",
           R"({"add":{"path":"p","size":1},"x":1})",
           R"({"add":{"path":"p","size":1.5}})",
           R"({"add":{"path":"p","size":01}})",
           R"({"add":{"path":"p","size":-1}})",
           R"({"add":{"path":"p","size":-0}})",
           R"({"add":{"path":"p","size":1e3}})",
           R"({"add":{"path":"p","size":1234567890123456789}})",
           R"({"add":{"path":"p\u0041","size":1}})",
           R"({"add":{"path":"p\n","size":1}})",
           R"({"add":{"path":"../p","size":1}})",
           R"({"add":{"path":"p%","size":1}})",
           R"({"add":{"path":"p","size":1,}})",
           R"({"add":{"path":"p","size":1,"tags":{}}})",
           R"({"add":{"path":"p","size":1,"deletionVector":{"storageType":"u"}}})",
           R"({"add":{"path":"p","size":1,"modificationTime":99999999999999999}})",
           R"({"add":{"path":"p","size":1,"partitionValues":{"a":1}}})",
           "{\"add\":{\"path\":\"\xc3\xa9\",\"size\":1}}",
           "{\"add\":{\"path\":\"\x01\",\"size\":1}}",
           R"({"remove":{"path":"p","size":1}})",
       }) {
    DataFile file;
    EXPECT_FALSE(ParseAddLine(line, &file)) << line;
  }
}

TEST(AddLine, ChangedLinesAreReadAlikeOrLeft) {
  base::SeededRandom random(11);
  constexpr std::string_view kBytes = "\"\\{}[],:0129-.eE truefalsn/%u\x7f\xc3";
  for (int i = 0; i < 20'000; ++i) {
    std::string line = kPlain[random.Next() % std::size(kPlain)];
    for (uint64_t n = random.Next() % 3 + 1; n > 0; --n) {
      line[random.Next() % line.size()] = kBytes[random.Next() % kBytes.size()];
    }
    CheckAddLine(line);
  }
}

}  // namespace
}  // namespace icecore::lake
