#include "icecore/engine/explain.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compare.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>

#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/engine/online_service.h"
#include "icecore/feature/service.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/service_binding.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using feature::kEventTimestamp;
using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

arrow::Result<const spec::FeatureService*> FindService(const spec::Project& project,
                                                       const std::string& given) {
  const std::string name = given.rfind("service.", 0) == 0 ? given.substr(8) : given;
  if (const spec::FeatureService* service = project.FindService(name)) {
    return service;
  }
  std::vector<std::string> names;
  names.reserve(project.services.size());
  for (const spec::FeatureService& service : project.services) {
    names.push_back(service.name);
  }
  return MakeError(ErrorCode::kNotFound,
                   "no feature service '" + name + "'" + base::DidYouMean(name, names));
}

// By its name in the service; by VIEW.FEATURE where the service has it once.
arrow::Result<spec::ServiceFeature> FindFeature(const spec::Project& project,
                                                const spec::FeatureService& service,
                                                const std::string& given) {
  ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(project, service));
  const std::string name = given.rfind("view.", 0) == 0 ? given.substr(5) : given;
  std::vector<std::string> names;
  std::vector<spec::ServiceFeature> matches;
  for (const spec::ServiceFeature& feature : features) {
    if (feature.name == given) {
      return feature;
    }
    names.push_back(feature.name);
    if (feature.view->name + "." + feature.feature->name == name) {
      matches.push_back(feature);
    }
  }
  if (matches.size() == 1) {
    return matches.front();
  }
  std::string list;
  for (const spec::ServiceFeature& match : matches) {
    list += (list.empty() ? ": it may be " : ", ") + match.name;
  }
  return MakeError(ErrorCode::kNotFound,
                   "service " + service.name + " has no feature '" + given + "'" +
                       (matches.empty() ? base::DidYouMean(given, names) : list));
}

// The columns wanted from the texts given; those of the whole service may be among them.
arrow::Result<Arrays> ParseTexts(const std::vector<feature::RequestColumn>& wanted,
                                 const std::vector<std::string>& known, const NamedTexts& given,
                                 const std::string& what) {
  for (const auto& [name, text] : given) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return MakeError(ErrorCode::kInvalidArgument, "the service has no " + what + " '" + name +
                                                        "'" + base::DidYouMean(name, known));
    }
  }
  Arrays columns;
  for (const feature::RequestColumn& column : wanted) {
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const auto& pair) { return pair.first == column.name; });
    if (found == given.end()) {
      return MakeError(ErrorCode::kInvalidArgument, "the feature needs the " + what + " '" +
                                                        column.name + "' (" +
                                                        spec::TypeText(*column.type) + ")");
    }
    ARROW_ASSIGN_OR_RAISE(auto array, ParseColumn(column, found->second));
    columns.push_back(std::move(array));
  }
  return columns;
}

bool SameBits(const arrow::Array& a, const arrow::Array& b) {
  return a.Equals(b, arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false));
}

std::string LiteralText(const spec::Literal& literal) { return literal.string_value; }

// The definition in words.
std::string Says(const spec::FeatureView& view, const spec::Feature& feature) {
  std::string text;
  if (feature.kind == spec::Feature::Kind::kAggregate) {
    text = feature.aggregate.suffix + " of " + (feature.of.empty() ? "rows" : feature.of);
    if (feature.window) {
      text += " over " + feature.window->text + ", " +
              (feature.window->hop_us == 0 ? "to the microsecond"
                                           : "hop " + base::FormatDuration(feature.window->hop_us));
    }
  } else {
    text = feature.of + " of the newest row";
    if (view.ttl_us) {
      text += ", not older than " + base::FormatDuration(*view.ttl_us);
    }
  }
  if (view.exclude_at) {
    text += ", rows of the very moment left out";
  }
  for (const auto* where : {&view.where, &feature.where}) {
    if (*where) {
      text += ", where " + (*where)->text;
    }
  }
  if (feature.default_value) {
    text += ", default " + LiteralText(*feature.default_value);
  }
  return text;
}

std::string TimesText(const pipeline::ViewTimes& times) {
  using Kind = spec::KnownAt::Kind;
  if (times.event_time->always) {
    return "event_time: always";
  }
  std::string event = "event_time: " + times.event_time->column + ", known_at: ";
  switch (times.known_at.kind) {
    case Kind::kColumn:
      return event + times.known_at.column;
    case Kind::kEventTime:
      return event + "event_time";
    case Kind::kArrival:
      return event + "arrival";
    case Kind::kDelay:
      return event + "{delay: " + base::FormatDuration(times.known_at.delay_us) + "}";
    case Kind::kSnapshot:
      return event + "{snapshot: " + times.known_at.column + ", else: arrival}";
  }
  return event;
}

