#pragma once
// An Arrow stream lent to DuckDB, which takes a stream's schema, overwrites the release callbacks
// of its children and never releases them (DuckDB 1.5.6): here the lender keeps the schemas and
// releases them itself.

#include <arrow/c/abi.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <deque>
#include <memory>
#include <vector>

namespace icecore::sql {

// Not thread safe. Must outlive every use of stream().
class LentStream {
 public:
  static arrow::Result<std::unique_ptr<LentStream>> Make(
      const std::shared_ptr<arrow::RecordBatchReader>& rows);
  ~LentStream();
  LentStream(const LentStream&) = delete;
  LentStream& operator=(const LentStream&) = delete;

  ArrowArrayStream* stream() { return &lent_; }

 private:
  using Release = void (*)(ArrowSchema*);
  struct Kept {
    ArrowSchema schema{};
    std::vector<Release> children;  // their release callbacks, as Arrow gave them
  };
  LentStream() = default;
  static int GetSchema(ArrowArrayStream* lent, ArrowSchema* out);

  ArrowArrayStream lent_{};
  ArrowArrayStream inner_{};
  std::deque<Kept> kept_;  // one per call of get_schema
};

}  // namespace icecore::sql
