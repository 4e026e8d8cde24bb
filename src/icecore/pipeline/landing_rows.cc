#include "icecore/pipeline/landing_rows.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/type_widening.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

std::shared_ptr<arrow::Field> ArrivedField() {
  return arrow::field(std::string(lake::kArrivedAt),
                      arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), false);
}

// Types whose values may rest in a column of another one where nothing is lost; text is no number.
bool MayBecome(const arrow::DataType& from, const arrow::DataType& to) {
  const auto number = [](const arrow::DataType& type) {
    return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
           arrow::is_decimal(type.id());
  };
  return from.Equals(to) || from.id() == arrow::Type::NA || (number(from) && number(to)) ||
         (from.id() == to.id() && arrow::compute::CanCast(from, to));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> MergeColumns(const arrow::Schema* before,
                                                           const arrow::Schema& file) {
  arrow::FieldVector user;
  if (before != nullptr) {
    for (const auto& field : before->fields()) {
      if (!lake::IsEnvelope(field->name())) {
        user.push_back(field);
      }
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto canonical, lake::CanonicalSchema(file));
  for (const auto& field : canonical->fields()) {
    if (lake::IsEnvelope(field->name())) {
      continue;
    }
    const auto same = std::find_if(user.begin(), user.end(), [&](const auto& known) {
      return known->name() == field->name();
    });
    if (same == user.end()) {
      user.push_back(field->WithNullable(true)->RemoveMetadata());
    } else if (const auto wider = lake::WiderType((*same)->type(), field->type())) {
      *same = (*same)->WithType(wider);
    } else if (!MayBecome(*field->type(), *(*same)->type())) {
      return MakeError(ErrorCode::kBadInput, "column '" + field->name() + "' is " +
                                                 field->type()->ToString() + " in this file and " +
                                                 (*same)->type()->ToString() +
                                                 " in those that landed before");
    }
  }
  user.push_back(arrow::field(std::string(ingest::kFileColumn), arrow::utf8(), false));
  user.push_back(arrow::field(std::string(ingest::kRowColumn), arrow::int64(), false));
  user.push_back(arrow::field(std::string(ingest::kProblemColumn), arrow::utf8()));
  user.push_back(arrow::field(std::string(ingest::kRawColumn), arrow::binary()));
  user.push_back(arrow::field(std::string(lake::kSeq), arrow::int64(), false));
  user.push_back(ArrivedField());
  user.push_back(arrow::field(std::string(lake::kRun), arrow::utf8()));
  return arrow::schema(user);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithEnvelope(
    const arrow::RecordBatch& rows, const std::shared_ptr<arrow::Schema>& schema, int64_t first_seq,
    int64_t arrived_us, const std::string& run_id) {
  const int64_t n = rows.num_rows();
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    std::shared_ptr<arrow::Array> column;
    if (field->name() == lake::kSeq) {
      arrow::Int64Builder seq;
      ARROW_RETURN_NOT_OK(seq.Reserve(n));
      for (int64_t i = 0; i < n; ++i) {
        seq.UnsafeAppend(first_seq + i);
      }
      ARROW_ASSIGN_OR_RAISE(column, seq.Finish());
    } else if (field->name() == lake::kArrivedAt) {
      ARROW_ASSIGN_OR_RAISE(
          column, arrow::MakeArrayFromScalar(arrow::TimestampScalar(arrived_us, field->type()), n));
    } else if (field->name() == lake::kRun) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayFromScalar(arrow::StringScalar(run_id), n));
    } else if (column = rows.GetColumnByName(field->name()); !column) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), n));
    } else if (!column->type()->Equals(field->type())) {
      auto cast = arrow::compute::Cast(*column, field->type(), arrow::compute::CastOptions::Safe());
      if (!cast.ok()) {
        return MakeError(ErrorCode::kBadInput,
                         "column '" + field->name() + "': " + cast.status().message());
      }
      column = *cast;
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, n, std::move(columns));
}

}  // namespace icecore::pipeline
