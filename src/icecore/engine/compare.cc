#include "icecore/engine/compare.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/chunked_array.h>
#include <arrow/compare.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/engine/row_files.h"
#include "icecore/feature/service.h"
#include "icecore/feature/training_set.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/service_binding.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using feature::kEventTimestamp;
using Values = std::map<std::string, std::shared_ptr<arrow::Array>>;

constexpr char kService[] = "compare";  // of the one view, never applied

arrow::Result<std::shared_ptr<arrow::Array>> WholeColumn(const arrow::ChunkedArray& column) {
  if (column.num_chunks() == 1) {
    return column.chunk(0);
  }
  return column.num_chunks() == 0 ? arrow::MakeEmptyArray(column.type())
                                  : arrow::Concatenate(column.chunks());
}

arrow::Result<const spec::FeatureView*> FindView(const spec::Project& project,
                                                 const std::string& given,
                                                 const std::string& where) {
  const std::string name = given.rfind("view.", 0) == 0 ? given.substr(5) : given;
  if (const spec::FeatureView* view = project.FindView(name)) {
    return view;
  }
  std::vector<std::string> names;
  names.reserve(project.views.size());
  for (const spec::FeatureView& view : project.views) {
    names.push_back(view.name);
  }
  return MakeError(ErrorCode::kNotFound,
                   "no view '" + name + "'" + where + base::DidYouMean(name, names));
}

// The spine without what only passes through, whose names may be those of features.
arrow::Result<std::shared_ptr<arrow::Table>> Asked(const feature::BoundService& service,
                                                   const arrow::Table& spine) {
  std::vector<int> columns;
  for (int i = 0; i < spine.num_columns(); ++i) {
    const std::string& name = spine.field(i)->name();
    const auto is_it = [&](const feature::RequestColumn& column) { return column.name == name; };
    if (name == kEventTimestamp || std::ranges::any_of(service.key_columns(), is_it) ||
        std::ranges::any_of(service.request_columns(), is_it)) {
      columns.push_back(i);
    }
  }
  return spine.SelectColumns(columns);
}

// The view's features over the spine, as these definitions have them.
arrow::Result<Values> Compute(const pipeline::Workspace& workspace,
                              const pipeline::AnalysedProject& tables,
                              const spec::FeatureView& view,
                              const std::shared_ptr<arrow::Table>& spine,
                              std::vector<std::string>* keys) {
  spec::FeatureService service;
  service.name = kService;
  service.location = view.location;
  spec::ServiceEntry entry;
  entry.view = view.name;
  entry.location = view.location;
  service.entries.push_back(std::move(entry));
  ARROW_ASSIGN_OR_RAISE(const auto bound,
                        pipeline::BindService(*workspace.project, tables, service));
  pipeline::LakeFeatureLog log(workspace);
  ARROW_ASSIGN_OR_RAISE(const auto asked, Asked(*bound, *spine));
  ARROW_ASSIGN_OR_RAISE(const auto built, feature::BuildTrainingSet(*bound, asked, {}, &log));
  keys->clear();
  for (const auto& column : bound->key_columns()) {
    keys->push_back(column.name);
  }
  Values columns;
  for (const feature::OutputFeature& output : bound->outputs()) {
    ARROW_ASSIGN_OR_RAISE(columns[output.feature],
                          WholeColumn(*built.table->GetColumnByName(output.name)));
  }
  return columns;
}

// Numbers as doubles; null where the type is none.
arrow::Result<std::shared_ptr<arrow::DoubleArray>> AsNumbers(
    const std::shared_ptr<arrow::Array>& values) {
  const arrow::Type::type id = values->type_id();
  if (!arrow::is_integer(id) && !arrow::is_floating(id) && !arrow::is_decimal(id)) {
    return nullptr;
  }
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Unsafe(arrow::float64());
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(*values, arrow::float64(), options));
  return std::static_pointer_cast<arrow::DoubleArray>(cast);
}

class Comparer {
 public:
  Comparer(std::shared_ptr<arrow::Table> spine, std::vector<std::string> keys, int64_t examples)
      : spine_(std::move(spine)), keys_(std::move(keys)), examples_(examples) {}

