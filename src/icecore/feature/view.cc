#include "icecore/feature/view.h"

#include <arrow/compute/initialize.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/expr/expression.h"
#include "icecore/feature/default_value.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/table_view.h"
#include "icecore/feature/time_column.h"
#include "icecore/lake/envelope.h"
#include "icecore/spec/parse.h"
#include "icecore/state/ordered_bytes.h"

namespace icecore::feature {

using arrow::internal::checked_cast;
static_assert(static_cast<int>(spec::AggregateKind::kTopN) ==
                  static_cast<int>(state::AggregateKind::kTopN) &&
              static_cast<int>(spec::AggregateKind::kLastN) ==
                  static_cast<int>(state::AggregateKind::kLastN));

namespace {

// Fills the parts of a view, reporting everything that is wrong on the way.
class ViewBinder {
 public:
  ViewBinder(const spec::FeatureView& view, const arrow::Schema& table)
      : view_(view), table_(table), parts_() {}

  arrow::Result<std::shared_ptr<const BoundView>> Bind(const spec::Entity& entity,
                                                       const spec::EventTime& event_time,
                                                       const spec::KnownAt& known_at,
                                                       const TableVersions* versions,
                                                       const std::vector<spec::Feature>& kept) {
    parts_.name = view_.name;
    BindKeys(entity);
    BindTimes(event_time, known_at);
    if (versions != nullptr) BindVersions(*versions);
    if (view_.where) parts_.where = BindWhere(*view_.where);
    for (const spec::Feature& feature : kept) BindFeature(feature);
    for (const spec::Feature& feature : view_.features) {
      parts_.feature_names.push_back(feature.name);
      BindFeature(feature);
    }
    layout_.kept = static_cast<int>(kept.size());
    layout_.ttl_us = view_.ttl_us;
    layout_.exclude_at = view_.exclude_at;
    layout_.always = event_time.always;
    layout_.versioned = versions != nullptr;
    layout_.mask_count = static_cast<int>(parts_.masks.size());
    if (!diagnostics_.has_errors()) {
      auto engine = state::ViewEngine::Make(layout_);
      if (engine.ok()) {
        parts_.engine = std::move(engine).ValueUnsafe();
        BindDefaults();
      } else {
        Report(view_.location, engine.status());
      }
    }
    ARROW_RETURN_NOT_OK(diagnostics_.ToStatus());
    return MakeTableView(std::move(parts_));
  }

  const base::Diagnostics& diagnostics() const { return diagnostics_; }

 private:
  void Error(const base::Location& location, const std::string& message) {
    diagnostics_.Error(location, "feature_view '" + view_.name + "': " + message);
  }
  void Report(const base::Location& location, const arrow::Status& status) {
    Error(location, status.message());
  }
  // Expressions and defaults name their own place already.
  void ReportPlaced(const base::Location& location, const arrow::Status& status) {
    std::string message = status.message();
    const std::string place = location.ToString() + ": ";
    if (message.starts_with(place)) message = message.substr(place.size());
    Error(location, message);
  }

  std::shared_ptr<arrow::Field> Find(const std::string& column, const base::Location& location,
                                     const std::string& what) {
    auto field = table_.GetFieldByName(column);
    if (field == nullptr) {
      std::vector<std::string> names;
      for (const auto& name : table_.field_names()) {
        if (!lake::IsEnvelope(name)) names.push_back(name);
      }
      Error(location, what + ": table '" + view_.from + "' has no column '" + column + "'" +
                          base::DidYouMean(column, names));
      return nullptr;
    }
    Need(column);
    return field;
  }
  void Need(const std::string& column) {
    auto& columns = parts_.columns;
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
      columns.push_back(column);
    }
  }

  void BindKeys(const spec::Entity& entity) {
    for (const spec::KeyColumn& key : entity.keys) {
      const auto mapped = view_.keys.find(key.name);
      const std::string& column = mapped == view_.keys.end() ? key.name : mapped->second;
      parts_.key_names.push_back(key.name);
      parts_.key_types.push_back(key.type);
      parts_.key_columns.push_back(column);
      const auto field =
          Find(column, view_.location, "key '" + key.name + "' of entity '" + entity.name + "'");
      if (field == nullptr) continue;
      if (!KeyTypesMatch(*field->type(), *key.type)) {
        Error(view_.location, "column '" + column + "' is " + spec::TypeText(*field->type()) +
                                  ", the key '" + key.name + "' of entity '" + entity.name +
                                  "' is " + spec::TypeText(*key.type));
      }
    }
  }

