#pragma once
// The rows of a view's log that some label can see, gathered batch by batch, and laid out for the
// sweep.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_range.h"
#include "icecore/feature/sweep.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// What the features asked for need of the view's rows: maybe less than all of the view's do.
struct RowNeeds {
  std::unique_ptr<const state::ViewEngine> engine;
  std::vector<bool> values;               // by place in the layout
  std::shared_ptr<arrow::Schema> schema;  // of RowChunk::columns

  static arrow::Result<RowNeeds> Of(const state::ViewPlan& plan);
  const state::ViewLayout& layout() const { return engine->layout(); }
  // The least event time that labels from `earliest` on can reach.
  int64_t OldestFor(int64_t earliest) const;
};

// Rows as they were collected.
struct RowChunk {
  int64_t rows = 0;
  // Key and activation, e, a and s, masks, then the values that are needed; of a table with
  // versions at last the time until which the row counts, once it is known.
  arrow::ArrayVector columns;
  // Of a table with versions, of every row whose version may end another, reached or not: table
  // key, order, s, activation, and its place among `rows`, -1 where it is not one of them.
  arrow::ArrayVector versions;

  // About what it takes in memory, until the sweep is done with it.
  arrow::Result<int64_t> ByteCount() const;
};

class RowCollector {
 public:
  RowCollector(const RowNeeds& needs, const LabelSet& labels, const LabelRange& range,
               const KnowledgeCut& cut);

  arrow::Status Add(const state::PreparedRows& batch);
  // `keys` by their numbers; those of the batch are not looked at.
  arrow::Status Add(const state::PreparedRows& batch, const std::vector<int32_t>& keys);
  // What another one collected for a wider range.
  arrow::Status Add(const RowChunk& chunk);

  int64_t byte_count() const { return byte_count_; }
  // The rows taken so far, in their order; it is empty afterwards.
  std::vector<RowChunk> Take();

 private:
  struct Picked;
  arrow::Status AddVersions(const state::PreparedRows& batch, const Picked& picked,
                            RowChunk* chunk) const;
  arrow::Status Keep(RowChunk chunk);

  const LabelSet& labels_;
  const LabelRange& range_;
  const KnowledgeCut& cut_;
  const RowNeeds& needs_;
  const state::ViewEngine& engine_;
  const bool always_;
  const bool versioned_;
  const int64_t oldest_;
  std::vector<RowChunk> chunks_;
  int64_t byte_count_ = 0;
};

// One chunk of several, which are used up on the way; at least one.
arrow::Result<RowChunk> Merge(std::vector<RowChunk> chunks);

// One after another, keys counted from `first_key`. `chunks` are used up on the way.
arrow::Result<SweepRows> LayOut(const RowNeeds& needs, int32_t first_key,
                                std::vector<RowChunk> chunks);

}  // namespace icecore::feature
