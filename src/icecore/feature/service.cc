#include "icecore/feature/service.h"

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <set>
#include <utility>

#include "icecore/expr/expression.h"
#include "icecore/feature/default_value.h"
#include "icecore/spec/service_plan.h"

namespace icecore::feature {

namespace {

using Column = state::VectorSink::Column;
using base::ErrorCode;

// A column of an expression's batch: a feature of a use, or a column of the request.
struct ExpressionInput {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  int use = -1;      // else a request column
  int feature = -1;  // within the use's view, or index of the request column
};

// Where an output comes from: a feature of a use, or an expression over inputs.
struct OutputSource {
  int use = -1;
  int feature = -1;
  bool is_last = false;  // no output behind it comes from the same feature
  std::shared_ptr<const expr::Expression> expression;
  std::shared_ptr<const std::vector<ExpressionInput>> inputs;
  std::shared_ptr<arrow::Scalar> default_value;  // of an expression
};

struct ServiceParts {
  std::string name;
  std::vector<ViewUse> uses;
  std::vector<RequestColumn> key_columns;
  std::vector<RequestColumn> request_columns;
  std::vector<OutputFeature> outputs;
  std::vector<OutputSource> sources;  // one per output
};

class AssembledService final : public BoundService {
 public:
  explicit AssembledService(ServiceParts parts) : parts_(std::move(parts)) {}

  const std::string& name() const override { return parts_.name; }
  const std::vector<ViewUse>& uses() const override { return parts_.uses; }
  const std::vector<RequestColumn>& key_columns() const override { return parts_.key_columns; }
  const std::vector<RequestColumn>& request_columns() const override {
    return parts_.request_columns;
  }
  const std::vector<OutputFeature>& outputs() const override { return parts_.outputs; }
  OutputOrigin OriginOf(size_t output) const override;
  arrow::Result<std::vector<Column>> Assemble(
      std::vector<UseValues> uses, const std::vector<std::shared_ptr<arrow::Array>>& request,
      const std::shared_ptr<arrow::Array>& event_timestamp) const override;
  arrow::Result<Column> AssembleOutput(
      size_t output, const std::vector<UseValues>& uses,
      const std::vector<std::shared_ptr<arrow::Array>>& request,
      const std::shared_ptr<arrow::Array>& event_timestamp) const override;

 private:
  arrow::Result<Column> FromUse(const OutputSource& source, Column column) const;
  arrow::Result<Column> FromExpression(const OutputSource& source,
                                       const std::vector<UseValues>& uses,
                                       const std::vector<std::shared_ptr<arrow::Array>>& request,
                                       const std::shared_ptr<arrow::Array>& event_timestamp) const;

  ServiceParts parts_;
};

OutputOrigin AssembledService::OriginOf(size_t output) const {
  const OutputSource& source = parts_.sources[output];
  OutputOrigin origin;
  origin.use = source.use;
  origin.feature = source.feature;
  if (source.inputs != nullptr) {
    for (const ExpressionInput& input : *source.inputs) {
      origin.inputs.push_back({input.name, input.use, input.feature});
    }
  }
  return origin;
}

arrow::Result<Column> AssembledService::FromUse(const OutputSource& source, Column column) const {
  const BoundView& view = *parts_.uses[static_cast<size_t>(source.use)].view;
  ARROW_ASSIGN_OR_RAISE(column.values, view.ApplyDefault(source.feature, std::move(column.values)));
  return column;
}

arrow::Result<Column> AssembledService::FromExpression(
    const OutputSource& source, const std::vector<UseValues>& uses,
    const std::vector<std::shared_ptr<arrow::Array>>& request,
    const std::shared_ptr<arrow::Array>& event_timestamp) const {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const ExpressionInput& input : *source.inputs) {
    const auto feature = static_cast<size_t>(input.feature);
    std::shared_ptr<arrow::Array> values;
    if (input.use < 0) {
      values = request[feature];
    } else {
      const auto use = static_cast<size_t>(input.use);
      ARROW_ASSIGN_OR_RAISE(
          values, parts_.uses[use].view->ApplyDefault(input.feature, uses[use][feature].values));
    }
    fields.push_back(arrow::field(input.name, values->type()));
    arrays.push_back(std::move(values));
  }
  fields.push_back(arrow::field(kEventTimestamp, event_timestamp->type()));
  arrays.push_back(event_timestamp);
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema(fields), event_timestamp->length(), arrays);
  Column column;
  ARROW_ASSIGN_OR_RAISE(column.values, source.expression->Evaluate(*batch));
  for (int64_t row = 0; row < column.values->length(); ++row) {
    column.statuses.push_back(column.values->IsNull(row) ? state::ValueStatus::kNull
                                                         : state::ValueStatus::kPresent);
  }
  column.event_times.resize(column.statuses.size());
  ARROW_ASSIGN_OR_RAISE(column.values, FillNulls(std::move(column.values), source.default_value));
  return column;
}

