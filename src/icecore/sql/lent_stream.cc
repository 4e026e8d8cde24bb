#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>

#include "icecore/sql/lent_stream_internal.h"

namespace icecore::sql {
namespace {

LentStream* LenderOf(ArrowArrayStream* lent) {
  return static_cast<LentStream*>(lent->private_data);
}

}  // namespace

arrow::Result<std::unique_ptr<LentStream>> LentStream::Make(
    const std::shared_ptr<arrow::RecordBatchReader>& rows) {
  std::unique_ptr<LentStream> lender(new LentStream());
  ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(rows, &lender->inner_));
  lender->lent_.private_data = lender.get();
  lender->lent_.get_schema = &LentStream::GetSchema;
  lender->lent_.get_next = [](ArrowArrayStream* lent, ArrowArray* out) {
    ArrowArrayStream& inner = LenderOf(lent)->inner_;
    return inner.get_next(&inner, out);
  };
  lender->lent_.get_last_error = [](ArrowArrayStream* lent) {
    ArrowArrayStream& inner = LenderOf(lent)->inner_;
    return inner.get_last_error(&inner);
  };
  lender->lent_.release = [](ArrowArrayStream* lent) { lent->release = nullptr; };
  return lender;
}

LentStream::~LentStream() {
  for (Kept& kept : kept_) {
    for (size_t i = 0; i < kept.children.size(); ++i) {
      kept.schema.children[i]->release = kept.children[i];
    }
    kept.schema.release(&kept.schema);
  }
  if (inner_.release != nullptr) {
    inner_.release(&inner_);
  }
}

int LentStream::GetSchema(ArrowArrayStream* lent, ArrowSchema* out) {
  LentStream& lender = *LenderOf(lent);
  ArrowSchema schema{};
  const int error = lender.inner_.get_schema(&lender.inner_, &schema);
  if (error != 0) {
    return error;
  }
  Kept& kept = lender.kept_.emplace_back();
  kept.schema = schema;
  for (int64_t i = 0; i < schema.n_children; ++i) {
    kept.children.push_back(schema.children[i]->release);
  }
  *out = schema;
  out->release = [](ArrowSchema* borrowed) { borrowed->release = nullptr; };
  return 0;
}

}  // namespace icecore::sql
