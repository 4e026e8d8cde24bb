#include "icecore/online/served_log.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "icecore/base/error.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/served_files_internal.h"
#include "icecore/online/served_record_internal.h"

namespace icecore::online {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type,
                                      const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

class ServedLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/icecore_served_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<ServedLog> Open(double fraction, int64_t max_bytes = int64_t{1} << 20,
                                  int64_t max_queued = 4096) {
    ServedLogOptions options;
    options.folder = folder_;
    options.fraction = fraction;
    options.max_bytes = max_bytes;
    options.max_queued = max_queued;
    options.gather_ms = 60'000;  // flushing and closing end it
    auto log = ServedLog::Open(options);
    EXPECT_TRUE(log.ok()) << log.status().ToString();
    return std::move(log).ValueOrDie();
  }

  // Vectors of the users given, whose one feature is their number halved.
  ServedVectors Vectors(const std::string& users, const std::string& values, int64_t seq = 7) {
    ServedVectors vectors;
    vectors.service = service_;
    ViewPosition position;
    position.fingerprint = "f";
    position.generation = 2;
    position.seq = seq;
    position.applied_until = 1000;
    position.applied_at = 900;
    position.latest_activation = 800;
    position.table_generation = "table/3";
    vectors.views = {{"seen", position}};
    vectors.keys = {ArrayOf(arrow::int64(), users)};
    vectors.request = {ArrayOf(
        arrow::utf8(), users.find(',') == std::string::npos ? R"(["r"])" : R"(["r", null])")};
    vectors.values = {ArrayOf(arrow::float64(), values)};
    vectors.times.assign(static_cast<size_t>(vectors.keys[0]->length()), 950);
    vectors.statuses = {
        std::vector<state::ValueStatus>(vectors.times.size(), state::ValueStatus::kPresent)};
    return vectors;
  }

  void Log(ServedLog* log, const ServedVectors& vectors) {
    const auto rows = log->Sample(vectors.keys, vectors.size());
    ASSERT_TRUE(rows.ok());
    ASSERT_TRUE(log->Offer(vectors, *rows).ok());
  }

  ServedLogSummary Read(std::vector<ServedVectors>* out = nullptr) {
    auto summary = ReadServedLog(folder_, [&](ServedVectors vectors) {
      if (out != nullptr) out->push_back(std::move(vectors));
      return arrow::Status::OK();
    });
    EXPECT_TRUE(summary.ok()) << summary.status().ToString();
    return summary.ValueOrDie();
  }

  std::string Bytes() const {
    std::ifstream in(folder_ + "/served.log", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void SetBytes(const std::string& bytes) const {
    std::ofstream(folder_ + "/served.log", std::ios::binary) << bytes;
  }

  std::string folder_;
  std::shared_ptr<const ServedService> service_ = std::make_shared<ServedService>(
      ServedService{"users", "d1", 4, {"user"}, {"asked"}, {"half"}});
};

TEST_F(ServedLogTest, GivesBackWhatWasServed) {
  {
    auto log = Open(1);
    Log(log.get(), Vectors("[1, 2]", "[0.5, -0.0]"));
    Log(log.get(), Vectors("[3]", "[null]"));
    Log(log.get(), Vectors("[4]", "[2.0]", 8));  // another position: another record
  }
  std::vector<ServedVectors> read;
  const ServedLogSummary summary = Read(&read);
  EXPECT_EQ(summary.vectors, 4);
  EXPECT_EQ(summary.records, 2);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].service->name, "users");
  EXPECT_EQ(read[0].service->definition, "d1");
  EXPECT_EQ(read[0].service->catalog_version, 4);
  EXPECT_EQ(read[0].times, std::vector<int64_t>(3, 950));
  EXPECT_TRUE(read[0].keys[0]->Equals(ArrayOf(arrow::int64(), "[1, 2, 3]")));
  EXPECT_TRUE(read[0].request[0]->Equals(ArrayOf(arrow::utf8(), R"(["r", null, "r"])")));
  EXPECT_TRUE(read[0].values[0]->Equals(ArrayOf(arrow::float64(), "[0.5, -0.0, null]"),
                                        arrow::EqualOptions::Defaults().signed_zeros_equal(false)));
  EXPECT_EQ(read[0].statuses[0].size(), 3U);
  const ViewPosition& position = read[1].views[0].position;
  EXPECT_EQ(position.seq, 8);
  EXPECT_EQ(position.generation, 2);
  EXPECT_EQ(position.applied_until, 1000);
  EXPECT_EQ(position.applied_at, 900);
  EXPECT_EQ(position.latest_activation, 800);
  EXPECT_EQ(position.table_generation, "table/3");
}

