#pragma once
// What every implementation of Catalog must do. Include it in one test file and instantiate:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, CatalogContract, ::testing::Values(MakeFactory));

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/catalog/catalog.h"

namespace icecore::catalog {

// Places of one implementation; every test gets a fresh one.
class CatalogPlace {
 public:
  virtual ~CatalogPlace() = default;
  // Opens the same catalog, again and again.
  virtual arrow::Result<std::unique_ptr<Catalog>> Open() = 0;
};

using CatalogPlaceFactory = std::unique_ptr<CatalogPlace> (*)();

class CatalogContract : public ::testing::TestWithParam<CatalogPlaceFactory> {
 protected:
  void SetUp() override {
    place_ = GetParam()();
    catalog_ = Open();
  }

  std::unique_ptr<Catalog> Open() {
    arrow::Result<std::unique_ptr<Catalog>> catalog = place_->Open();
    EXPECT_TRUE(catalog.ok()) << catalog.status().ToString();
    return catalog.ok() ? std::move(*catalog) : nullptr;
  }

  static DefinitionRecord Table(const std::string& name, const std::string& text,
                                const std::string& fingerprint) {
    return {"table", "processing." + name, text, fingerprint, "definitions/t.yaml:1"};
  }

  int64_t Apply(const std::vector<DefinitionRecord>& definitions, int64_t at = 1) {
    const arrow::Result<int64_t> version = catalog_->ApplyDefinitions(definitions, at);
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    return version.ValueOr(-1);
  }

  std::string NewRun() { return *catalog_->StartRun("run", 1, 10, 20); }

  std::unique_ptr<CatalogPlace> place_;
  std::unique_ptr<Catalog> catalog_;
};

inline base::ErrorCode CodeOf(const arrow::Status& status) {
  return status.ok() ? base::ErrorCode::kInternal : base::CodeOf(status);
}

TEST_P(CatalogContract, StartsEmpty) {
  EXPECT_FALSE(catalog_->LatestVersion()->has_value());
  EXPECT_TRUE(catalog_->GetDefinitions(0)->empty());
  EXPECT_TRUE(catalog_->ListVersions(10)->empty());
  EXPECT_TRUE(catalog_->ListThings()->empty());
  EXPECT_TRUE(catalog_->ListRuns(10)->empty());
  EXPECT_FALSE(catalog_->LatestStepOf("processing.a")->has_value());
}

TEST_P(CatalogContract, SameSetKeepsTheVersion) {
  const std::vector<DefinitionRecord> set = {Table("b", "B", "fb"), Table("a", "A", "fa")};
  EXPECT_EQ(Apply(set, 5), 1);
  EXPECT_EQ(Apply({set[1], set[0]}, 6), 1);
  std::vector<DefinitionRecord> moved = set;
  moved[0].location = "definitions/other.yaml:9";
  EXPECT_EQ(Apply(moved, 7), 1);
  EXPECT_EQ((*catalog_->LatestVersion())->applied_at_us, 5);
}

TEST_P(CatalogContract, EmptyFirstSetIsAVersion) {
  EXPECT_EQ(Apply({}), 1);
  EXPECT_EQ(Apply({}), 1);
}

TEST_P(CatalogContract, EveryVersionStays) {
  EXPECT_EQ(Apply({Table("a", "A1", "f1"), Table("b", "B1", "g1")}, 1), 1);
  EXPECT_EQ(Apply({Table("a", "A2", "f2"), Table("b", "B1", "g1")}, 2), 2);
  EXPECT_EQ(Apply({Table("a", "A2", "f2")}, 3), 3);
  const auto texts = [&](int64_t version) {
    std::string all;
    const auto definitions = catalog_->GetDefinitions(version);
    EXPECT_TRUE(definitions.ok()) << definitions.status().ToString();
    for (const DefinitionRecord& record : *definitions) {
      all += record.name + "=" + record.text + "/" + record.fingerprint + " ";
    }
    return all;
  };
  EXPECT_EQ(texts(1), "processing.a=A1/f1 processing.b=B1/g1 ");
  EXPECT_EQ(texts(2), "processing.a=A2/f2 processing.b=B1/g1 ");
  EXPECT_EQ(texts(3), "processing.a=A2/f2 ");
  EXPECT_EQ(texts(0), texts(3));
  EXPECT_EQ(CodeOf(catalog_->GetDefinitions(4).status()), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(catalog_->GetDefinitions(-1).status()), base::ErrorCode::kNotFound);
  const auto versions = *catalog_->ListVersions(2);
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0].version, 3);
  EXPECT_EQ(versions[1].version, 2);
}

