#pragma once
// One feature view's state for one entity key: what training, streaming and serving all compute
// with, so that they give the same bits. Knows neither lake, nor SQL, nor definitions. Semantics:
// docs/time.md. Bytes: docs/formats/state.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/state/aggregate.h"
#include "icecore/state/value_status.h"

namespace icecore::state {

class ValueCodec;
struct AnswerSlot;

// Rows of a view's table, prepared: times resolved, where-masks evaluated. All arrays have one
// length.
struct PreparedRows {
  std::vector<std::shared_ptr<arrow::Array>> keys;  // the entity's key columns, in order, key types
  std::shared_ptr<arrow::Int64Array> event_time;    // e, UTC microseconds; null: never visible
  std::shared_ptr<arrow::Int64Array> known_at;      // a >= e; null: never visible
  std::shared_ptr<arrow::Int64Array> seq;           // s, never null
  std::vector<std::shared_ptr<arrow::Array>> values;        // one per ViewLayout::value_types
  std::vector<std::shared_ptr<arrow::BooleanArray>> masks;  // one per distinct where; null = false
  // Of a table with versions (ViewLayout::versioned); none of it has nulls. Of the rows of one
  // table key that are active, only the greatest by (version_order, seq) counts, and that one only
  // if it is `live`: no delete, not left out by the view's where, its entity key whole. Rows that
  // are not live may have nulls in `keys`.
  std::shared_ptr<arrow::BinaryArray> table_key;      // ordered_bytes.h
  std::shared_ptr<arrow::BinaryArray> version_order;  // ordered_bytes.h; compared as bytes
  std::shared_ptr<arrow::BooleanArray> live;
  int64_t num_rows = 0;
};

struct FeatureLayout {
  enum class Kind { kAsOf, kWindow };
  Kind kind = Kind::kAsOf;
  int value = -1;           // index into values; -1: rows are counted (kCount only)
  int mask = -1;            // index into masks; -1: every row
  AggregateSpec aggregate;  // kWindow
  int64_t length_us = 0;    // kWindow
  int64_t hop_us = 0;       // kWindow; 0 = exact
};

struct ViewLayout {
  std::vector<std::shared_ptr<arrow::DataType>> value_types;
  int mask_count = 0;
  std::vector<FeatureLayout> features;
  // So many of `features`, at the front, are kept in the cells and not answered: what features
  // number is the rest.
  int kept = 0;
  std::optional<int64_t> ttl_us;  // as-of features only
  bool exclude_at = false;        // e < t instead of e <= t
  bool always = false;            // facts without time: visible at every t, the greatest s wins
  bool versioned = false;         // rows are versions of table keys
  // Where in PreparedRows its values and masks are; empty: in their order. Not of versioned views.
  std::vector<int> value_places;
  std::vector<int> mask_places;
};

// Answers, column-wise: one element appended to every feature by each Read. Defaults are not
// applied here (they come last, in one place, for every path).
class VectorSink {
 public:
  // `rows`: how many answers will come, where that is known.
  static arrow::Result<std::unique_ptr<VectorSink>> Make(
      const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows = 0);
  virtual ~VectorSink() = default;

  // Of a window: its value goes to the builder, its status here.
  virtual arrow::Result<arrow::ArrayBuilder*> builder(int feature) = 0;
  virtual void AppendStatus(int feature, ValueStatus status) = 0;
  // Of an as-of feature: no value, or one as `codec` encodes it, null or not; and e of the row
  // chosen (nullopt: none, or it has no time).
  virtual arrow::Status AppendNull(int feature, ValueStatus status,
                                   std::optional<int64_t> event_time) = 0;
  virtual arrow::Status AppendEncoded(int feature, const ValueCodec& codec, std::string_view bytes,
                                      std::optional<int64_t> event_time) = 0;

  // The slots of the key at hand, which has given nothing yet, one per feature, for words alone
  // (ValueCodec::WordBytes): who fills them all ends the key, and calls none of the above for it;
  // who does not leaves them as they were. nullptr: a sink without slots.
  virtual AnswerSlot* BeginKey() { return nullptr; }
  virtual void EndKey() {}

