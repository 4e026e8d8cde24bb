#pragma once
// What definitions must keep where tables have versions; findings go to the diagnostics of `plan`.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/base/error.h"
#include "icecore/spec/model.h"
#include "icecore/sql/analysis.h"

namespace icecore::pipeline {

// Whether each version of the table is computed anew and keeps nothing of the one before: `replace`
// and `load: snapshot` without a key.
bool IsComputedWhole(const spec::Project& project, const std::string& full_name);

// `schema` with the column `_op`, last.
std::shared_ptr<arrow::Schema> WithOp(const arrow::Schema& schema);

// A log is called by its table's short name, so two that keep versions must differ in it.
void CheckHistoryNames(const spec::Project& project, base::Diagnostics* diagnostics);

// The key of a source of snapshots, held against the columns that pass its contract.
void CheckKeyColumns(const spec::Source& source, const arrow::Schema& accepted,
                     base::Diagnostics* diagnostics);

// A table that keeps versions, and a row-wise table whose driver keeps some. `analysis` has no
// errors.
void CheckVersions(const spec::Project& project, const spec::Table& table,
                   const sql::Analysis& analysis, base::Diagnostics* diagnostics);

}  // namespace icecore::pipeline
