#include "icecore/engine/usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/time.h"
#include "icecore/engine/usage_document.h"

namespace icecore::engine {
namespace {

// A catalog that can be made to refuse.
class Book : public catalog::UsageBook {
 public:
  Book() {
    std::filesystem::remove_all(folder_);
    catalog_ = *catalog::OpenSqlite((folder_ / "catalog.db").string(), &base::SystemRandom());
  }
  ~Book() override { std::filesystem::remove_all(folder_); }

  arrow::Status AddUsage(int64_t day, const std::vector<catalog::Usage>& usage) override {
    if (refuses) {
      return base::MakeError(base::ErrorCode::kUnavailable, "the disk is full");
    }
    ++transactions;
    return catalog_->AddUsage(day, usage);
  }
  arrow::Result<std::vector<catalog::Usage>> UsageSince(const std::string& name,
                                                        int64_t first_day) override {
    return catalog_->UsageSince(name, first_day);
  }
  arrow::Result<int64_t> ForgetUsageBefore(int64_t first_day) override {
    forgotten_before = first_day;
    return catalog_->ForgetUsageBefore(first_day);
  }

  // "CALLER=REQUESTS,ROWS " each.
  std::string Text(const std::string& name, int64_t first_day = 0) {
    std::string text;
    for (const catalog::Usage& one : *UsageSince(name, first_day)) {
      if (one.name == name) {
        text +=
            one.caller + "=" + std::to_string(one.requests) + "," + std::to_string(one.rows) + " ";
      }
    }
    return text;
  }

  bool refuses = false;
  int transactions = 0;
  int64_t forgotten_before = 0;

 private:
  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("icecore_usage_" + std::to_string(::getpid()));
  std::unique_ptr<catalog::Catalog> catalog_;
};

const std::vector<std::string> kNames = {"service.s", "view.v", "view.v.x"};

TEST(Usage, CallersAreBounded) {
  CallerCounts counts;
  for (size_t i = 0; i < CallerCounts::kMaxCallers + 10; ++i) {
    counts.Add("caller" + std::to_string(i), {1, 2});
  }
  counts.Add("caller0", {1, 2});
  EXPECT_EQ(counts.counts().size(), CallerCounts::kMaxCallers + 1);
  EXPECT_EQ(counts.counts().find("other")->second.requests, 10);
  EXPECT_EQ(counts.counts().find("other")->second.rows, 20);
  EXPECT_EQ(counts.counts().find("caller0")->second.requests, 2);
}

TEST(Usage, NothingThatThreadsCountIsLostOrCountedTwice) {
  constexpr int kThreads = 4;
  constexpr int kPlans = 200;
  constexpr int kRequests = 100;
  Book book;
  const base::FixedClock clock(base::kMicrosPerDay * 3);
  UsageRecorder recorder(&book, &clock);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&recorder, caller = std::string(i % 2 == 0 ? "even" : "")] {
        // Counters are given back now and then, as those of plans are when definitions change.
        for (int plan = 0; plan < kPlans; ++plan) {
          const auto counter = recorder.CounterOf(kNames);
          for (int n = 0; n < kRequests; ++n) {
            counter->Count(caller, 3);
          }
        }
      });
    }
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(recorder.Flush().ok());
    }
  }
  ASSERT_TRUE(recorder.Flush().ok());
  constexpr int kByCaller = kPlans * kRequests * kThreads / 2;
  const std::string total = std::to_string(kByCaller) + "," + std::to_string(kByCaller * 3) + " ";
  for (const std::string& name : kNames) {
    EXPECT_EQ(book.Text(name), "anonymous=" + total + "even=" + total) << name;
  }
}

TEST(Usage, WhatCannotBeWrittenWaits) {
  Book book;
  base::FixedClock clock(base::kMicrosPerDay * 500);
  UsageRecorder recorder(&book, &clock);
  const auto counter = recorder.CounterOf(kNames);
  counter->Count("c", 10);
  book.refuses = true;
  EXPECT_FALSE(recorder.Flush().ok());
  EXPECT_EQ(recorder.waiting_requests(), 1);
  // The next day's do not mix with it.
  clock.Set(base::kMicrosPerDay * 501);
  counter->Count("c", 100);
  EXPECT_FALSE(recorder.Flush().ok());
  EXPECT_EQ(recorder.waiting_requests(), 2);
  EXPECT_EQ(book.Text("view.v"), "");
  book.refuses = false;
  ASSERT_TRUE(recorder.Flush().ok());
  EXPECT_EQ(recorder.waiting_requests(), 0);
  EXPECT_EQ(book.Text("view.v"), "c=2,110 ");
  EXPECT_EQ(book.Text("view.v", 501), "c=1,100 ");
  EXPECT_EQ(book.forgotten_before, 501 - kUsageDays + 1);
  // Without uses nothing is written.
  const int before = book.transactions;
  ASSERT_TRUE(recorder.Flush().ok());
  EXPECT_EQ(book.transactions, before);
}

TEST(Usage, RecordersAddUp) {
  Book book;
  const base::FixedClock clock(base::kMicrosPerDay);
  for (int i = 0; i < 3; ++i) {
    UsageRecorder recorder(&book, &clock);
    recorder.CounterOf(kNames)->Count("c", 5);
    ASSERT_TRUE(recorder.Flush().ok());
  }
  EXPECT_EQ(book.Text("service.s"), "c=3,15 ");
}

TEST(Usage, TheDocumentAddsUpDays) {
  constexpr int64_t kToday = 20'000;
  const int64_t now_us = kToday * base::kMicrosPerDay + 5;
  Book book;
  const auto add = [&](int64_t days_ago, const std::string& name, const std::string& caller) {
    const int64_t day = kToday - days_ago;
    ASSERT_TRUE(book.AddUsage(day, {{name, caller, 1, 10, day * base::kMicrosPerDay}}).ok());
  };
  for (const int64_t days_ago : {0, 6, 7, 29, 30, 399}) {
    add(days_ago, "view.v", days_ago == 7 ? "b" : "a");
  }
  add(30, "view.v.x", "a");
  add(6, "view.v.y", "a");
  const auto document =
      nlohmann::json::parse(*UsageDocument(&book, "view.v", {"x", "y", "z"}, now_us));
  EXPECT_EQ(document["requests_7d"], 2);
  EXPECT_EQ(document["rows_7d"], 20);
  EXPECT_EQ(document["requests_30d"], 4);
  EXPECT_EQ(document["last_used_at"], base::FormatInstant(kToday * base::kMicrosPerDay));
  ASSERT_EQ(document["callers"].size(), 2u);
  EXPECT_EQ(document["callers"][0]["caller"], "a");
  EXPECT_EQ(document["callers"][0]["requests_30d"], 3);
  EXPECT_EQ(document["callers"][1]["requests_7d"], 0);
  ASSERT_EQ(document["features"].size(), 3u);
  EXPECT_EQ(document["features"][0]["feature"], "y");
  EXPECT_EQ(document["features"][0]["callers"][0]["rows_7d"], 10);
  EXPECT_EQ(document["features"][1]["requests_30d"], 0);
  EXPECT_FALSE(document["features"][1]["last_used_at"].is_null());
  EXPECT_TRUE(document["features"][2]["last_used_at"].is_null());
  const auto unused = nlohmann::json::parse(*UsageDocument(&book, "service.s", {}, now_us));
  EXPECT_EQ(unused["requests_30d"], 0);
  EXPECT_FALSE(unused.contains("features"));
}

}  // namespace
}  // namespace icecore::engine
