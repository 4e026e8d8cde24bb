// What of a definition decides the cells of the online store, and what edits do to a loaded view.
#include "icecore/pipeline/online_view.h"

#include "icecore/online/position_checks.h"
#include "icecore/pipeline/orders_fixture.h"
#include "icecore/spec/parse.h"

namespace icecore::pipeline {
namespace {

std::vector<spec::Feature> FeaturesOf(const std::string& text) {
  base::Diagnostics diagnostics;
  const spec::Project project = spec::ParseText(
      "a.yaml",
      "source: b\nfrom: {files: {path: b.csv, format: csv}}\n---\n"
      "table: b\nzone: processing\nmode: append\nsql: select * from landing.b\n---\n"
      "entity: e\nkeys: [{name: k, type: int64}]\n---\n"
      "feature_view: v\nentity: e\nfrom: processing.b\nevent_time: t\nfeatures: [" +
          text + "]\n",
      &diagnostics);
  EXPECT_TRUE(diagnostics.ToStatus().ok()) << text << diagnostics.ToStatus();
  return project.views.empty() ? std::vector<spec::Feature>() : project.views[0].features;
}

std::string StatesText(const std::string& features) {
  return ToText({"r", {{0, {}, StatesOf(FeaturesOf(features))}}});
}

TEST(CellStates, AreOnePerStateOfTheLongestWindow) {
  const std::string one = StatesText("{of: x, aggregate: sum, windows: [7d], hop: 1h}");
  EXPECT_EQ(StatesText("{of: x, aggregates: [sum, mean], windows: [1d, 7d], hop: 1h}"), one);
  EXPECT_EQ(StatesText("{name: other, of: x, aggregate: sum, windows: [7d], hop: 1h, default: 0}"),
            one);
  EXPECT_NE(StatesText("{of: x, aggregates: [sum, stddev], windows: [1d, 7d], hop: 1h}"), one);
  EXPECT_NE(StatesText("{of: x, aggregate: sum, windows: [6d], hop: 1h}"), one);
  EXPECT_NE(StatesText("{of: y, aggregate: sum, windows: [7d], hop: 1h}"), one);
  EXPECT_NE(StatesText("{of: x, aggregate: sum, windows: [7d], hop: 1h, where: x > 0}"), one);
  EXPECT_EQ(StatesText("x, {name: also, of: x, default: 1}"), StatesText("x"));
  EXPECT_NE(StatesText("x, y"), StatesText("y, x"));
}

TEST(CellStates, ComeBackFromTheirText) {
  CellPart first{0,
                 {"int64", "string"},
                 StatesOf(FeaturesOf("x, {name: big, of: y, where: x > 3}, "
                                     "{of: x, aggregates: [stddev, last_n(3), quantile(0.5)], "
                                     "windows: [7d, 1h]}, "
                                     "{name: n, aggregate: count, windows: [1h], hop: 0s}"))};
  const CellPart second{UINT64_MAX, {}, StatesOf(FeaturesOf("z"))};
  const CellStates states{"rows", {first, second}};
  const std::string text = ToText(states);
  const auto read = ParseCellStates(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(ToText(*read), text);
  EXPECT_EQ(read->parts[0].types, first.types);
  EXPECT_EQ(read->parts[1].number, UINT64_MAX);
  for (const char* other :
       {"", "7", "{}", R"({"rows": "r", "parts": []})",
        R"({"rows": "r", "parts": [{"part": 0, "types": [], "states": [[1]]}]})",
        R"({"rows": "r", "parts": [{"part": 0, "types": [], "states": [["a", "b", "c"]]}]})"}) {
    EXPECT_FALSE(ParseCellStates(other).has_value()) << other;
  }
}

class EditedViewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), FirstRules().Definitions());
    WriteOrders(folder_.path() + "/data/a.csv", FirstOrders());
    Open();
    loaded_ = Must(RunAll(open_->workspace())).steps.back().report;
    ASSERT_EQ(loaded_.step, "online");
  }
  void Open() { open_.emplace(folder_.path(), OpenProject::Options{}); }
  online::ViewPosition Position() {
    return Must(open_->workspace().online->Position("spending")).value();
  }
  OnlineLoadPlan Plan() {
    const auto analysed = Must(AnalyseProject(open_->workspace(), true));
    return Must(PlanOnlineLoad(open_->workspace(), analysed,
                               *open_->workspace().project->FindView("spending"), false))
        .value();
  }

  TemporaryFolder folder_;
  std::optional<OpenProject> open_;
  StepReport loaded_;
};

// A record that says nothing of its cells, as those of earlier versions: the view goes on, and its
// next load names them.
TEST_F(EditedViewTest, ARecordWithoutCellsGoesOn) {
  online::ViewPosition position = Position();
  EXPECT_NE(position.cells, "");
  const OnlineLoadPlan named = Plan();
  online::StoredView unnamed = named.view.stored;
  unnamed.cells = position.cells = "";
  {
    auto load = Must(open_->workspace().online->BeginLoad(unnamed, true));
    MustBeOk(load->Commit(position));
  }
  const OnlineLoadPlan plan = Plan();
  EXPECT_FALSE(plan.fresh);
  EXPECT_FALSE(plan.switches);
  WriteOrders(folder_.path() + "/data/b.csv", SecondOrders());
  Must(RunAll(open_->workspace()));
  EXPECT_EQ(Position().cells, named.view.stored.cells);
}

TEST_F(EditedViewTest, CellsOfAnotherVersionsTextAreLoadedAnew) {
  online::ViewPosition position = Position();
  online::StoredView other = Plan().view.stored;
  other.fingerprint = position.fingerprint = "another";
  other.cells = position.cells = "of a later version";
  {
    auto load = Must(open_->workspace().online->BeginLoad(other, true));
    MustBeOk(load->Commit(position));
  }
  EXPECT_TRUE(Plan().fresh);
  MustBeOk(Must(RunAll(open_->workspace())).failed()
               ? base::MakeError(base::ErrorCode::kInternal, "the run failed")
               : arrow::Status::OK());
  EXPECT_EQ(Position().cells, Plan().view.stored.cells);
}

}  // namespace
}  // namespace icecore::pipeline