class Explainer {
 public:
  Explainer(const pipeline::Workspace& workspace, const pipeline::AnalysedProject& tables,
            const ExplainRequest& request)
      : workspace_(workspace),
        project_(*workspace.project),
        tables_(tables),
        request_(request),
        at_us_(request.at_us.value_or(workspace.clock->NowMicros())) {}

  arrow::Result<Explanation> Run() {
    ARROW_ASSIGN_OR_RAISE(const spec::FeatureService* service,
                          FindService(project_, request_.service));
    ARROW_ASSIGN_OR_RAISE(const auto asked, FindFeature(project_, *service, request_.feature));
    ARROW_ASSIGN_OR_RAISE(const spec::FeatureService narrow,
                          pipeline::NarrowService(project_, *service, [&](const auto& feature) {
                            return feature.name == asked.name;
                          }));
    ARROW_ASSIGN_OR_RAISE(service_, pipeline::BindService(project_, tables_, narrow));
    ARROW_RETURN_NOT_OK(ReadRequest(*service));
    out_.service = service->name;
    out_.name = asked.name;
    out_.at_us = at_us_;
    ARROW_ASSIGN_OR_RAISE(times_,
                          arrow::MakeArrayFromScalar(arrow::TimestampScalar(at_us_, Instant()), 1));
    ARROW_RETURN_NOT_OK(Trace(asked));
    ARROW_RETURN_NOT_OK(Compute());
    return std::move(out_);
  }

 private:
  static std::shared_ptr<arrow::DataType> Instant() {
    return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  }

  arrow::Status ReadRequest(const spec::FeatureService& whole) {
    ARROW_ASSIGN_OR_RAISE(const auto columns, spec::RequiredColumns(project_, whole));
    std::vector<std::string> keys;
    std::vector<std::string> request;
    for (const spec::RequiredColumn& column : columns) {
      (column.is_key ? keys : request).push_back(column.name);
    }
    ARROW_ASSIGN_OR_RAISE(keys_, ParseTexts(service_->key_columns(), keys, request_.keys, "key"));
    ARROW_ASSIGN_OR_RAISE(request_columns_, ParseTexts(service_->request_columns(), request,
                                                       request_.request, "request column"));
    return arrow::Status::OK();
  }

  // The feature's own rows, or those of an expression's inputs.
  arrow::Status Trace(const spec::ServiceFeature& asked) {
    for (const feature::ViewUse& use : service_->uses()) {
      feature::UseValues values;
      for (const auto& type : use.view->feature_types()) {
        state::VectorSink::Column column;
        ARROW_ASSIGN_OR_RAISE(column.values, arrow::MakeArrayOfNull(type, 1));
        column.statuses = {state::ValueStatus::kNull};
        column.event_times = {std::nullopt};
        values.push_back(std::move(column));
      }
      values_.push_back(std::move(values));
    }
    const feature::OutputOrigin origin = service_->OriginOf(0);
    if (origin.use >= 0) {
      return TraceFeature(origin.use, origin.feature).status();
    }
    out_.view = asked.view->name;
    out_.expression = asked.feature->expression->text;
    out_.expression_location = asked.feature->expression->location;
    for (const auto& input : origin.inputs) {
      ExplainedInput shown;
      shown.name = input.name;
      if (input.use < 0) {
        shown.from = "request";
        ARROW_ASSIGN_OR_RAISE(
            shown.value, base::ValueText(*request_columns_[static_cast<size_t>(input.feature)], 0));
      } else {
        ARROW_ASSIGN_OR_RAISE(shown.feature, TraceFeature(input.use, input.feature));
        const ExplainedFeature& traced = out_.features[static_cast<size_t>(shown.feature)];
        shown.from = "view." + traced.view + "." + traced.feature;
        ARROW_ASSIGN_OR_RAISE(shown.value, base::ValueText(*traced.value, 0));
      }
      out_.inputs.push_back(std::move(shown));
    }
    return arrow::Status::OK();
  }

