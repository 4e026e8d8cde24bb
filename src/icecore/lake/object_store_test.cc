#include "icecore/lake/object_store.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/object_store_contract.h"
#include "icecore/lake/s3/fake_s3_fixture.h"
#include "icecore/lake/s3/s3_object_store.h"

namespace icecore::lake {
namespace {

class LocalUnderTest : public StoreUnderTest {
 public:
  LocalUnderTest() {
    std::string folder = std::filesystem::temp_directory_path() / "icecore-store-XXXXXX";
    root_ = ::mkdtemp(folder.data());
  }
  ~LocalUnderTest() override { std::filesystem::remove_all(root_); }
  std::unique_ptr<ObjectStore> Open() override { return Must(ObjectStore::OpenLocal(root_)); }

 private:
  std::string root_;
};

class FaultlessUnderTest : public LocalUnderTest {
 public:
  std::unique_ptr<ObjectStore> Open() override {
    inner_.push_back(LocalUnderTest::Open());
    return std::make_unique<FaultyObjectStore>(inner_.back().get(), FaultPlan());
  }

 private:
  std::vector<std::unique_ptr<ObjectStore>> inner_;
};

class FakeS3UnderTest : public StoreUnderTest {
 public:
  std::unique_ptr<ObjectStore> Open() override {
    StorePlace place;
    place.url = "s3://bucket/a lake/x";
    place.endpoint = "http://fake:9000";
    S3Tuning tuning;
    tuning.http = &fake_;
    tuning.part_bytes = int64_t{5} << 20;
    return Must(S3ObjectStore::OpenWith(place,
                                        {[](const std::string& name) -> std::optional<std::string> {
                                           return name == "AWS_ACCESS_KEY_ID"
                                                      ? std::optional<std::string>("KEY")
                                                  : name == "AWS_SECRET_ACCESS_KEY"
                                                      ? std::optional<std::string>("SECRET")
                                                      : std::nullopt;
                                         },
                                         [](const std::string& path) -> arrow::Result<std::string> {
                                           return base::MakeError(base::ErrorCode::kNotFound, path);
                                         }},
                                        tuning));
  }

 private:
  FakeS3 fake_;
};

// A real one, where tests/integration/s3/run.py says there is one; each test has a prefix of its
// own.
class RealS3UnderTest : public StoreUnderTest {
 public:
  explicit RealS3UnderTest(const std::string& url)
      : url_(url + "/" + base::NewUuid(base::SystemRandom())) {}
  std::unique_ptr<ObjectStore> Open() override {
    StorePlace place;
    place.url = url_;
    S3Tuning tuning;
    tuning.part_bytes = int64_t{5} << 20;
    return Must(S3ObjectStore::OpenWith(place, net::SystemAwsSurroundings(), tuning));
  }

 private:
  const std::string url_;
};

std::vector<NamedStore> Stores() {
  std::vector<NamedStore> stores = {
      {"local", [] { return std::make_unique<LocalUnderTest>(); }},
      {"faultless", [] { return std::make_unique<FaultlessUnderTest>(); }},
      {"fake_s3", [] { return std::make_unique<FakeS3UnderTest>(); }}};
  if (const char* url = std::getenv("ICECORE_TEST_S3_URL"); url != nullptr) {
    stores.push_back(
        {"s3", [url = std::string(url)] { return std::make_unique<RealS3UnderTest>(url); }});
  }
  return stores;
}

INSTANTIATE_TEST_SUITE_P(Stores, ObjectStoreContract, ::testing::ValuesIn(Stores()),
                         [](const auto& named) { return named.param.name; });

using LocalObjectStoreTest = LakeFixture;

TEST_F(LocalObjectStoreTest, TemporaryFilesGo) {
  ASSERT_OK(Must(store_->OpenOutput("d/aborted"))->Abort());
  Must(store_->OpenOutput("d/dropped")).reset();
  EXPECT_TRUE(std::filesystem::is_empty(FileOf("d")));
}

TEST_F(LocalObjectStoreTest, WhatWritersNeverEnded) {
  ASSERT_OK(store_->Put("d/kept", "12345"));
  const auto output = Must(store_->OpenOutput("d/file"));
  const int64_t now_us = base::MakeSystemClock()->NowMicros();
  EXPECT_TRUE(Must(store_->Unfinished("d/", now_us - 3'600'000'000, true)).empty());
  EXPECT_EQ(Must(store_->Unfinished("d/", now_us + 3'600'000'000, false)).size(), 1);
  EXPECT_EQ(Must(store_->Unfinished("d/", now_us + 3'600'000'000, true)).size(), 1);
  EXPECT_TRUE(Must(store_->Unfinished("d/", now_us + 3'600'000'000, true)).empty());
  EXPECT_TRUE(Must(store_->Exists("d/kept")));
}

TEST(ObjectStoreOpenTest, RefusesOtherSchemesByName) {
  for (const char* url :
       {"gs://bucket/x", "abfs://box@account.dfs.core.windows.net/x", "ftp://x"}) {
    StorePlace place;
    place.url = url;
    const auto opened = ObjectStore::Open(place);
    EXPECT_EQ(CodeOfFailed(opened), base::ErrorCode::kUnsupported);
    EXPECT_NE(opened.status().message().find(url), std::string::npos);
  }
}

}  // namespace
}  // namespace icecore::lake
