#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "icecore/capi/icecore.h"

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kNow[] = "2024-01-02T00:00:00Z";

constexpr char kDefinitions[] = R"(entity: user
keys: [{name: user_id, type: int64}]
---
source: events
from:
  files: {path: "data/events.csv", format: csv}
contract:
  columns:
    - {name: user_id, type: int64, required: true}
    - {name: happened_at, type: timestamp, required: true}
    - {name: x, type: float64}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
feature_view: latest
entity: user
from: processing.events
event_time: happened_at
online: true
features:
  - x
  - {name: total, aggregate: sum, of: x, windows: [1h]}
---
feature_service: training
features: [latest]
---
training_set: drawn
service: training
spine: select user_id, happened_at + interval 1 minute as event_timestamp from processing.events
---
test: newest
given:
  processing.events: [{user_id: 1, happened_at: 2024-01-01T10:00Z, x: 4}]
ask: {service: training, at: 2024-01-01T11:00Z, user_id: 1}
expect: {x: 4}
)";

constexpr char kEvents[] =
    "user_id,happened_at,x\n"
    "1,2024-01-01T10:00:00Z,1.5\n"
    "1,2024-01-01T10:30:00Z,2.5\n"
    "2,2024-01-01T10:00:00Z,10\n";

// An error and a result of a call; the error is freed with it.
struct Error {
  ~Error() { icecore_error_free(error); }
  std::string Text() const { return icecore_error_message(error); }
  icecore_error* error = nullptr;
};

std::string TakeText(char* text) {
  const std::string copy = text == nullptr ? "" : text;
  icecore_text_free(text);
  return copy;
}

std::shared_ptr<arrow::Table> ReadAll(ArrowArrayStream* stream) {
  auto reader = arrow::ImportRecordBatchReader(stream);
  EXPECT_TRUE(reader.ok()) << reader.status();
  auto table = reader.ok() ? (*reader)->ToTable() : reader.status();
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *table : nullptr;
}

ArrowArrayStream StreamOf(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>>& columns,
    const std::string& rows) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& [name, type] : columns) {
    fields.push_back(arrow::field(name, type));
  }
  const auto schema = arrow::schema(fields);
  auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), rows);
  EXPECT_TRUE(array.ok()) << array.status();
  auto batch = arrow::RecordBatch::FromStructArray(*array);
  EXPECT_TRUE(batch.ok()) << batch.status();
  ArrowArrayStream stream;
  EXPECT_TRUE(
      arrow::ExportRecordBatchReader(*arrow::RecordBatchReader::Make({*batch}, schema), &stream)
          .ok());
  return stream;
}

ArrowArrayStream Spine() {
  return StreamOf({{"user_id", arrow::int32()}, {"event_timestamp", arrow::utf8()}},
                  R"([[1, "2024-01-01T10:15:00Z"], [3, "2024-01-01T10:15:00Z"],
                      [1, "2024-01-01T12:00:00Z"]])");
}

class CapiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/capi-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::filesystem::create_directories(folder_ + "/definitions");
    std::filesystem::create_directories(folder_ + "/data");
    Write("icecore.yaml",
          "language: 1\nproject: capi\nlake: lake\ncatalog: .icecore/catalog.db\n"
          "online: lmdb:.icecore/online?map_bytes=1048576\n");
    Write("definitions/all.yaml", kDefinitions);
    Write("data/events.csv", kEvents);
  }
  void TearDown() override {
    icecore_close(project_);
    std::filesystem::remove_all(folder_);
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  void Open() {
    Error error;
    ASSERT_EQ(icecore_open(folder_.c_str(), kNow, &project_, &error.error), ICECORE_OK)
        << error.Text();
  }

  // Applied and run: what the other tests start from.
  void OpenLoaded() {
    Open();
    Error error;
    char* json = nullptr;
    ASSERT_EQ(icecore_apply(project_, &json, &error.error), ICECORE_OK) << error.Text();
    EXPECT_THAT(TakeText(json), HasSubstr("\"version\": 1"));
    ASSERT_EQ(icecore_run(project_, nullptr, 0, 0, &json, &error.error), ICECORE_OK)
        << error.Text();
    EXPECT_THAT(TakeText(json),
                AllOf(HasSubstr("\"status\": \"done\""), HasSubstr("\"balanced\": true")));
  }

  std::shared_ptr<arrow::Table> TrainingSet() {
    ArrowArrayStream spine = Spine();
    icecore_training_set* made = nullptr;
    Error error;
    EXPECT_EQ(icecore_training_set_open(project_, "training", nullptr, &spine, &made, &error.error),
              ICECORE_OK)
        << error.Text();
    EXPECT_EQ(spine.release, nullptr);
    ArrowArrayStream rows;
    EXPECT_EQ(icecore_training_set_rows(made, &rows, &error.error), ICECORE_OK) << error.Text();
    icecore_training_set_free(made);  // the stream goes on
    return ReadAll(&rows);
  }

  std::string folder_;
  icecore_project* project_ = nullptr;
};