  arrow::Result<FeatureDifference> Compare(const std::string& feature,
                                           const std::shared_ptr<arrow::Array>& before,
                                           const std::shared_ptr<arrow::Array>& now) const {
    FeatureDifference out;
    out.feature = feature;
    out.rows = now->length();
    if (!before->type()->Equals(*now->type())) {
      out.kind = FeatureDifference::Kind::kOtherType;
      out.before_type = spec::TypeText(*before->type());
      out.now_type = spec::TypeText(*now->type());
      return out;
    }
    ARROW_ASSIGN_OR_RAISE(const auto before_numbers, AsNumbers(before));
    ARROW_ASSIGN_OR_RAISE(const auto now_numbers, AsNumbers(now));
    out.is_number = now_numbers != nullptr;
    const auto same = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
    double sum = 0;
    int64_t measured = 0;
    for (int64_t row = 0; row < out.rows; ++row) {
      if (before->RangeEquals(*now, row, row + 1, row, same)) {
        continue;
      }
      ++out.different;
      out.null_before += before->IsNull(row) ? 1 : 0;
      out.null_now += now->IsNull(row) ? 1 : 0;
      if (out.is_number && before->IsValid(row) && now->IsValid(row)) {
        const double difference = std::fabs(now_numbers->Value(row) - before_numbers->Value(row));
        if (std::isfinite(difference)) {
          out.max_difference = std::max(out.max_difference, difference);
          sum += difference;
          ++measured;
        }
      }
      if (static_cast<int64_t>(out.examples.size()) < examples_) {
        ARROW_ASSIGN_OR_RAISE(auto example, Example(row, *before, *now));
        out.examples.push_back(std::move(example));
      }
    }
    out.mean_difference = measured == 0 ? 0 : sum / static_cast<double>(measured);
    return out;
  }

 private:
  arrow::Result<std::string> Cell(const std::string& column, int64_t row) const {
    ARROW_ASSIGN_OR_RAISE(const auto values, WholeColumn(*spine_->GetColumnByName(column)));
    return base::ValueText(*values, row);
  }

  arrow::Result<ValueExample> Example(int64_t row, const arrow::Array& before,
                                      const arrow::Array& now) const {
    ValueExample example;
    for (const std::string& key : keys_) {
      ARROW_ASSIGN_OR_RAISE(const auto text, Cell(key, row));
      example.key += (example.key.empty() ? "" : " ") + key + "=" + text;
    }
    ARROW_ASSIGN_OR_RAISE(example.time, Cell(kEventTimestamp, row));
    ARROW_ASSIGN_OR_RAISE(example.before, base::ValueText(before, row));
    ARROW_ASSIGN_OR_RAISE(example.now, base::ValueText(now, row));
    return example;
  }

  const std::shared_ptr<arrow::Table> spine_;
  const std::vector<std::string> keys_;
  const int64_t examples_;
};

FeatureDifference OneSided(const std::string& feature, FeatureDifference::Kind kind) {
  FeatureDifference out;
  out.feature = feature;
  out.kind = kind;
  return out;
}

}  // namespace

arrow::Result<CompareReport> CompareView(const pipeline::Workspace& workspace,
                                         const pipeline::AnalysedProject& project,
                                         const CompareRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const spec::FeatureView* now,
                        FindView(*workspace.project, request.view, ""));
  ARROW_ASSIGN_OR_RAISE(const spec::Project past,
                        pipeline::DefinitionsAt(workspace, request.version));
  ARROW_ASSIGN_OR_RAISE(
      const spec::FeatureView* before,
      FindView(past, now->name, " in version " + std::to_string(request.version)));
  pipeline::Workspace then = workspace;
  then.project = &past;
  std::shared_ptr<arrow::Table> spine = request.spine;
  if (spine == nullptr) {
    ARROW_ASSIGN_OR_RAISE(spine, ReadRows(request.spine_path));
  }
  std::vector<std::string> keys;
  ARROW_ASSIGN_OR_RAISE(const Values old_values, Compute(then, project, *before, spine, &keys));
  ARROW_ASSIGN_OR_RAISE(const Values new_values, Compute(workspace, project, *now, spine, &keys));
  CompareReport report;
  report.view = now->name;
  report.version = request.version;
  report.rows = spine->num_rows();
  report.same_definition = spec::Fingerprint(*now, workspace.project->FindEntity(now->entity)) ==
                           spec::Fingerprint(*before, past.FindEntity(before->entity));
  const Comparer comparer(spine, keys, request.examples);
  for (const spec::Feature& feature : now->features) {
    const auto old_column = old_values.find(feature.name);
    if (old_column == old_values.end()) {
      report.features.push_back(OneSided(feature.name, FeatureDifference::Kind::kAdded));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto difference, comparer.Compare(feature.name, old_column->second,
                                                            new_values.at(feature.name)));
    report.features.push_back(std::move(difference));
  }
  for (const spec::Feature& feature : before->features) {
    if (new_values.count(feature.name) == 0) {
      report.features.push_back(OneSided(feature.name, FeatureDifference::Kind::kRemoved));
    }
  }
  return report;
}

}  // namespace icecore::engine
