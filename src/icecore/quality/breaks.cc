#include "icecore/quality/breaks_internal.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/quality/wall_time_internal.h"

namespace icecore::quality {
namespace {

arrow::Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<int64_t>& indices) {
  if (static_cast<int64_t>(indices.size()) == rows->num_rows()) {
    return rows;  // indices ascend, so these are all
  }
  if (indices.empty()) {
    return rows->Slice(0, 0);
  }
  ARROW_RETURN_NOT_OK(InitializeCompute());
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(indices));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> take, builder.Finish());
  ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, take));
  return taken.record_batch();
}

std::string PlaceOf(const arrow::RecordBatch& rows, int64_t row) {
  std::string place;
  if (std::shared_ptr<arrow::Array> file = rows.GetColumnByName("_file")) {
    place = " in " + ObservedText(*file, row);
  }
  if (std::shared_ptr<arrow::Array> number = rows.GetColumnByName("_row")) {
    place += " row " + ObservedText(*number, row);
  }
  return place;
}

arrow::Status FailAt(const arrow::RecordBatch& raw, int64_t row, const Reason& reason,
                     const std::string& subject) {
  return base::MakeError(base::ErrorCode::kContractViolation,
                         subject + ": " + RuleKey(reason) + " has severity fail and is broken" +
                             PlaceOf(raw, row) + ": found " + reason.observed + ", expected " +
                             reason.expected);
}

}  // namespace

void Breaks::Add(int64_t row, Reason reason) {
  int32_t& slot = slots_[static_cast<size_t>(row)];
  if (slot < 0) {
    slot = static_cast<int32_t>(reasons_.size());
    reasons_.emplace_back();
  }
  reasons_[static_cast<size_t>(slot)].push_back(std::move(reason));
}

const std::vector<Reason>* Breaks::Of(int64_t row) const {
  int32_t slot = slots_[static_cast<size_t>(row)];
  return slot < 0 ? nullptr : &reasons_[static_cast<size_t>(slot)];
}

bool Breaks::Rejects(int64_t row) const {
  const std::vector<Reason>* reasons = Of(row);
  if (reasons == nullptr) {
    return false;
  }
  for (const Reason& reason : *reasons) {
    if (reason.severity != spec::Severity::kWarn) {
      return true;
    }
  }
  return false;
}

arrow::Result<SplitRows> Split(const std::shared_ptr<arrow::RecordBatch>& typed,
                               const std::shared_ptr<arrow::RecordBatch>& raw, const Breaks& breaks,
                               const std::string& subject) {
  SplitRows out;
  std::vector<int64_t> accepted;
  std::vector<int64_t> rejected;
  for (int64_t row = 0; row < breaks.rows(); ++row) {
    const std::vector<Reason>* reasons = breaks.Of(row);
    bool rejects = breaks.Rejects(row);
    (rejects ? rejected : accepted).push_back(row);
    if (reasons == nullptr) {
      continue;
    }
    bool first = true;
    for (const Reason& reason : *reasons) {
      if (reason.severity == spec::Severity::kFail) {
        return FailAt(*raw, row, reason, subject);
      }
      std::string key = RuleKey(reason);
      if (reason.severity == spec::Severity::kError) {
        ++out.broken_by_rule[key];
        if (std::exchange(first, false)) {
          ++out.quarantined_by_rule[key];
        }
      } else if (!rejects) {
        ++out.warned_by_rule[key];
      }
    }
    if (rejects) {
      out.quarantined.reasons.push_back(*reasons);
    }
  }
  ARROW_ASSIGN_OR_RAISE(out.accepted, TakeRows(typed, accepted));
  ARROW_ASSIGN_OR_RAISE(out.quarantined.rows, TakeRows(raw, rejected));
  return out;
}

std::string BoundText(std::string text) {
  constexpr auto kLimit = static_cast<size_t>(kObservedBytes);
  if (text.size() <= kLimit) {
    return text;
  }
  size_t cut = kLimit;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) {
    --cut;
  }
  return text.substr(0, cut) + "…";
}

std::string ObservedText(const arrow::Array& array, int64_t row) {
  arrow::Result<std::string> text = base::ValueText(array, row);
  if (text.ok()) {
    return BoundText(std::move(*text));
  }
  arrow::Result<std::shared_ptr<arrow::Scalar>> scalar = array.GetScalar(row);
  return scalar.ok() ? BoundText((*scalar)->ToString()) : "?";
}

std::string ObservedColumns(const arrow::RecordBatch& rows, const std::vector<std::string>& columns,
                            int64_t row) {
  if (columns.size() == 1) {
    return ObservedText(*rows.GetColumnByName(columns[0]), row);
  }
  std::string text;
  for (const std::string& column : columns) {
    text += (text.empty() ? "" : ", ") + column + " = " +
            ObservedText(*rows.GetColumnByName(column), row);
  }
  return BoundText(std::move(text));
}

}  // namespace icecore::quality
