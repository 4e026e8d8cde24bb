// Clustered logs: kept up to their table, equal to it, never believed when something is wrong.
#include "icecore/pipeline/view_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "icecore/base/id.h"
#include "icecore/pipeline/view_log_fixture.h"

namespace icecore::pipeline {
namespace {

class ViewLogTest : public ViewLogFixture {};

TEST_F(ViewLogTest, KeepsUpWithItsTable) {
  EXPECT_TRUE(IsUsed());
  const ViewLogManifest first = Manifest();
  ASSERT_EQ(first.runs.size(), 1U);
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Open();
  Run(false);
  const ViewLogManifest second = Manifest();
  EXPECT_GT(second.seq_up_to, first.seq_up_to);
  ASSERT_EQ(second.runs.size(), 2U);
  EXPECT_EQ(second.runs[0].name, first.runs[0].name);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, RowsAboveItsMarkComeFromTheTable) {
  const ViewLogManifest first = Manifest();
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  open_->workspace().features_root.clear();
  Run(false);
  open_->workspace().features_root = folder_.path() + "/.icecore/features";
  EXPECT_EQ(Manifest().seq_up_to, first.seq_up_to);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, FewRunsRemain) {
  for (int i = 0; i < 12; ++i) {
    WriteOrders(folder_.path() + "/data/c" + std::to_string(i) + ".csv",
                {{std::to_string(100 + i), "ann",
                  "2024-02-01T00:00:0" + std::to_string(i % 10) + "Z", "7"}});
    Run(false);
    EXPECT_LE(Manifest().runs.size(), 8U);
  }
  int64_t rows = 0;
  for (const LoggedRun& run : Manifest().runs) rows += run.facts.rows;
  EXPECT_GE(rows, 12);
  EXPECT_TRUE(IsUsed());
  EXPECT_EQ(Files().size(), 2 + 2 * Manifest().runs.size());
}

TEST_F(ViewLogTest, AnotherGenerationIsBuiltAnew) {
  const ViewLogManifest first = Manifest();
  Run(true);
  EXPECT_GT(Manifest().generation, first.generation);
  ASSERT_EQ(Manifest().runs.size(), 1U);
  EXPECT_NE(Manifest().runs[0].name, first.runs[0].name);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, ADamagedFileIsNotBelievedAndMadeAnew) {
  for (size_t victim = 0; victim < Files().size(); ++victim) {
    const std::string path = Files()[victim];
    if (path.ends_with("lock")) continue;
    Damage(path, /*unseen=*/victim % 2 == 0);
    EXPECT_FALSE(IsUsed()) << path;
    Run(false);
    EXPECT_TRUE(IsUsed()) << path;
    std::filesystem::remove(Files().front().ends_with("lock") ? Files().back() : Files().front());
    EXPECT_FALSE(IsUsed());
    Run(false);
    EXPECT_TRUE(IsUsed());
  }
}

TEST_F(ViewLogTest, WhatAKillLeftBehindGoes) {
  WriteText(LogFolder() + "/run-half.rows", "half");
  WriteText(LogFolder() + "/manifest.json.writing", "half");
  Run(false);
  EXPECT_FALSE(std::filesystem::exists(LogFolder() + "/run-half.rows"));
  EXPECT_FALSE(std::filesystem::exists(LogFolder() + "/manifest.json.writing"));
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, TwoDoNotWriteAtOnce) {
  const int lock = ::open((LogFolder() + "/lock").c_str(), O_RDWR);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  const ViewLogManifest first = Manifest();
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Run(false);
  EXPECT_EQ(Manifest().seq_up_to, first.seq_up_to);
  EXPECT_TRUE(IsUsed());
  ::close(lock);
  Run(false);
  EXPECT_GT(Manifest().seq_up_to, first.seq_up_to);
}

// Files too large to be read at each opening are read before their rows go into another run.
TEST_F(ViewLogTest, WhatIsMergedIsHeldAgainstItsChecksumFirst) {
  const auto add = [&](int number) {
    WriteOrders(folder_.path() + "/data/d" + std::to_string(number) + ".csv",
                {{std::to_string(200 + number),
                  std::string(size_t{5} << 20, static_cast<char>('a' + number)),
                  "2024-02-01T00:00:00Z", "7"}});
    Open();
  };
  for (int number = 0; number < 2; ++number) {
    add(number);
    Run(false);
  }
  const ViewLogManifest before = Manifest();
  ASSERT_EQ(before.runs.size(), 3U);
  const std::string victim = LogFolder() + "/" + before.runs[1].name + ".keys";
  ASSERT_GT(std::filesystem::file_size(victim), 4U << 20);
  Damage(victim, /*unseen=*/true);
  EXPECT_TRUE(CheckRunFiles(LogFolder(), before.runs[1], FileCheck::kOpening).ok());
  EXPECT_FALSE(CheckRunFiles(LogFolder(), before.runs[1], FileCheck::kBytes).ok());

  add(2);
  std::string warnings;
  open_->workspace().listener = [&](const Event& event) {
    if (event.kind == Event::Kind::kWarning) warnings += event.message + "\n";
  };
  Run(false);
  EXPECT_NE(warnings.find(before.runs[1].name + ".keys"), std::string::npos) << warnings;
  for (const LoggedRun& run : Manifest().runs) {
    EXPECT_TRUE(CheckRunFiles(LogFolder(), run, FileCheck::kBytes).ok());
    EXPECT_NE(run.name, before.runs[1].name);
  }
  EXPECT_EQ(Files().size(), 2 + 2 * Manifest().runs.size());
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, TheOldLogAnswersUntilTheNewOneIsWhole) {
  const ViewLogManifest before = Manifest();
  Define("amount, id");
  EXPECT_FALSE(IsUsed());  // it lacks a column
  int looks = 0;
  open_->workspace().listener = [&](const Event& event) {
    if (event.step != "log" || event.kind != Event::Kind::kProgress) return;
    ++looks;
    EXPECT_EQ(Manifest().runs[0].name, before.runs[0].name);
    EXPECT_TRUE(std::filesystem::exists(LogFolder() + "/" + before.runs[0].name + ".rows"));
  };
  Run(false);
  EXPECT_GT(looks, 0);
  EXPECT_NE(Manifest().runs[0].name, before.runs[0].name);
  EXPECT_EQ(Files().size(), 2 + 2 * Manifest().runs.size());
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, ALogInMakingIsTakenUp) {
  Define("amount, id");
  Run(false);
  const ViewLogManifest made = Manifest();
  // As a kill leaves it just before the switch, beside the log of the definition before.
  std::filesystem::rename(LogFolder() + "/manifest.json", LogFolder() + "/manifest.next.json");
  ViewLogManifest old = made;
  old.definition = "another";
  old.runs.clear();
  ASSERT_TRUE(WriteManifest(LogFolder(), kLogInUse, old).ok());
  EXPECT_TRUE(IsUsed());
  Run(false);
  EXPECT_EQ(Manifest().runs[0].name, made.runs[0].name);
  EXPECT_EQ(Files().size(), 2 + 2 * made.runs.size());
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, FeaturesOverTheSameValuesKeepTheLog) {
  const ViewLogManifest before = Manifest();
  Define(
      "{name: n, aggregate: count, windows: [30d]}, {name: last, of: amount, default: 3.5}, "
      "{of: amount, aggregates: [sum, max], windows: [1d, 90d]}");
  EXPECT_TRUE(IsUsed());
  Run(false);
  EXPECT_EQ(Manifest().runs[0].name, before.runs[0].name);
  EXPECT_TRUE(IsUsed());
}

// Columns that a view reads no more stay in old runs, leave new ones, and are not missed.
TEST_F(ViewLogTest, FeaturesThatGoOrMoveKeepTheLog) {
  const std::string low = "{name: low, of: id, where: \"amount < 50\"}";
  const std::string high = "{name: high, of: amount, where: \"amount > 50\"}";
  Define("amount, id, " + low + ", " + high);
  Run(false);
  const std::string name = Manifest().runs[0].name;
  for (const std::string& features :
       {"id, amount, " + high, high + ", " + low, std::string("{name: other, of: amount}"),
        "amount, id, " + low + ", " + high}) {
    Define(features);
    EXPECT_TRUE(IsUsed()) << features;
    Run(false);
    EXPECT_EQ(Manifest().runs[0].name, name) << features;
  }
  Define("id");
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Run(false);
  ASSERT_EQ(Manifest().runs.size(), 2u);
  EXPECT_EQ(Manifest().runs[0].name, name);
  EXPECT_EQ(Manifest().runs[1].has.columns, std::vector<std::string>{"id"});
  EXPECT_TRUE(IsUsed());
  Define("id, " + high);
  EXPECT_FALSE(IsUsed());
  Run(false);
  EXPECT_NE(Manifest().runs[0].name, name);
  EXPECT_TRUE(IsUsed());
}

// Format 1 did not say which columns its runs have: all that its definition names.
TEST_F(ViewLogTest, AManifestOfFormat1IsRead) {
  const ViewLogManifest before = Manifest();
  const spec::Project& project = *open_->workspace().project;
  const spec::KnownAt known_at = TimesOf(project, *project.FindView("spending")).known_at;
  using nlohmann::json;
  const json definition = {
      {"from", "curated.doubled"},
      {"keys", json::array({json::array({"user_name", "string"})})},
      {"where", ""},
      {"always", false},
      {"event_time", "placed_at"},
      {"known_at", {static_cast<int>(known_at.kind), known_at.column, known_at.delay_us}},
      {"masks", json::array()},
      {"values", {"amount"}}};
  const std::string path = LogFolder() + "/manifest.json";
  std::ifstream in(path);
  json log = json::parse(in).at("log");
  log["format"] = 1;
  log["definition"] = base::Sha256Hex(definition.dump());
  for (auto& run : log["runs"]) {
    EXPECT_EQ(run["columns"].dump(), R"(["amount"])");
    run.erase("columns");
    run.erase("filters");
  }
  WriteText(path, json{{"log", log}, {"checksum", base::Hash64(log.dump())}}.dump());
  EXPECT_TRUE(IsUsed());
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Run(false);
  EXPECT_EQ(Manifest().runs[0].name, before.runs[0].name);
  EXPECT_EQ(Manifest().definition, before.definition);
  EXPECT_TRUE(IsUsed());
}

TEST_F(ViewLogTest, LogsOfNoViewGo) {
  std::string text = FirstRules().Definitions();
  for (size_t at = text.find("spending"); at != std::string::npos; at = text.find("spending", at)) {
    text.replace(at, 8, "expenses");
  }
  WriteText(folder_.path() + "/definitions/all.yaml", text);
  Open();
  Run(false);
  EXPECT_FALSE(std::filesystem::exists(LogFolder()));
  EXPECT_TRUE(std::filesystem::exists(folder_.path() + "/.icecore/features/expenses"));
  WriteText(folder_.path() + "/icecore.yaml",
            std::string(kProjectYaml) + "feature_log_rows: 1000\n");
  Open();
  Run(false);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/.icecore/features/expenses"));
}

}  // namespace
}  // namespace icecore::pipeline
