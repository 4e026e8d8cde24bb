#include "icecore/lake/table.h"

#include <fstream>
#include <set>
#include <thread>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using TableTest = LakeFixture;

std::string LogFile(int64_t version) {
  char name[64];
  std::snprintf(name, sizeof name, "t/_delta_log/%020lld.json", static_cast<long long>(version));
  return name;
}

TEST_F(TableTest, CreateAppendLoadRead) {
  const auto table = OpenTable(*store_);
  EXPECT_FALSE(Must(table->Exists()));
  EXPECT_EQ(CodeOfFailed(table->Load()), ErrorCode::kNotFound);
  EXPECT_EQ(Must(table->LoadOrEmpty())->version, -1);
  ASSERT_OK(Create(*table, Schema()));
  EXPECT_TRUE(Must(table->Exists()));
  EXPECT_EQ(Must(Append(*table, 3)), 1);
  EXPECT_EQ(Must(Append(*table, 4)), 2);
  const auto snapshot = Must(OpenTable(*store_)->Load());
  EXPECT_EQ(snapshot->version, 2);
  EXPECT_EQ(snapshot->row_count(), 7);
  EXPECT_EQ(snapshot->last_seq(), 7);
  EXPECT_EQ(snapshot->protocol.min_reader, 1);
  EXPECT_EQ(snapshot->protocol.min_writer, 7);
  EXPECT_TRUE(snapshot->schema->Equals(*Schema()));
  EXPECT_EQ(Seqs(*snapshot), UpTo(7));
  EXPECT_EQ(Seqs(*Must(table->Load(1))), UpTo(3));
  EXPECT_EQ(CodeOfFailed(table->Load(3)), ErrorCode::kNotFound);
}

TEST_F(TableTest, TimesNeverGoBack) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const int64_t first_us = Must(table->Load())->timestamp_us;
  clock_.Set(first_us - 5'000'000);
  ASSERT_OK(Append(*table, 1).status());
  EXPECT_EQ(Must(table->Load())->timestamp_us, first_us + 1000);
  clock_.Set(first_us + 60'000'000);
  ASSERT_OK(Append(*table, 1).status());
  EXPECT_EQ(Must(table->LoadAt(first_us + 1000))->version, 1);
  EXPECT_EQ(Must(table->LoadAt(first_us + 60'000'000))->version, 2);
  EXPECT_EQ(CodeOfFailed(table->LoadAt(first_us - 1)), ErrorCode::kNotFound);
}

TEST_F(TableTest, HistoryTellsOperationCountsAndInfo) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  Commit commit;
  commit.operation = "WRITE";
  commit.counts = {{"rows_read", 10}, {"quarantined.late", 2}};
  commit.info["range"] = R"({"first":1,"last":9223372036854775807})";
  commit.domains["icecore.position"] = R"({"batch":1})";
  EXPECT_EQ(Must(table->CommitTo(*Must(table->Load()), commit)), 1);
  const auto history = Must(table->History(10));
  ASSERT_EQ(history.size(), 2);
  EXPECT_EQ(history[0].version, 1);
  EXPECT_EQ(history[0].operation, "WRITE");
  EXPECT_EQ(history[0].counts, commit.counts);
  EXPECT_EQ(history[0].info.at("range"), commit.info["range"]);
  EXPECT_FALSE(history[0].commit_id.empty());
  EXPECT_EQ(history[1].operation, "CREATE TABLE");
  EXPECT_EQ(Must(table->Load())->Domain("icecore.position"), R"({"batch":1})");
  Commit removal;
  removal.domains["icecore.position"] = std::nullopt;
  ASSERT_OK(table->CommitTo(*Must(table->Load()), removal).status());
  EXPECT_EQ(Must(table->Load())->Domain("icecore.position"), std::nullopt);
}

TEST_F(TableTest, CheckpointsKeepEverythingAndShortenReplay) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  Commit domain;
  domain.domains["d"] = "configuration";
  domain.transactions["step"] = 17;
  ASSERT_OK(table->CommitTo(*Must(table->Load()), domain).status());
  for (int i = 0; i < 25; ++i) {
    ASSERT_OK(Append(*table, 2).status());
  }
  EXPECT_TRUE(Must(store_->Exists("t/_delta_log/00000000000000000009.checkpoint.parquet")));
  EXPECT_TRUE(Must(store_->Exists("t/_delta_log/00000000000000000019.checkpoint.parquet")));
  // Entries before the checkpoint are not needed.
  for (int64_t version = 0; version < 19; ++version) {
    ASSERT_OK(store_->Delete(LogFile(version)));
  }
  const auto snapshot = Must(OpenTable(*store_)->Load());
  EXPECT_EQ(snapshot->version, 26);
  EXPECT_EQ(snapshot->checkpoint_version, 19);
  EXPECT_EQ(snapshot->Domain("d"), "configuration");
  EXPECT_EQ(snapshot->Transaction("step"), 17);
  EXPECT_EQ(snapshot->last_seq(), 50);
  EXPECT_EQ(Seqs(*snapshot), UpTo(50));
  EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load(19))), UpTo(36));
  EXPECT_GT(Must(OpenTable(*store_)->Load(19))->timestamp_us, 0);
}

