#include "icecore/pipeline/pinned_log.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>

#include <charconv>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/commit_log.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/step_range.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// "TABLE_ID/GENERATION", or of a table computed whole "TABLE_ID/GENERATION/VERSION".
struct TableState {
  std::string table_id;
  int64_t generation = 0;
  std::optional<int64_t> version;
};

std::optional<int64_t> ParseWhole(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

arrow::Result<TableState> ParseTableState(const std::string& text) {
  TableState state;
  const size_t first = text.find('/');
  const size_t second = first == std::string::npos ? first : text.find('/', first + 1);
  std::optional<int64_t> generation;
  if (first != std::string::npos) {
    state.table_id = text.substr(0, first);
    const size_t length = second == std::string::npos ? second : second - first - 1;
    generation = ParseWhole(std::string_view(text).substr(first + 1, length));
  }
  if (second != std::string::npos) {
    state.version = ParseWhole(std::string_view(text).substr(second + 1));
  }
  if (!generation || (second != std::string::npos && !state.version)) {
    return MakeError(ErrorCode::kCorrupt, "'" + text + "' is no generation of a table");
  }
  state.generation = *generation;
  return state;
}

PinResult Lost(PinLoss loss, std::string reason) {
  PinResult lost;
  lost.loss = loss;
  lost.reason = std::move(reason);
  return lost;
}

// The version's snapshot; null where its log entries are gone.
arrow::Result<std::shared_ptr<const lake::Snapshot>> LoadIfThere(lake::Table* table,
                                                                 int64_t version) {
  auto loaded = table->Load(version);
  if (!loaded.ok() && (base::CodeOf(loaded.status()) == ErrorCode::kNotFound ||
                       base::CodeOf(loaded.status()) == ErrorCode::kCorrupt)) {
    return nullptr;
  }
  return loaded;
}

// The last version of an earlier generation. Generations only grow from version to version, so
// halving finds it.
arrow::Result<std::shared_ptr<const lake::Snapshot>> LastOf(lake::Table* table, int64_t generation,
                                                            int64_t newest) {
  int64_t low = 0;
  int64_t high = newest;  // is of a later generation
  std::shared_ptr<const lake::Snapshot> found;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadIfThere(table, middle));
    int64_t has = -1;  // what the log no longer tells lies before all it tells
    if (snapshot != nullptr) {
      ARROW_ASSIGN_OR_RAISE(has, GenerationOf(*snapshot));
    }
    if (has > generation) {
      high = middle;
    } else {
      if (has == generation) {
        found = std::move(snapshot);
      }
      low = middle + 1;
    }
  }
  return found;
}

// A table computed whole, at the version that the store took, or one with the same rows.
arrow::Result<PinResult> FindWhole(const Workspace& workspace, lake::Table* table,
                                   const lake::Snapshot& newest, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadIfThere(table, version));
  if (snapshot == nullptr) {
    return Lost(PinLoss::kRetention, "version " + std::to_string(version) + " of " +
                                         newest.table_path + " is no longer in its log");
  }
  PinResult result;
  result.pin.snapshot = std::move(snapshot);
  if (newest.version > version) {
    ARROW_ASSIGN_OR_RAISE(
        const bool changed,
        lake::RowsChangedBetween(*workspace.store, newest.table_path, version, newest.version));
    if (!changed) {
      result.pin.snapshot = std::make_shared<const lake::Snapshot>(newest);  // its files are there
    }
  }
  return result;
}

// The rows that become active by `until`.
class ActiveReader : public arrow::RecordBatchReader {
 public:
  ActiveReader(std::shared_ptr<arrow::RecordBatchReader> rows, const feature::BoundView& view,
               int64_t until)
      : rows_(std::move(rows)), view_(view), until_(until) {}
  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch == nullptr) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto inspected, view_.Inspect(**batch));
    const state::PreparedRows& rows = inspected.rows;
    arrow::BooleanBuilder keep;
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      const bool timed = rows.event_time->IsValid(row) && rows.known_at->IsValid(row);
      ARROW_RETURN_NOT_OK(
          keep.Append(timed && view_.engine()->ActivationOf(rows.event_time->Value(row),
                                                            rows.known_at->Value(row)) <= until_));
    }
    ARROW_ASSIGN_OR_RAISE(const auto mask, keep.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(*batch, mask));
    *batch = kept.record_batch();
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  const feature::BoundView& view_;
  const int64_t until_;
};

}  // namespace

arrow::Result<PinResult> FindPin(const Workspace& workspace, const spec::FeatureView& view,
                                 const online::ViewPosition& position) {
  const std::string log = LogOf(*workspace.project, view);
  ARROW_ASSIGN_OR_RAISE(const TableState state, ParseTableState(position.table_generation));
  ARROW_ASSIGN_OR_RAISE(const auto table, OpenTable(workspace, log));
  ARROW_ASSIGN_OR_RAISE(const auto newest, table->LoadOrEmpty());
  if (!newest->exists() || newest->table_id != state.table_id) {
    return Lost(PinLoss::kGeneration, log + " is another table than the one it was served from");
  }
  PinResult result;
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(*newest));
  if (state.version) {
    ARROW_ASSIGN_OR_RAISE(result, FindWhole(workspace, table.get(), *newest, *state.version));
  } else if (generation == state.generation) {
    result.pin.snapshot = newest;
  } else {
    ARROW_ASSIGN_OR_RAISE(result.pin.snapshot,
                          LastOf(table.get(), state.generation, newest->version));
    if (result.pin.snapshot == nullptr) {
      return Lost(PinLoss::kGeneration, log +
                                            " was rebuilt; its log no longer tells of generation " +
                                            std::to_string(state.generation));
    }
  }
  if (!state.version) {
    ARROW_ASSIGN_OR_RAISE(const StepState step, StepStateOf(*result.pin.snapshot));
    if (TakenUpTo(*result.pin.snapshot, step) < position.seq) {
      return generation == state.generation
                 ? Lost(PinLoss::kNotLanded,
                        log + " does not have all rows yet that were pushed; run 'icecore run'")
                 : Lost(PinLoss::kGeneration,
                        log + " was rebuilt before it had all rows that were pushed");
    }
  }
  result.pin.table = log;
  result.pin.seq_up_to = position.seq;
  return result;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> PinnedFeatureLog::Scan(
    const feature::BoundView& view) {
  const auto found = pins_.find(view.name());
  if (found == pins_.end()) {
    return MakeError(ErrorCode::kInternal, "view " + view.name() + " has no pin");
  }
  const LogPin& pin = found->second;
  TablePin bounds;
  bounds.version = pin.snapshot->version;
  bounds.seq_up_to = pin.seq_up_to;
  LakeFeatureLog log(workspace_, {{pin.table, bounds}});  // views of one table may differ
  ARROW_ASSIGN_OR_RAISE(auto reader, log.Scan(view));
  if (pin.active_until != INT64_MAX) {
    reader = std::make_shared<ActiveReader>(std::move(reader), view, pin.active_until);
  }
  return reader;
}

}  // namespace icecore::pipeline
