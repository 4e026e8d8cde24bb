#pragma once
// The project that the fault tests run: every way a row can leave, and an independent account of
// where each row must be.

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "icecore/base/fault_stride_testing.h"
#include "icecore/feature/training_set.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/pipeline_fixture.h"
#include "icecore/pipeline/runner.h"
#include "icecore/pipeline/training.h"

namespace icecore::pipeline {

// `most`: the greatest amount the contract takes; `check`: what processing.orders asks.
inline std::string OrdersDefinitions(const std::string& most, const std::string& check) {
  return R"(source: orders
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns:
    - {name: id, type: int64, required: true}
    - {name: user_name, type: string, required: true}
    - {name: placed_at, type: timestamp}
    - {name: amount, type: float64, between: [0, )" +
         most + R"(]}
---
table: orders
zone: processing
sql: select id, user_name, placed_at, amount from landing.orders
mode: append
key: [id]
drop: [{name: tiny, when: "amount < 5"}]
checks: [{expect: ")" +
         check + R"(", name: devil}]
---
table: doubled
zone: curated
sql: select id, user_name, placed_at, 2 * amount as amount from processing.orders where amount <> 20
mode: append
rows: at_most_one
---
table: per_user
zone: curated
sql: select user_name, count(*) as n, sum(amount) as total from curated.doubled group by user_name
mode: replace
checks: [{expect: "total < 350", name: rich}]
---
table: greatest
zone: processing
sql: select user_name, id, amount from landing.orders
mode: merge
key: [user_name]
order_by: amount
---
table: totals
zone: curated
sql: select user_name, count(*) as n, sum(amount) as total from curated.doubled group by user_name
mode: replace
key: [user_name]
---
entity: user
keys: [{name: user_name, type: string}]
---
feature_view: spending
entity: user
from: curated.doubled
event_time: placed_at
online: true
features: [amount, {name: n, aggregate: count, windows: [30d]}, {of: amount, aggregates: [sum], windows: [90d]}]
---
feature_service: all
features: [spending]
)";
}

// One line of a source file.
struct Order {
  std::string id, user, at, amount;
};

inline std::vector<Order> FirstOrders() {
  return {
      {"1", "ann", "2024-01-01T00:00:00Z", "10"},   {"2", "bob", "2024-01-01T01:00:00Z", "20"},
      {"x", "bob", "2024-01-01T02:00:00Z", "30"},   {"1", "ann", "2024-01-01T03:00:00Z", "40"},
      {"3", "eve", "2024-01-01T04:00:00Z", "2"},    {"4", "eve", "2024-01-01T05:00:00Z", "666"},
      {"5", "ann", "2024-01-01T06:00:00Z", "50.5"}, {"6", "bob", "2024-01-01T07:00:00Z", "2000"}};
}
inline std::vector<Order> SecondOrders() {
  return {
      {"2", "bob", "2024-01-02T00:00:00Z", "25"},   {"7", "eve", "2024-01-02T01:00:00Z", "70"},
      {"8", "", "2024-01-02T02:00:00Z", "80"},      {"9", "ann", "2024-01-02T03:00:00Z", "4.5"},
      {"10", "ann", "2024-01-02T04:00:00Z", "666"}, {"11", "ann", "2024-01-02T05:00:00Z", "110"},
      {"11", "bob", "2024-01-02T06:00:00Z", "120"}, {"12", "eve", "2024-01-02T07:00:00Z", "2500"},
      {"13", "eve", "2024-01-02T08:00:00Z", "130"}};
}

inline void WriteOrders(const std::string& path, const std::vector<Order>& orders) {
  std::string text = "id,user_name,placed_at,amount\n";
  for (const Order& order : orders) {
    text += order.id + "," + order.user + "," + order.at + "," + order.amount + "\n";
  }
  WriteText(path, text);
}

// A definition of the project, and the same said a second time, for the audit.
struct OrdersRules {
  double most;
  std::set<double> devils;

