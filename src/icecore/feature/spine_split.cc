#include "icecore/feature/spine_split.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/feature/time_column.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {
namespace {

using base::ErrorCode;

const std::string kGap = "gap";
const std::string kOutside = "outside";

const std::string& PartOf(const spec::SplitRule& rule, int64_t time) {
  for (size_t i = 0; i < rule.parts.size(); ++i) {
    const spec::SplitPart& part = rule.parts[i];
    if (time < part.bound_us || (part.inclusive && time == part.bound_us)) {
      const bool within_gap =
          i > 0 && time < base::SaturatingAdd(rule.parts[i - 1].bound_us, rule.gap_us);
      return within_gap ? kGap : part.name;
    }
  }
  return kOutside;
}

}  // namespace

arrow::Result<SplitSpine> AddSplit(const spec::SplitRule& rule,
                                   const std::shared_ptr<arrow::Table>& spine) {
  const auto fail = [&](const std::string& message) {
    return base::MakeErrorAt(ErrorCode::kInvalidDefinition, rule.location, "split: " + message);
  };
  if (spine->schema()->GetFieldIndex(kSplitColumn) >= 0) {
    return fail("the spine has a column 'split' already; name it otherwise");
  }
  const auto column = spine->GetColumnByName(rule.by);
  if (!column) {
    return fail("the spine has no column '" + rule.by + "'" +
                base::DidYouMean(rule.by, spine->ColumnNames()));
  }
  SplitSpine out;
  arrow::StringBuilder parts;
  for (const auto& chunk : column->chunks()) {
    std::shared_ptr<arrow::Array> given = chunk;
    if (given->type_id() == arrow::Type::NA) {
      ARROW_ASSIGN_OR_RAISE(
          given, arrow::MakeArrayOfNull(arrow::timestamp(arrow::TimeUnit::MICRO), chunk->length()));
    }
    auto times = ToMicros(*given, Rounding::kDown);
    if (!times.ok()) {
      return fail("column '" + rule.by + "' (" + spec::TypeText(*column->type()) +
                  ") holds no times: " + times.status().message());
    }
    for (int64_t row = 0; row < chunk->length(); ++row) {
      const std::string& part =
          (*times)->IsNull(row) ? kOutside : PartOf(rule, (*times)->Value(row));
      ++out.counts[part];
      ARROW_RETURN_NOT_OK(parts.Append(part));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto values, parts.Finish());
  ARROW_ASSIGN_OR_RAISE(
      out.table, spine->AddColumn(spine->num_columns(), arrow::field(kSplitColumn, arrow::utf8()),
                                  std::make_shared<arrow::ChunkedArray>(values)));
  return out;
}

}  // namespace icecore::feature
