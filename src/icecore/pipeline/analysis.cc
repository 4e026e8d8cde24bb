#include "icecore/pipeline/analysis.h"

#include <arrow/type.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/sql_tables.h"
#include "icecore/pipeline/table_inputs.h"
#include "icecore/pipeline/training_spine.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"
#include "icecore/quality/contract.h"

namespace icecore::pipeline {
namespace {

arrow::FieldVector EnvelopeFields(bool versions) {
  arrow::FieldVector fields = {
      arrow::field(std::string(lake::kSeq), arrow::int64(), false),
      arrow::field(std::string(lake::kArrivedAt), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      arrow::field(std::string(lake::kRun), arrow::utf8())};
  if (versions) {
    fields.push_back(arrow::field(std::string(lake::kOp), arrow::utf8()));
  }
  return fields;
}

// One pass over the project; holds what the steps of the analysis share.
class Analyser {
 public:
  explicit Analyser(const Workspace& workspace)
      : workspace_(workspace), project_(*workspace.project) {}

  arrow::Result<AnalysedProject> Run(bool bind_features) {
    ARROW_ASSIGN_OR_RAISE(mentioned_, TablesOfSql(project_));
    CheckHistoryNames(project_, &out_.diagnostics);
    for (const spec::Source& source : project_.sources) {
      ARROW_RETURN_NOT_OK(AddSource(source));
      out_.order.push_back(AcceptedTableName(source));
    }
    for (const spec::Table* table : TablesInOrder()) {
      ARROW_RETURN_NOT_OK(AddTable(*table));
      out_.order.push_back(table->FullName());
    }
    if (bind_features) {
      ARROW_RETURN_NOT_OK(BindViews());
      ARROW_RETURN_NOT_OK(BindServices());
      ARROW_RETURN_NOT_OK(AnalyseTrainingSets(project_, &out_));
    }
    return std::move(out_);
  }

 private:
  arrow::Status AddSource(const spec::Source& source) {
    AnalysedSource& analysed = out_.sources[AcceptedTableName(source)];
    analysed.source = &source;
    ARROW_ASSIGN_OR_RAISE(RawColumns raw, PeekSource(workspace_, source));
    analysed.raw = raw.schema;
    analysed.inferred = raw.inferred;
    analysed.unreadable = raw.problem;
    if (!analysed.raw) {
      analysed.raw = RawFromContract(source);
    }
    if (!analysed.raw) {
      out_.diagnostics.Note(
          source.location,
          "source " + source.name + ": no file yet and no contract, so its columns are not known");
      return arrow::Status::OK();
    }
    auto checker = MakeContractChecker(source, analysed.raw, analysed.inferred);
    if (!checker.ok() && base::CodeOf(checker.status()) == base::ErrorCode::kContractViolation) {
      return RefuseFiles(checker.status(), &analysed);
    }
    if (!checker.ok()) {
      return TakeDefinitionError(checker.status(), source.contract.location);
    }
    analysed.accepted = (*checker)->accepted_schema();
    if (KeepsVersions(source)) {
      CheckKeyColumns(source, *analysed.accepted, &out_.diagnostics);
      analysed.accepted = WithOp(*analysed.accepted);
    }
    for (const std::string& missing : (*checker)->missing_columns()) {
      std::vector<std::string> names = UserSchema(*analysed.raw)->field_names();
      out_.diagnostics.Warning(source.contract.location,
                               "source " + source.name + ": the files have no column '" + missing +
                                   "'" + base::DidYouMean(missing, names));
    }
    return arrow::Status::OK();
  }

  // A fault of the data, not of the definitions: what does not read this source goes on.
  arrow::Status RefuseFiles(const arrow::Status& why, AnalysedSource* analysed) {
    const spec::Source& source = *analysed->source;
    out_.diagnostics.Warning(source.contract.location, why.message());
    analysed->refused = why;
    ARROW_ASSIGN_OR_RAISE(auto before, LoadTable(workspace_, AcceptedTableName(source)));
    if (before->exists()) {
      analysed->accepted = before->schema;
    }
    return arrow::Status::OK();
  }

  // Before any file is there, the contract alone tells the columns.
  static std::shared_ptr<arrow::Schema> RawFromContract(const spec::Source& source) {
    if (source.contract.columns.empty()) {
      return nullptr;
    }
    arrow::FieldVector fields;
    for (const spec::ColumnContract& column : source.contract.columns) {
      fields.push_back(arrow::field(
          column.name, IsTextSource(source) || !column.type ? arrow::utf8() : column.type));
    }
    fields.push_back(arrow::field("_file", arrow::utf8()));
    fields.push_back(arrow::field("_row", arrow::int64()));
    const arrow::FieldVector envelope = EnvelopeFields(false);
    fields.insert(fields.end(), envelope.begin(), envelope.end());
    return arrow::schema(fields);
  }

  // A definition's fault becomes a diagnostic; anything else stays a fault of the analysis.
  arrow::Status TakeDefinitionError(const arrow::Status& status, const base::Location& location) {
    const base::ErrorCode code = base::CodeOf(status);
    if (code != base::ErrorCode::kInvalidDefinition &&
        code != base::ErrorCode::kContractViolation && code != base::ErrorCode::kUnsupported) {
      return status;
    }
    // The message of a definition's error begins with its place already.
    const std::string& message = status.message();
    const std::string file = location.file + ":";
    if (message.rfind(file, 0) == 0) {
      base::Location at = location;
      at.line = std::atoi(message.c_str() + file.size());
      const size_t text = message.find(": ", file.size());
      out_.diagnostics.Error(at, text == std::string::npos ? message : message.substr(text + 2));
    } else {
      out_.diagnostics.Error(location, message);
    }
    return arrow::Status::OK();
  }

  // Inputs first. A cycle is an error and its tables are left out.
  std::vector<const spec::Table*> TablesInOrder() {
    std::vector<const spec::Table*> order;
    std::map<std::string, int> state;  // 1: being visited, 2: done
    std::vector<std::string> path;
    std::function<bool(const spec::Table&)> visit = [&](const spec::Table& table) {
      int& mine = state[table.FullName()];
      if (mine == 2) {
        return true;
      }
      path.push_back(table.FullName());
      if (mine == 1) {
        ReportCycle(table, path);
        return false;
      }
      mine = 1;
      bool ok = true;
      std::vector<std::string> inputs = TablesOfChecks(table);
      const auto& mentioned = mentioned_.at(table.FullName());
      inputs.insert(inputs.begin(), mentioned.begin(), mentioned.end());
      for (const std::string& input : inputs) {
        const auto versioned = FindVersionedTable(project_, input);
        const spec::Table* other = project_.FindTable(versioned ? versioned->present : input);
        if (other != nullptr && ok) {
          ok = visit(*other);
        }
      }
      path.pop_back();
      state[table.FullName()] = 2;
      if (ok) {
        order.push_back(&table);
      }
      return ok;
    };
    for (const spec::Table& table : project_.tables) {
      path.clear();
      visit(table);
    }
    return order;
  }

  void ReportCycle(const spec::Table& table, const std::vector<std::string>& path) {
    std::string cycle;
    const auto begin = std::find(path.begin(), path.end(), table.FullName());
    for (auto it = begin; it != path.end(); ++it) {
      cycle += (cycle.empty() ? "" : " reads ") + *it;
    }
    out_.diagnostics.Error(table.sql_location, "tables read one another in a circle: " + cycle);
  }

  arrow::Status AddTable(const spec::Table& table) {
    AnalysedTable& analysed = out_.tables[table.FullName()];
    analysed.table = &table;
    analysed.history = KeepsVersions(table) ? HistoryName(table.name) : "";
    sql::AnalysisRequest request;
    request.sql = table.sql;
    request.location = table.sql_location;
    request.each = table.each;
    request.row_wise_required = table.mode != spec::Table::Mode::kReplace;
    request.allow_current = {table.allow_current.begin(), table.allow_current.end()};
    if (!AddSqlInputs(out_, mentioned_.at(table.FullName()), &table, &request)) {
      return arrow::Status::OK();  // an input's columns are not known, so neither are these
    }
    ARROW_ASSIGN_OR_RAISE(analysed.analysis, sql::Analyse(request));
    out_.diagnostics.Append(analysed.analysis.diagnostics);
    if (analysed.analysis.diagnostics.has_errors()) {
      return arrow::Status::OK();
    }
    CheckColumns(table, *analysed.analysis.output);
    arrow::FieldVector fields = analysed.analysis.output->fields();
    CheckVersions(project_, table, analysed.analysis, &out_.diagnostics);
    const arrow::FieldVector envelope = EnvelopeFields(KeepsVersions(table));
    fields.insert(fields.end(), envelope.begin(), envelope.end());
    auto canonical = lake::CanonicalSchema(*arrow::schema(fields));
    if (!canonical.ok()) {
      return TakeDefinitionError(canonical.status(), table.sql_location);
    }
    analysed.schema = *canonical;
    return arrow::Status::OK();
  }

  void CheckColumns(const spec::Table& table, const arrow::Schema& output) {
    const auto check = [&](const std::string& column, const char* what,
                           const base::Location& location) {
      if (output.GetFieldIndex(column) < 0) {
        out_.diagnostics.Error(location, table.FullName() + ": " + what + " names column '" +
                                             column + "', which the SQL does not give" +
                                             base::DidYouMean(column, output.field_names()));
      }
    };
    for (const std::string& column : table.key) {
      check(column, "key", table.location);
    }
    for (const std::string& column : table.order_by) {
      check(column, "order_by", table.location);
    }
    if (table.event_time && !table.event_time->always) {
      check(table.event_time->column, "event_time", table.event_time->location);
      CheckInstant(table.event_time->column, output, table.event_time->location);
    }
    if (table.known_at && table.known_at->kind == spec::KnownAt::Kind::kColumn) {
      check(table.known_at->column, "known_at", table.known_at->location);
      CheckInstant(table.known_at->column, output, table.known_at->location);
    }
  }

  void CheckInstant(const std::string& column, const arrow::Schema& output,
                    const base::Location& location) {
    const auto field = output.GetFieldByName(column);
    if (!field || field->type()->id() != arrow::Type::TIMESTAMP) {
      return;
    }
    if (static_cast<const arrow::TimestampType&>(*field->type()).timezone().empty()) {
      out_.diagnostics.Error(location, "column '" + column +
                                           "' is a TIMESTAMP without zone, so it names no instant: "
                                           "say `at time zone 'UTC'` (or the zone it is meant in) "
                                           "in the SQL");
    }
  }

  arrow::Status BindViews() {
    for (const spec::FeatureView& view : project_.views) {
      if (view.on_request()) {
        continue;
      }
      const std::shared_ptr<arrow::Schema> schema = out_.SchemaOf(view.from);
      const spec::Entity* entity = project_.FindEntity(view.entity);
      if (!schema || entity == nullptr) {
        continue;  // reported where it is wrong
      }
      const ViewTimes times = TimesOf(project_, view);
      if (!times.event_time) {
        out_.diagnostics.Error(view.location, "view " + view.name +
                                                  ": event_time is missing, and " + view.from +
                                                  " declares none either");
        continue;
      }
      if (!CheckWholeTable(view, times)) {
        continue;
      }
      const auto versioned = FindVersionedTable(project_, view.from);
      const feature::TableVersions versions =
          versioned ? feature::TableVersions{versioned->key, versioned->order_by}
                    : feature::TableVersions{};
      ARROW_ASSIGN_OR_RAISE(
          auto bound,
          feature::BoundView::Bind(view, *entity, *times.event_time, times.known_at, *schema,
                                   versioned ? &versions : nullptr, &out_.diagnostics));
      if (bound) {
        WarnOfKnownAt(view, times);
        NoteBias(view, times);
        out_.views[view.name] = std::move(bound);
      }
    }
    return arrow::Status::OK();
  }

  // A table computed whole has no honest arrival times.
  bool CheckWholeTable(const spec::FeatureView& view, const ViewTimes& times) {
    const spec::Table* table = project_.FindTable(view.from);
    if (table == nullptr || table->mode != spec::Table::Mode::kReplace || !table->key.empty() ||
        times.known_at.kind == spec::KnownAt::Kind::kColumn || times.event_time->always) {
      return true;
    }
    out_.diagnostics.Error(view.location,
                           "view " + view.name + ": " + view.from +
                               " is computed whole, without a key, so nothing tells when a row "
                               "became known: known_at must name a column");
    return false;
  }

  // Claims about when rows became known that are hardly meant.
  void WarnOfKnownAt(const spec::FeatureView& view, const ViewTimes& times) {
    if (times.event_time->always) {
      return;
    }
    if (times.known_at.kind == spec::KnownAt::Kind::kArrival && !times.known_at_is_default) {
      out_.diagnostics.Warning(
          times.known_at.location,
          "view " + view.name +
              ": by 'arrival' the history that a load of files brings is known "
              "from that load on, so labels before it see nothing; name a "
              "column, or {delay: 1h}");
    }
    const spec::Source* scheduled =
        times.known_at_is_default ? ScheduledSource(view.from) : nullptr;
    if (view.online && scheduled != nullptr) {
      out_.diagnostics.Warning(view.location, "view " + view.name + ": source " + scheduled->name +
                                                  " is loaded by a schedule, yet its rows count as "
                                                  "known the moment they happen; say how late they "
                                                  "come, e.g. known_at: {delay: 24h}");
    }
  }

  // A source with a schedule that the table's rows come from, if any. Circles were left out before.
  const spec::Source* ScheduledSource(const std::string& table_name) const {
    for (const spec::Source& source : project_.sources) {
      if (source.schedule && AcceptedTableName(source) == table_name) {
        return &source;
      }
    }
    if (const spec::Table* table = project_.FindTable(table_name); table != nullptr) {
      for (const std::string& input : mentioned_.at(table->FullName())) {
        if (const spec::Source* found = ScheduledSource(input); found != nullptr) {
          return found;
        }
      }
    }
    return nullptr;
  }

  void NoteBias(const spec::FeatureView& view, const ViewTimes& times) {
    const bool windows = std::any_of(view.features.begin(), view.features.end(), [](const auto& f) {
      return f.kind == spec::Feature::Kind::kAggregate;
    });
    if (windows && !times.event_time->always &&
        times.known_at.kind == spec::KnownAt::Kind::kColumn &&
        times.known_at.column != times.event_time->column) {
      out_.diagnostics.Note(view.location,
                            "view " + view.name + ": windows over '" + times.event_time->column +
                                "' lack the rows whose '" + times.known_at.column +
                                "' is still ahead, which biases them; let event_time be the moment "
                                "the fact came to be");
    }
  }

  arrow::Status BindServices() {
    const auto find = [this](const std::string& name) {
      const auto found = out_.views.find(name);
      return found == out_.views.end() ? nullptr : found->second;
    };
    for (const spec::FeatureService& service : project_.services) {
      if (!AllViewsBound(service)) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(
          auto bound, feature::BoundService::Bind(project_, service, find, &out_.diagnostics));
      if (bound) {
        out_.services[service.name] = std::move(bound);
      }
    }
    return arrow::Status::OK();
  }

  bool AllViewsBound(const spec::FeatureService& service) const {
    const auto is_bound = [&](const std::string& name) {
      const spec::FeatureView* view = project_.FindView(name);
      return view != nullptr && (view->on_request() || out_.views.count(name) > 0);
    };
    for (const spec::ServiceEntry& entry : service.entries) {
      const spec::FeatureView* view = project_.FindView(entry.view);
      if (!is_bound(entry.view)) {
        return false;
      }
      for (const spec::ViewInput& input : view->inputs) {
        if (!is_bound(input.view)) {
          return false;
        }
      }
    }
    return true;
  }

  const Workspace& workspace_;
  const spec::Project& project_;
  std::map<std::string, std::vector<std::string>> mentioned_;  // by table
  AnalysedProject out_;
};

}  // namespace

std::shared_ptr<arrow::Schema> AnalysedProject::SchemaOf(const std::string& full_name) const {
  if (const auto source = sources.find(full_name); source != sources.end()) {
    return source->second.accepted;
  }
  if (const auto table = tables.find(full_name); table != tables.end()) {
    return table->second.schema;
  }
  for (const auto& [name, table] : tables) {
    if (table.history == full_name && table.schema) {
      return HistorySchema(*table.schema);
    }
  }
  for (const auto& [name, source] : sources) {
    if (KeepsVersions(*source.source) && HistoryName(source.source->name) == full_name &&
        source.accepted) {
      return HistorySchema(*source.accepted);
    }
  }
  return nullptr;
}

arrow::Result<AnalysedProject> AnalyseProject(const Workspace& workspace, bool bind_features) {
  return Analyser(workspace).Run(bind_features);
}

namespace {

// Whether rows that were pushed make the table's rows.
bool IsPushed(const spec::Project& project, const std::string& table) {
  const auto is_push = [](const spec::Source& source) { return source.is_push; };
  if (std::none_of(project.sources.begin(), project.sources.end(), is_push)) {
    return false;
  }
  const auto mentioned = TablesOfSql(project);
  std::vector<std::string> open = {table};
  std::set<std::string> seen;
  while (mentioned.ok() && !open.empty()) {  // SQL that cannot be read is an error elsewhere
    const std::string name = std::move(open.back());
    open.pop_back();
    if (!seen.insert(name).second) {
      continue;
    }
    for (const spec::Source& source : project.sources) {
      if (source.is_push && AcceptedTableName(source) == name) {
        return true;
      }
    }
    if (const auto inputs = mentioned->find(name); inputs != mentioned->end()) {
      open.insert(open.end(), inputs->second.begin(), inputs->second.end());
    }
  }
  return false;
}

}  // namespace

ViewTimes TimesOf(const spec::Project& project, const spec::FeatureView& view) {
  using Kind = spec::KnownAt::Kind;
  ViewTimes times;
  const spec::Table* table = project.FindTable(view.from);
  times.event_time = view.event_time;
  if (!times.event_time && table != nullptr) {
    times.event_time = table->event_time;
  }
  if (view.known_at) {
    times.known_at = *view.known_at;
  } else if (table != nullptr && table->known_at) {
    times.known_at = *table->known_at;
  } else {
    // Batch sources bring history, known at once; what is pushed is known when it arrives.
    times.known_at.kind = IsPushed(project, view.from) ? Kind::kArrival : Kind::kEventTime;
    times.known_at.location = view.location;
    times.known_at_is_default = true;
  }
  return times;
}

}  // namespace icecore::pipeline
