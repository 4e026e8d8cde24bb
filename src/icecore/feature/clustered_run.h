#pragma once
// A sorted run of a view's clustered log: its rows by (key, e, a, s) in two Arrow IPC files, mapped
// and not read: `PREFIX.rows` and `PREFIX.keys`. docs/formats/feature-log.md.

#include <arrow/io/type_fwd.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/feature/key_column.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// What rows and keys of a run look like.
struct RunSchema {
  std::shared_ptr<arrow::Schema> rows;  // e, a, s, then masks, then values
  std::shared_ptr<arrow::Schema> keys;  // word, start, and of wide keys their bytes
  int mask_count = 0;

  static RunSchema Make(const state::ViewLayout& layout, bool narrow_keys);
  int first_value() const { return 3 + mask_count; }
};

// What is known of a run beside its files.
struct RunFacts {
  int64_t rows = 0;
  int64_t keys = 0;
  bool ascending = true;      // of each key: a never falls from row to row
  bool known_at_once = true;  // a is e in all rows
  int64_t latest_known_at = INT64_MIN;
};

// Immutable, thread safe. Rows and keys are named by their places.
class ClusteredRun {
 public:
  static constexpr int64_t kBatchRows = int64_t{1} << 18;  // of all batches but the last

  // kCorrupt where the files are not such a run with these facts; values are not looked at.
  // `places`: where in the file the columns of schema.rows are, among others; empty: it has them
  // alone.
  static arrow::Result<std::shared_ptr<const ClusteredRun>> Open(
      const std::string& prefix, const RunSchema& schema, const RunFacts& facts,
      const std::vector<int>& places = {});
  ~ClusteredRun();

  const RunFacts& facts() const { return facts_; }

  // The first key at or after `from` that is not less than this one; facts().keys: none.
  int64_t Seek(int64_t from, uint64_t word, std::string_view bytes) const;
  bool KeyIs(int64_t key, uint64_t word, std::string_view bytes) const {
    return WordOf(key) == word && BytesOf(key) == bytes;
  }
  uint64_t WordOf(int64_t key) const {
    return words_[static_cast<size_t>(key / kBatchRows)][key % kBatchRows];
  }
  std::string_view BytesOf(int64_t key) const;  // empty of narrow keys
  // First row of the key; facts().rows for facts().keys.
  int64_t StartOf(int64_t key) const {
    return key == facts_.keys ? facts_.rows
                              : starts_[static_cast<size_t>(key / kBatchRows)][key % kBatchRows];
  }

  int64_t event_time(int64_t row) const { return At(event_times_, row); }
  int64_t known_at(int64_t row) const { return At(known_ats_, row); }
  int64_t seq(int64_t row) const { return At(seqs_, row); }
  bool Holds(int mask, int64_t row) const;

  int64_t batch_count() const { return static_cast<int64_t>(rows_.size()); }
  // All columns of rows [batch * kBatchRows, …), as RunSchema::rows.
  const arrow::RecordBatch& Batch(int64_t batch) const {
    return *rows_[static_cast<size_t>(batch)];
  }

  // Whether looking at so many of the rows, anywhere, touches nearly all pages of a column.
  static bool TouchAll(int64_t looked_at, int64_t rows) { return looked_at > rows / 256; }
  // Rows [begin, end) of these columns are about to be looked at, nearly all pages of them: brings
  // them in at once, where looking would bring them in few by few.
  void Expect(int64_t begin, int64_t end, int first_column, int end_column) const;
  // Lets go of the memory behind rows [begin, end); they come back from the file when looked at.
  void Release(int64_t begin, int64_t end) const;

 private:
  static int64_t At(const std::vector<const int64_t*>& column, int64_t row) {
    return column[static_cast<size_t>(row / kBatchRows)][row % kBatchRows];
  }
  bool IsLess(int64_t key, uint64_t word, std::string_view bytes) const {
    return WordOf(key) != word ? WordOf(key) < word : BytesOf(key) < bytes;
  }
  arrow::Status LoadRows(const std::string& path, const RunSchema& schema,
                         const std::vector<int>& places);
  arrow::Status LoadKeys(const std::string& path, const RunSchema& schema);

  RunFacts facts_;
  std::shared_ptr<arrow::io::RandomAccessFile> rows_file_;
  std::shared_ptr<arrow::io::RandomAccessFile> keys_file_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> rows_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> keys_;
  std::vector<const int64_t*> event_times_;
  std::vector<const int64_t*> known_ats_;
  std::vector<const int64_t*> seqs_;
  std::vector<const uint64_t*> words_;
  std::vector<const int64_t*> starts_;
};

// XXH64 of the file's 64 MiB pieces' XXH64 (little endian, one after another); bounded memory.
arrow::Result<uint64_t> ChecksumOf(const std::string& path);

}  // namespace icecore::feature