  // Index into out_.features.
  arrow::Result<int> TraceFeature(int use_index, int feature) {
    const auto at = std::pair(use_index, feature);
    if (const auto known = traced_.find(at); known != traced_.end()) {
      return known->second;
    }
    const auto use_at = static_cast<size_t>(use_index);
    const feature::ViewUse& use = service_->uses()[use_at];
    Arrays key;
    ExplainedFeature out;
    for (size_t i = 0; i < use.key_columns.size(); ++i) {
      const auto& columns = service_->key_columns();
      const auto column = std::find_if(columns.begin(), columns.end(), [&](const auto& one) {
        return one.name == use.key_columns[i];
      });
      key.push_back(keys_[static_cast<size_t>(column - columns.begin())]);
      ARROW_ASSIGN_OR_RAISE(auto text, base::ValueText(*key.back(), 0));
      out.key.emplace_back(use.view->key_names()[i], std::move(text));
      ARROW_ASSIGN_OR_RAISE(key.back(), feature::CastKey(key.back(), use.view->key_types()[i]));
    }
    ARROW_RETURN_NOT_OK(Describe(*use.view, feature, &out));
    ARROW_ASSIGN_OR_RAISE(const auto trace, feature::KeyTrace::Make(use.view, key));
    ARROW_ASSIGN_OR_RAISE(const auto rows, log_.Scan(*use.view));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) {
        break;
      }
      ARROW_RETURN_NOT_OK(trace->Add(*batch));
    }
    ARROW_ASSIGN_OR_RAISE(out.trace, trace->Explain(feature, at_us_));
    DescribeTable(&out);
    ARROW_ASSIGN_OR_RAISE(out.value, use.view->ApplyDefault(feature, out.trace.value));
    out.is_default = out.trace.value->IsNull(0) && out.value->IsValid(0);
    state::VectorSink::Column& column = values_[use_at][static_cast<size_t>(feature)];
    column.values = out.trace.value;
    column.statuses = {out.trace.status};
    const int index = static_cast<int>(out_.features.size());
    out_.features.push_back(std::move(out));
    traced_[at] = index;
    return index;
  }

  arrow::Status Describe(const feature::BoundView& view, int feature, ExplainedFeature* out) {
    const spec::FeatureView* defined = project_.FindView(view.name());
    out->view = view.name();
    out->feature = view.feature_names()[static_cast<size_t>(feature)];
    const spec::Feature* of_view = defined->FindFeature(out->feature);
    out->location = of_view->location;
    out->says = Says(*defined, *of_view);
    out->times = TimesText(pipeline::TimesOf(project_, *defined));
    out->fingerprint = spec::Fingerprint(*defined, project_.FindEntity(defined->entity));
    out->table = pipeline::LogOf(project_, *defined);
    ARROW_ASSIGN_OR_RAISE(const auto history,
                          workspace_.catalog->DefinitionHistory("view." + view.name()));
    for (auto entry = history.rbegin(); entry != history.rend(); ++entry) {
      if (entry->removed || entry->fingerprint != out->fingerprint) {
        break;
      }
      out->since_version = entry->version.version;
    }
    return arrow::Status::OK();
  }

  void DescribeTable(ExplainedFeature* out) const {
    const pipeline::TableRead& read = log_.reads().at(out->table);
    out->table_version = read.version;
    out->table_generation = read.generation;
    out->seq_up_to = read.seq_up_to;
  }

  // The value as a training set has it, which the rows traced must give too.
  arrow::Status Compute() {
    arrow::FieldVector fields;
    Arrays columns;
    const auto add = [&](const std::string& name, const std::shared_ptr<arrow::Array>& column) {
      fields.push_back(arrow::field(name, column->type()));
      columns.push_back(column);
    };
    for (size_t i = 0; i < keys_.size(); ++i) {
      add(service_->key_columns()[i].name, keys_[i]);
    }
    for (size_t i = 0; i < request_columns_.size(); ++i) {
      add(service_->request_columns()[i].name, request_columns_[i]);
    }
    add(kEventTimestamp, times_);
    const auto spine = arrow::Table::Make(arrow::schema(fields), columns, 1);
    ARROW_ASSIGN_OR_RAISE(const auto built, feature::BuildTrainingSet(*service_, spine, {}, &log_));
    ARROW_ASSIGN_OR_RAISE(const auto assembled,
                          service_->Assemble(values_, request_columns_, times_));
    out_.value = built.table->column(built.table->num_columns() - 1)->chunk(0);
    out_.status = assembled.front().statuses.front();
    if (!SameBits(*out_.value, *assembled.front().values)) {
      ARROW_ASSIGN_OR_RAISE(const auto training, base::ValueText(*out_.value, 0));
      ARROW_ASSIGN_OR_RAISE(const auto mine, base::ValueText(*assembled.front().values, 0));
      return MakeError(ErrorCode::kInternal, out_.name + ": a training set has " + training +
                                                 ", but the rows explained give " + mine);
    }
    return arrow::Status::OK();
  }

  const pipeline::Workspace& workspace_;
  const spec::Project& project_;
  const pipeline::AnalysedProject& tables_;
  const ExplainRequest& request_;
  const int64_t at_us_;
  pipeline::LakeFeatureLog log_{workspace_};
  std::shared_ptr<const feature::BoundService> service_;  // of the one feature
  Arrays keys_;
  Arrays request_columns_;
  std::shared_ptr<arrow::Array> times_;
  std::vector<feature::UseValues> values_;     // what was traced; null elsewhere
  std::map<std::pair<int, int>, int> traced_;  // (use, feature) -> index into out_.features
  Explanation out_;
};

}  // namespace

arrow::Result<Explanation> ExplainFeature(const pipeline::Workspace& workspace,
                                          const pipeline::AnalysedProject& project,
                                          const ExplainRequest& request) {
  return Explainer(workspace, project, request).Run();
}

}  // namespace icecore::engine