  struct Column {
    std::shared_ptr<arrow::Array> values;
    std::vector<ValueStatus> statuses;
    std::vector<std::optional<int64_t>> event_times;
  };
  // One column per feature; the sink is empty afterwards.
  virtual arrow::Result<std::vector<Column>> Finish() = 0;
};

// A named piece of a key's state in a store: suffix "" is the head, others are tiles, sorted by
// group and start, or, of versioned views, rows, sorted by event time.
struct Cell {
  std::string suffix;
  std::string bytes;
};
struct CellChange {
  std::string suffix;
  std::optional<std::string> bytes;  // nullopt: delete
};

// A suffix that begins with it belongs to a part of the view's states (parted_engine.h), and no
// other does. An engine passes over cells of parts that are not its own.
inline constexpr char kPartMark = '\xf0';

// A cell as it lies in a store.
struct CellView {
  std::string_view suffix;
  std::string_view bytes;
};

// Cells whose suffix lies in [from, to).
struct CellRange {
  std::string from;
  std::string to;
};

// The version of what is stored: a store that holds another is filled anew. Part of a view's
// fingerprint.
inline constexpr int kStateFormat = 2;

// What tells the versions that a key holds from one another: a driver's row may become several
// rows of one seq, of several table keys or orders.
struct VersionId {
  int64_t seq = 0;
  std::string mark;  // kMarkBytes that stand for table key and order
  auto operator<=>(const VersionId&) const = default;
};
inline constexpr size_t kMarkBytes = 15;
VersionId MakeVersionId(std::string_view table_key, std::string_view order, int64_t seq);

class ViewEngine;

// Not thread safe. Times are UTC microseconds. A row is *active* at t when e <= t (e < t with
// exclude_at) and a <= t; its activation time is the first such t.
class KeyState {
 public:
  virtual ~KeyState() = default;

  // Not for versioned views. Takes row `row`. A row with seq <= applied_seq() and activation <=
  // applied_until() was taken before and is dropped. Rows may come in any order.
  virtual arrow::Status Add(const PreparedRows& rows, int64_t row) = 0;

  // Versioned views only (version_chain.h says what to tell which key). Takes row `row`, which
  // counts at t in [activation, until); what is held of the same version is replaced.
  virtual arrow::Status AddUntil(const PreparedRows& rows, int64_t row, int64_t until) = 0;
  // The version counts from `until` on no longer, if it is held.
  virtual arrow::Status End(const VersionId& version, int64_t until) = 0;

  // Lets every row active by t enter, for good, and drops tiles that no window at t or later
  // covers. t must not decrease.
  virtual arrow::Status AdvanceTo(int64_t t) = 0;

  // Appends one answer at t (>= the last AdvanceTo) to the sink. Rows that become active between
  // the last AdvanceTo and t are counted; the state stays as it is.
  virtual arrow::Status Read(int64_t t, VectorSink* sink) const = 0;

  // What the key has taken: every row with seq <= applied_seq and activation <= applied_until.
  virtual int64_t applied_seq() const = 0;
  virtual int64_t applied_until() const = 0;
  virtual void SetApplied(int64_t seq, int64_t until) = 0;

  // The cells changed since the state was made or loaded, or since the last call. A change of one
  // row touches the head and its own tiles only.
  virtual arrow::Result<std::vector<CellChange>> TakeChanges() = 0;
};

// A view's layout compiled; immutable, thread safe, outlives its KeyStates.
class ViewEngine {
 public:
  // kInvalidDefinition when an aggregate cannot take its input type.
  static arrow::Result<std::unique_ptr<ViewEngine>> Make(ViewLayout layout);
  virtual ~ViewEngine() = default;

  virtual const ViewLayout& layout() const = 0;
  // The type of each feature's values.
  virtual const std::vector<std::shared_ptr<arrow::DataType>>& output_types() const = 0;

  // First t at which a row with (e, a) is active.
  virtual int64_t ActivationOf(int64_t event_time, int64_t known_at) const = 0;
  // Rows with e below this can reach no window at t or later (INT64_MIN when as-of features keep
  // every row relevant).
  virtual int64_t OldestRelevant(int64_t t) const = 0;

  virtual std::unique_ptr<KeyState> NewKey() const = 0;
  // From the cells of one key, in any order; kCorrupt when the bytes are not what was written.
  virtual arrow::Result<std::unique_ptr<KeyState>> LoadKey(
      const std::vector<Cell>& cells) const = 0;
  // The cells that an answer at t needs beside the head, ascending: a key may be loaded from these
  // alone to be read at t, and for nothing else.
  virtual std::vector<CellRange> CellsAt(int64_t t) const = 0;
  // Appends the answer at t of the key that has these cells, at least the head and those of
  // CellsAt(t): what a key loaded from them would answer. On an error the sink may have taken part
  // of an answer.
  virtual arrow::Status ReadCells(const std::vector<CellView>& cells, int64_t t,
                                  VectorSink* sink) const = 0;
  // Whether no answer at t or later needs the cell of this suffix: it may be deleted.
  virtual bool CellExpired(std::string_view suffix, int64_t t) const = 0;
  // The answer for a key without any row: counts 0, the rest null.
  virtual arrow::Status ReadEmpty(VectorSink* sink) const = 0;
};

// How many of the features that are answered ask for what the kept ones do not hold. 0: with and
// without them the cells are the same, so that cells of the kept features answer them all.
arrow::Result<int> FeaturesNotKept(const ViewLayout& layout);

}  // namespace icecore::state