TEST_F(TableTest, BrokenCheckpointsAndHintsArePassedOver) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  for (int i = 0; i < 12; ++i) {
    ASSERT_OK(Append(*table, 1).status());
  }
  ASSERT_OK(store_->Put("t/_delta_log/00000000000000000009.checkpoint.parquet", "PAR1 torn"));
  EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load())), UpTo(12));
  for (const char* hint : {"", "{", R"({"version":99})", R"({"version":"x"})"}) {
    ASSERT_OK(store_->Put("t/_delta_log/_last_checkpoint", hint));
    EXPECT_EQ(Seqs(*Must(OpenTable(*store_)->Load())), UpTo(12)) << hint;
  }
  ASSERT_OK(store_->Delete(LogFile(3)));
  const auto broken = OpenTable(*store_)->Load();
  EXPECT_EQ(CodeOfFailed(broken), ErrorCode::kCorrupt);
  EXPECT_NE(broken.status().message().find("checkpoint.parquet"), std::string::npos);
}

TEST_F(TableTest, BrokenLogEntriesAreNamed) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  ASSERT_OK(Append(*table, 1).status());
  ASSERT_OK(Append(*table, 1).status());
  const std::string whole = Must(store_->Get(LogFile(1)));
  // Cut in the middle of a line, between lines, and to nothing.
  for (const size_t length :
       {whole.size() - 20, whole.rfind('\n', whole.size() - 2) + 1, size_t{0}}) {
    ASSERT_OK(store_->Put(LogFile(1), whole.substr(0, length)));
    const auto loaded = OpenTable(*store_)->Load();
    EXPECT_EQ(CodeOfFailed(loaded), ErrorCode::kCorrupt) << length;
    EXPECT_NE(loaded.status().message().find(LogFile(1)), std::string::npos)
        << loaded.status().message();
  }
  ASSERT_OK(store_->Delete(LogFile(1)));
  const auto gap = OpenTable(*store_)->Load();
  EXPECT_EQ(CodeOfFailed(gap), ErrorCode::kCorrupt);
  EXPECT_NE(gap.status().message().find(LogFile(1)), std::string::npos);
  EXPECT_EQ(Must(OpenTable(*store_)->Load(0))->version, 0);
}

TEST_F(TableTest, ActionsOfWrongShapeAreCorrupt) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  for (const char* line :
       {"[]", "{}", "1", R"({"add":1})", R"({"add":{"path":"x"}})",
        R"({"add":{"path":7,"size":1}})", R"({"add":{"path":"x","size":1e300}})",
        R"({"add":{"path":"%zz","size":1}})", R"({"txn":{"appId":"a"}})",
        R"({"protocol":{"minReaderVersion":"1"}})", R"({"metaData":{"id":"i","schemaString":5}})",
        R"({"domainMetadata":[]})", R"({"add":{"path":"x","size":1,"deletionVector":{}}})"}) {
    ASSERT_OK(store_->Put(LogFile(1), line));
    EXPECT_EQ(CodeOfFailed(OpenTable(*store_)->Load()), ErrorCode::kCorrupt) << line;
  }
  for (const char* line :
       {R"({"add":{"path":"/etc/passwd","size":1}})", R"({"add":{"path":"..%2Fx","size":1}})",
        R"({"add":{"path":"s3://b/x","size":1}})"}) {
    ASSERT_OK(store_->Put(LogFile(1), line));
    EXPECT_EQ(CodeOfFailed(OpenTable(*store_)->Load()), ErrorCode::kUnsupported) << line;
  }
  ASSERT_OK(store_->Put(LogFile(1), R"({"unknownAction":{"a":1}})"));
  EXPECT_EQ(Must(OpenTable(*store_)->Load())->version, 1);
}

TEST_F(TableTest, TwoAppendersConflictOnSeqAndTheLoserRedoes) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto read = Must(table->Load());
  EXPECT_EQ(Must(AppendTo(*table, *read, 2)), 1);
  EXPECT_EQ(CodeOfFailed(AppendTo(*table, *read, 2)), ErrorCode::kConflict);
  EXPECT_EQ(Must(Append(*table, 2)), 2);
  EXPECT_EQ(Seqs(*Must(table->Load())), UpTo(4));
}

TEST_F(TableTest, WhatDoesNotConflictGoesBehind) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto read = Must(table->Load());
  for (int i = 0; i < 3; ++i) {
    Commit commit;
    commit.transactions["app" + std::to_string(i)] = i;
    EXPECT_EQ(Must(table->CommitTo(*read, commit)), i + 1);
  }
  const auto after = Must(table->Load());
  EXPECT_EQ(after->transactions.size(), 3);
  EXPECT_EQ(after->timestamp_us, read->timestamp_us + 3000);
}

