#include "icecore/engine/definition_tests.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/json_text.h"
#include "icecore/catalog/catalog.h"
#include "icecore/engine/online_service.h"
#include "icecore/feature/leakage.h"
#include "icecore/feature/training_set.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/given_rows.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/runner.h"
#include "icecore/pipeline/table_inputs.h"
#include "icecore/pipeline/training.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

class ScratchFolder {
 public:
  static arrow::Result<std::unique_ptr<ScratchFolder>> Make() {
    std::error_code error;
    std::string path =
        (std::filesystem::temp_directory_path(error) / "icecore-test-XXXXXX").string();
    if (error || ::mkdtemp(path.data()) == nullptr) {
      return MakeError(ErrorCode::kUnavailable, "no temporary folder can be made: " + path);
    }
    return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

// The project with a lake, a catalog and a store of its own, its clock at the test's time.
class Sandbox {
 public:
  static arrow::Result<std::unique_ptr<Sandbox>> Open(const spec::Project& project, int64_t at_us) {
    auto box = std::make_unique<Sandbox>();
    ARROW_ASSIGN_OR_RAISE(box->folder_, ScratchFolder::Make());
    const std::string& root = box->folder_->path();
    box->project_ = project;
    for (spec::FeatureView& view : box->project_.views) {
      view.online = !view.on_request();
    }
    box->project_.training_sets.clear();
    std::filesystem::create_directories(root + "/tmp");
    ARROW_ASSIGN_OR_RAISE(box->store_, lake::ObjectStore::OpenLocal(root + "/lake"));
    ARROW_ASSIGN_OR_RAISE(box->catalog_,
                          catalog::OpenSqlite(root + "/catalog.db", &base::SystemRandom()));
    ARROW_ASSIGN_OR_RAISE(box->online_, online::OpenStore("lmdb:online", root));
    box->clock_ = std::make_unique<base::FixedClock>(at_us);
    pipeline::Workspace& workspace = box->workspace_;
    workspace.project = &box->project_;
    workspace.store = box->store_.get();
    workspace.tables = &box->tables_;
    workspace.clock = box->clock_.get();
    workspace.random = &base::SystemRandom();
    workspace.catalog = box->catalog_.get();
    workspace.online = box->online_.get();
    workspace.access.context.principal = "test";
    workspace.access.context.now_us = at_us;
    workspace.lake_root = root + "/lake";
    workspace.scratch_root = root + "/tmp";
    return box;
  }

  const pipeline::Workspace& workspace() const { return workspace_; }

 private:
  std::unique_ptr<ScratchFolder> folder_;
  spec::Project project_;
  std::unique_ptr<base::Clock> clock_;
  std::unique_ptr<lake::ObjectStore> store_;
  pipeline::OpenTables tables_;  // go before store_ and clock_
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<online::Store> online_;
  pipeline::Workspace workspace_;
};

// Whether a value is the one expected.
bool IsExpected(const arrow::Array& expected, const arrow::Array& value) {
  if (expected.IsNull(0) || value.IsNull(0)) {
    return expected.IsNull(0) == value.IsNull(0);
  }
  double tolerance = 0;
  double a = 0;
  double b = 0;
  if (value.type_id() == arrow::Type::DOUBLE) {
    tolerance = 1e-9;
    a = static_cast<const arrow::DoubleArray&>(expected).Value(0);
    b = static_cast<const arrow::DoubleArray&>(value).Value(0);
  } else if (value.type_id() == arrow::Type::FLOAT) {
    tolerance = 1e-6;
    a = static_cast<const arrow::FloatArray&>(expected).Value(0);
    b = static_cast<const arrow::FloatArray&>(value).Value(0);
  } else {
    return expected.Equals(value, arrow::EqualOptions::Defaults().nans_equal(true));
  }
  if (std::isnan(a) || std::isnan(b) || std::isinf(a) || std::isinf(b)) {
    return a == b || (std::isnan(a) && std::isnan(b));
  }
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

class TestRun {
 public:
  TestRun(const spec::Project& project, const pipeline::AnalysedProject& analysed,
          const spec::DefinitionTest& test)
      : project_(project), analysed_(analysed), test_(test) {}

  arrow::Status Run(TestOutcome* outcome) {
    const auto service = analysed_.services.find(test_.service);
    if (service == analysed_.services.end()) {
      return MakeError(ErrorCode::kNotFound, "the columns of a table behind the service '" +
                                                 test_.service +
                                                 "' are not known: its source needs a contract "
                                                 "with types, or a file");
    }
    ARROW_ASSIGN_OR_RAISE(const auto box, Sandbox::Open(project_, test_.at_us));
    const pipeline::Workspace& workspace = box->workspace();
    ARROW_ASSIGN_OR_RAISE(const auto computed, Needed(*service->second));
    ARROW_RETURN_NOT_OK(WriteTables(workspace));
    ARROW_RETURN_NOT_OK(Compute(workspace, computed, outcome));
    ARROW_ASSIGN_OR_RAISE(const auto inside, pipeline::AnalyseProject(workspace, true));
    ARROW_RETURN_NOT_OK(inside.diagnostics.ToStatus());
    const auto bound = inside.services.at(test_.service);
    ARROW_ASSIGN_OR_RAISE(const auto keys, Asked(bound->key_columns()));
    ARROW_ASSIGN_OR_RAISE(const auto request, Asked(bound->request_columns()));
    ARROW_ASSIGN_OR_RAISE(const auto offline, AskOffline(workspace, *bound, keys, request));
    ARROW_ASSIGN_OR_RAISE(const auto online, AskOnline(workspace, inside, *bound, keys, request));
    return Compare(*bound, offline, online, outcome);
  }

 private:
  using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

  bool IsGiven(const std::string& table) const {
    return std::any_of(test_.given.begin(), test_.given.end(),
                       [&](const spec::TestTable& given) { return given.name == table; });
  }

  // Tables that are to be computed, inputs first: what the service's views read, back to what is
  // given.
  arrow::Result<std::vector<std::string>> Needed(const feature::BoundService& service) const {
    ARROW_ASSIGN_OR_RAISE(const auto inputs, pipeline::TablesOfSql(project_));
    std::set<std::string> needed;
    std::vector<std::string> open;
    const auto need = [&](const std::string& name) {
      const auto versions = pipeline::FindVersionedTable(project_, name);
      const std::string table = versions ? versions->present : name;
      if (project_.FindTable(table) != nullptr && !IsGiven(table) && needed.insert(table).second) {
        open.push_back(table);
      }
    };
    for (const feature::ViewUse& use : service.uses()) {
      need(project_.FindView(use.view->name())->from);
    }
    while (!open.empty()) {
      const std::string table = open.back();
      open.pop_back();
      for (const std::string& input : inputs.at(table)) need(input);
      for (const std::string& input : pipeline::TablesOfChecks(*project_.FindTable(table))) {
        need(input);
      }
    }
    std::vector<std::string> order;
    for (const std::string& table : analysed_.order) {
      if (needed.contains(table)) order.push_back(table);
    }
    return order;
  }

  // The tables given, and the landing tables of all other sources, empty.
  arrow::Status WriteTables(const pipeline::Workspace& workspace) const {
    for (const spec::TestTable& given : test_.given) {
      const auto versions = pipeline::FindVersionedTable(project_, given.name);
      if (versions) {
        return base::MakeErrorAt(ErrorCode::kUnsupported, given.location,
                                 "'given': " + given.name +
                                     " keeps versions, which rows alone do not tell; give the "
                                     "table that it is made from");
      }
      const auto schema = analysed_.SchemaOf(given.name);
      if (!schema) {
        return base::MakeErrorAt(ErrorCode::kNotFound, given.location,
                                 "'given': the columns of " + given.name + " are not known");
      }
      ARROW_RETURN_NOT_OK(pipeline::WriteGiven(workspace, given, schema, test_.at_us));
    }
    for (const auto& [name, source] : analysed_.sources) {
      if (!source.accepted || pipeline::KeepsVersions(*source.source)) {
        continue;
      }
      spec::TestTable none;
      none.name = pipeline::RawTableName(*source.source);
      ARROW_RETURN_NOT_OK(pipeline::WriteGiven(workspace, none, source.raw, test_.at_us));
      none.name = name;
      if (!IsGiven(name)) {
        ARROW_RETURN_NOT_OK(pipeline::WriteGiven(workspace, none, source.accepted, test_.at_us));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status Compute(const pipeline::Workspace& workspace,
                        const std::vector<std::string>& tables, TestOutcome* outcome) const {
    if (!tables.empty()) {
      pipeline::RunRequest request;
      request.command = "test " + test_.name;
      request.names = tables;
      request.land = false;
      request.materialize = false;
      ARROW_ASSIGN_OR_RAISE(const auto run, pipeline::RunProject(workspace, request));
      for (const pipeline::StepOutcome& step : run.steps) {
        if (!step.error.empty()) {
          return MakeError(ErrorCode::kContractViolation, step.report.thing + ": " + step.error);
        }
        for (const auto& [rule, rows] : step.report.counts.quarantined_by_rule) {
          outcome->notes.push_back(step.report.thing + ": " + std::to_string(rows) +
                                   " in quarantine by " + rule);
        }
      }
    }
    for (const std::string& table : tables) {  // a step without rows makes no table
      const auto versions = pipeline::FindVersionedTable(project_, table);
      const std::string log = versions ? versions->history : table;
      ARROW_ASSIGN_OR_RAISE(const auto snapshot, pipeline::LoadTable(workspace, log));
      const auto schema = analysed_.SchemaOf(log);
      if (!snapshot->exists() && schema) {
        spec::TestTable none;
        none.name = log;
        ARROW_RETURN_NOT_OK(pipeline::WriteGiven(workspace, none, schema, test_.at_us));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<Arrays> Asked(const std::vector<feature::RequestColumn>& columns) const {
    Arrays arrays;
    for (const feature::RequestColumn& column : columns) {
      const auto value =
          std::find_if(test_.ask.begin(), test_.ask.end(),
                       [&](const spec::TestValue& asked) { return asked.name == column.name; });
      if (value == test_.ask.end()) {
        return base::MakeErrorAt(ErrorCode::kInvalidDefinition, test_.service_location,
                                 "'ask': '" + column.name + "' is missing");
      }
      ARROW_ASSIGN_OR_RAISE(auto array, pipeline::GivenValue(*value, column.type));
      arrays.push_back(std::move(array));
    }
    return arrays;
  }

  arrow::Result<Arrays> AskOffline(const pipeline::Workspace& workspace,
                                   const feature::BoundService& service, const Arrays& keys,
                                   const Arrays& request) const {
    const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    ARROW_ASSIGN_OR_RAISE(
        auto at, arrow::MakeArrayFromScalar(arrow::TimestampScalar(test_.at_us, instant), 1));
    arrow::FieldVector fields = {arrow::field("event_timestamp", instant)};
    Arrays columns = {std::move(at)};
    const auto add = [&](const std::vector<feature::RequestColumn>& names, const Arrays& values) {
      for (size_t i = 0; i < names.size(); ++i) {
        fields.push_back(arrow::field(names[i].name, names[i].type));
        columns.push_back(values[i]);
      }
    };
    add(service.key_columns(), keys);
    add(service.request_columns(), request);
    pipeline::LakeFeatureLog log(workspace);
    ARROW_ASSIGN_OR_RAISE(
        const auto set,
        feature::BuildTrainingSet(service, arrow::Table::Make(arrow::schema(fields), columns),
                                  feature::KnowledgeCut{}, &log));
    Arrays answers;
    for (const feature::OutputFeature& output : service.outputs()) {
      answers.push_back(set.table->GetColumnByName(output.name)->chunk(0));
    }
    return answers;
  }

  arrow::Result<Arrays> AskOnline(const pipeline::Workspace& workspace,
                                  const pipeline::AnalysedProject& inside,
                                  const feature::BoundService& service, const Arrays& keys,
                                  const Arrays& request) const {
    std::set<std::string> loaded;
    for (const feature::ViewUse& use : service.uses()) {
      if (loaded.insert(use.view->name()).second) {
        pipeline::StepReport report;
        ARROW_RETURN_NOT_OK(pipeline::MaterializeView(
            workspace, inside, *workspace.project->FindView(use.view->name()), false, &report));
      }
    }
    ARROW_ASSIGN_OR_RAISE(
        const auto served,
        MakeOnlineService(workspace, inside, inside.services.at(test_.service), 0, nullptr));
    ARROW_ASSIGN_OR_RAISE(const auto vectors, served->Read(keys, request, test_.at_us));
    if (!vectors.damages.empty()) {
      return base::MakeError(base::ErrorCode::kCorrupt, DamageText(vectors.damages));
    }
    Arrays answers;
    for (const auto& column : vectors.columns) {
      answers.push_back(column.values);
    }
    return answers;
  }

  arrow::Status Compare(const feature::BoundService& service, const Arrays& offline,
                        const Arrays& online, TestOutcome* outcome) const {
    for (size_t i = 0; i < service.outputs().size(); ++i) {
      const feature::OutputFeature& output = service.outputs()[i];
      const auto expected =
          std::find_if(test_.expect.begin(), test_.expect.end(),
                       [&](const spec::TestValue& value) { return value.name == output.name; });
      feature::LeakageMeter parity;
      ARROW_RETURN_NOT_OK(parity.Add(*offline[i], *online[i]));
      bool equal = parity.differ() == 0;
      TestDifference difference;
      difference.feature = output.name;
      if (expected != test_.expect.end()) {
        ARROW_ASSIGN_OR_RAISE(const auto value, pipeline::GivenValue(*expected, output.type));
        ARROW_RETURN_NOT_OK(base::AppendJsonValue(*value, 0, &difference.expected));
        equal = equal && IsExpected(*value, *offline[i]) && IsExpected(*value, *online[i]);
      }
      if (!equal) {
        ARROW_RETURN_NOT_OK(base::AppendJsonValue(*offline[i], 0, &difference.offline));
        ARROW_RETURN_NOT_OK(base::AppendJsonValue(*online[i], 0, &difference.online));
        outcome->differences.push_back(std::move(difference));
      }
    }
    return arrow::Status::OK();
  }

  const spec::Project& project_;
  const pipeline::AnalysedProject& analysed_;
  const spec::DefinitionTest& test_;
};

}  // namespace

TestOutcome RunDefinitionTest(const spec::Project& project,
                              const pipeline::AnalysedProject& analysed,
                              const spec::DefinitionTest& test) {
  const int64_t started = base::MonotonicNanos();
  TestOutcome outcome;
  outcome.name = test.name;
  outcome.location = test.location.ToString();
  const arrow::Status status = TestRun(project, analysed, test).Run(&outcome);
  if (!status.ok()) {
    outcome.error = status.message();
  }
  outcome.duration_us = (base::MonotonicNanos() - started) / 1000;
  return outcome;
}

}  // namespace icecore::engine
