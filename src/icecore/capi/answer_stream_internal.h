#pragma once
// An answer's vectors as Arrow streams of one batch, whose columns are made when they are read:
// who looks at no statuses or times pays for none.

#include <arrow/type_fwd.h>

#include <memory>

#include "icecore/engine/engine.h"

namespace icecore::capi {

// What a column of the stream holds of its feature.
enum class AnswerPart {
  kValues,
  kStatuses,    // text
  kEventTimes,  // timestamp[us, UTC]; null for windows and request-time features
};

// What does not change from answer to answer of one service.
struct AnswerSchemas {
  std::shared_ptr<arrow::Schema> values;
  std::shared_ptr<arrow::Schema> statuses;
  std::shared_ptr<arrow::Schema> event_times;

  static AnswerSchemas Of(const feature::BoundService& service);
};

// An answer and what it looks into.
struct Answer {
  std::shared_ptr<engine::Engine> engine;  // which the service reads through
  engine::VectorRows rows;
};

std::shared_ptr<arrow::RecordBatchReader> AnswerStream(std::shared_ptr<const Answer> answer,
                                                       const AnswerSchemas& schemas,
                                                       AnswerPart part);

}  // namespace icecore::capi