TEST_F(CapiTest, ATrainingSetIsTheSpineAndItsFeatures) {
  OpenLoaded();
  const auto table = TrainingSet();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->ColumnNames(),
            (std::vector<std::string>{"user_id", "event_timestamp", "x", "total_1h"}));
  EXPECT_EQ(table->column(0)->type()->id(), arrow::Type::INT32);
  auto expected = arrow::json::ChunkedArrayFromJSONString(arrow::float64(), {"[1.5, null, 2.5]"});
  ASSERT_TRUE(expected.ok());
  EXPECT_TRUE(table->GetColumnByName("x")->Equals(*expected));
}

TEST_F(CapiTest, RowsAreGivenOutOnceAndOutliveTheProject) {
  OpenLoaded();
  ArrowArrayStream spine = Spine();
  icecore_training_set* made = nullptr;
  Error error;
  ASSERT_EQ(icecore_training_set_open(project_, "training", "latest", &spine, &made, &error.error),
            ICECORE_OK);
  ArrowArrayStream rows;
  ASSERT_EQ(icecore_training_set_rows(made, &rows, nullptr), ICECORE_OK);
  ArrowArrayStream again;
  EXPECT_EQ(icecore_training_set_rows(made, &again, &error.error), ICECORE_INVALID_ARGUMENT);
  icecore_close(project_);
  project_ = nullptr;
  EXPECT_EQ(ReadAll(&rows)->num_rows(), 3);
  char* json = nullptr;
  ASSERT_EQ(icecore_training_set_report(made, &json, nullptr), ICECORE_OK);
  EXPECT_THAT(TakeText(json), AllOf(HasSubstr("\"rows\": 3"), HasSubstr("\"processing.events\"")));
  icecore_training_set_free(made);
}

TEST_F(CapiTest, ATrainingSetByItsDefinitionIsSavedAndMadeAgain) {
  OpenLoaded();
  Error error;
  icecore_training_set* made = nullptr;
  ASSERT_EQ(icecore_training_set_open(project_, "drawn", nullptr, nullptr, &made, &error.error),
            ICECORE_OK)
      << error.Text();
  char* json = nullptr;
  ASSERT_EQ(icecore_training_set_card(made, &json, nullptr), ICECORE_OK);
  const std::string card = TakeText(json);
  EXPECT_THAT(card, AllOf(HasSubstr("\"training_set\": \"drawn\""), HasSubstr("sha256:")));
  ArrowArrayStream rows;
  ASSERT_EQ(icecore_training_set_rows(made, &rows, nullptr), ICECORE_OK);
  const std::string path = folder_ + "/set.parquet";
  ASSERT_EQ(icecore_training_set_save(made, &rows, path.c_str(), &error.error), ICECORE_OK)
      << error.Text();
  EXPECT_EQ(rows.release, nullptr);
  EXPECT_TRUE(std::filesystem::exists(path));
  for (const std::string& given : {card, path + ".card.json"}) {
    icecore_training_set* again = nullptr;
    ASSERT_EQ(
        icecore_training_set_again(project_, "drawn", given.c_str(), nullptr, &again, &error.error),
        ICECORE_OK)
        << error.Text();
    ASSERT_EQ(icecore_training_set_rows(again, &rows, nullptr), ICECORE_OK);
    EXPECT_EQ(ReadAll(&rows)->num_rows(), 3);
    icecore_training_set_free(again);
  }
  rows = Spine();
  EXPECT_EQ(icecore_training_set_save(made, &rows, (folder_ + "/other.parquet").c_str(), nullptr),
            ICECORE_INVALID_ARGUMENT);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/other.parquet"));
  icecore_training_set_free(made);
}

