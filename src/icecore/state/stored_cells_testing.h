#pragma once
// For tests: the cells of one key as a store holds them.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "icecore/state/naive_view.h"
#include "icecore/state/view_state.h"

namespace icecore::state::testing {

using StoredCells = std::map<std::string, std::string>;

inline void TakeInto(KeyState* key, StoredCells* stored) {
  for (auto& change : key->TakeChanges().ValueOrDie()) {
    if (change.bytes) {
      (*stored)[change.suffix] = *change.bytes;
    } else {
      stored->erase(change.suffix);
    }
  }
}

inline std::unique_ptr<KeyState> StoredKey(const ViewEngine& engine, const StoredCells& stored) {
  if (stored.empty()) return engine.NewKey();
  std::vector<Cell> cells;
  for (const auto& [suffix, bytes] : stored) cells.push_back({suffix, bytes});
  return engine.LoadKey(cells).ValueOrDie();
}

// The one answer in the sink: value, status and event time of each feature.
inline std::vector<std::string> TextsOf(VectorSink* sink) {
  std::vector<std::string> answers;
  for (const auto& column : sink->Finish().ValueOrDie()) {
    const auto time = column.event_times.empty() ? std::nullopt : column.event_times[0];
    answers.push_back(naive::Show(*column.values, 0) + " " +
                      std::to_string(static_cast<int>(column.statuses[0])) +
                      (time ? " " + std::to_string(*time) : ""));
  }
  return answers;
}

inline std::vector<std::string> AnswersOf(const ViewEngine& engine, const StoredCells& stored,
                                          int64_t t) {
  const auto sink = VectorSink::Make(engine.output_types()).ValueOrDie();
  EXPECT_TRUE(StoredKey(engine, stored)->Read(t, sink.get()).ok());
  return TextsOf(sink.get());
}

}  // namespace icecore::state::testing
