// Any bytes as text of every type: converted or bad, valid Arrow either way, never anything else.

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/type.h>

#include <cstdlib>
#include <string>

#include "icecore/quality/text_conversion.h"

namespace {

const std::vector<std::shared_ptr<arrow::DataType>>& Types() {
  static const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::boolean(),
      arrow::int8(),
      arrow::uint64(),
      arrow::float32(),
      arrow::float64(),
      arrow::decimal128(38, 10),
      arrow::utf8(),
      arrow::binary(),
      arrow::date32(),
      arrow::time64(arrow::TimeUnit::MICRO),
      arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
      arrow::list(arrow::float32()),
      arrow::map(arrow::utf8(), arrow::int64()),
      arrow::struct_({arrow::field("a", arrow::list(arrow::utf8())),
                      arrow::field("b", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))}),
  };
  return types;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) {
    return 0;
  }
  icecore::quality::ColumnTarget target;
  target.type = Types()[data[0] % Types().size()];
  arrow::StringBuilder builder;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!builder.Append(text).ok() || !builder.Append("1").ok()) {
    std::abort();
  }
  auto values = builder.Finish().ValueOrDie();
  auto column = icecore::quality::ConvertText(*values, target, {}, /*json=*/data[0] >= 128);
  if (!column.ok() || column->values->length() != 2 || !column->values->ValidateFull().ok()) {
    std::abort();
  }
  return 0;
}
