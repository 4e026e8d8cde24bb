#pragma once
// For tests: features of an answer from columns.

#include <memory>
#include <string_view>
#include <utility>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// `name` outlives the response.
inline void AddFeature(std::string_view name, state::VectorSink::Column column,
                       FeatureResponse* response) {
  auto memory = std::make_shared<std::pair<std::shared_ptr<const void>, state::AnswerBlock>>(
      response->memory, state::AnswerBlock::Of(std::move(column)));
  response->features.push_back({name, memory->second.feature(0)});
  response->memory = std::move(memory);
}

}  // namespace icecore::server
