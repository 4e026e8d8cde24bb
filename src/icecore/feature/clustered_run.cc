#include "icecore/feature/clustered_run.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

arrow::Status Corrupt(const std::string& path, const std::string& what) {
  return base::MakeError(base::ErrorCode::kCorrupt, path + ": " + what);
}

// The columns of a file at these places are those of the schema, whatever their names.
bool HasAt(const arrow::Schema& file, const std::vector<int>& places, const arrow::Schema& schema) {
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] >= file.num_fields() ||
        !file.field(places[i])->type()->Equals(*schema.field(static_cast<int>(i))->type())) {
      return false;
    }
  }
  return true;
}

std::shared_ptr<arrow::RecordBatch> Select(const arrow::RecordBatch& batch,
                                           const std::vector<int>& places,
                                           const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(places.size());
  for (const int place : places) columns.push_back(batch.column_data(place));
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

// The batches of a mapped file, each of kBatchRows but the last, `rows` in all.
arrow::Status LoadBatches(const std::string& path, const std::shared_ptr<arrow::Schema>& schema,
                          const std::vector<int>& places, int64_t rows,
                          std::shared_ptr<arrow::io::RandomAccessFile>* file, Batches* batches) {
  auto mapped = arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ);
  if (!mapped.ok()) return Corrupt(path, mapped.status().message());
  *file = *mapped;
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  const auto opened = arrow::ipc::RecordBatchFileReader::Open(*file, options);
  if (!opened.ok()) return Corrupt(path, opened.status().message());
  const auto& reader = *opened;
  const bool has_all = places.empty() ? reader->schema()->Equals(*schema, /*check_metadata=*/false)
                                      : HasAt(*reader->schema(), places, *schema);
  if (!has_all) {
    return Corrupt(path, "holds other columns: " + reader->schema()->ToString());
  }
  int64_t seen = 0;
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    auto batch = reader->ReadRecordBatch(i);
    if (!batch.ok()) return Corrupt(path, batch.status().message());
    const int64_t expected = std::min(rows - seen, ClusteredRun::kBatchRows);
    if ((*batch)->num_rows() != expected || expected == 0) {
      return Corrupt(path, "a batch has " + std::to_string((*batch)->num_rows()) + " rows");
    }
    seen += expected;
    batches->push_back(places.empty() ? *std::move(batch) : Select(**batch, places, schema));
  }
  return seen == rows ? arrow::Status::OK() : Corrupt(path, "rows are missing");
}

template <typename Value>
std::vector<const Value*> Pointers(const Batches& batches, int column) {
  std::vector<const Value*> pointers;
  for (const auto& batch : batches) {
    pointers.push_back(batch->column_data(column)->GetValues<Value>(1));
  }
  return pointers;
}