TEST_F(ServedLogTest, AKeyIsLoggedAlwaysOrNever) {
  auto log = Open(0.25);
  int64_t sampled = 0;
  for (int user = 0; user < 4000; ++user) {
    const ServedVectors vectors = Vectors("[" + std::to_string(user) + "]", "[1.0]");
    const auto rows = log->Sample(vectors.keys, 1).ValueOrDie();
    EXPECT_EQ(rows, log->Sample(vectors.keys, 1).ValueOrDie());
    const auto narrow = ArrayOf(arrow::int32(), "[" + std::to_string(user) + "]");
    EXPECT_EQ(rows, log->Sample({narrow}, 1).ValueOrDie()) << "whatever the column's width";
    sampled += static_cast<int64_t>(rows.size());
  }
  EXPECT_GT(sampled, 900);
  EXPECT_LT(sampled, 1100);
  EXPECT_TRUE(Open(0)->Sample({ArrayOf(arrow::int64(), "[1]")}, 1).ValueOrDie().empty());
}

TEST_F(ServedLogTest, AFullQueueDropsAndCounts) {
  auto log = Open(1, int64_t{1} << 20, /*max_queued=*/1);
  Log(log.get(), Vectors("[1, 2]", "[1.0, 2.0]"));  // more than the queue ever takes
  EXPECT_EQ(log->dropped(), 2);
  Log(log.get(), Vectors("[1]", "[1.0]"));
  EXPECT_TRUE(log->Flush().ok());
  EXPECT_EQ(Read().dropped, 2);
  EXPECT_EQ(Read().vectors, 1);
}

TEST_F(ServedLogTest, IsBounded) {
  constexpr int64_t kMaxBytes = 64 << 10;
  auto log = Open(1, kMaxBytes);
  for (int i = 0; i < 200; ++i) {
    Log(log.get(), Vectors("[" + std::to_string(i) + "]", "[1.0]", i));
    ASSERT_TRUE(log->Flush().ok());
  }
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    bytes += static_cast<int64_t>(entry.file_size());
  }
  EXPECT_LE(bytes, kMaxBytes + kMaxBytes / 8);
  std::vector<ServedVectors> read;
  const ServedLogSummary summary = Read(&read);
  EXPECT_GT(summary.files, 2);
  ASSERT_FALSE(read.empty());
  EXPECT_EQ(read.back().views[0].position.seq, 199) << "the newest stay";
  for (size_t i = 1; i < read.size(); ++i) {
    EXPECT_EQ(read[i].views[0].position.seq, read[i - 1].views[0].position.seq + 1);
  }
}

// Whatever is left of a record at the end is torn; what is before it is read.
TEST_F(ServedLogTest, EveryTornTailIsPassedOver) {
  {
    auto log = Open(1);
    Log(log.get(), Vectors("[1]", "[1.0]", 1));
    ASSERT_TRUE(log->Flush().ok());
    Log(log.get(), Vectors("[2]", "[2.0]", 2));
  }
  const std::string whole = Bytes();
  ASSERT_EQ(Read().records, 2);
  const size_t half = whole.find("ICSERVED", 8);
  ASSERT_NE(half, std::string::npos);
  for (size_t length = half + 1; length < whole.size(); length += 37) {
    SetBytes(whole.substr(0, length));
    const ServedLogSummary summary = Read();
    ASSERT_EQ(summary.records, 1) << length;
    ASSERT_EQ(summary.torn_bytes, static_cast<int64_t>(length - half));
    ASSERT_EQ(summary.damaged, 0);
  }
  // And what a later process wrote behind it is read, too.
  SetBytes(whole.substr(0, whole.size() - 5) + whole.substr(0, half));
  EXPECT_EQ(Read().records, 2);
  EXPECT_EQ(Read().damaged, 0);
}

TEST_F(ServedLogTest, ADamagedRecordIsAnErrorThatIsCounted) {
  {
    auto log = Open(1);
    Log(log.get(), Vectors("[1]", "[1.0]", 1));
    ASSERT_TRUE(log->Flush().ok());
    Log(log.get(), Vectors("[2]", "[2.0]", 2));
  }
  const std::string whole = Bytes();
  for (size_t at = 32; at < whole.size() / 2 - 40; at += 101) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    SetBytes(bytes);
    const ServedLogSummary summary = Read();
    ASSERT_EQ(summary.records, 1) << at;
    ASSERT_EQ(summary.damaged, 1) << at;
  }
}

TEST_F(ServedLogTest, NoFolderIsNoRecords) {
  const auto summary =
      ReadServedLog(folder_ + "/none", [](const ServedVectors&) { return arrow::Status::OK(); });
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->files, 0);
}

}  // namespace
}  // namespace icecore::online
