#pragma once
// A view over a table once everything is bound: what BoundView::Bind found.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/expr/expression.h"
#include "icecore/feature/view.h"
#include "icecore/spec/model.h"

namespace icecore::feature {

struct ViewParts {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::string> key_names;
  std::vector<std::shared_ptr<arrow::DataType>> key_types;
  std::vector<std::string> key_columns;  // of the table
  std::vector<std::string> feature_names;
  spec::EventTime event_time;
  spec::KnownAt known_at;
  std::vector<std::string> value_columns;   // one per value of the engine's layout
  std::unique_ptr<expr::Expression> where;  // of the view, or null; rows that fail it are left out
  std::vector<std::unique_ptr<expr::Expression>> masks;
  bool versioned = false;                                // the rows are versions of table keys:
  std::vector<std::string> table_key;                    // columns
  std::vector<std::string> order_by;                     // columns; empty: by `_seq` alone
  std::vector<std::shared_ptr<arrow::Scalar>> defaults;  // one per feature, or null
  std::shared_ptr<const state::ViewEngine> engine;
};

std::shared_ptr<const BoundView> MakeTableView(ViewParts parts);

}  // namespace icecore::feature
