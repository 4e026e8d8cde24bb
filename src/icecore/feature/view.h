#pragma once
// A feature view bound to its table's schema: which columns to read, how rows are prepared for the
// state machine, what comes out.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/spec/model.h"
#include "icecore/state/view_state.h"

namespace icecore::feature {

// What makes a table's rows versions: its key and order_by. The view then reads the table's log of
// versions, which holds its columns, `_seq`, `_arrived_at`, `_op` and `_known_at`.
struct TableVersions {
  std::vector<std::string> key;
  std::vector<std::string> order_by;  // empty: `_seq` alone
};

// The filters and columns that features read, in the order in which the layout of a view with these
// features has them.
struct FeatureReads {
  std::vector<std::string> filters;
  std::vector<std::string> columns;
};
FeatureReads ReadsOf(const std::vector<spec::Feature>& features);

// Rows of the table with what Prepare decides by, none left out.
struct InspectedRows {
  state::PreparedRows rows;   // keys may have nulls; `live` as Prepare has it
  std::vector<bool> passes;   // per row: the view's where holds
  std::vector<bool> deleted;  // per row: the version is a delete
};

// Immutable, thread safe.
class BoundView {
 public:
  // `table` holds the table's columns, the envelope (_seq, _arrived_at) included. Everything wrong
  // is reported to diagnostics with file and line: unknown columns (nearest name), key and value
  // types, aggregates on the wrong type, TIMESTAMP without zone as event_time or known_at,
  // expressions, defaults of another type. event_time and known_at are the resolved ones.
  // `versions`: of a table with versions, else null; `table` may lack the log's own columns then.
  // `kept`: what the engine keeps in its cells and does not answer (state::ViewLayout::kept).
  static arrow::Result<std::shared_ptr<const BoundView>> Bind(
      const spec::FeatureView& view, const spec::Entity& entity, const spec::EventTime& event_time,
      const spec::KnownAt& known_at, const arrow::Schema& table, const TableVersions* versions,
      base::Diagnostics* diagnostics, const std::vector<spec::Feature>& kept = {});
  virtual ~BoundView() = default;

  virtual const std::string& name() const = 0;
  // The columns of the table (of a table with versions: of its log) that Prepare needs, each once.
  virtual const std::vector<std::string>& columns() const = 0;
  virtual const std::vector<std::shared_ptr<arrow::DataType>>& key_types() const = 0;
  virtual const std::vector<std::string>& key_names() const = 0;  // the entity's
  virtual const std::vector<std::string>& feature_names() const = 0;
  virtual const std::vector<std::shared_ptr<arrow::DataType>>& feature_types() const = 0;
  virtual std::shared_ptr<const state::ViewEngine> engine() const = 0;

  // Rows of the table -> rows of the log: keys cast to the entity's types, e and a in UTC
  // microseconds rounded up, a := max(a, e), where-masks evaluated. Rows with a null key part, and
  // those that the view's where leaves out, are left out; of a table with versions they stay, not
  // live, since they hide their predecessors. A delete is known at `_known_at`, or where the view
  // says `arrival` at `_arrived_at`: its other columns are those of the row it ends.
  virtual arrow::Result<state::PreparedRows> Prepare(const arrow::RecordBatch& rows) const = 0;
  // The same of every row, for telling a person why one counts and another does not.
  virtual arrow::Result<InspectedRows> Inspect(const arrow::RecordBatch& rows) const = 0;

  // Prepare in two steps, so that values are read only of rows that were chosen; not of a table
  // with versions. PrepareRows needs row_columns() and leaves `values` empty; `taken` are the
  // places in `rows` of what it gives, empty: all. PrepareValues needs value_columns() and gives
  // one array per value of the engine's layout, of all rows. As they are here they suit a view that
  // leaves no row out.
  virtual const std::vector<std::string>& row_columns() const { return columns(); }
  virtual const std::vector<std::string>& value_columns() const { return columns(); }
  virtual arrow::Result<state::PreparedRows> PrepareRows(const arrow::RecordBatch& rows,
                                                         std::vector<int32_t>* taken) const;
  virtual arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> PrepareValues(
      const arrow::RecordBatch& rows) const;
  // The column of e; "": the facts have no time, or not in one column.
  virtual std::string event_time_column() const { return ""; }

  // `default:` in the place of nulls, feature by feature (indices as feature_names()).
  virtual arrow::Result<std::shared_ptr<arrow::Array>> ApplyDefault(
      int feature, std::shared_ptr<arrow::Array> values) const = 0;
};

}  // namespace icecore::feature