TEST_F(CapiTest, RowsThatCannotBeMadeAgainFailAtTheirEndWithACode) {
  OpenLoaded();
  ArrowArrayStream spine = Spine();
  icecore_training_set* made = nullptr;
  ASSERT_EQ(icecore_training_set_open(project_, "training", nullptr, &spine, &made, nullptr),
            ICECORE_OK);
  ArrowArrayStream rows;
  ASSERT_EQ(icecore_training_set_rows(made, &rows, nullptr), ICECORE_OK);
  ReadAll(&rows);
  char* json = nullptr;
  ASSERT_EQ(icecore_training_set_card(made, &json, nullptr), ICECORE_OK);
  const std::string card = TakeText(json);
  icecore_training_set_free(made);

  spine = StreamOf({{"user_id", arrow::int32()}, {"event_timestamp", arrow::utf8()}},
                   R"([[2, "2024-01-01T10:15:00Z"]])");
  Error error;
  ASSERT_EQ(
      icecore_training_set_again(project_, "training", card.c_str(), &spine, &made, &error.error),
      ICECORE_OK)
      << error.Text();
  ASSERT_EQ(icecore_training_set_rows(made, &rows, nullptr), ICECORE_OK);
  auto reader = arrow::ImportRecordBatchReader(&rows);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->ToTable().ok());
  EXPECT_EQ(icecore_training_set_report(made, &json, &error.error), ICECORE_NOT_FOUND);
  EXPECT_THAT(error.Text(), HasSubstr("spine"));
  icecore_training_set_free(made);

  spine = Spine();
  EXPECT_EQ(icecore_training_set_again(project_, "training", nullptr, &spine, &made, nullptr),
            ICECORE_INVALID_ARGUMENT);
  EXPECT_EQ(spine.release, nullptr);
}

TEST_F(CapiTest, EvidenceIsGivenAsJson) {
  OpenLoaded();
  Error error;
  char* json = nullptr;
  const icecore_named_text key = {"user_id", "1"};
  ASSERT_EQ(icecore_explain(project_, "training", "x", &key, 1, nullptr, 0, nullptr, 10, &json,
                            &error.error),
            ICECORE_OK)
      << error.Text();
  EXPECT_THAT(TakeText(json), AllOf(HasSubstr("\"value\": 2.5"), HasSubstr("\"chosen\"")));
  ArrowArrayStream spine = Spine();
  ASSERT_EQ(icecore_compare(project_, "latest", 1, &spine, 3, &json, &error.error), ICECORE_OK)
      << error.Text();
  EXPECT_THAT(TakeText(json), HasSubstr("\"same_definition\": true"));
  EXPECT_EQ(spine.release, nullptr);
  ASSERT_EQ(icecore_test(project_, nullptr, 0, &json, &error.error), ICECORE_OK) << error.Text();
  EXPECT_THAT(TakeText(json), AllOf(HasSubstr("\"passed\": 1"), HasSubstr("\"failed\": 0")));
  spine = Spine();
  ASSERT_EQ(icecore_verify(project_, "training", nullptr, 100, &spine, &json, &error.error),
            ICECORE_OK)
      << error.Text();
  EXPECT_THAT(TakeText(json), AllOf(HasSubstr("\"passed\": true"), HasSubstr("\"spine\"")));
  EXPECT_EQ(icecore_compare(project_, "latest", 1, nullptr, 3, &json, nullptr),
            ICECORE_INVALID_ARGUMENT);
  spine = Spine();
  EXPECT_EQ(icecore_verify(project_, "training", "1h", 100, &spine, &json, nullptr),
            ICECORE_INVALID_ARGUMENT);
}

