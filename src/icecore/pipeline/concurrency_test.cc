// Two processes on one project: the other one runs from start to end just before a commit of ours,
// for each of our commits. Whoever is second does its step again; no row is there twice.
#include <algorithm>
#include <functional>

#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

// Calls `hook` once, before the first put-if-absent below `path`; what the hook returns is the
// put's own fate.
class InterruptedStore : public lake::FaultyObjectStore {
 public:
  InterruptedStore(lake::ObjectStore* store, std::string path)
      : FaultyObjectStore(store, {}), path_(std::move(path)) {}
  std::function<arrow::Status()> hook;

  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    if (hook && path.find(path_) != std::string::npos) {
      ARROW_RETURN_NOT_OK(std::exchange(hook, nullptr)());
    }
    return lake::FaultyObjectStore::PutIfAbsent(path, bytes);
  }

 private:
  const std::string path_;
};

// Calls `hook` before the n-th object that must not be there yet.
class HookedStore : public lake::FaultyObjectStore {
 public:
  HookedStore(lake::ObjectStore* inner, int64_t at, std::function<void()> hook)
      : lake::FaultyObjectStore(inner, {}), at_(at), hook_(std::move(hook)) {}

  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    if (++puts_ == at_) {
      hook_();
    }
    return lake::FaultyObjectStore::PutIfAbsent(path, bytes);
  }
  int64_t puts() const { return puts_; }

 private:
  const int64_t at_;
  const std::function<void()> hook_;
  int64_t puts_ = 0;
};

// Calls `hook` before the n-th listing of a log below one of `tables`.
class ListHookedStore : public lake::FaultyObjectStore {
 public:
  ListHookedStore(lake::ObjectStore* inner, std::vector<std::string> tables, int64_t at,
                  std::function<void()> hook)
      : lake::FaultyObjectStore(inner, {}),
        tables_(std::move(tables)),
        at_(at),
        hook_(std::move(hook)) {}

  arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                               const std::string& start_after) override {
    const bool meant = std::any_of(tables_.begin(), tables_.end(), [&](const std::string& table) {
      return prefix.find(table + "/_delta_log") != std::string::npos;
    });
    if (meant && ++lists_ == at_) {
      hook_();
    }
    return lake::FaultyObjectStore::List(prefix, start_after);
  }
  int64_t lists() const { return lists_; }

 private:
  const std::vector<std::string> tables_;
  const int64_t at_;
  const std::function<void()> hook_;
  int64_t lists_ = 0;
};

class TwoRunsTest : public ::testing::Test {
 protected:
  // `prepare` makes the project, `meanwhile` changes it just before the other run; `first`: the
  // commit to begin with.
  void Interleave(int64_t first, const std::function<void(const std::string&)>& prepare,
                  const std::function<void(const std::string&)>& meanwhile,
                  const OrdersRules& rules) {
    for (int64_t n = first; !HasFailure(); n += base::FaultStride(4)) {
      SCOPED_TRACE("commit " + std::to_string(n));
      const std::string root = folder_.path() + "/" + std::to_string(n);
      prepare(root);
      const OpenProject::Options offline{.faults = {}, .online = false, .now_us = kTestNow};
      OpenProject ours(root, offline);
      HookedStore store(&ours.store(), n, [&] {
        meanwhile(root);
        OpenProject theirs(root, offline);
        MustRun(theirs.workspace());
      });
      ours.workspace().store = &store;
      MustRun(ours.workspace());
      if (store.puts() < n) {
        EXPECT_GT(n, 5);
        return;
      }
      OrdersAudit(root, {{"data/a.csv", FirstOrders()}, {"data/b.csv", SecondOrders()}}, rules)
          .Check();
      for (const StepOutcome& step : MustRun(ours.workspace()).steps) {
        EXPECT_EQ(step.status, StepOutcome::Status::kNothing) << step.report.thing;
      }
    }
  }

  TemporaryFolder folder_;
};

TEST_F(TwoRunsTest, OfTheSameFiles) {
  Interleave(
      1,
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
        WriteOrders(root + "/data/b.csv", SecondOrders());
      },
      [](const std::string&) {}, FirstRules());
}

// The other run goes further than ours meant to.
TEST_F(TwoRunsTest, OfMoreFiles) {
  Interleave(
      2,
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
      },
      [](const std::string& root) { WriteOrders(root + "/data/b.csv", SecondOrders()); },
      FirstRules());
}

TEST_F(TwoRunsTest, OfANewGeneration) {
  Interleave(
      3,
      [](const std::string& root) {
        WriteProject(root, FirstRules().Definitions());
        WriteOrders(root + "/data/a.csv", FirstOrders());
        WriteOrders(root + "/data/b.csv", SecondOrders());
        OpenProject open(root, {.faults = {}, .online = false, .now_us = kTestNow});
        MustRun(open.workspace());
        WriteProject(root, SecondRules().Definitions());
      },
      [](const std::string&) {}, SecondRules());
}