TEST_P(CatalogContract, DiffTellsWhatWouldChange) {
  Apply({Table("changed", "x", "f1"), Table("documented", "x", "f"), Table("gone", "x", "f"),
         Table("same", "x", "f")});
  const auto changes =
      *catalog_->DiffDefinitions({Table("changed", "y", "f2"), Table("documented", "y", "f"),
                                  Table("new", "x", "f"), Table("same", "x", "f")});
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].name, "processing.changed");
  EXPECT_EQ(changes[0].change, ChangeKind::kChanged);
  EXPECT_EQ(changes[0].old_fingerprint, "f1");
  EXPECT_EQ(changes[0].new_fingerprint, "f2");
  EXPECT_EQ(changes[1].change, ChangeKind::kDocumentation);
  EXPECT_EQ(changes[2].name, "processing.gone");
  EXPECT_EQ(changes[2].change, ChangeKind::kRemoved);
  EXPECT_EQ(changes[3].name, "processing.new");
  EXPECT_EQ(changes[3].change, ChangeKind::kAdded);
  EXPECT_EQ((*catalog_->LatestVersion())->version, 1);
}

TEST_P(CatalogContract, OneNameTwiceIsRefused) {
  const std::vector<DefinitionRecord> twice = {Table("a", "x", "f"), Table("a", "y", "g")};
  EXPECT_EQ(CodeOf(catalog_->ApplyDefinitions(twice, 1).status()),
            base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(catalog_->DiffDefinitions(twice).status()), base::ErrorCode::kInvalidArgument);
  EXPECT_FALSE(catalog_->LatestVersion()->has_value());
}

TEST_P(CatalogContract, AThingKeepsItsId) {
  Apply({Table("a", "A1", "f1")}, 1);
  const Thing first = *catalog_->GetThing("processing.a");
  EXPECT_EQ(first.id.size(), 36u);
  EXPECT_EQ(first.kind, "table");
  Apply({}, 2);
  Apply({Table("a", "A3", "f3"), Table("b", "B", "g")}, 3);
  EXPECT_EQ(catalog_->GetThing("processing.a")->id, first.id);
  EXPECT_EQ(catalog_->GetThing("processing.a")->first_version, 1);
  EXPECT_EQ(catalog_->ListThings()->size(), 2u);
  EXPECT_EQ(CodeOf(catalog_->GetThing("processing.c").status()), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(catalog_->GetThing("").status()), base::ErrorCode::kNotFound);

  const auto history = *catalog_->DefinitionHistory("processing.a");
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].text, "A1");
  EXPECT_EQ(history[0].version.applied_at_us, 1);
  EXPECT_TRUE(history[1].removed);
  EXPECT_EQ(history[1].version.version, 2);
  EXPECT_EQ(history[2].fingerprint, "f3");
  EXPECT_EQ(CodeOf(catalog_->DefinitionHistory("processing.c").status()),
            base::ErrorCode::kNotFound);
}

TEST_P(CatalogContract, TextIsKeptByteForByte) {
  const std::string text = "a\r\n\t'\"; drop table run; -- \xc3\xa9 {\"x\": 1}\n";
  Apply({Table("a", text, "f")});
  EXPECT_EQ((*catalog_->GetDefinitions(1))[0].text, text);
}