  void BindTime(const std::string& column, const base::Location& location, const char* what) {
    const auto field = Find(column, location, what);
    if (field == nullptr || IsInstant(*field->type())) return;
    if (field->type()->id() == arrow::Type::TIMESTAMP) {
      Error(location, std::string(what) + ": column '" + column +
                          "' is a timestamp without zone; say `" + column +
                          " at time zone 'UTC'` (or the zone it is in) in the table's SQL");
      return;
    }
    Error(location, std::string(what) + ": column '" + column + "' is " +
                        spec::TypeText(*field->type()) + ", a timestamp is needed");
  }

  void BindTimes(const spec::EventTime& event_time, const spec::KnownAt& known_at) {
    parts_.event_time = event_time;
    parts_.known_at = known_at;
    Need(std::string(lake::kSeq));
    if (event_time.always) {
      for (const spec::Feature& feature : view_.features) {
        if (feature.kind != spec::Feature::Kind::kAggregate) continue;
        Error(feature.location, "feature '" + feature.name +
                                    "': windows need an event_time, and this view's is `always`");
      }
      if (view_.ttl_us) Error(view_.location, "ttl needs an event_time, and this one is `always`");
      return;
    }
    BindTime(event_time.column,
             event_time.location.file.empty() ? view_.location : event_time.location, "event_time");
    using Kind = spec::KnownAt::Kind;
    if (known_at.kind == Kind::kColumn || known_at.kind == Kind::kSnapshot) {
      BindTime(known_at.column, known_at.location.file.empty() ? view_.location : known_at.location,
               "known_at");
    }
    if (known_at.kind == Kind::kArrival || known_at.kind == Kind::kSnapshot) {
      Need(std::string(lake::kArrivedAt));
    }
  }

  void BindVersions(const TableVersions& versions) {
    parts_.versioned = true;
    parts_.table_key = versions.key;
    parts_.order_by = versions.order_by;
    for (const auto* columns : {&versions.key, &versions.order_by}) {
      const std::string what =
          columns == &versions.key ? "the table's key" : "the table's order_by";
      for (const std::string& column : *columns) {
        const auto field = Find(column, view_.location, what);
        if (field == nullptr || state::CanBeOrdered(*field->type())) continue;
        Error(view_.location, what + ": column '" + column + "' is " +
                                  spec::TypeText(*field->type()) + ", which has no order");
      }
    }
    Need(std::string(lake::kOp));
    Need(std::string(lake::kKnownAt));
    if (parts_.known_at.kind == spec::KnownAt::Kind::kArrival) {
      Need(std::string(lake::kArrivedAt));
    }
  }

  std::unique_ptr<expr::Expression> BindWhere(const spec::ExpressionText& where) {
    auto bound = expr::BindPredicate(where.text, where.location, table_);
    if (!bound.ok()) {
      ReportPlaced(where.location, bound.status());
      return nullptr;
    }
    for (const std::string& column : (*bound)->columns()) Need(column);
    return std::move(bound).ValueUnsafe();
  }

  int MaskOf(const spec::ExpressionText& where) {
    const auto known = std::find(mask_texts_.begin(), mask_texts_.end(), where.text);
    if (known != mask_texts_.end()) return static_cast<int>(known - mask_texts_.begin());
    mask_texts_.push_back(where.text);
    parts_.masks.push_back(BindWhere(where));
    return static_cast<int>(mask_texts_.size()) - 1;
  }

  // Index of the column among the values, or -1 when it cannot be one.
  int ValueOf(const spec::Feature& feature) {
    const auto field = Find(feature.of, feature.location, "feature '" + feature.name + "'");
    if (field == nullptr) return -1;
    auto type = field->type();
    if (type->id() == arrow::Type::DICTIONARY) {
      type = checked_cast<const arrow::DictionaryType&>(*type).value_type();
    }
    const auto codec = state::ValueCodec::Make(type);
    if (!codec.ok()) {
      Error(feature.location, "feature '" + feature.name + "': column '" + feature.of + "' is " +
                                  type->ToString() + ", which cannot be a feature");
      return -1;
    }
    auto& columns = parts_.value_columns;
    const auto known = std::find(columns.begin(), columns.end(), feature.of);
    if (known != columns.end()) return static_cast<int>(known - columns.begin());
    columns.push_back(feature.of);
    layout_.value_types.push_back(type);
    return static_cast<int>(columns.size()) - 1;
  }

