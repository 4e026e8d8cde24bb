#include "icecore/server/request_log.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace icecore::server {
namespace {

using nlohmann::json;

class RequestLogTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(ends_), 0); }
  void TearDown() override { close(ends_[0]); }
  std::FILE* Writer() { return fdopen(ends_[1], "w"); }
  std::vector<json> Lines() {
    std::string text;
    char buffer[4096];
    ssize_t size;
    while ((size = read(ends_[0], buffer, sizeof buffer)) > 0) {
      text.append(buffer, static_cast<size_t>(size));
    }
    std::vector<json> lines;
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = text.find('\n', begin);
      lines.push_back(json::parse(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    return lines;
  }

  int ends_[2] = {-1, -1};
};

RequestRecord Record() {
  RequestRecord record;
  record.time_us = 1'709'251'200'000'000;
  record.request_id = "a-1";
  record.method = "POST";
  record.path = "/v1/features";
  record.status = 200;
  record.duration_ns = 1'234'567;
  record.bytes = 17;
  record.service = "s\"";
  return record;
}

TEST_F(RequestLogTest, ALineIsADocument) {
  std::FILE* out = Writer();
  {
    RequestLog log(out, 1 << 20);
    log.Write(Record());
  }
  std::fclose(out);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0], json::parse(R"({"time":"2024-03-01T00:00:00.000000Z","level":"info",
      "event":"request","request_id":"a-1","method":"POST","path":"/v1/features","status":200,
      "duration_ms":1.234,"bytes":17,"service":"s\""})"));
}

TEST_F(RequestLogTest, MessagesAreOfOurOwnFaultsOnly) {
  std::FILE* out = Writer();
  {
    RequestLog log(out, 1 << 20);
    RequestRecord record = Record();
    record.status = 500;
    record.code = "corrupt";
    record.message = "a cell is damaged";
    log.Write(record);
    record.status = 400;
    record.code = "invalid_argument";
    record.message = "'entities.user': \"ann\" is no int64";
    log.Write(record);
  }
  std::fclose(out);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0]["code"], "corrupt");
  EXPECT_EQ(lines[0]["message"], "a cell is damaged");
  EXPECT_EQ(lines[1]["code"], "invalid_argument");
  EXPECT_FALSE(lines[1].contains("message"));
}

TEST_F(RequestLogTest, WhatDoesNotFitIsDroppedAndCounted) {
  std::FILE* out = Writer();
  const size_t line_bytes =
      std::string(R"({"time":"2024-03-01T00:00:00.000000Z","level":"info","event":"request",)"
                  R"("request_id":"a-1","method":"POST","path":"/v1/features","status":200,)"
                  R"("duration_ms":1.234,"bytes":17,"service":"s\""})")
          .size() +
      1;
  {
    RequestLog log(out, line_bytes);
    RequestRecord long_record = Record();
    const std::string long_id(100, 'x');
    long_record.request_id = long_id;
    log.Write(long_record);
    log.Write(long_record);
    log.Write(Record());
  }
  std::fclose(out);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0]["event"], "lines_dropped");
  EXPECT_EQ(lines[0]["lines"], 2);
  EXPECT_EQ(lines[1]["request_id"], "a-1");
}

}  // namespace
}  // namespace icecore::server
