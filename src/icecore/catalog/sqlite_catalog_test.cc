#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "icecore/catalog/catalog_contract.h"
#include "icecore/catalog/sqlite_statement_internal.h"

namespace icecore::catalog {
namespace {

class SqlitePlace : public CatalogPlace {
 public:
  SqlitePlace() {
    static std::atomic<int> counter = 0;
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("icecore_catalog_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::remove_all(folder_);
  }
  ~SqlitePlace() override { std::filesystem::remove_all(folder_); }

  arrow::Result<std::unique_ptr<Catalog>> Open() override {
    return OpenSqlite(path(), &base::SystemRandom());
  }
  std::string path() const { return (folder_ / "deep" / "catalog.db").string(); }
  void Write(const std::string& bytes) const {
    std::filesystem::create_directories(folder_ / "deep");
    std::ofstream(path(), std::ios::binary) << bytes;
  }
  // Runs SQL on the file behind the catalog's back.
  void Change(const char* sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

 private:
  std::filesystem::path folder_;
};

std::unique_ptr<CatalogPlace> MakeSqlitePlace() { return std::make_unique<SqlitePlace>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, CatalogContract, ::testing::Values(&MakeSqlitePlace));

TEST(SqliteCatalog, SurvivesReopening) {
  SqlitePlace place;
  {
    auto catalog = *place.Open();
    ASSERT_EQ(*catalog->ApplyDefinitions({{"table", "processing.a", "A", "f", "x:1"}}, 5), 1);
  }
  auto catalog = *place.Open();
  EXPECT_EQ((*catalog->GetDefinitions(0))[0].text, "A");
}

TEST(SqliteCatalog, ForeignFilesAreCorrupt) {
  SqlitePlace text;
  text.Write(
      "this is no database, and it is long enough to be read as a header of one, "
      "which has one hundred bytes");
  const auto not_sqlite = text.Open();
  ASSERT_FALSE(not_sqlite.ok());
  EXPECT_EQ(base::CodeOf(not_sqlite.status()), base::ErrorCode::kCorrupt);
  EXPECT_THAT(not_sqlite.status().message(), ::testing::HasSubstr("catalog.db"));

  SqlitePlace other;
  other.Write("");
  other.Change("CREATE TABLE x (a)");
  const auto not_ours = other.Open();
  ASSERT_FALSE(not_ours.ok());
  EXPECT_EQ(base::CodeOf(not_ours.status()), base::ErrorCode::kCorrupt);
  EXPECT_THAT(not_ours.status().message(), ::testing::HasSubstr("not a catalog of Icecore"));
}

TEST(SqliteCatalog, ATruncatedFileIsCorrupt) {
  SqlitePlace place;
  {
    auto catalog = *place.Open();
    std::vector<DefinitionRecord> records;
    for (int i = 0; i < 200; ++i) {
      records.push_back(
          {"table", "processing.t" + std::to_string(i), std::string(500, 'x'), "f", "x:1"});
    }
    ASSERT_TRUE(catalog->ApplyDefinitions(records, 1).ok());
  }
  std::filesystem::resize_file(place.path(), std::filesystem::file_size(place.path()) / 3);
  const auto catalog = place.Open();
  const arrow::Status status =
      catalog.ok() ? (*catalog)->GetDefinitions(0).status() : catalog.status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(base::CodeOf(status), base::ErrorCode::kCorrupt) << status.ToString();
}

TEST(SqliteCatalog, ANewerSchemaIsRefused) {
  SqlitePlace place;
  ASSERT_TRUE(place.Open().ok());
  place.Change("PRAGMA user_version = 3");
  const auto catalog = place.Open();
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(base::CodeOf(catalog.status()), base::ErrorCode::kUnsupported);
  EXPECT_THAT(catalog.status().message(), ::testing::HasSubstr("newer version"));
}

TEST(SqliteCatalog, AnOlderSchemaIsMigrated) {
  SqlitePlace place;
  {
    auto catalog = *place.Open();
    ASSERT_EQ(*catalog->ApplyDefinitions({{"table", "processing.a", "A", "f", "x:1"}}, 5), 1);
  }
  place.Change("DROP TABLE usage; PRAGMA user_version = 1");
  auto catalog = *place.Open();
  EXPECT_EQ((*catalog->GetDefinitions(0))[0].text, "A");
  ASSERT_TRUE(catalog->AddUsage(7, {{"view.v", "c", 1, 2, 3}}).ok());
  EXPECT_EQ((*place.Open())->UsageSince("view.v", 0)->size(), 1u);
}

TEST(SqliteCatalog, AFolderIsNoCatalog) {
  SqlitePlace place;
  std::filesystem::create_directories(place.path());
  const auto catalog = place.Open();
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(base::CodeOf(catalog.status()), base::ErrorCode::kUnavailable);
}

TEST(SqliteCatalog, SeededRandomGivesTheSameIds) {
  SqlitePlace a;
  SqlitePlace b;
  base::SeededRandom random_a(7);
  base::SeededRandom random_b(7);
  auto catalog_a = *OpenSqlite(a.path(), &random_a);
  auto catalog_b = *OpenSqlite(b.path(), &random_b);
  EXPECT_EQ(*catalog_a->StartRun("run", 0, 0, 0), *catalog_b->StartRun("run", 0, 0, 0));
}

// Every process opens the file, which the first of them creates, and writes to it.
int UseInOtherProcess(SqlitePlace* place, int number) {
  const auto catalog = place->Open();
  if (!catalog.ok()) {
    return 1;
  }
  for (int i = 0; i < 20; ++i) {
    const std::string name = "processing.t" + std::to_string(number);
    if (!(*catalog)->ApplyDefinitions({{"table", name, std::to_string(i), "f", "x:1"}}, i).ok()) {
      return 2;
    }
    const auto run = (*catalog)->StartRun("run", 0, number, i);
    if (!run.ok() || !(*catalog)->FinishRun(*run, RunStatus::kDone, "", i).ok()) {
      return 3;
    }
  }
  return 0;
}

TEST(SqliteCatalog, ProcessesShareIt) {
  constexpr int kProcesses = 4;
  SqlitePlace place;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::_exit(UseInOtherProcess(&place, i));
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  auto catalog = *place.Open();
  EXPECT_EQ(catalog->ListRuns(1000)->size(), size_t{kProcesses} * 20);
  EXPECT_EQ(catalog->ListThings()->size(), size_t{kProcesses});
  EXPECT_EQ(catalog->GetDefinitions(0)->size(), 1u);
}

}  // namespace
}  // namespace icecore::catalog