// Between any two looks of ours at a table of versions, theirs does all of ours and more.
TEST_F(TwoRunsTest, BetweenLooksAtVersions) {
  const OpenProject::Options offline{.faults = {}, .online = false, .now_us = kTestNow};
  for (int64_t n = 1; !HasFailure(); n += base::FaultStride(3)) {
    SCOPED_TRACE("listing " + std::to_string(n));
    const std::string root = folder_.path() + "/" + std::to_string(n);
    WriteProject(root,
                 "source: s\nfrom: {files: {path: \"data/*.csv\", format: csv}}\n---\n"
                 "table: best\nzone: processing\nsql: select id, k from landing.s\nmode: merge\n"
                 "key: [k]\norder_by: id\n");
    WriteText(root + "/data/1.csv", "id,k\n1,1\n2,1\n");
    OpenProject ours(root, offline);
    MustRun(ours.workspace());
    WriteText(root + "/data/2.csv", "id,k\n3,1\n4,2\n");
    ListHookedStore store(&ours.store(), {"history/best", "processing/best"}, n, [&] {
      WriteText(root + "/data/3.csv", "id,k\n5,2\n6,3\n");
      OpenProject theirs(root, offline);
      MustRun(theirs.workspace());
    });
    ours.workspace().store = &store;
    MustRun(ours.workspace());
    if (store.lists() < n) {
      EXPECT_GT(n, 5);
      return;
    }
    MustRun(ours.workspace());
    EXPECT_EQ(ReadTable(ours.workspace(), "history.best", {"_seq"}).size(), 6U);
    EXPECT_EQ(ReadTable(ours.workspace(), "processing.best", {"_seq"}).size(), 3U);
  }
}

TEST_F(TwoRunsTest, OverDifferentVersionsOfASideTable) {
  const std::string root = folder_.path() + "/side";
  WriteProject(root,
               "source: s\nfrom: {files: {path: \"data/s*.csv\", format: csv}}\n---\n"
               "source: side\nfrom: {files: {path: \"data/k*.csv\", format: csv}}\n---\n"
               "table: t\nzone: processing\nsql: select id, k from landing.s\nmode: append\n"
               "checks: [{references: {k: landing.side.k}}]\n");
  WriteText(root + "/data/s.csv", "id,k\n1,1\n2,2\n");
  WriteText(root + "/data/k1.csv", "k\n1\n");
  const OpenProject::Options offline{.faults = {}, .online = false, .now_us = kTestNow};
  OpenProject ours(root, offline);
  InterruptedStore store(&ours.store(), "quarantine/t/_delta_log");
  store.hook = [&] {
    WriteText(root + "/data/k2.csv", "k\n2\n");
    OpenProject theirs(root, offline);
    MustRun(theirs.workspace());
    return arrow::Status::OK();
  };
  ours.workspace().store = &store;
  MustRun(ours.workspace());
  MustRun(ours.workspace());
  EXPECT_EQ(ReadTable(ours.workspace(), "processing.t", {"_seq"}).size() +
                ReadTable(ours.workspace(), "quarantine.t", {"_seq"}).size(),
            2U);
}

// Theirs announces a longer range and dies; ours, which rejects nothing, commits the first part of
// it.
TEST_F(TwoRunsTest, TheFirstPartOfAHalfDoneRange) {
  const std::string root = folder_.path() + "/half";
  WriteProject(root,
               "source: s\nfrom: {files: {path: \"data/s*.csv\", format: csv}}\n---\n"
               "table: t\nzone: processing\nsql: select id, k from landing.s\nmode: append\n"
               "checks: [{expect: \"k < 100\", name: small}]\n");
  WriteText(root + "/data/s1.csv", "id,k\n1,1\n2,2\n");
  const OpenProject::Options offline{.faults = {}, .online = false, .now_us = kTestNow};
  OpenProject ours(root, offline);
  InterruptedStore store(&ours.store(), "processing/t/_delta_log");
  store.hook = [&] {
    WriteText(root + "/data/s2.csv", "id,k\n3,100\n4,4\n");
    OpenProject theirs(root, offline);
    InterruptedStore dying(&theirs.store(), "processing/t/_delta_log");
    dying.hook = [] { return base::MakeError(base::ErrorCode::kDenied, "killed"); };
    theirs.workspace().store = &dying;
    const auto outcome = RunAll(theirs.workspace());
    EXPECT_TRUE(outcome.ok() && outcome->failed());
    return arrow::Status::OK();
  };
  ours.workspace().store = &store;
  MustRun(ours.workspace());
  MustRun(ours.workspace());
  EXPECT_EQ(ReadTable(ours.workspace(), "processing.t", {"_seq"}).size(), 3U);
  EXPECT_EQ(ReadTable(ours.workspace(), "quarantine.t", {"_seq"}).size(), 1U);
}

}  // namespace
}  // namespace icecore::pipeline
