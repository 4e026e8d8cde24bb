// RocksDB's bulk load of rows that lie sorted in a file: files of its own format, written beside
// the database and taken in, as its documentation recommends. bench/store.py builds and calls it.
//   bulk_load ROWS FOLDER VALUE_BYTES        rows: 8 bytes of key in big-endian order, then the
//   value bulk_load --get FOLDER KEY               the value's doubles, one a line
// Answers seconds and keys as JSON. Two threads write a file each, as many as the machine has
// cores.

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kKeyBytes = 8;
constexpr size_t kBufferBytes = size_t{8} << 20;

void Check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.IncreaseParallelism(2);
  options.PrepareForBulkLoad();
  options.compression = rocksdb::kNoCompression;  // ours has none, either
  return options;
}

// Rows [first, last) of the file become one of RocksDB's.
void WriteFile(const std::string& rows, size_t row_bytes, uint64_t first, uint64_t last,
               const std::string& path) {
  std::ifstream in(rows, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(first * row_bytes));
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), DatabaseOptions());
  Check(writer.Open(path));
  const size_t at_once = std::max<size_t>(kBufferBytes / row_bytes, 1);
  std::vector<char> buffer(at_once * row_bytes);
  for (uint64_t row = first; row < last;) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(at_once, last - row));
    in.read(buffer.data(), static_cast<std::streamsize>(count * row_bytes));
    for (size_t i = 0; i < count; ++i) {
      const char* const begin = buffer.data() + i * row_bytes;
      Check(writer.Put(rocksdb::Slice(begin, kKeyBytes),
                       rocksdb::Slice(begin + kKeyBytes, row_bytes - kKeyBytes)));
    }
    row += count;
  }
  Check(writer.Finish());
}

int Load(const std::string& rows, const std::string& folder, size_t value_bytes) {
  const size_t row_bytes = kKeyBytes + value_bytes;
  std::ifstream file(rows, std::ios::binary | std::ios::ate);
  const uint64_t count = static_cast<uint64_t>(file.tellg()) / row_bytes;
  const auto begin = std::chrono::steady_clock::now();
  rocksdb::DB* opened = nullptr;
  Check(rocksdb::DB::Open(DatabaseOptions(), folder, &opened));
  const std::unique_ptr<rocksdb::DB> database(opened);
  const std::vector<std::string> paths = {folder + "/new-0.sst", folder + "/new-1.sst"};
  {
    std::jthread other(WriteFile, rows, row_bytes, count / 2, count, paths[1]);
    WriteFile(rows, row_bytes, 0, count / 2, paths[0]);
  }
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  Check(database->IngestExternalFile(paths, ingest));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("{\"seconds\": %.3f, \"keys\": %llu}\n", took.count(),
              static_cast<unsigned long long>(count));
  return 0;
}

int Get(const std::string& folder, uint64_t key) {
  rocksdb::DB* opened = nullptr;
  Check(rocksdb::DB::OpenForReadOnly(DatabaseOptions(), folder, &opened));
  const std::unique_ptr<rocksdb::DB> database(opened);
  char bytes[kKeyBytes];
  for (size_t i = 0; i < kKeyBytes; ++i) {
    bytes[i] = static_cast<char>(key >> (8 * (kKeyBytes - 1 - i)));
  }
  std::string value;
  Check(database->Get(rocksdb::ReadOptions(), rocksdb::Slice(bytes, kKeyBytes), &value));
  for (size_t i = 0; i + sizeof(double) <= value.size(); i += sizeof(double)) {
    double number = 0;
    std::memcpy(&number, value.data() + i, sizeof number);
    std::printf("%.17g\n", number);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--get") {
    return Get(argv[2], std::strtoull(argv[3], nullptr, 10));
  }
  if (argc == 4) return Load(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10));
  std::fprintf(stderr, "bulk_load ROWS FOLDER VALUE_BYTES | --get FOLDER KEY\n");
  return 2;
}