  std::string Definitions() const {
    std::string check;
    for (const double devil : devils) {
      check += (check.empty() ? "" : " and ") + std::string("amount <> ") + std::to_string(devil);
    }
    return OrdersDefinitions(std::to_string(most), check);
  }
};
inline OrdersRules FirstRules() { return {1000, {666}}; }
inline OrdersRules SecondRules() { return {2400, {666, 50.5}}; }

// Scans every table and holds it against what the files' lines must have become.
class OrdersAudit {
 public:
  // `files`: path -> its lines, in the order they were to land.
  OrdersAudit(const std::string& root,
              std::vector<std::pair<std::string, std::vector<Order>>> files, OrdersRules rules)
      : files_(std::move(files)),
        rules_(std::move(rules)),
        open_(root, {.faults = {}, .online = false, .now_us = kTestNow}) {}

  void Check() {
    CheckLanded();
    if (::testing::Test::HasFailure()) {
      return;
    }
    Follow();
    EXPECT_EQ(SeqsOf("landing.orders"), accepted_);
    EXPECT_EQ(SeqsOf("processing.orders"), kept_);
    EXPECT_EQ(SeqsOf("curated.doubled"), doubled_);
    CheckQuarantine();
    CheckUsers();
    CheckVersions();
    CheckCounts();
  }

 private:
  using Seqs = std::vector<int64_t>;

  // As they rest; unique and ascending.
  Seqs SeqsOf(const std::string& table) {
    Seqs seqs;
    for (const auto& row : ReadTable(open_.workspace(), table, {"_seq"})) {
      seqs.push_back(std::stoll(row[0]));
      EXPECT_TRUE(seqs.size() == 1 || seqs[seqs.size() - 2] < seqs.back())
          << table << ": _seq " << seqs.back();
    }
    return seqs;
  }

  void CheckLanded() {
    std::set<std::string> expected;
    for (const auto& [path, lines] : files_) {
      for (size_t i = 0; i < lines.size(); ++i) {
        expected.insert(path + "#" + std::to_string(i + 1));
      }
    }
    const Rows rows = ReadTable(open_.workspace(), "landing.orders_raw",
                                {"_file", "_row", "_seq", "id", "amount"});
    EXPECT_EQ(rows.size(), expected.size());
    std::set<std::string> seen;
    for (const auto& row : rows) {
      const std::string place = row[0] + "#" + row[1];
      EXPECT_TRUE(seen.insert(place).second) << place << " landed twice";
      seq_of_[place] = std::stoll(row[2]);
    }
    EXPECT_EQ(seen, expected);
    SeqsOf("landing.orders_raw");
  }

  // Where each line must be.
  void Follow() {
    std::set<std::string> ids;
    for (const auto& [path, lines] : files_) {
      for (size_t i = 0; i < lines.size(); ++i) {
        const Order& line = lines[i];
        const int64_t seq = seq_of_.at(path + "#" + std::to_string(i + 1));
        const double amount = std::stod(line.amount);
        if (line.id == "x" || line.user.empty() || amount > rules_.most) {
          rejected_.insert({"landing.orders", seq});
          continue;
        }
        accepted_.push_back(seq);
        auto& greatest = greatest_[line.user];
        greatest = std::max(greatest, {amount, seq});
        if (amount < 5) {
          ++dropped_;
        } else if (!ids.insert(line.id).second) {
          ++duplicates_;
        } else if (rules_.devils.count(amount) > 0) {
          rejected_.insert({"processing.orders", seq});
        } else {
          kept_.push_back(seq);
          if (amount != 20) {
            doubled_.push_back(seq);
            auto& [n, total] = users_[line.user];
            ++n;
            total += 2 * amount;
          }
        }
      }
    }
  }

  void CheckQuarantine() {
    std::set<std::pair<std::string, int64_t>> there;
    for (const auto& row : ReadTable(open_.workspace(), "quarantine.orders", {"_origin", "_seq"})) {
      EXPECT_TRUE(there.insert({row[0], std::stoll(row[1])}).second)
          << row[0] << " rejected _seq " << row[1] << " twice";
    }
    EXPECT_EQ(there, rejected_);
  }