arrow::Status CheckNoNulls(const std::string& path, const Batches& batches, int columns) {
  for (const auto& batch : batches) {
    for (int i = 0; i < columns; ++i) {
      if (batch->column(i)->null_count() > 0) return Corrupt(path, "has nulls");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

RunSchema RunSchema::Make(const state::ViewLayout& layout, bool narrow_keys) {
  RunSchema schema;
  schema.mask_count = layout.mask_count;
  arrow::FieldVector rows = {arrow::field("e", arrow::int64()), arrow::field("a", arrow::int64()),
                             arrow::field("s", arrow::int64())};
  for (int i = 0; i < layout.mask_count; ++i) {
    rows.push_back(arrow::field("m" + std::to_string(i), arrow::boolean()));
  }
  for (size_t i = 0; i < layout.value_types.size(); ++i) {
    rows.push_back(arrow::field("v" + std::to_string(i), layout.value_types[i]));
  }
  schema.rows = arrow::schema(std::move(rows));
  arrow::FieldVector keys = {arrow::field("word", arrow::uint64()),
                             arrow::field("start", arrow::int64())};
  if (!narrow_keys) keys.push_back(arrow::field("key", arrow::binary()));
  schema.keys = arrow::schema(std::move(keys));
  return schema;
}

ClusteredRun::~ClusteredRun() = default;

arrow::Status ClusteredRun::LoadRows(const std::string& path, const RunSchema& schema,
                                     const std::vector<int>& places) {
  ARROW_RETURN_NOT_OK(LoadBatches(path, schema.rows, places, facts_.rows, &rows_file_, &rows_));
  ARROW_RETURN_NOT_OK(CheckNoNulls(path, rows_, 3));
  event_times_ = Pointers<int64_t>(rows_, 0);
  known_ats_ = Pointers<int64_t>(rows_, 1);
  seqs_ = Pointers<int64_t>(rows_, 2);
  return arrow::Status::OK();
}

arrow::Status ClusteredRun::LoadKeys(const std::string& path, const RunSchema& schema) {
  ARROW_RETURN_NOT_OK(LoadBatches(path, schema.keys, {}, facts_.keys, &keys_file_, &keys_));
  ARROW_RETURN_NOT_OK(CheckNoNulls(path, keys_, schema.keys->num_fields()));
  words_ = Pointers<uint64_t>(keys_, 0);
  starts_ = Pointers<int64_t>(keys_, 1);
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<const ClusteredRun>> ClusteredRun::Open(
    const std::string& prefix, const RunSchema& schema, const RunFacts& facts,
    const std::vector<int>& places) {
  auto run = std::make_shared<ClusteredRun>();
  run->facts_ = facts;
  ARROW_RETURN_NOT_OK(run->LoadRows(prefix + ".rows", schema, places));
  ARROW_RETURN_NOT_OK(run->LoadKeys(prefix + ".keys", schema));
  return run;
}

std::string_view ClusteredRun::BytesOf(int64_t key) const {
  const auto& batch = *keys_[static_cast<size_t>(key / kBatchRows)];
  if (batch.num_columns() < 3) return {};
  return checked_cast<const arrow::BinaryArray&>(*batch.column(2)).GetView(key % kBatchRows);
}

int64_t ClusteredRun::Seek(int64_t from, uint64_t word, std::string_view bytes) const {
  // Gallop: who asks, asks in ascending order.
  int64_t low = from;
  int64_t width = 1;
  while (low + width < facts_.keys && IsLess(low + width, word, bytes)) {
    low += width;
    width *= 2;
  }
  int64_t high = std::min(low + width, facts_.keys);
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (IsLess(middle, word, bytes)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool ClusteredRun::Holds(int mask, int64_t row) const {
  const auto& batch = *rows_[static_cast<size_t>(row / kBatchRows)];
  const auto& holds = checked_cast<const arrow::BooleanArray&>(*batch.column(3 + mask));
  const int64_t at = row % kBatchRows;
  return holds.IsValid(at) && holds.Value(at);
}

namespace {

// The pages that hold these bytes. Only advice: that it is not taken costs time or memory, not
// answers.
void Advise(const uint8_t* begin, int64_t size, int advice) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uint8_t* const from = begin - reinterpret_cast<uintptr_t>(begin) % page;
  const auto bytes = static_cast<size_t>(begin + size - from);
  static_cast<void>(::madvise(const_cast<uint8_t*>(from), bytes, advice));
}

}  // namespace

void ClusteredRun::Expect(int64_t begin, int64_t end, int first_column, int end_column) const {
#ifdef MADV_POPULATE_READ  // since Linux 5.14
  for (int64_t batch = begin / kBatchRows; batch * kBatchRows < end; ++batch) {
    const arrow::RecordBatch& rows = Batch(batch);
    const int64_t from = std::max<int64_t>(begin - batch * kBatchRows, 0);
    const int64_t count = std::min(end - batch * kBatchRows, rows.num_rows()) - from;
    for (int column = first_column; column < end_column; ++column) {
      const int bits = rows.schema()->field(column)->type()->bit_width();
      const auto& buffers = rows.column_data(column)->buffers;
      if (bits < 8 || buffers.size() != 2 || buffers[1] == nullptr) continue;
      Advise(buffers[1]->data() + from * bits / 8, count * bits / 8, MADV_POPULATE_READ);
    }
  }
#endif
}

void ClusteredRun::Release(int64_t begin, int64_t end) const {
  for (int64_t batch = begin / kBatchRows; batch * kBatchRows < end; ++batch) {
    for (const auto& column : Batch(batch).column_data()) {
      for (const auto& buffer : column->buffers) {
        if (buffer == nullptr || buffer->size() == 0) continue;
        Advise(buffer->data(), buffer->size(), MADV_DONTNEED);
      }
    }
  }
}

arrow::Result<uint64_t> ChecksumOf(const std::string& path) {
  constexpr int64_t kPieceBytes = int64_t{64} << 20;
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  std::string sums;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto piece, file->Read(kPieceBytes));
    if (piece->size() == 0) break;
    const uint64_t sum = base::Hash64(std::string_view(*piece));
    for (int byte = 0; byte < 8; ++byte) sums.push_back(static_cast<char>(sum >> (8 * byte)));
  }
  return base::Hash64(sums);
}

}  // namespace icecore::feature
