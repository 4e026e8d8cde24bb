#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_time.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "icecore/capi/answer_stream_internal.h"

namespace icecore::capi {
namespace {

using Column = std::shared_ptr<arrow::Array>;

const std::shared_ptr<arrow::DataType>& TimeType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

arrow::Result<Column> StatusesOf(const state::FeatureAnswers& feature) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(feature.num_rows()));
  for (int64_t row = 0; row < feature.num_rows(); ++row) {
    ARROW_RETURN_NOT_OK(builder.Append(state::ValueStatusName(feature.slot(row).status)));
  }
  return builder.Finish();
}

arrow::Result<Column> EventTimesOf(const state::FeatureAnswers& feature, bool as_of) {
  arrow::TimestampBuilder builder(TimeType(), arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(feature.num_rows()));
  for (int64_t row = 0; row < feature.num_rows(); ++row) {
    const state::AnswerSlot& slot = feature.slot(row);
    if (as_of && slot.has_time) {
      builder.UnsafeAppend(slot.event_time);
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return builder.Finish();
}

// Features of one view mostly share their statuses and times, so each different column is made
// once: `text` tells columns apart.
class SharedColumns {
 public:
  template <typename Make>
  arrow::Result<Column> Find(std::string text, const Make& make) {
    Column& column = columns_[std::move(text)];
    if (column == nullptr) {
      ARROW_ASSIGN_OR_RAISE(column, make());
    }
    return column;
  }

 private:
  std::map<std::string, Column> columns_;
};

std::string StatusText(const state::FeatureAnswers& feature) {
  std::string text;
  for (int64_t row = 0; row < feature.num_rows(); ++row) {
    text.push_back(static_cast<char>(feature.slot(row).status));
  }
  return text;
}

std::string TimeText(const state::FeatureAnswers& feature, bool as_of) {
  std::string text;
  for (int64_t row = 0; row < feature.num_rows(); ++row) {
    const state::AnswerSlot& slot = feature.slot(row);
    const bool known = as_of && slot.has_time;
    text.push_back(known ? '1' : '0');
    if (known) {
      text.append(reinterpret_cast<const char*>(&slot.event_time), sizeof slot.event_time);
    }
  }
  return text;
}

class AnswerReader final : public arrow::RecordBatchReader {
 public:
  AnswerReader(std::shared_ptr<const Answer> answer, std::shared_ptr<arrow::Schema> schema,
               AnswerPart part)
      : answer_(std::move(answer)), schema_(std::move(schema)), part_(part) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    if (answer_ == nullptr) {
      return arrow::Status::OK();
    }
    const engine::VectorRows& rows = answer_->rows;
    const auto& outputs = rows.service->service().outputs();
    SharedColumns shared;
    std::vector<Column> columns;
    columns.reserve(rows.features.size());
    for (size_t i = 0; i < rows.features.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(rows.features[i], outputs[i].as_of, &shared));
      columns.push_back(std::move(column));
    }
    *batch = arrow::RecordBatch::Make(schema_, rows.num_rows, std::move(columns));
    answer_.reset();
    return arrow::Status::OK();
  }

 private:
  arrow::Result<Column> ColumnOf(const state::FeatureAnswers& feature, bool as_of,
                                 SharedColumns* shared) const {
    switch (part_) {
      case AnswerPart::kValues:
        return feature.ToArray();
      case AnswerPart::kStatuses:
        return shared->Find(StatusText(feature), [&] { return StatusesOf(feature); });
      case AnswerPart::kEventTimes:
        return shared->Find(TimeText(feature, as_of), [&] { return EventTimesOf(feature, as_of); });
    }
    return arrow::Status::Invalid("no part of an answer");
  }

  std::shared_ptr<const Answer> answer_;  // null once it was read
  const std::shared_ptr<arrow::Schema> schema_;
  const AnswerPart part_;
};

// That of the service, unless a value is of another type than it declares.
std::shared_ptr<arrow::Schema> ValuesSchema(const Answer& answer,
                                            const std::shared_ptr<arrow::Schema>& declared) {
  const auto& features = answer.rows.features;
  std::shared_ptr<arrow::Schema> schema = declared;
  for (size_t i = 0; i < features.size(); ++i) {
    const int at = static_cast<int>(i);
    const arrow::DataType& type = features[i].type();
    if (declared->field(at)->type().get() != &type && !declared->field(at)->type()->Equals(type)) {
      auto fields = schema->fields();
      fields[i] = fields[i]->WithType(type.GetSharedPtr());
      schema = arrow::schema(std::move(fields));
    }
  }
  return schema;
}

}  // namespace

AnswerSchemas AnswerSchemas::Of(const feature::BoundService& service) {
  arrow::FieldVector values;
  arrow::FieldVector statuses;
  arrow::FieldVector event_times;
  for (const auto& output : service.outputs()) {
    values.push_back(arrow::field(output.name, output.type));
    statuses.push_back(arrow::field(output.name, arrow::utf8()));
    event_times.push_back(arrow::field(output.name, TimeType()));
  }
  return {arrow::schema(std::move(values)), arrow::schema(std::move(statuses)),
          arrow::schema(std::move(event_times))};
}

std::shared_ptr<arrow::RecordBatchReader> AnswerStream(std::shared_ptr<const Answer> answer,
                                                       const AnswerSchemas& schemas,
                                                       AnswerPart part) {
  std::shared_ptr<arrow::Schema> schema = part == AnswerPart::kStatuses ? schemas.statuses
                                          : part == AnswerPart::kEventTimes
                                              ? schemas.event_times
                                              : ValuesSchema(*answer, schemas.values);
  return std::make_shared<AnswerReader>(std::move(answer), std::move(schema), part);
}

}  // namespace icecore::capi
