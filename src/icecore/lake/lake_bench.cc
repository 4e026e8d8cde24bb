// One operation on one table, timed; bench/run compares it with other engines.
//   icecore_lake_bench OPERATION TABLE [NAME=VALUE …]
//   commits  count= rows=         appends of `rows` rows, one commit each
//   write    input=PARQUET        the file's rows as one commit
//   scan     [columns=a,b]        all rows
//   open                          the newest version
//   merge    input=PARQUET keys=a,b   rows with these keys go, the file's rows come
//   append   input=PARQUET files=     the file's rows in so many appends
//   compact                       small files packed together
// TABLE is a path or s3://BUCKET/…/NAME.
// Answers a JSON object: seconds and processor_seconds (of the operation alone), rows, files,
// peak_bytes.
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/memory_pool.h"
#include "icecore/lake/compaction.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/rewrite.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/table.h"
#include "icecore/lake/writer.h"

namespace icecore::lake {
namespace {

using Options = std::map<std::string, std::string>;

struct Outcome {
  double seconds = 0;
  double processor_seconds = 0;
  int64_t rows = 0;
  int64_t files = 0;
};

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  // Of all threads.
  double processor_seconds() const {
    return static_cast<double>(std::clock() - processor_start_) / CLOCKS_PER_SEC;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::clock_t processor_start_ = std::clock();
};

std::vector<std::string> Parts(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

arrow::Result<std::string> Option(const Options& options, const std::string& name) {
  const auto found = options.find(name);
  if (found == options.end()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument, "option " + name + "= is missing");
  }
  return found->second;
}

arrow::Result<std::shared_ptr<arrow::Table>> ReadInput(const Options& options) {
  ARROW_ASSIGN_OR_RAISE(const std::string path, Option(options, "input"));
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  return reader->ReadTable();
}

// One table and what its operations need.
class Bench {
 public:
  static arrow::Result<std::unique_ptr<Bench>> Open(const std::string& table) {
    const bool is_local = table.find("://") == std::string::npos;
    const std::string whole = is_local ? std::filesystem::absolute(table).string() : table;
    const size_t slash = whole.rfind('/');
    StorePlace place;
    place.url = whole.substr(0, slash);
    auto bench = std::make_unique<Bench>();
    ARROW_ASSIGN_OR_RAISE(bench->store_, ObjectStore::Open(place));
    ARROW_ASSIGN_OR_RAISE(bench->table_, Table::Open(*bench->store_, whole.substr(slash + 1),
                                                     *bench->clock_, base::SystemRandom()));
    return bench;
  }

  arrow::Result<Outcome> Commits(const Options& options) {
    ARROW_ASSIGN_OR_RAISE(const std::string count, Option(options, "count"));
    ARROW_ASSIGN_OR_RAISE(const std::string rows, Option(options, "rows"));
    ARROW_ASSIGN_OR_RAISE(const auto batch, SmallBatch(std::stoll(rows)));
    ARROW_RETURN_NOT_OK(Create(batch->schema()));
    Outcome outcome;
    const Stopwatch watch;
    for (int64_t i = 0; i < std::stoll(count); ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
      ARROW_RETURN_NOT_OK(Append(*snapshot, {batch}));
      outcome.rows += batch->num_rows();
    }
    outcome.seconds = watch.seconds();
    outcome.processor_seconds = watch.processor_seconds();
    return Counted(outcome);
  }

  arrow::Result<Outcome> Write(const Options& options) {
    ARROW_ASSIGN_OR_RAISE(const auto input, ReadInput(options));
    arrow::TableBatchReader reader(*input);
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader.ToRecordBatches());
    const Stopwatch watch;
    ARROW_RETURN_NOT_OK(Create(input->schema()));
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
    ARROW_RETURN_NOT_OK(Append(*snapshot, batches));
    return Counted({.seconds = watch.seconds(),
                    .processor_seconds = watch.processor_seconds(),
                    .rows = input->num_rows()});
  }