TEST_F(CapiTest, AServiceReadsVectorsWithStatusAndTime) {
  OpenLoaded();
  Error error;
  icecore_service* service = nullptr;
  ASSERT_EQ(icecore_service_open(project_, "training", &service, &error.error), ICECORE_OK)
      << error.Text();
  icecore_close(project_);  // the service keeps what it needs
  project_ = nullptr;
  char* json = nullptr;
  ASSERT_EQ(icecore_service_describe(service, &json, nullptr), ICECORE_OK);
  EXPECT_THAT(TakeText(json), HasSubstr(R"("keys":[{"name":"user_id","type":"int64"}])"));
  ArrowArrayStream entities = StreamOf({{"user_id", arrow::int64()}}, "[[1], [9], [null]]");
  ArrowArrayStream features;
  ArrowArrayStream statuses;
  ArrowArrayStream event_times;
  ASSERT_EQ(icecore_service_read(service, &entities, nullptr, &features, &statuses, &event_times,
                                 &json, &error.error),
            ICECORE_OK)
      << error.Text();
  EXPECT_THAT(TakeText(json), HasSubstr("\"at\":\"2024-01-02T00:00:00.000000Z\""));
  const auto values = ReadAll(&features);
  const auto how = ReadAll(&statuses);
  const auto when = ReadAll(&event_times);
  auto expected = arrow::json::ChunkedArrayFromJSONString(arrow::float64(), {"[2.5, null, null]"});
  EXPECT_TRUE(values->GetColumnByName("x")->Equals(**expected));
  expected = arrow::json::ChunkedArrayFromJSONString(arrow::utf8(),
                                                     {R"(["present", "not_found", "not_found"])"});
  EXPECT_TRUE(how->GetColumnByName("x")->Equals(**expected));
  EXPECT_EQ(when->GetColumnByName("x")->null_count(), 2);
  EXPECT_EQ(when->GetColumnByName("total_1h")->null_count(), 3);
  icecore_service_free(service);
}

// Columns are made when a stream is read, of an answer that is kept for as long.
TEST_F(CapiTest, AnswersOutliveTheirServiceAndMayStayUnread) {
  OpenLoaded();
  icecore_service* service = nullptr;
  ASSERT_EQ(icecore_service_open(project_, "training", &service, nullptr), ICECORE_OK);
  ArrowArrayStream entities = StreamOf({{"user_id", arrow::int64()}}, "[[1], [9], [1]]");
  ArrowArrayStream features;
  ArrowArrayStream statuses;
  ArrowArrayStream event_times;
  Error error;
  ASSERT_EQ(icecore_service_read(service, &entities, nullptr, &features, &statuses, &event_times,
                                 nullptr, &error.error),
            ICECORE_OK)
      << error.Text();
  icecore_service_free(service);
  icecore_close(project_);
  project_ = nullptr;
  features.release(&features);
  const auto when = ReadAll(&event_times);
  const auto how = ReadAll(&statuses);
  EXPECT_EQ(how->num_rows(), 3);
  auto expected = arrow::json::ChunkedArrayFromJSONString(
      arrow::utf8(), {R"(["present", "not_found", "present"])"});
  EXPECT_TRUE(how->GetColumnByName("x")->Equals(**expected));
  EXPECT_EQ(when->GetColumnByName("x")->null_count(), 1);
  EXPECT_EQ(when->GetColumnByName("total_1h")->null_count(), 3);
}

TEST_F(CapiTest, AServiceGoesOnAfterItsViewWasLoadedByAnotherDefinition) {
  OpenLoaded();
  icecore_service* service = nullptr;
  ASSERT_EQ(icecore_service_open(project_, "training", &service, nullptr), ICECORE_OK);
  std::string changed = kDefinitions;
  changed.replace(changed.find("[1h]"), 4, "[2h]");
  Write("definitions/all.yaml", changed);
  Error error;
  char* json = nullptr;
  ASSERT_EQ(icecore_apply(project_, &json, &error.error), ICECORE_OK) << error.Text();
  TakeText(json);
  ASSERT_EQ(icecore_run(project_, nullptr, 0, 0, &json, &error.error), ICECORE_OK) << error.Text();
  TakeText(json);
  ArrowArrayStream entities = StreamOf({{"user_id", arrow::int64()}}, "[[1]]");
  ArrowArrayStream features;
  ASSERT_EQ(icecore_service_read(service, &entities, nullptr, &features, nullptr, nullptr, nullptr,
                                 &error.error),
            ICECORE_OK)
      << error.Text();
  EXPECT_NE(ReadAll(&features)->GetColumnByName("total_2h"), nullptr);
  icecore_service_free(service);
}

