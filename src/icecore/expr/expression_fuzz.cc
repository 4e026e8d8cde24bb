// Any bytes as an expression: an error at definition time, or a result for every row, or a value
// error.

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdlib>
#include <string>

#include "icecore/expr/expression.h"

namespace {

std::shared_ptr<arrow::RecordBatch> MakeRows() {
  auto time = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  auto schema =
      arrow::schema({arrow::field("i", arrow::int64()), arrow::field("f", arrow::float64()),
                     arrow::field("s", arrow::utf8()), arrow::field("b", arrow::boolean()),
                     arrow::field("d", arrow::decimal128(10, 2)), arrow::field("t", time),
                     arrow::field("e", arrow::list(arrow::float32()))});
  const char* columns[] = {"[9223372036854775807, null, -1]",
                           "[0.5, null, -1e308]",
                           R"(["", null, "aé%_"])",
                           "[true, null, false]",
                           R"(["-12.35", null, "0.00"])",
                           R"(["2024-02-29T12:00:00", null, "1969-12-31"])",
                           "[[1, 2], null, []]"};
  arrow::ArrayVector arrays;
  for (int i = 0; i < schema->num_fields(); ++i) {
    arrays.push_back(
        arrow::json::ArrayFromJSONString(schema->field(i)->type(), columns[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(schema, 3, arrays);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<arrow::RecordBatch> rows = MakeRows();
  std::string text(reinterpret_cast<const char*>(data), size);
  auto bound = icecore::expr::Bind(text, {"fuzz.yaml", 1, 1}, *rows->schema());
  if (!bound.ok()) {
    return 0;
  }
  auto result = (*bound)->Evaluate(*rows);
  if (result.ok() && ((*result)->length() != 3 || !(*result)->ValidateFull().ok() ||
                      !(*result)->type()->Equals(*(*bound)->type()))) {
    std::abort();
  }
  return 0;
}
