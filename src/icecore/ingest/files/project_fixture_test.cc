// The implementation of project_fixture.h, part of the test binary.

#include "icecore/ingest/files/project_fixture.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "icecore/base/json_text.h"

namespace icecore::ingest {
namespace {

std::string Compress(arrow::Compression::type type, std::string_view bytes) {
  auto codec = arrow::util::Codec::Create(type).ValueOrDie();
  const auto* input = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto size = static_cast<int64_t>(bytes.size());
  std::string out(static_cast<size_t>(codec->MaxCompressedLen(size, input)), '\0');
  const int64_t length = codec
                             ->Compress(size, input, static_cast<int64_t>(out.size()),
                                        reinterpret_cast<uint8_t*>(out.data()))
                             .ValueOrDie();
  out.resize(static_cast<size_t>(length));
  return out;
}

std::shared_ptr<arrow::RecordBatch> SampleBatch(int64_t rows) {
  arrow::Int64Builder n;
  arrow::StringBuilder s;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(n.Append(i).ok());
    EXPECT_TRUE((i % 3 == 2 ? s.AppendNull() : s.Append("v" + std::to_string(i))).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("s", arrow::utf8())}), rows,
      {n.Finish().ValueOrDie(), s.Finish().ValueOrDie()});
}

std::string BytesOf(const std::shared_ptr<arrow::io::BufferOutputStream>& stream) {
  return stream->Finish().ValueOrDie()->ToString();
}

}  // namespace

std::string Gzip(std::string_view bytes) { return Compress(arrow::Compression::GZIP, bytes); }
std::string Zstd(std::string_view bytes) { return Compress(arrow::Compression::ZSTD, bytes); }

std::string Zip(const std::vector<std::pair<std::string, std::string>>& members) {
  char path[] = "/tmp/icecore_zip_XXXXXX";
  const int fd = ::mkstemp(path);
  EXPECT_GE(fd, 0);
  ::close(fd);
  int error = 0;
  zip_t* zip = zip_open(path, ZIP_TRUNCATE, &error);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    EXPECT_GE(zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8), 0);
  }
  EXPECT_EQ(zip_close(zip), 0);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::filesystem::remove(path);
  return text.str();
}

std::string ParquetBytes(int64_t rows) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto table = arrow::Table::FromRecordBatches({SampleBatch(rows)}).ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), stream, 1000).ok());
  return BytesOf(stream);
}

std::string ArrowFileBytes(int64_t rows) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto batch = SampleBatch(rows);
  auto writer = arrow::ipc::MakeFileWriter(stream, batch->schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(*batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  return BytesOf(stream);
}

std::string ArrowStreamBytes(int64_t rows) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto batch = SampleBatch(rows);
  auto writer = arrow::ipc::MakeStreamWriter(stream, batch->schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(*batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  return BytesOf(stream);
}

int64_t ReadResult::rows() const {
  int64_t rows = 0;
  for (const auto& batch : batches) {
    rows += batch->num_rows();
  }
  return rows;
}

std::string ReadResult::Cell(const std::string& column, int64_t index) const {
  for (const auto& batch : batches) {
    if (index < batch->num_rows()) {
      const auto values = batch->GetColumnByName(column);
      if (values == nullptr) {
        return "no column " + column;
      }
      if (values->IsValid(index) && values->type_id() == arrow::Type::BINARY) {
        return static_cast<const arrow::BinaryArray&>(*values).GetString(index);
      }
      return base::ValueText(*values, index).ValueOr("?");
    }
    index -= batch->num_rows();
  }
  return "no row";
}

std::string ReadResult::Row(int64_t index) const {
  std::string text;
  for (const auto& field : schema->fields()) {
    if (field->name().front() != '_') {
      text += (text.empty() ? "" : "|") + Cell(field->name(), index);
    }
  }
  return text;
}

std::string ReadResult::Columns() const {
  std::string names;
  for (const auto& field : schema->fields()) {
    if (field->name().front() != '_') {
      names += (names.empty() ? "" : ",") + field->name();
    }
  }
  return names;
}

TestProject::TestProject() : clock_(1'900'000'000'000'000) {
  char path[] = "/tmp/icecore_ingest_XXXXXX";
  root_ = ::mkdtemp(path);
  store_ = lake::ObjectStore::OpenLocal(root_ + "/lake").ValueOrDie();
  source_.name = "test";
  source_.location = {"definitions/test.yaml", 1, 1};
  source_.files.location = {"definitions/test.yaml", 3, 1};
  options_.store = store_.get();
  options_.table_path = "landing/test";
}

TestProject::~TestProject() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void TestProject::Write(const std::string& path, std::string_view bytes) {
  const std::filesystem::path file = std::filesystem::path(root_) / path;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(out.good());
}

std::string TestProject::ReadBytes(const std::string& path) {
  std::ifstream file(root_ + "/" + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void TestProject::Touch(const std::string& path, int64_t mtime_seconds) {
  const struct timespec times[2] = {{mtime_seconds, 0}, {mtime_seconds, 0}};
  EXPECT_EQ(::utimensat(AT_FDCWD, (root_ + "/" + path).c_str(), times, 0), 0);
}

arrow::Result<FilePlan> TestProject::Plan() { return PlanFiles(source_, root_, manifest_, clock_); }

ReadResult TestProject::Read(const PlannedFile& file, std::stop_token stop) {
  ReadResult result;
  auto rows = OpenFile(source_, file, options_, std::move(stop));
  result.status = rows.status();
  if (!rows.ok()) {
    return result;
  }
  result.schema = (*rows)->schema();
  for (;;) {
    auto batch = (*rows)->Next();
    result.status = batch.status();
    if (!batch.ok() || *batch == nullptr) {
      break;
    }
    EXPECT_TRUE((*batch)->ValidateFull().ok());
    EXPECT_TRUE((*batch)->schema()->Equals(*(*rows)->schema()));
    result.batches.push_back(*batch);
  }
  result.facts = (*rows)->facts();
  result.problem_rows = (*rows)->problem_rows();
  return result;
}

ReadResult TestProject::ReadOne(const std::string& path, std::string_view bytes) {
  Write(path, bytes);
  source_.files.path = path;
  auto plan = Plan();
  ReadResult result;
  result.status = plan.status();
  if (plan.ok() && plan->files.size() != 1) {
    result.status = arrow::Status::UnknownError("one file expected");
  }
  return result.status.ok() ? Read(plan->files[0]) : result;
}

arrow::Status TestProject::Land(std::vector<ReadResult>* results) {
  ARROW_ASSIGN_OR_RAISE(FilePlan plan, Plan());
  manifest_ = plan.manifest;
  for (const PlannedFile& file : plan.files) {
    ReadResult result = Read(file);
    ARROW_RETURN_NOT_OK(result.status);
    manifest_.BeginBatch();
    manifest_.Add(result.facts);
    if (results != nullptr) {
      results->push_back(std::move(result));
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::ingest