  void CheckUsers() {
    std::map<std::string, std::pair<int64_t, double>> poor;
    int64_t rich = 0;
    for (const auto& [user, sums] : users_) {
      sums.second < 350 ? static_cast<void>(poor[user] = sums) : static_cast<void>(++rich);
    }
    std::map<std::string, std::pair<int64_t, double>> there;
    for (const auto& row :
         ReadTable(open_.workspace(), "curated.per_user", {"user_name", "n", "total"})) {
      EXPECT_TRUE(there.emplace(row[0], std::pair(std::stoll(row[1]), std::stod(row[2]))).second);
    }
    EXPECT_EQ(there, poor);
    EXPECT_EQ(ReadTable(open_.workspace(), "quarantine.per_user", {"_seq"}).size(),
              static_cast<size_t>(rich));
    SeqsOf("curated.per_user");
  }

  // Logs of versions have each version once, and the presents are what they say.
  void CheckVersions() {
    EXPECT_EQ(SeqsOf("history.greatest"), accepted_);
    std::map<std::string, std::pair<double, int64_t>> there;
    for (const auto& row :
         ReadTable(open_.workspace(), "processing.greatest", {"user_name", "amount", "_seq"})) {
      EXPECT_TRUE(there.emplace(row[0], std::pair(std::stod(row[1]), std::stoll(row[2]))).second);
    }
    EXPECT_EQ(there, greatest_);
    SeqsOf("history.totals");
    std::map<std::string, std::vector<std::string>> folded;
    for (const auto& row : ReadTable(open_.workspace(), "history.totals",
                                     {"user_name", "_op", "n", "total", "_seq"})) {
      EXPECT_EQ(folded.count(row[0]) > 0, row[1] != "insert") << row[0] << " " << row[1];
      folded[row[0]] = {row[2], row[3], row[4]};
      if (row[1] == "delete") {
        folded.erase(row[0]);
      }
    }
    std::map<std::string, std::vector<std::string>> present;
    for (const auto& row :
         ReadTable(open_.workspace(), "curated.totals", {"user_name", "n", "total", "_seq"})) {
      EXPECT_TRUE(present.emplace(row[0], std::vector<std::string>{row[1], row[2], row[3]}).second);
      const std::pair<int64_t, double> sums(std::stoll(row[1]), std::stod(row[2]));
      EXPECT_EQ(sums, users_[row[0]]) << row[0];
    }
    EXPECT_EQ(present, folded);
    EXPECT_EQ(present.size(), users_.size());
  }

  // Sums of the counts of all commits of the table's generation; of the last one, where each commit
  // brings all rows.
  std::map<std::string, int64_t> CountsOf(const std::string& table, bool last_only) {
    std::map<std::string, int64_t> sums;
    const auto opened = Must(OpenTable(open_.workspace(), table));
    std::optional<int64_t> generation;
    for (const lake::CommitSummary& commit : Must(opened->History(1000))) {
      const auto step = commit.info.find("step");
      const int64_t mine =
          step == commit.info.end()
              ? 1
              : nlohmann::json::parse(step->second).at("generation").get<int64_t>();
      if (!generation) {
        generation = mine;
      } else if (last_only || mine != *generation) {
        break;
      }
      for (const auto& [name, count] : commit.counts) {
        sums[name] += count;
      }
    }
    return sums;
  }

  void CheckCounts() {
    const auto size = [](const auto& things) { return static_cast<int64_t>(things.size()); };
    const auto expect = [&](const std::string& table,
                            const std::map<std::string, int64_t>& expected) {
      auto counts = CountsOf(table, false);
      for (const auto& [name, count] : expected) {
        EXPECT_EQ(counts[name], count) << table << ": " << name;
      }
    };
    expect("landing.orders_raw", {{"read", size(seq_of_)}, {"written", size(seq_of_)}});
    expect("landing.orders", {{"read", size(seq_of_)},
                              {"written", size(accepted_)},
                              {"quarantined", size(seq_of_) - size(accepted_)}});
    expect("processing.orders",
           {{"read", size(accepted_)},
            {"written", size(kept_)},
            {"dropped", dropped_},
            {"duplicates", duplicates_},
            {"quarantined", size(accepted_) - size(kept_) - dropped_ - duplicates_}});
    expect("curated.doubled", {{"read", size(kept_)},
                               {"written", size(doubled_)},
                               {"filtered", size(kept_) - size(doubled_)}});
    auto merged = CountsOf("history.greatest", false);
    EXPECT_EQ(merged["read"], size(accepted_));
    EXPECT_EQ(merged["written"] + merged["superseded"], size(accepted_));
    EXPECT_EQ(merged["versions.insert"], size(greatest_));
    auto whole = CountsOf("curated.per_user", true);
    EXPECT_EQ(whole["read"], size(users_));
    EXPECT_EQ(whole["written"] + whole["quarantined"], size(users_));
  }