TEST_P(CatalogContract, RunsWithSteps) {
  Apply({Table("a", "A", "f")});
  const std::string run = *catalog_->StartRun("run --full", 1, 100, 200);
  const std::string first = *catalog_->StartStep(run, "processing.a", "table", 210);
  const std::string second = *catalog_->StartStep(run, "online.v", "online", 220);
  StepResult result;
  result.counts = {{"rows_read", 10}, {"quarantined", 1}, {"negative", -5}};
  result.detail_json = R"({"by_reason":{"x":1}})";
  result.finished_at_us = 230;
  result.duration_us = 17;
  result.reads = {{"landing.b", 3, 1, 0, 10}, {"landing.a", 2, 1, 0, 0}};
  result.writes = {{"processing.a", 4, 2, 100, INT64_MAX}};
  ASSERT_TRUE(catalog_->FinishStep(first, result).ok());
  StepResult failed;
  failed.status = RunStatus::kFailed;
  failed.error = "no space";
  ASSERT_TRUE(catalog_->FinishStep(second, failed).ok());
  ASSERT_TRUE(catalog_->FinishRun(run, RunStatus::kFailed, "1 step failed", 240).ok());

  const catalog::Run read = *Open()->GetRun(run);
  EXPECT_EQ(read.command, "run --full");
  EXPECT_EQ(read.definition_version, 1);
  EXPECT_EQ(read.now_us, 100);
  EXPECT_EQ(read.started_at_us, 200);
  EXPECT_EQ(read.finished_at_us, 240);
  EXPECT_EQ(read.status, RunStatus::kFailed);
  EXPECT_EQ(read.error, "1 step failed");
  ASSERT_EQ(read.steps.size(), 2u);
  const Step& step = read.steps[0];
  EXPECT_EQ(step.id, first);
  EXPECT_EQ(step.run_id, run);
  EXPECT_EQ(step.thing_id, catalog_->GetThing("processing.a")->id);
  EXPECT_EQ(step.status, RunStatus::kDone);
  EXPECT_EQ(step.counts, result.counts);
  EXPECT_EQ(step.detail_json, result.detail_json);
  EXPECT_EQ(step.started_at_us, 210);
  EXPECT_EQ(step.finished_at_us, 230);
  EXPECT_EQ(step.duration_us, 17);
  ASSERT_EQ(step.reads.size(), 2u);
  EXPECT_EQ(step.reads[0].table, "landing.b");
  EXPECT_EQ(step.reads[0].seq_end, 10);
  ASSERT_EQ(step.writes.size(), 1u);
  EXPECT_EQ(step.writes[0].version, 4);
  EXPECT_EQ(step.writes[0].generation, 2);
  EXPECT_EQ(step.writes[0].seq_end, INT64_MAX);
  EXPECT_EQ(read.steps[1].thing_id, "");
  EXPECT_EQ(read.steps[1].error, "no space");
}

TEST_P(CatalogContract, EndsComeOnce) {
  const std::string run = NewRun();
  const std::string step = *catalog_->StartStep(run, "processing.a", "table", 1);
  StepResult running;
  running.status = RunStatus::kRunning;
  EXPECT_EQ(CodeOf(catalog_->FinishStep(step, running)), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(catalog_->FinishRun(run, RunStatus::kRunning, "", 1)),
            base::ErrorCode::kInvalidArgument);
  ASSERT_TRUE(catalog_->FinishStep(step, {}).ok());
  EXPECT_EQ(CodeOf(catalog_->FinishStep(step, {})), base::ErrorCode::kConflict);
  ASSERT_TRUE(catalog_->FinishRun(run, RunStatus::kDone, "", 1).ok());
  EXPECT_EQ(CodeOf(catalog_->FinishRun(run, RunStatus::kDone, "", 1)), base::ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(catalog_->StartStep(run, "processing.a", "table", 1).status()),
            base::ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(catalog_->FinishRun("none", RunStatus::kDone, "", 1)),
            base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(catalog_->FinishStep("none", {})), base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(catalog_->StartStep("none", "a", "table", 1).status()),
            base::ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(catalog_->GetRun("none").status()), base::ErrorCode::kNotFound);
}

TEST_P(CatalogContract, NewestFirst) {
  const std::string run1 = NewRun();
  const std::string run2 = NewRun();
  const std::string step1 = *catalog_->StartStep(run2, "processing.a", "table", 1);
  const std::string step2 = *catalog_->StartStep(run1, "processing.a", "table", 2);
  const auto runs = *catalog_->ListRuns(1);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].id, run2);
  EXPECT_EQ(runs[0].status, RunStatus::kRunning);
  EXPECT_EQ((*catalog_->LatestStepOf("processing.a"))->id, step2);
  const auto steps = *catalog_->StepsOf("processing.a", 10);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1].id, step1);
}

