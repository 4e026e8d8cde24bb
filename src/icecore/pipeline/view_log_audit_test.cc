// `check --lake` over clustered logs: a sound one has no findings, each damage is named.
#include "icecore/pipeline/view_log_audit.h"

#include "icecore/base/clock.h"
#include "icecore/pipeline/view_log_fixture.h"

namespace icecore::pipeline {
namespace {

class ViewLogAuditTest : public ViewLogFixture {
 protected:
  // Codes of errors, and of notes with "note " before them; each with its file's name.
  std::vector<std::string> Audit(bool deep) {
    LakeAuditOptions options;
    options.deep = deep;
    // Every file is old.
    options.machine_now_us = base::MakeSystemClock()->NowMicros() + int64_t{3600} * 1'000'000;
    std::vector<lake::Finding> findings;
    MustBeOk(AuditViewLogs(open_->workspace(), {"curated.doubled"}, options, &findings));
    std::vector<std::string> codes;
    for (const lake::Finding& finding : findings) {
      EXPECT_NE(finding.found, "");
      EXPECT_NE(finding.expected, "");
      EXPECT_NE(finding.advice, "");
      codes.push_back((finding.is_note ? "note " : "") + finding.code + " " +
                      finding.file.substr(finding.file.rfind('/') + 1));
    }
    return codes;
  }
  using Codes = std::vector<std::string>;
};

TEST_F(ViewLogAuditTest, ASoundLogHasNoFindings) {
  EXPECT_EQ(Audit(false), Codes());
  EXPECT_EQ(Audit(true), Codes());
  const auto whole = Must(AuditLake(open_->workspace(), {"curated.doubled"}, {.deep = true}));
  EXPECT_TRUE(whole.sound());
}

TEST_F(ViewLogAuditTest, DamageIsNamed) {
  const std::string name = Manifest().runs[0].name + ".keys";
  Damage(LogFolder() + "/" + name, /*unseen=*/true);
  EXPECT_EQ(Audit(false), Codes{"feature_log_file " + name});
  const auto whole = Must(AuditLake(open_->workspace(), {"curated.doubled"}, {}));
  EXPECT_FALSE(whole.sound());
  Run(false);
  EXPECT_EQ(Audit(true), Codes());

  const std::string other = Manifest().runs[0].name + ".rows";
  std::filesystem::remove(LogFolder() + "/" + other);
  EXPECT_EQ(Audit(false), Codes{"feature_log_file " + other});
  Run(false);
  EXPECT_EQ(Audit(true), Codes());

  Damage(LogFolder() + "/manifest.json", /*unseen=*/false);
  const Codes found = Audit(false);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], "feature_log_manifest manifest.json");
  Run(false);
  EXPECT_EQ(Audit(true), Codes());
}

// What deep reads alone: a large file that looks untouched.
TEST_F(ViewLogAuditTest, DeepReadsEveryByte) {
  WriteOrders(folder_.path() + "/data/d.csv",
              {{"200", std::string(size_t{5} << 20, 'a'), "2024-02-01T00:00:00Z", "7"}});
  Open();
  Run(false);
  const std::string name = Manifest().runs[1].name + ".keys";
  Damage(LogFolder() + "/" + name, /*unseen=*/true);
  EXPECT_EQ(Audit(false), Codes());
  EXPECT_EQ(Audit(true), Codes{"feature_log_file " + name});
}

TEST_F(ViewLogAuditTest, APositionBeyondTheTableIsNamed) {
  ViewLogManifest manifest = Manifest();
  manifest.seq_up_to += 1000;
  MustBeOk(WriteManifest(LogFolder(), kLogInUse, manifest));
  EXPECT_EQ(Audit(false), Codes{"feature_log_beyond manifest.json"});
  Run(false);
  EXPECT_EQ(Audit(true), Codes());
  manifest = Manifest();
  manifest.table_id = "another";
  MustBeOk(WriteManifest(LogFolder(), kLogInUse, manifest));
  EXPECT_EQ(Audit(false), Codes{"note feature_log_unused manifest.json"});
  Run(false);
  EXPECT_EQ(Audit(true), Codes());
}

TEST_F(ViewLogAuditTest, WhatNobodyNamesIsANote) {
  WriteText(LogFolder() + "/run-half.rows", "half");
  EXPECT_EQ(Audit(false), Codes{"note feature_log_leftover run-half.rows"});
  std::filesystem::create_directories(folder_.path() + "/.icecore/features/nobody");
  EXPECT_EQ(Audit(false),
            (Codes{"note feature_log_unused ", "note feature_log_leftover run-half.rows"}));
  Run(false);
  EXPECT_EQ(Audit(true), Codes());
}

}  // namespace
}  // namespace icecore::pipeline
