#include "icecore/ingest/files/manifest.h"

#include <gtest/gtest.h>

#include <string>

#include "icecore/base/error.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;

Manifest Sample() {
  Manifest manifest;
  manifest.BeginBatch();
  manifest.Add({.path = "data/\xFF%\"\n\xC3\xB6.csv",
                .size = 12,
                .mtime_ns = 1'700'000'000'123'456'789,
                .inode = 42,
                .digest = "aa",
                .from_row = 0,
                .rows = 3,
                .first_seq = 1});
  manifest.BeginBatch();
  manifest.Add({.path = "b", .digest = "bb", .rows = 1, .first_seq = 4});
  manifest.Add({.path = "b", .digest = "cc", .from_row = 1, .rows = 1, .first_seq = 5});
  return manifest;
}

TEST(ManifestTest, ReadsBackWhatItWrote) {
  const Manifest manifest = Sample();
  const std::string bytes = manifest.Serialize();
  const auto back = Manifest::Parse(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->Serialize(), bytes);
  EXPECT_EQ(back->batch(), 2);
  ASSERT_EQ(back->files().size(), 3u);
  EXPECT_EQ(back->files()[0].path, manifest.files()[0].path);
  EXPECT_EQ(back->files()[0].mtime_ns, manifest.files()[0].mtime_ns);
  EXPECT_EQ(back->files()[2].batch, 2);
  EXPECT_EQ(back->Find("b")->digest, "cc");
  EXPECT_EQ(back->FindDigest("bb")->first_seq, 4);
  EXPECT_EQ(back->Find("c"), nullptr);
}

TEST(ManifestTest, TheEmptyPositionIsTheEmptyManifest) {
  const auto manifest = Manifest::Parse("");
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->batch(), 0);
  EXPECT_TRUE(manifest->files().empty());
}

TEST(ManifestTest, EveryCutAndEveryFlippedByteIsSeen) {
  const std::string bytes = Sample().Serialize();
  for (size_t i = 1; i < bytes.size(); ++i) {
    EXPECT_FALSE(Manifest::Parse(bytes.substr(0, i)).ok()) << i;
  }
  const size_t rows = bytes.find('\n') + 1;
  for (size_t i = rows; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    const auto parsed = Manifest::Parse(damaged);
    ASSERT_FALSE(parsed.ok()) << i;
    EXPECT_EQ(CodeOf(parsed.status()), ErrorCode::kCorrupt);
  }
}

TEST(ManifestTest, ANewerVersionIsRefusedByNumber) {
  std::string bytes = Sample().Serialize();
  bytes.replace(bytes.find("\"version\":1"), 11, "\"version\":2");
  EXPECT_EQ(CodeOf(Manifest::Parse(bytes).status()), ErrorCode::kUnsupported);
}

TEST(ManifestTest, RestsInTheLakeUnderItsDigest) {
  TestProject project;
  const Manifest manifest = Sample();
  const auto ref = WriteManifest(project.store(), "landing/x", manifest);
  ASSERT_TRUE(ref.ok()) << ref.status();
  ASSERT_TRUE(WriteManifest(project.store(), "landing/x", manifest).ok());
  const auto parsed = ManifestRef::Parse(ref->Serialize());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->path, ref->path);
  const auto back = ReadManifest(project.store(), "landing/x", *parsed);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->Serialize(), manifest.Serialize());

  const std::string path = "landing/x/" + ref->path;
  ASSERT_TRUE(project.store().Put(path, manifest.Serialize() + " ").ok());
  EXPECT_EQ(CodeOf(ReadManifest(project.store(), "landing/x", *ref).status()), ErrorCode::kCorrupt);
  ASSERT_TRUE(project.store().Delete(path).ok());
  EXPECT_EQ(CodeOf(ReadManifest(project.store(), "landing/x", *ref).status()), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(ManifestRef::Parse("{}").status()), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace icecore::ingest