  arrow::Result<Outcome> ScanAll(const Options& options) {
    ScanOptions scan;
    if (options.contains("columns")) {
      scan.columns = Parts(options.at("columns"));
    }
    Outcome outcome;
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
    ARROW_ASSIGN_OR_RAISE(const auto reader, Scan(*store_, *snapshot, scan, ReadAccess()));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) {
        break;
      }
      outcome.rows += batch->num_rows();
    }
    outcome.seconds = watch.seconds();
    outcome.processor_seconds = watch.processor_seconds();
    return Counted(outcome);
  }

  arrow::Result<Outcome> OpenNewest(const Options&) {
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
    return Counted({.seconds = watch.seconds(),
                    .processor_seconds = watch.processor_seconds(),
                    .rows = snapshot->row_count().value_or(-1)});
  }

  arrow::Result<Outcome> AppendFiles(const Options& options) {
    ARROW_ASSIGN_OR_RAISE(const auto input, ReadInput(options));
    ARROW_ASSIGN_OR_RAISE(const std::string files, Option(options, "files"));
    const int64_t rows = std::max<int64_t>(input->num_rows() / std::stoll(files), 1);
    ARROW_RETURN_NOT_OK(Create(input->schema()));
    const Stopwatch watch;
    for (int64_t begin = 0; begin < input->num_rows(); begin += rows) {
      ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
      ARROW_ASSIGN_OR_RAISE(const auto batch, input->Slice(begin, rows)->CombineChunksToBatch());
      ARROW_RETURN_NOT_OK(Append(*snapshot, {batch}));
    }
    return Counted({.seconds = watch.seconds(),
                    .processor_seconds = watch.processor_seconds(),
                    .rows = input->num_rows()});
  }

  arrow::Result<Outcome> CompactFiles(const Options&) {
    CompactionOptions options;
    options.scratch_dir = std::filesystem::temp_directory_path().string();
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(
        const CompactionReport report,
        Compact(*table_, *clock_, base::SystemRandom(), options, ReadAccess(), std::stop_token()));
    return Counted({.seconds = watch.seconds(),
                    .processor_seconds = watch.processor_seconds(),
                    .rows = report.rows});
  }

  arrow::Result<Outcome> Merge(const Options& options) {
    ARROW_ASSIGN_OR_RAISE(const auto input, ReadInput(options));
    ARROW_ASSIGN_OR_RAISE(const std::string keys, Option(options, "keys"));
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
    ARROW_ASSIGN_OR_RAISE(const auto rewrite,
                          TableRewrite::Open(*store_, snapshot, *clock_, base::SystemRandom(),
                                             WriterOptions(), ReadAccess()));
    ARROW_RETURN_NOT_OK(rewrite->RemoveKeys(input, Parts(keys)).status());
    arrow::TableBatchReader reader(*input);
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader.ToRecordBatches());
    for (const auto& batch : batches) {
      ARROW_RETURN_NOT_OK(rewrite->Append(batch));
    }
    Commit commit;
    commit.operation = "MERGE";
    ARROW_ASSIGN_OR_RAISE(const RewriteCounts counts, rewrite->Finish(&commit));
    ARROW_RETURN_NOT_OK(table_->CommitTo(*snapshot, commit).status());
    return Counted({.seconds = watch.seconds(),
                    .processor_seconds = watch.processor_seconds(),
                    .rows = counts.rows_removed});
  }

 private:
  static arrow::Result<std::shared_ptr<arrow::RecordBatch>> SmallBatch(int64_t rows) {
    arrow::Int64Builder numbers;
    arrow::StringBuilder texts;
    for (int64_t i = 0; i < rows; ++i) {
      ARROW_RETURN_NOT_OK(numbers.Append(i));
      ARROW_RETURN_NOT_OK(texts.Append("v" + std::to_string(i)));
    }
    ARROW_ASSIGN_OR_RAISE(auto number, numbers.Finish());
    ARROW_ASSIGN_OR_RAISE(auto text, texts.Finish());
    const auto schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("x", arrow::utf8())});
    return arrow::RecordBatch::Make(schema, rows, {std::move(number), std::move(text)});
  }

  arrow::Status Create(const std::shared_ptr<arrow::Schema>& schema) {
    ARROW_ASSIGN_OR_RAISE(const auto empty, table_->LoadOrEmpty());
    Commit commit;
    commit.operation = "CREATE TABLE";
    commit.metadata = TableMetadata{
        .schema = schema->RemoveMetadata(), .configuration = {}, .name = "", .description = ""};
    return table_->CommitTo(*empty, commit).status();
  }

  arrow::Status Append(const Snapshot& snapshot,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
    ARROW_ASSIGN_OR_RAISE(const auto writer,
                          DataWriter::Open(*store_, snapshot.table_path, snapshot.schema, *clock_,
                                           base::SystemRandom(), WriterOptions()));
    for (const auto& batch : batches) {
      ARROW_RETURN_NOT_OK(writer->Write(batch));
    }
    Commit commit;
    commit.operation = "WRITE";
    ARROW_ASSIGN_OR_RAISE(commit.adds, writer->Finish());
    return table_->CommitTo(snapshot, commit).status();
  }

  arrow::Result<Outcome> Counted(Outcome outcome) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table_->Load());
    outcome.files = static_cast<int64_t>(snapshot->files.size());
    return outcome;
  }

  std::unique_ptr<base::Clock> clock_ = base::MakeSystemClock();
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<Table> table_;
};

arrow::Status Run(const std::string& operation, const std::string& table, const Options& options) {
  using Operation = arrow::Result<Outcome> (Bench::*)(const Options&);
  static const std::map<std::string, Operation> kOperations = {
      {"commits", &Bench::Commits},    {"write", &Bench::Write},
      {"scan", &Bench::ScanAll},       {"open", &Bench::OpenNewest},
      {"append", &Bench::AppendFiles}, {"compact", &Bench::CompactFiles},
      {"merge", &Bench::Merge}};
  const auto found = kOperations.find(operation);
  if (found == kOperations.end()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument, "operation " + operation);
  }
  ARROW_ASSIGN_OR_RAISE(const auto bench, Bench::Open(table));
  ARROW_ASSIGN_OR_RAISE(const Outcome outcome, (bench.get()->*found->second)(options));
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"seconds\":" << outcome.seconds
            << ",\"processor_seconds\":" << outcome.processor_seconds
            << ",\"rows\":" << outcome.rows << ",\"files\":" << outcome.files
            << ",\"peak_bytes\":" << usage.ru_maxrss * 1024 << "}\n";
  return arrow::Status::OK();
}

}  // namespace
}  // namespace icecore::lake

int main(int argc, char** argv) {
  icecore::base::ChooseMemoryPool();  // as the program does
  if (argc < 3) {
    std::cerr << "icecore_lake_bench OPERATION TABLE [NAME=VALUE …]\n";
    return 2;
  }
  icecore::lake::Options options;
  for (int i = 3; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    options[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  const arrow::Status status = icecore::lake::Run(argv[1], argv[2], options);
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    return 1;
  }
  return 0;
}