// Null where there is no time, whatever a default said.
arrow::Status Blank(const std::shared_ptr<arrow::Array>& event_timestamp, Column* column) {
  if (event_timestamp->null_count() == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto timed, arrow::compute::IsValid(event_timestamp));
  ARROW_ASSIGN_OR_RAISE(
      const auto blanked,
      arrow::compute::IfElse(timed, column->values, arrow::MakeNullScalar(column->values->type())));
  column->values = blanked.make_array();
  for (int64_t row = 0; row < event_timestamp->length(); ++row) {
    if (event_timestamp->IsValid(row)) continue;
    const auto at = static_cast<size_t>(row);
    if (at < column->statuses.size()) column->statuses[at] = state::ValueStatus::kNull;
    if (at < column->event_times.size()) column->event_times[at] = std::nullopt;
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<Column>> AssembledService::Assemble(
    std::vector<UseValues> uses, const std::vector<std::shared_ptr<arrow::Array>>& request,
    const std::shared_ptr<arrow::Array>& event_timestamp) const {
  if (uses.size() != parts_.uses.size() || request.size() != parts_.request_columns.size()) {
    return base::MakeError(ErrorCode::kInternal, "feature_service '" + parts_.name +
                                                     "' was given values of another service");
  }
  std::vector<Column> columns;
  columns.reserve(parts_.sources.size());
  for (const OutputSource& source : parts_.sources) {
    Column column;
    if (source.expression == nullptr) {
      Column& values = uses[static_cast<size_t>(source.use)][static_cast<size_t>(source.feature)];
      ARROW_ASSIGN_OR_RAISE(column, FromUse(source, source.is_last ? std::move(values) : values));
    } else {
      ARROW_ASSIGN_OR_RAISE(column, FromExpression(source, uses, request, event_timestamp));
    }
    ARROW_RETURN_NOT_OK(Blank(event_timestamp, &column));
    columns.push_back(std::move(column));
  }
  return columns;
}

arrow::Result<Column> AssembledService::AssembleOutput(
    size_t output, const std::vector<UseValues>& uses,
    const std::vector<std::shared_ptr<arrow::Array>>& request,
    const std::shared_ptr<arrow::Array>& event_timestamp) const {
  const OutputSource& source = parts_.sources[output];
  Column column;
  if (source.expression == nullptr) {
    ARROW_ASSIGN_OR_RAISE(
        column,
        FromUse(source,
                uses[static_cast<size_t>(source.use)][static_cast<size_t>(source.feature)]));
  } else {
    ARROW_ASSIGN_OR_RAISE(column, FromExpression(source, uses, request, event_timestamp));
  }
  ARROW_RETURN_NOT_OK(Blank(event_timestamp, &column));
  return column;
}

using Views = std::function<std::shared_ptr<const BoundView>(const std::string&)>;

class ServiceBinder {
 public:
  ServiceBinder(const spec::Project& project, const spec::FeatureService& service,
                const Views& views, base::Diagnostics* diagnostics)
      : project_(project), service_(service), views_(views), diagnostics_(diagnostics) {}

  arrow::Result<std::shared_ptr<const BoundService>> Bind() {
    parts_.name = service_.name;
    ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(project_, service_));
    ARROW_ASSIGN_OR_RAISE(const auto required, spec::RequiredColumns(project_, service_));
    for (const spec::RequiredColumn& column : required) {
      (column.is_key ? parts_.key_columns : parts_.request_columns)
          .push_back({column.name, column.type});
    }
    for (const spec::ServiceFeature& feature : features) {
      ARROW_RETURN_NOT_OK(feature.view->on_request() ? AddExpression(feature)
                                                     : AddFeature(feature));
    }
    MarkLast();
    return std::make_shared<AssembledService>(std::move(parts_));
  }

 private:
  // The use of a view under these spine columns, added when it is new.
  arrow::Result<int> UseOf(const spec::FeatureView& view, const spec::ServiceEntry& entry) {
    const spec::Entity* entity = project_.FindEntity(view.entity);
    auto bound = views_(view.name);
    if (entity == nullptr || bound == nullptr) {
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, entry.location,
                               "feature_service '" + service_.name + "': feature_view '" +
                                   view.name + "' cannot be used as long as it has errors");
    }
    ViewUse use{std::move(bound), spec::SpineKeysOf(*entity, entry)};
    for (size_t i = 0; i < parts_.uses.size(); ++i) {
      if (parts_.uses[i].view == use.view && parts_.uses[i].key_columns == use.key_columns) {
        return static_cast<int>(i);
      }
    }
    parts_.uses.push_back(std::move(use));
    return static_cast<int>(parts_.uses.size()) - 1;
  }

  arrow::Result<int> FeatureOf(int use, const std::string& feature) const {
    const auto& names = parts_.uses[static_cast<size_t>(use)].view->feature_names();
    const auto found = std::find(names.begin(), names.end(), feature);
    if (found == names.end()) {
      return base::MakeError(ErrorCode::kInternal, "a bound view lacks feature '" + feature + "'");
    }
    return static_cast<int>(found - names.begin());
  }

  arrow::Status AddFeature(const spec::ServiceFeature& feature) {
    OutputSource source;
    ARROW_ASSIGN_OR_RAISE(source.use, UseOf(*feature.view, service_.entries[feature.entry]));
    ARROW_ASSIGN_OR_RAISE(source.feature, FeatureOf(source.use, feature.feature->name));
    const auto& view = parts_.uses[static_cast<size_t>(source.use)].view;
    parts_.outputs.push_back({feature.name,
                              view->feature_types()[static_cast<size_t>(source.feature)],
                              feature.view->name, feature.feature->name,
                              feature.feature->kind == spec::Feature::Kind::kAsOf});
    parts_.sources.push_back(std::move(source));
    return arrow::Status::OK();
  }

  void MarkLast() {
    std::set<std::pair<int, int>> needed;  // by the outputs behind the one at hand
    for (auto source = parts_.sources.rbegin(); source != parts_.sources.rend(); ++source) {
      if (source->expression == nullptr) {
        source->is_last = needed.insert({source->use, source->feature}).second;
        continue;
      }
      for (const ExpressionInput& input : *source->inputs) {
        needed.insert({input.use, input.feature});
      }
    }
  }

  // What the expressions of a view computed when asked may read.
  arrow::Result<std::vector<ExpressionInput>> InputsOf(const spec::FeatureView& view) {
    std::vector<ExpressionInput> inputs;
    const spec::ServiceEntry own_names;  // inputs go by the entities' own key names
    for (const spec::ViewInput& input : view.inputs) {
      const spec::FeatureView* from = project_.FindView(input.view);
      if (from == nullptr || from->on_request()) {
        return base::MakeErrorAt(ErrorCode::kInvalidDefinition, input.location,
                                 "feature_view '" + view.name + "': input '" + input.name +
                                     "' is no feature of a view over a table");
      }
      ARROW_ASSIGN_OR_RAISE(const int use, UseOf(*from, own_names));
      ARROW_ASSIGN_OR_RAISE(const int feature, FeatureOf(use, input.feature));
      const auto& bound = parts_.uses[static_cast<size_t>(use)].view;
      inputs.push_back(
          {input.name, bound->feature_types()[static_cast<size_t>(feature)], use, feature});
    }
    for (const spec::KeyColumn& column : view.request) {
      for (size_t i = 0; i < parts_.request_columns.size(); ++i) {
        if (parts_.request_columns[i].name != column.name) continue;
        inputs.push_back({column.name, parts_.request_columns[i].type, -1, static_cast<int>(i)});
      }
    }
    return inputs;
  }

  arrow::Status AddExpression(const spec::ServiceFeature& feature) {
    const spec::Feature& defined = *feature.feature;
    if (!defined.expression) {
      diagnostics_->Error(defined.location, "feature_view '" + feature.view->name + "': feature '" +
                                                defined.name + "' needs an expression");
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, defined.location,
                               "feature '" + defined.name + "' needs an expression");
    }
    ARROW_ASSIGN_OR_RAISE(auto inputs, InputsOf(*feature.view));
    arrow::FieldVector fields;
    for (const ExpressionInput& input : inputs) {
      fields.push_back(arrow::field(input.name, input.type));
    }
    fields.push_back(
        arrow::field(kEventTimestamp, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
    auto bound =
        expr::Bind(defined.expression->text, defined.expression->location, arrow::Schema(fields));
    if (!bound.ok()) {
      diagnostics_->Error(defined.expression->location, Placeless(bound.status(), defined));
      return bound.status();
    }
    OutputSource source;
    source.expression = std::move(bound).ValueUnsafe();
    source.inputs = std::make_shared<const std::vector<ExpressionInput>>(std::move(inputs));
    if (defined.default_value) {
      ARROW_ASSIGN_OR_RAISE(source.default_value,
                            DefaultValue(*defined.default_value, source.expression->type()));
    }
    parts_.outputs.push_back(
        {feature.name, source.expression->type(), feature.view->name, defined.name, false});
    parts_.sources.push_back(std::move(source));
    return arrow::Status::OK();
  }

  static std::string Placeless(const arrow::Status& status, const spec::Feature& feature) {
    std::string message = status.message();
    const std::string place = feature.expression->location.ToString() + ": ";
    if (message.starts_with(place)) message = message.substr(place.size());
    return "feature '" + feature.name + "': " + message;
  }

  const spec::Project& project_;
  const spec::FeatureService& service_;
  const Views& views_;
  base::Diagnostics* diagnostics_;
  ServiceParts parts_;
};

}  // namespace

arrow::Result<std::shared_ptr<const BoundService>> BoundService::Bind(
    const spec::Project& project, const spec::FeatureService& service,
    const std::function<std::shared_ptr<const BoundView>(const std::string&)>& views,
    base::Diagnostics* diagnostics) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  const int errors_before = diagnostics->error_count();
  auto bound = ServiceBinder(project, service, views, diagnostics).Bind();
  if (!bound.ok() && diagnostics->error_count() == errors_before) {
    diagnostics->Error(service.location, bound.status().message());
  }
  return bound;
}

}  // namespace icecore::feature