TEST_P(CatalogContract, UsageAddsUp) {
  const auto text = [&](const std::string& name, int64_t first_day) {
    std::string all;
    const auto usage = catalog_->UsageSince(name, first_day);
    EXPECT_TRUE(usage.ok()) << usage.status().ToString();
    for (const Usage& one : *usage) {
      all += one.name + "/" + one.caller + "=" + std::to_string(one.requests) + "," +
             std::to_string(one.rows) + "," + std::to_string(one.last_used_us) + " ";
    }
    return all;
  };
  EXPECT_EQ(text("view.v", 0), "");
  ASSERT_TRUE(catalog_->AddUsage(10, {}).ok());
  ASSERT_TRUE(catalog_
                  ->AddUsage(10, {{"view.v", "b", 1, 5, 100},
                                  {"view.v.x", "b", 1, 5, 100},
                                  {"view.v", "a", 2, 6, 90}})
                  .ok());
  const std::unique_ptr<Catalog> other = Open();
  ASSERT_TRUE(other->AddUsage(10, {{"view.v", "b", 10, 50, 80}}).ok());
  ASSERT_TRUE(other->AddUsage(12, {{"view.v", "b", 100, 500, 300}}).ok());
  // Their names only begin alike.
  ASSERT_TRUE(other->AddUsage(12, {{"view.vv", "b", 7, 7, 7}, {"view.v-", "b", 7, 7, 7}}).ok());
  EXPECT_EQ(text("view.v", 0), "view.v/a=2,6,90 view.v/b=111,555,300 view.v.x/b=1,5,100 ");
  EXPECT_EQ(text("view.v", 11), "view.v/b=100,500,300 ");
  EXPECT_EQ(text("view.v", 13), "");
  EXPECT_EQ(text("view.v.x", 10), "view.v.x/b=1,5,100 ");
  EXPECT_EQ(*catalog_->ForgetUsageBefore(12), 3);
  EXPECT_EQ(*catalog_->ForgetUsageBefore(12), 0);
  EXPECT_EQ(text("view.v", 0), "view.v/b=100,500,300 ");
}

TEST_P(CatalogContract, UsageOfThreadsAndConnectionsIsExact) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::unique_ptr<Catalog> own = i % 2 == 0 ? Open() : nullptr;
      Catalog* catalog = own ? own.get() : catalog_.get();
      for (int n = 0; n < kTimes; ++n) {
        ASSERT_TRUE(catalog->AddUsage(1, {{"service.s", "c", 1, 3, n}}).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const auto usage = *catalog_->UsageSince("service.s", 1);
  ASSERT_EQ(usage.size(), 1u);
  EXPECT_EQ(usage[0].requests, kThreads * kTimes);
  EXPECT_EQ(usage[0].rows, kThreads * kTimes * 3);
  EXPECT_EQ(usage[0].last_used_us, kTimes - 1);
}

TEST_P(CatalogContract, ThreadsAndConnectionsShareIt) {
  constexpr int kThreads = 4;
  constexpr int kRuns = 25;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::unique_ptr<Catalog> own = i % 2 == 0 ? Open() : nullptr;
      Catalog* catalog = own ? own.get() : catalog_.get();
      for (int n = 0; n < kRuns; ++n) {
        const auto run = catalog->StartRun("run", 0, i, n);
        ASSERT_TRUE(run.ok()) << run.status().ToString();
        const auto step = catalog->StartStep(*run, "processing.a", "table", n);
        ASSERT_TRUE(step.ok()) << step.status().ToString();
        ASSERT_TRUE(catalog->FinishStep(*step, {}).ok());
        ASSERT_TRUE(catalog->FinishRun(*run, RunStatus::kDone, "", n).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(catalog_->ListRuns(1000)->size(), size_t{kThreads} * kRuns);
  EXPECT_EQ(catalog_->StepsOf("processing.a", 1000)->size(), size_t{kThreads} * kRuns);
}

}  // namespace icecore::catalog