  void BindFeature(const spec::Feature& feature) {
    state::FeatureLayout layout;
    if (feature.where) layout.mask = MaskOf(*feature.where);
    if (feature.kind == spec::Feature::Kind::kExpression) {
      Error(feature.location, "feature '" + feature.name +
                                  "': an expression needs a view without `from`, computed when "
                                  "asked");
      return;
    }
    const bool rows = feature.kind == spec::Feature::Kind::kAggregate && feature.of.empty() &&
                      feature.aggregate.kind == spec::AggregateKind::kCount;
    if (!rows) {
      layout.value = ValueOf(feature);
      if (layout.value < 0) return;
    }
    if (feature.kind == spec::Feature::Kind::kAggregate) {
      layout.kind = state::FeatureLayout::Kind::kWindow;
      layout.aggregate.kind = static_cast<state::AggregateKind>(feature.aggregate.kind);
      layout.aggregate.n = feature.aggregate.n;
      layout.aggregate.q = feature.aggregate.q;
      if (!rows) layout.aggregate.input = layout_.value_types[static_cast<size_t>(layout.value)];
      const auto type = state::OutputType(layout.aggregate);
      if (!type.ok()) {
        Error(feature.location, "feature '" + feature.name + "', column '" + feature.of +
                                    "': " + type.status().message());
        return;
      }
      if (!feature.window) {
        Error(feature.location, "feature '" + feature.name + "': an aggregate needs windows");
        return;
      }
      layout.length_us = feature.window->length_us;
      layout.hop_us = feature.window->hop_us;
    }
    layout_.features.push_back(std::move(layout));
  }

  void BindDefaults() {
    const auto& types = parts_.engine->output_types();
    for (size_t i = 0; i < view_.features.size(); ++i) {
      const spec::Feature& feature = view_.features[i];
      parts_.defaults.push_back(nullptr);
      if (!feature.default_value) continue;
      auto value = DefaultValue(*feature.default_value, types[i]);
      if (value.ok()) {
        parts_.defaults.back() = std::move(value).ValueUnsafe();
      } else {
        ReportPlaced(feature.default_value->location, value.status());
      }
    }
  }

  const spec::FeatureView& view_;
  const arrow::Schema& table_;
  ViewParts parts_;
  state::ViewLayout layout_;
  std::vector<std::string> mask_texts_;
  base::Diagnostics diagnostics_;
};

}  // namespace

FeatureReads ReadsOf(const std::vector<spec::Feature>& features) {
  FeatureReads reads;
  const auto add = [](const std::string& text, std::vector<std::string>* list) {
    if (std::find(list->begin(), list->end(), text) == list->end()) list->push_back(text);
  };
  for (const spec::Feature& feature : features) {
    if (feature.where) add(feature.where->text, &reads.filters);
    if (!feature.of.empty()) add(feature.of, &reads.columns);
  }
  return reads;
}

arrow::Result<state::PreparedRows> BoundView::PrepareRows(const arrow::RecordBatch& rows,
                                                          std::vector<int32_t>* taken) const {
  taken->clear();
  ARROW_ASSIGN_OR_RAISE(auto prepared, Prepare(rows));
  prepared.values.clear();
  return prepared;
}

arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> BoundView::PrepareValues(
    const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(auto prepared, Prepare(rows));
  return std::move(prepared.values);
}

arrow::Result<std::shared_ptr<const BoundView>> BoundView::Bind(
    const spec::FeatureView& view, const spec::Entity& entity, const spec::EventTime& event_time,
    const spec::KnownAt& known_at, const arrow::Schema& table, const TableVersions* versions,
    base::Diagnostics* diagnostics, const std::vector<spec::Feature>& kept) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  ViewBinder binder(view, table);
  auto bound = binder.Bind(entity, event_time, known_at, versions, kept);
  diagnostics->Append(binder.diagnostics());
  return bound;
}

}  // namespace icecore::feature
