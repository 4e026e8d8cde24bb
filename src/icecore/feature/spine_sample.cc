#include "icecore/feature/spine_sample.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/suggest.h"
#include "icecore/feature/time_column.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {
namespace {

using base::ErrorCode;

void AppendInt64(int64_t value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little endian, as the machine
  out->append(bytes, sizeof bytes);
}

// A part is a letter and its bytes; texts carry their length, so that parts never run together.
arrow::Status AppendColumn(const arrow::ChunkedArray& column, std::vector<std::string>* rows) {
  const auto& type = *column.type();
  const bool is_integer = arrow::is_integer(type.id()) || type.id() == arrow::Type::BOOL;
  const bool is_time = type.id() == arrow::Type::TIMESTAMP || arrow::is_date(type.id());
  size_t row = 0;
  for (const auto& chunk : column.chunks()) {
    std::shared_ptr<arrow::Array> values = chunk;
    if (is_time) {
      ARROW_ASSIGN_OR_RAISE(values, ToMicros(*chunk, Rounding::kDown));
    } else if (is_integer) {
      auto options = arrow::compute::CastOptions::Safe(arrow::int64());
      options.allow_int_overflow = true;  // uint64 by its bits
      ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*chunk, arrow::int64(), options));
    } else if (type.id() != arrow::Type::NA) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*chunk, arrow::large_binary()));
    }
    for (int64_t i = 0; i < values->length(); ++i) {
      std::string& out = rows->at(row++);
      if (values->IsNull(i)) {
        out += 'n';
      } else if (is_integer || is_time) {
        out += 'i';
        AppendInt64(static_cast<const arrow::Int64Array&>(*values).Value(i), &out);
      } else {
        const auto text = static_cast<const arrow::LargeBinaryArray&>(*values).GetView(i);
        out += 't';
        AppendInt64(static_cast<int64_t>(text.size()), &out);
        out += text;
      }
    }
  }
  return arrow::Status::OK();
}

bool CanBeKey(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_base_binary_like(type.id()) ||
         arrow::is_date(type.id()) || type.id() == arrow::Type::TIMESTAMP ||
         type.id() == arrow::Type::BOOL || type.id() == arrow::Type::NA;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> SampleSpine(
    const spec::SampleRule& rule, const std::shared_ptr<arrow::Table>& spine) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  std::vector<std::string> rows(static_cast<size_t>(spine->num_rows()));
  for (std::string& row : rows) {
    AppendInt64(rule.seed, &row);
  }
  for (const std::string& name : rule.by) {
    const auto column = spine->GetColumnByName(name);
    if (!column) {
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, rule.location,
                               "sample: the spine has no column '" + name + "'" +
                                   base::DidYouMean(name, spine->ColumnNames()));
    }
    if (!CanBeKey(*column->type())) {
      return base::MakeErrorAt(
          ErrorCode::kInvalidDefinition, rule.location,
          "sample: column '" + name + "' is " + spec::TypeText(*column->type()) +
              "; rows are drawn by integers, texts, dates, times and booleans");
    }
    ARROW_RETURN_NOT_OK(AppendColumn(*column, &rows));
  }
  const long double bound = std::ldexp(static_cast<long double>(rule.fraction), 64);
  arrow::BooleanBuilder taken;
  ARROW_RETURN_NOT_OK(taken.Reserve(spine->num_rows()));
  for (const std::string& row : rows) {
    taken.UnsafeAppend(static_cast<long double>(base::Hash64(row)) < bound);
  }
  ARROW_ASSIGN_OR_RAISE(const auto mask, taken.Finish());
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum filtered, arrow::compute::Filter(spine, mask));
  return filtered.table();
}

}  // namespace icecore::feature