TEST_F(CapiTest, ErrorsCarryACodeAndTheEnginesText) {
  Error missing;
  EXPECT_EQ(icecore_open("/no/such/folder", nullptr, &project_, &missing.error), ICECORE_NOT_FOUND);
  EXPECT_THAT(missing.Text(), HasSubstr("/no/such/folder"));
  EXPECT_EQ(icecore_error_code(missing.error), ICECORE_NOT_FOUND);
  EXPECT_STREQ(icecore_code_name(ICECORE_NOT_FOUND), "not_found");
  EXPECT_EQ(project_, nullptr);

  Open();
  ArrowArrayStream spine = Spine();
  icecore_training_set* made = nullptr;
  Error unapplied;
  EXPECT_EQ(
      icecore_training_set_open(project_, "training", nullptr, &spine, &made, &unapplied.error),
      ICECORE_INVALID_DEFINITION);
  EXPECT_EQ(spine.release, nullptr);  // also when it fails
  ArrowArrayStream rows;
  Error sql;
  EXPECT_NE(icecore_sql(project_, "selct 1", &rows, &sql.error), ICECORE_OK);
  EXPECT_NE(sql.Text(), "");
  EXPECT_EQ(icecore_sql(project_, nullptr, &rows, nullptr), ICECORE_INVALID_ARGUMENT);
  char* json = nullptr;
  Error what;
  EXPECT_EQ(icecore_list(project_, "servces", &json, &what.error), ICECORE_INVALID_ARGUMENT);
  EXPECT_THAT(what.Text(), HasSubstr("services"));
}

TEST_F(CapiTest, AnEntityColumnThatIsNoneOfTheServicesIsNamed) {
  OpenLoaded();
  icecore_service* service = nullptr;
  ASSERT_EQ(icecore_service_open(project_, "training", &service, nullptr), ICECORE_OK);
  ArrowArrayStream features;
  Error error;
  ArrowArrayStream entities = StreamOf({{"usr_id", arrow::int64()}}, "[[1]]");
  EXPECT_EQ(icecore_service_read(service, &entities, nullptr, &features, nullptr, nullptr, nullptr,
                                 &error.error),
            ICECORE_INVALID_ARGUMENT);
  EXPECT_THAT(error.Text(), AllOf(HasSubstr("usr_id"), HasSubstr("user_id")));
  Error type;
  entities = StreamOf({{"user_id", arrow::utf8()}}, R"([["1"]])");
  EXPECT_EQ(icecore_service_read(service, &entities, nullptr, &features, nullptr, nullptr, nullptr,
                                 &type.error),
            ICECORE_INVALID_ARGUMENT);
  EXPECT_THAT(type.Text(), HasSubstr("int64"));
  icecore_service_free(service);
}

TEST_F(CapiTest, SqlListAndShow) {
  OpenLoaded();
  ArrowArrayStream rows;
  Error error;
  ASSERT_EQ(
      icecore_sql(project_, "select count(*) as n from processing.events", &rows, &error.error),
      ICECORE_OK)
      << error.Text();
  EXPECT_EQ(ReadAll(&rows)->num_rows(), 1);
  char* json = nullptr;
  ASSERT_EQ(icecore_list(project_, "services", &json, nullptr), ICECORE_OK);
  EXPECT_THAT(TakeText(json), HasSubstr("service.training"));
  ASSERT_EQ(icecore_show(project_, "latest", &json, nullptr), ICECORE_OK);
  EXPECT_THAT(TakeText(json), HasSubstr("view.latest"));
}

TEST_F(CapiTest, ThreadsShareAProjectAndAService) {
  OpenLoaded();
  icecore_service* service = nullptr;
  ASSERT_EQ(icecore_service_open(project_, "training", &service, nullptr), ICECORE_OK);
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      if (i % 2 == 0) {
        const auto table = TrainingSet();
        right += table != nullptr && table->num_rows() == 3 ? 1 : 0;
        return;
      }
      ArrowArrayStream entities = StreamOf({{"user_id", arrow::int64()}}, "[[2]]");
      ArrowArrayStream features;
      if (icecore_service_read(service, &entities, nullptr, &features, nullptr, nullptr, nullptr,
                               nullptr) == ICECORE_OK) {
        right += ReadAll(&features)->num_rows() == 1 ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 4);
  icecore_service_free(service);
}

}  // namespace
