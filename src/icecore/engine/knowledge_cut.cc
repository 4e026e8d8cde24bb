#include "icecore/engine/knowledge_cut.h"

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::engine {

arrow::Result<feature::KnowledgeCut> ParseKnowledgeCut(const std::string& text) {
  feature::KnowledgeCut cut;
  if (text == "label") {
    return cut;
  }
  if (text == "latest") {
    cut.kind = feature::KnowledgeCut::Kind::kLatest;
    return cut;
  }
  cut.kind = feature::KnowledgeCut::Kind::kTime;
  auto time = base::ParseInstant(text);
  if (!time.ok()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "known-at takes label, latest or a time: " + time.status().message());
  }
  cut.time_us = *time;
  return cut;
}

}  // namespace icecore::engine
