#include "icecore/server/flight_batches.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>

#include <set>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/state/value_status.h"

namespace icecore::server {
namespace {

std::shared_ptr<arrow::DataType> StatusType() {
  static const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  return type;
}

std::shared_ptr<arrow::DataType> EventTimeType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

// The one dictionary of all answers, so that a stream carries it once.
arrow::Result<std::shared_ptr<arrow::Array>> StatusNames() {
  using state::ValueStatus;
  arrow::StringBuilder builder;
  for (const ValueStatus status :
       {ValueStatus::kPresent, ValueStatus::kNull, ValueStatus::kNotFound, ValueStatus::kExpired,
        ValueStatus::kError}) {
    ARROW_RETURN_NOT_OK(builder.Append(state::ValueStatusName(status)));
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> StatusArray(const FeatureValues& feature) {
  static const arrow::Result<std::shared_ptr<arrow::Array>> names = StatusNames();
  ARROW_RETURN_NOT_OK(names.status());
  arrow::Int8Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(feature.answers.num_rows()));
  for (int64_t row = 0; row < feature.answers.num_rows(); ++row) {
    builder.UnsafeAppend(static_cast<int8_t>(feature.answers.slot(row).status));
  }
  ARROW_ASSIGN_OR_RAISE(auto indices, builder.Finish());
  return arrow::DictionaryArray::FromArrays(StatusType(), indices, *names);
}

arrow::Result<std::shared_ptr<arrow::Array>> EventTimeArray(const FeatureValues& feature) {
  arrow::TimestampBuilder builder(EventTimeType(), arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(feature.answers.num_rows()));
  for (int64_t row = 0; row < feature.answers.num_rows(); ++row) {
    const state::AnswerSlot& slot = feature.answers.slot(row);
    if (slot.has_time) {
      builder.UnsafeAppend(slot.event_time);
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return builder.Finish();
}

arrow::FieldVector FieldsOf(const std::vector<NamedType>& columns) {
  arrow::FieldVector fields;
  for (const NamedType& column : columns) {
    fields.push_back(arrow::field(column.name, column.arrow_type));
  }
  return fields;
}

// What follows the features.
void AppendWanted(const arrow::FieldVector& features, const TicketOptions& options,
                  arrow::FieldVector* fields) {
  for (const auto& feature : features) {
    if (options.statuses) {
      fields->push_back(arrow::field(feature->name() + ".status", StatusType(), false));
    }
    if (options.event_times) {
      fields->push_back(arrow::field(feature->name() + ".event_time", EventTimeType()));
    }
  }
}

// What JSON has years of: from 0000 to 9999.
template <typename Times>
bool WithinFourDigits(const arrow::Array& array, int64_t per_day) {
  constexpr int64_t kFirstDay = -719'528;
  constexpr int64_t kLastDay = 2'932'896;
  const auto& times = static_cast<const Times&>(array);
  for (int64_t row = 0; row < times.length(); ++row) {
    if (times.IsValid(row) &&
        (times.Value(row) < kFirstDay * per_day || times.Value(row) >= (kLastDay + 1) * per_day)) {
      return false;
    }
  }
  return true;
}

// In a form that JSON has, by the rules of columns that come from files: nothing is lost, but that
// nanoseconds round up.
arrow::Result<std::shared_ptr<arrow::Array>> Plain(const std::string& name,
                                                   const std::shared_ptr<arrow::Array>& array) {
  quality::ColumnTarget target;
  target.type = quality::NaturalType(array->type());
  if (target.type->id() == arrow::Type::FLOAT) {
    target.type = arrow::float64();  // a float's shortest text is another double
  }
  auto converted = quality::ConvertTyped(array, target);
  if (!converted.ok() || !converted->bad.empty()) {
    return FieldError(name, "values of type " + array->type()->ToString() + " cannot be pushed");
  }
  const arrow::Array& values = *converted->values;
  bool within = true;
  if (values.type_id() == arrow::Type::TIMESTAMP) {
    if (static_cast<const arrow::TimestampType&>(*values.type()).timezone().empty()) {
      return FieldError(name, "is a time without a zone; send timestamp[us, tz=UTC]");
    }
    within = WithinFourDigits<arrow::TimestampArray>(values, base::kMicrosPerDay);
  } else if (values.type_id() == arrow::Type::DATE32) {
    within = WithinFourDigits<arrow::Date32Array>(values, 1);
  }
  if (!within) {
    return FieldError(name, "a time lies beyond the years 0000 to 9999");
  }
  return converted->values;
}

template <typename Array>
int64_t LengthOf(const arrow::Array& values, int64_t row) {
  return static_cast<int64_t>(static_cast<const Array&>(values).GetView(row).size());
}

// Bytes of one value, where they may be many.
int64_t ValueBytes(const arrow::Array& values, int64_t row) {
  if (values.IsNull(row)) {
    return 0;
  }
  switch (values.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return LengthOf<arrow::BinaryArray>(values, row);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return LengthOf<arrow::LargeBinaryArray>(values, row);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return LengthOf<arrow::BinaryViewArray>(values, row);
    case arrow::Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryArray&>(values).byte_width();
    default:
      return 0;
  }
}

// A dictionary or views say long values in few bytes: what they say, in full.
int64_t BytesInFull(const arrow::Array& array) {
  int64_t bytes = 0;
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
    for (int64_t row = 0; row < encoded.length(); ++row) {
      bytes +=
          encoded.IsNull(row) ? 0 : ValueBytes(*encoded.dictionary(), encoded.GetValueIndex(row));
    }
  } else if (arrow::is_binary_view_like(array.type_id())) {
    for (int64_t row = 0; row < array.length(); ++row) {
      bytes += ValueBytes(array, row);
    }
  }
  return bytes;
}

arrow::Status TooManyBytes(int64_t max_bytes) {
  return base::MakeError(
      base::ErrorCode::kLimit,
      "a batch of more than " + std::to_string(max_bytes) + " bytes; send smaller batches");
}

arrow::Status InvalidData(const std::string& why) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "the batch is no valid Arrow data: " + why);
}

}  // namespace

std::shared_ptr<arrow::Schema> AnswerSchema(const ServiceDescription& service,
                                            const TicketOptions& options) {
  const arrow::FieldVector features = FieldsOf(service.features);
  arrow::FieldVector fields = features;
  AppendWanted(features, options, &fields);
  return arrow::schema(std::move(fields));
}

std::shared_ptr<arrow::Schema> RequestSchema(const ServiceDescription& service) {
  arrow::FieldVector fields = FieldsOf(service.keys);
  for (auto& field : FieldsOf(service.request)) {
    fields.push_back(std::move(field));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> AnswerBatch(const FeatureResponse& response,
                                                               const TicketOptions& options) {
  arrow::FieldVector features;
  arrow::ArrayVector arrays;
  for (const FeatureValues& feature : response.features) {
    if (feature.answers.num_rows() != response.num_rows) {
      return base::MakeError(
          base::ErrorCode::kInternal,
          "feature " + std::string(feature.name) + " does not have one value for each row");
    }
    arrays.push_back(feature.answers.ToArray());
    features.push_back(arrow::field(std::string(feature.name), arrays.back()->type()));
  }
  arrow::FieldVector fields = features;
  AppendWanted(features, options, &fields);
  for (const FeatureValues& feature : response.features) {
    if (options.statuses) {
      ARROW_ASSIGN_OR_RAISE(auto statuses, StatusArray(feature));
      arrays.push_back(std::move(statuses));
    }
    if (options.event_times) {
      ARROW_ASSIGN_OR_RAISE(auto times, EventTimeArray(feature));
      arrays.push_back(std::move(times));
    }
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), response.num_rows,
                                  std::move(arrays));
}

arrow::Result<std::string> LinesOfBatch(const arrow::RecordBatch& batch, int64_t max_bytes) {
  std::vector<std::string> names;
  arrow::ArrayVector arrays;
  std::set<std::string> seen;
  for (int i = 0; i < batch.num_columns(); ++i) {
    const std::string& name = batch.column_name(i);
    if (!seen.insert(name).second) {
      return FieldError(name, "given twice");
    }
    std::string written = i == 0 ? "{" : ",";
    base::AppendJsonString(name, &written);
    names.push_back(written + ":");
    ARROW_ASSIGN_OR_RAISE(auto plain, Plain(name, batch.column(i)));
    arrays.push_back(std::move(plain));
  }
  std::string lines;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    lines += names.empty() ? "{" : "";
    for (size_t i = 0; i < arrays.size(); ++i) {
      lines += names[i];
      if (!base::AppendJsonValue(*arrays[i], row, &lines).ok()) {
        return FieldError(batch.column_name(static_cast<int>(i)),
                          "values of type " + arrays[i]->type()->ToString() + " cannot be pushed");
      }
    }
    lines += "}\n";
    if (static_cast<int64_t>(lines.size()) > max_bytes) {
      return base::MakeError(base::ErrorCode::kLimit, "the batch is more than " +
                                                          std::to_string(max_bytes) +
                                                          " bytes of JSON; push in several");
    }
  }
  return lines;
}

arrow::Status CheckBatch(const arrow::RecordBatch& batch, int64_t max_rows, int64_t max_bytes) {
  if (batch.num_rows() > max_rows) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "a batch of " + std::to_string(batch.num_rows()) + " rows; at most " +
                               std::to_string(max_rows) +
                               " may come in one, in as many batches "
                               "as you like");
  }
  if (arrow::util::TotalBufferSize(batch) > max_bytes) {
    return TooManyBytes(max_bytes);
  }
  if (const arrow::Status valid = batch.ValidateFull(); !valid.ok()) {
    return InvalidData(valid.message());
  }
  int64_t bytes = 0;
  for (const auto& column : batch.columns()) {
    if (column->type_id() == arrow::Type::DICTIONARY &&
        arrow::is_nested(
            static_cast<const arrow::DictionaryType&>(*column->type()).value_type()->id())) {
      return InvalidData("a dictionary of " + column->type()->ToString());
    }
    bytes += BytesInFull(*column);
  }
  return bytes > max_bytes ? TooManyBytes(max_bytes) : arrow::Status::OK();
}

}  // namespace icecore::server
