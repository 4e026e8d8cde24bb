#pragma once
// Why a feature of a view has its value for one key at one time: every row of the key with what
// became of it. For people (`icecore explain`); answers come from the training set and the store,
// which this must agree with bit for bit.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/feature/key_column.h"
#include "icecore/feature/view.h"

namespace icecore::feature {

enum class RowVerdict : uint8_t {
  kChosen,        // as-of: its value is the feature's
  kCounted,       // window: it went into the aggregate
  kSuperseded,    // as-of: another visible row is greater by (e, a, s)
  kExpired,       // as-of: the greatest, but older than the ttl
  kNoValue,       // window: null or NaN, which aggregates skip
  kFiltered,      // a `where` leaves it out
  kReplaced,      // a greater version of its table key counts from `until` on
  kDelete,        // the version says that its table key has no row
  kKnownLater,    // it had happened, but was not known yet
  kAfter,         // it happened later than asked
  kBeforeWindow,  // it happened before the window begins
  kWithoutTime,   // event time or known time is null: never visible
};
// "chosen", "counted", "superseded" …
std::string_view RowVerdictName(RowVerdict verdict);

struct TracedRow {
  std::optional<int64_t> event_time;
  std::optional<int64_t> known_at;
  int64_t seq = 0;
  std::string value;  // of the feature's column; "" where rows are counted
  RowVerdict verdict = RowVerdict::kFiltered;
  std::optional<int64_t> until;  // kReplaced: from when on
};

// Rows of a window that fall into one interval of its hop.
struct TracedTile {
  int64_t begin = 0;  // UTC microseconds, inclusive
  int64_t end = 0;    // exclusive
  int64_t rows = 0;
  std::string partial;  // their sum, or their least or greatest value; "" for other aggregates
};

struct FeatureTrace {
  bool is_window = false;
  int64_t begin = 0;                    // of a window, inclusive, after the hop
  std::vector<TracedRow> rows;          // every row of the key, the greatest by (e, a, s) first
  std::vector<TracedTile> tiles;        // of a window with a hop, by time
  std::string arithmetic;               // of a window: how the value comes of the rows
  std::shared_ptr<arrow::Array> value;  // one element; before any default
  state::ValueStatus status = state::ValueStatus::kNull;
};

// Gathers one key's rows of a view's log. Not thread safe.
class KeyTrace {
 public:
  // `key`: one array of one element per key column, of view->key_types(). Null parts match nothing.
  static arrow::Result<std::unique_ptr<KeyTrace>> Make(
      std::shared_ptr<const BoundView> view, const std::vector<std::shared_ptr<arrow::Array>>& key);

  // A batch of the log, holding view->columns(), in any order.
  virtual arrow::Status Add(const arrow::RecordBatch& rows) = 0;

  // The feature (by index) at t, as it was known then.
  virtual arrow::Result<FeatureTrace> Explain(int feature, int64_t t) = 0;
  virtual ~KeyTrace() = default;
};

}  // namespace icecore::feature