TEST_F(TableTest, ConflictRules) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  const auto empty = std::make_shared<Snapshot>();
  Commit create;
  create.metadata = TableMetadata{Schema(), {}, "", ""};
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*empty, create)), ErrorCode::kConflict);
  ASSERT_OK(Append(*table, 2).status());
  const auto read = Must(table->Load());
  Commit remove;
  remove.remove_all = true;
  ASSERT_OK(table->CommitTo(*read, remove).status());

  Commit remove_again;
  remove_again.removes = {read->files[0].path};
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*read, remove_again)), ErrorCode::kConflict);
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*Must(table->Load()), remove_again)),
            ErrorCode::kInvalidArgument);
  Commit dependent;
  dependent.reads_all = true;
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*read, dependent)), ErrorCode::kConflict);

  const auto second = Must(table->Load());
  Commit domain;
  domain.domains["d"] = "1";
  ASSERT_OK(table->CommitTo(*second, domain).status());
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*second, domain)), ErrorCode::kConflict);
  const auto third = Must(table->Load());
  Commit change;
  change.metadata = TableMetadata{Schema(), {}, "", ""};
  ASSERT_OK(table->CommitTo(*third, change).status());
  Commit late;
  late.transactions["late"] = 1;
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*third, late)), ErrorCode::kConflict);
}

TEST_F(TableTest, SchemaGrowsAndOldFilesGiveNulls) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, Schema()));
  ASSERT_OK(Append(*table, 2).status());
  const auto before = Must(table->Load());
  auto fields = Schema()->fields();
  fields.push_back(arrow::field("extra", arrow::uint64()));
  fields.push_back(arrow::field("wall", arrow::timestamp(arrow::TimeUnit::MICRO)));
  Commit grow;
  grow.metadata = TableMetadata{arrow::schema(fields), {{"note", "grown"}}, "", "described"};
  ASSERT_OK(table->CommitTo(*before, grow).status());
  const auto after = Must(table->Load());
  EXPECT_EQ(after->table_id, before->table_id);
  EXPECT_EQ(after->protocol.min_reader, 3);
  EXPECT_EQ(after->description, "described");
  EXPECT_EQ(after->configuration.at("note"), "grown");
  EXPECT_EQ(after->configuration.at("delta.enableInCommitTimestamps"), "true");
  EXPECT_EQ(after->configuration.at("icecore.last_column_id"), "4");
  const auto rows = Must(ReadAll(*store_, *after, ScanOptions()));
  EXPECT_EQ(rows->num_rows(), 2);
  EXPECT_EQ(rows->column(2)->null_count(), 2);
  EXPECT_TRUE(rows->schema()->field(2)->type()->Equals(*arrow::uint64()));
}

TEST_F(TableTest, ForeignFeaturesAreRefusedByName) {
  const auto entry = [&](const std::string& protocol, const std::string& configuration) {
    return R"({"protocol":)" + protocol +
           R"(})"
           "\n"
           R"({"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"schemaString":)"
           R"("{\"type\":\"struct\",\"fields\":[]}","partitionColumns":[],"configuration":{)" +
           configuration + "}}}\n";
  };
  const std::string v3 =
      R"({"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors","variantType","catalogManaged"],"writerFeatures":[]})";
  ASSERT_OK(store_->Put(LogFile(0), entry(v3, "")));
  const auto refused = OpenTable(*store_)->Load();
  EXPECT_EQ(CodeOfFailed(refused), ErrorCode::kUnsupported);
  EXPECT_NE(refused.status().message().find("variantType, catalogManaged"), std::string::npos);
  ASSERT_OK(store_->Put(LogFile(0), entry(R"({"minReaderVersion":2,"minWriterVersion":5})",
                                          R"("delta.columnMapping.mode":"size")")));
  EXPECT_EQ(CodeOfFailed(OpenTable(*store_)->Load()), ErrorCode::kUnsupported);
  ASSERT_OK(store_->Put(LogFile(0), entry(R"({"minReaderVersion":1,"minWriterVersion":4})", "")));
  const auto table = OpenTable(*store_);
  const auto snapshot = Must(table->Load());
  Commit commit;
  commit.transactions["a"] = 1;
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*snapshot, commit)), ErrorCode::kUnsupported);
}

TEST_F(TableTest, WritersFromSeveralThreadsLoseNothing) {
  ASSERT_OK(Create(*OpenTable(*store_), Schema()));
  constexpr int kThreads = 4;
  constexpr int kCommits = 15;
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      base::SeededRandom random(static_cast<uint64_t>(t) + 1);
      const auto table = Must(Table::Open(*store_, "t", clock_, random));
      for (int i = 0; i < kCommits; ++i) {
        // The transaction stands for rows: each commit raises the table's mark by one.
        while (true) {
          const auto read = Must(table->Load());
          Commit commit;
          commit.transactions[std::string(kSeqTransaction)] = read->last_seq() + 1;
          const auto version = table->CommitTo(*read, commit);
          if (version.ok()) {
            break;
          }
          if (base::CodeOf(version.status()) != ErrorCode::kConflict) {
            ++failures;
            return;
          }
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
  const auto snapshot = Must(OpenTable(*store_)->Load());
  EXPECT_EQ(snapshot->version, kThreads * kCommits);
  EXPECT_EQ(snapshot->last_seq(), kThreads * kCommits);
}

}  // namespace
}  // namespace icecore::lake