  const std::vector<std::pair<std::string, std::vector<Order>>> files_;
  const OrdersRules rules_;
  OpenProject open_;
  std::map<std::string, int64_t> seq_of_;  // "data/a.csv#1" -> _seq
  Seqs accepted_, kept_, doubled_;
  std::map<std::string, std::pair<double, int64_t>> greatest_;  // user -> amount, _seq
  std::set<std::pair<std::string, int64_t>> rejected_;          // origin, _seq
  int64_t dropped_ = 0;
  int64_t duplicates_ = 0;
  std::map<std::string, std::pair<int64_t, double>> users_;
};

// A run of everything; an error of the run itself becomes a failed outcome.
inline arrow::Result<RunOutcome> RunAll(const Workspace& workspace) {
  RunRequest request;
  request.command = "run";
  request.materialize = workspace.online != nullptr;
  return RunProject(workspace, request);
}

// What a run that must succeed says; failed steps are test failures.
inline RunOutcome MustRun(const Workspace& workspace) {
  RunOutcome outcome = Must(RunAll(workspace));
  for (const StepOutcome& step : outcome.steps) {
    EXPECT_TRUE(step.status == StepOutcome::Status::kDone ||
                step.status == StepOutcome::Status::kNothing)
        << step.report.thing << " " << step.report.step << ": " << step.error;
  }
  EXPECT_TRUE(outcome.balanced());
  return outcome;
}

// What a project answers.
struct OrdersAnswers {
  std::shared_ptr<arrow::Table> trained;  // every user at two moments, from a training set
  std::string online;                     // every user at the project's clock, as text
};

inline OrdersAnswers AnswersOf(const Workspace& workspace) {
  OrdersAnswers answers;
  const auto analysed = Must(AnalyseProject(workspace, true));
  const auto spine = BatchOf(
      {arrow::field("user_name", arrow::utf8()), arrow::field("event_timestamp", arrow::utf8())},
      R"([{"user_name": "ann", "event_timestamp": "2024-01-01T12:00:00Z"},
          {"user_name": "bob", "event_timestamp": "2024-01-01T12:00:00Z"},
          {"user_name": "eve", "event_timestamp": "2024-01-01T12:00:00Z"},
          {"user_name": "ann", "event_timestamp": "2024-01-20T00:00:00Z"},
          {"user_name": "bob", "event_timestamp": "2024-01-20T00:00:00Z"},
          {"user_name": "eve", "event_timestamp": "2024-01-20T00:00:00Z"}])");
  LakeFeatureLog log(workspace);
  answers.trained =
      Must(feature::BuildTrainingSet(*analysed.services.at("all"),
                                     Must(arrow::Table::FromRecordBatches({spine})), {}, &log))
          .table;
  arrow::Status refusal;
  const auto stored =
      Must(StoredViewOf(workspace, analysed, *workspace.project->FindView("spending"), &refusal));
  MustBeOk(refusal);
  online::ViewRead read;
  read.view = &stored;
  read.keys = {Must(arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["ann", "bob", "eve"])"))};
  const auto read_back = Must(workspace.online->Read({read}, workspace.clock->NowMicros()));
  const state::AnswerBlock& features = read_back.at(0).features;
  for (size_t i = 0; i < features.num_features(); ++i) {
    const auto column = features.feature(i).ToColumn();
    answers.online += column.values->ToString();
  }
  return answers;
}

}  // namespace icecore::pipeline
