#include "icecore/pipeline/online_view.h"

#include <arrow/type.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/service_binding.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"
#include "icecore/state/parted_engine.h"
#include "icecore/state/slot_state.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using nlohmann::json;
using Kind = spec::Feature::Kind;

// In the text, in the place of an aggregate: the newest value.
constexpr int kNewest = -1;
// Each part is one more head to read per key: with so many, the next load brings all anew.
constexpr size_t kMostParts = 4;

// What tells the versions of the view's table from one another, as far as the store's bytes go.
std::string VersionsText(const spec::Project& project, const spec::FeatureView& view,
                         const lake::Snapshot& log) {
  const auto versions = FindVersionedTable(project, view.from);
  if (!versions) {
    return "";
  }
  std::string text = "/versions";
  for (const auto* columns : {&versions->key, &versions->order_by}) {
    text += "/" + std::to_string(columns->size());
    for (const std::string& column : *columns) {
      const auto field = log.exists() ? log.schema->GetFieldByName(column) : nullptr;
      text += "/" + column + ":" + (field ? field->type()->ToString() : "");
    }
  }
  return text;
}

// What decides a view's cells beside its own definition.
arrow::Result<std::string> AroundOf(const Workspace& workspace, const spec::FeatureView& view) {
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, LoadTable(workspace, LogOf(*workspace.project, view)));
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(*snapshot));
  const ViewTimes times = TimesOf(*workspace.project, view);
  return "/" + (times.event_time ? times.event_time->column : "") + "/" +
         std::to_string(static_cast<int>(times.known_at.kind)) + "/" + times.known_at.column + "/" +
         std::to_string(times.known_at.delay_us) + "/" + snapshot->table_id + "/" +
         std::to_string(state::kStateFormat) + "/" + std::to_string(generation) +
         VersionsText(*workspace.project, view, *snapshot);
}

std::vector<std::string> TypesOf(const feature::BoundView& bound) {
  std::vector<std::string> types;
  for (const auto& type : bound.engine()->layout().value_types) types.push_back(type->ToString());
  return types;
}

spec::Feature StateFromJson(const json& one) {
  spec::Feature state;
  const int aggregate = one.at(0).get<int>();
  state.of = one.at(1).get<std::string>();
  if (const auto where = one.at(2).get<std::string>(); !where.empty()) {
    state.where = spec::ExpressionText{where, {}};
  }
  if (aggregate == kNewest) return state;
  state.kind = Kind::kAggregate;
  state.aggregate.kind = static_cast<spec::AggregateKind>(aggregate);
  state.window = spec::Window{"", one.at(3).get<int64_t>(), one.at(4).get<int64_t>()};
  state.aggregate.n = one.at(5).get<int64_t>();
  return state;
}

bool ShareAState(const spec::Feature& a, const spec::Feature& b) {
  const auto text = [](const std::optional<spec::ExpressionText>& where) {
    return where ? where->text : "";
  };
  if (a.kind != b.kind || a.of != b.of || text(a.where) != text(b.where)) return false;
  if (a.kind != Kind::kAggregate) return true;
  const auto state = [](const spec::Feature& feature) {
    return state::StateKindOf(static_cast<state::AggregateKind>(feature.aggregate.kind));
  };
  return state(a) == state(b) && a.aggregate.n == b.aggregate.n &&
         a.window->hop_us == b.window->hop_us;
}

// What tells a part from all that the view ever had: of the same states at the same position of the
// same rows it is the same, so that a load that was cut off is found again.
uint64_t NumberOf(const CellStates& held, const CellPart& part,
                  const online::ViewPosition& position) {
  std::string text =
      ToText({held.rows, {part}}) + "/" + ToText(held) + "/" + position.table_generation;
  for (const int64_t number :
       {position.generation, position.seq, position.applied_at, position.applied_until}) {
    text += "/" + std::to_string(number);
  }
  return std::max<uint64_t>(base::Hash64(text), 1);
}

std::string MarkOf(const CellPart& part) {
  if (part.number == 0) return "";
  std::string mark(1, state::kPartMark);
  for (int shift = 56; shift >= 0; shift -= 8) mark += static_cast<char>(part.number >> shift);
  return mark;
}

// The cells that the store holds, and who of the view's features is answered by which part.
class KeptCells {
 public:
  using BoundPtr = std::shared_ptr<const feature::BoundView>;

  KeptCells(const Workspace& workspace, const AnalysedProject& project,
            const spec::FeatureView& view, CellStates held)
      : workspace_(workspace), project_(project), view_(view), held_(std::move(held)) {}

  // False where the table no longer has what the cells hold.
  arrow::Result<bool> Assign() {
    features_.resize(held_.parts.size());
    for (size_t i = 0; i < view_.features.size(); ++i) {
      const auto index = static_cast<int>(i);
      bool found = false;
      for (size_t p = 0; p < held_.parts.size() && !found; ++p) {
        const BoundPtr bound = Bind(held_.parts[p], {index});
        if (bound == nullptr) return false;
        ARROW_ASSIGN_OR_RAISE(const int missing, state::FeaturesNotKept(bound->engine()->layout()));
        found = missing == 0;
        if (found) features_[p].push_back(index);
      }
      if (!found) new_.push_back(view_.features[i]);
    }
    return true;
  }
  const std::vector<spec::Feature>& new_features() const { return new_; }

  // Of a view all of whose features are assigned; null as Assign.
  arrow::Result<std::optional<OnlineView>> Join() const {
    OnlineView made;
    std::vector<spec::Feature> all;
    for (const CellPart& part : held_.parts) {
      all.insert(all.end(), part.features.begin(), part.features.end());
    }
    made.rows = BindWith(view_, all);
    if (made.rows == nullptr) return std::optional<OnlineView>();
    if (held_.parts.size() == 1) {
      made.stored.engine = made.rows->engine();
      return std::optional<OnlineView>(std::move(made));
    }
    const feature::FeatureReads reads = feature::ReadsOf(all);
    std::vector<state::EnginePart> parts;
    for (size_t p = 0; p < held_.parts.size(); ++p) {
      const BoundPtr bound = Bind(held_.parts[p], features_[p]);
      if (bound == nullptr) return std::optional<OnlineView>();
      state::ViewLayout layout = bound->engine()->layout();
      const feature::FeatureReads own = feature::ReadsOf(held_.parts[p].features);
      layout.value_places = PlacesOf(own.columns, reads.columns);
      layout.mask_places = PlacesOf(own.filters, reads.filters);
      ARROW_ASSIGN_OR_RAISE(auto engine, state::ViewEngine::Make(std::move(layout)));
      parts.push_back({MarkOf(held_.parts[p]), std::move(engine), features_[p]});
    }
    made.stored.engine = state::JoinParts(made.rows->engine()->layout(), std::move(parts));
    return std::optional<OnlineView>(std::move(made));
  }

  // The new features' states as one more part; nullopt where a load of all is to be had instead.
  arrow::Result<std::optional<OnlineView>> Addition(const online::ViewPosition& position) const {
    const bool all = new_.size() == view_.features.size();
    if (all || held_.parts.size() >= kMostParts) return std::optional<OnlineView>();
    spec::FeatureView alone = view_;
    alone.features.clear();
    CellPart part{0, {}, StatesOf(new_)};
    OnlineView made;
    made.rows = BindWith(alone, part.features);
    if (made.rows == nullptr || made.rows->engine()->layout().versioned) {
      return std::optional<OnlineView>();
    }
    part.types = TypesOf(*made.rows);
    part.number = NumberOf(held_, part, position);
    made.stored.engine =
        state::JoinParts(made.rows->engine()->layout(), {{MarkOf(part), made.rows->engine(), {}}});
    CellStates extended = held_;
    extended.parts.push_back(std::move(part));
    made.stored.cells = ToText(extended);
    made.stored.extends = position.cells;
    made.stored.own_cells = false;
    return std::optional<OnlineView>(std::move(made));
  }

 private:
  static std::vector<int> PlacesOf(const std::vector<std::string>& own,
                                   const std::vector<std::string>& all) {
    std::vector<int> places;
    places.reserve(own.size());
    for (const std::string& text : own) {
      places.push_back(static_cast<int>(std::find(all.begin(), all.end(), text) - all.begin()));
    }
    return places;
  }

  BoundPtr BindWith(const spec::FeatureView& view, const std::vector<spec::Feature>& kept) const {
    base::Diagnostics ignored;
    auto bound = BindView(*workspace_.project, project_, view, &ignored, kept);
    return bound.ok() ? *std::move(bound) : nullptr;
  }
  // The part and these of the view's features. Null where the columns that it reads are gone or
  // have become wider.
  BoundPtr Bind(const CellPart& part, const std::vector<int>& features) const {
    spec::FeatureView view = view_;
    view.features.clear();
    for (const int feature : features) {
      view.features.push_back(view_.features[static_cast<size_t>(feature)]);
    }
    BoundPtr bound = BindWith(view, part.features);
    if (bound == nullptr) return nullptr;
    std::vector<std::string> types = TypesOf(*bound);
    types.resize(std::min(types.size(), part.types.size()));  // behind them: of the features
    return types == part.types ? bound : nullptr;
  }

  const Workspace& workspace_;
  const AnalysedProject& project_;
  const spec::FeatureView& view_;
  const CellStates held_;
  std::vector<std::vector<int>> features_;  // of the view, by part
  std::vector<spec::Feature> new_;
};

}  // namespace

std::vector<spec::Feature> StatesOf(const std::vector<spec::Feature>& features) {
  std::vector<spec::Feature> states;
  for (const spec::Feature& feature : features) {
    const auto known = std::find_if(states.begin(), states.end(), [&](const spec::Feature& one) {
      return ShareAState(one, feature);
    });
    if (known == states.end()) {
      spec::Feature& state = states.emplace_back();
      state.kind = feature.kind;
      state.of = feature.of;
      state.aggregate = feature.aggregate;
      state.window = feature.window;
      state.where = feature.where;
      continue;
    }
    if (feature.kind != Kind::kAggregate) continue;
    known->window->length_us = std::max(known->window->length_us, feature.window->length_us);
    // The one that keeps squares holds what the others ask for.
    if (state::NeedsSquares(static_cast<state::AggregateKind>(feature.aggregate.kind))) {
      known->aggregate = feature.aggregate;
    }
  }
  return states;
}

std::string ToText(const CellStates& states) {
  json parts = json::array();
  for (const CellPart& part : states.parts) {
    json list = json::array();
    for (const spec::Feature& state : part.features) {
      const bool is_window = state.kind == Kind::kAggregate;
      json one = {is_window ? static_cast<int>(state.aggregate.kind) : kNewest, state.of,
                  state.where ? state.where->text : ""};
      if (is_window) {
        one.push_back(state.window->length_us);
        one.push_back(state.window->hop_us);
        one.push_back(state.aggregate.n);
      }
      list.push_back(std::move(one));
    }
    parts.push_back({{"part", part.number}, {"types", part.types}, {"states", list}});
  }
  return json{{"rows", states.rows}, {"parts", parts}}.dump();
}

std::optional<CellStates> ParseCellStates(const std::string& text) {
  try {
    const json content = json::parse(text);
    CellStates states;
    states.rows = content.at("rows").get<std::string>();
    for (const json& item : content.at("parts")) {
      CellPart& part = states.parts.emplace_back();
      part.number = item.at("part").get<uint64_t>();
      part.types = item.at("types").get<std::vector<std::string>>();
      for (const json& one : item.at("states")) part.features.push_back(StateFromJson(one));
    }
    return states.parts.empty() ? std::nullopt : std::optional<CellStates>(std::move(states));
  } catch (const json::exception&) {
    return std::nullopt;  // another version's: such cells are loaded anew
  }
}

arrow::Result<OnlineViewFound> FindOnlineView(const Workspace& workspace,
                                              const AnalysedProject& project,
                                              const spec::FeatureView& view,
                                              const std::optional<online::ViewPosition>& held) {
  const auto bound = project.views.find(view.name);
  if (bound == project.views.end()) {
    return base::MakeError(ErrorCode::kNotFound,
                           "view " + view.name + " is not bound to its table");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string around, AroundOf(workspace, view));
  const spec::Entity* const entity = workspace.project->FindEntity(view.entity);
  OnlineViewFound found;
  found.view.rows = bound->second;
  online::StoredView& stored = found.view.stored;
  stored.name = view.name;
  stored.entity = view.entity;
  stored.fingerprint = base::Sha256Hex(spec::Fingerprint(view, entity) + around);
  stored.engine = bound->second->engine();
  stored.key_types = bound->second->key_types();
  const std::string rows = base::Sha256Hex(spec::RowsFingerprint(view, entity) + around);
  stored.cells = ToText({rows, {{0, TypesOf(*bound->second), StatesOf(view.features)}}});
  if (!held || held->cells == stored.cells) return found;
  const auto states = ParseCellStates(held->cells);
  if (!states || states->rows != rows) return found;
  KeptCells kept(workspace, project, view, *states);
  ARROW_ASSIGN_OR_RAISE(const bool fits, kept.Assign());
  if (!fits) return found;
  const auto complete = [&](std::optional<OnlineView>* made) {
    if (!*made) return;
    (*made)->stored.name = stored.name;
    (*made)->stored.entity = stored.entity;
    (*made)->stored.fingerprint = stored.fingerprint;
    (*made)->stored.key_types = stored.key_types;
  };
  found.new_features = static_cast<int>(kept.new_features().size());
  if (found.new_features > 0) {
    ARROW_ASSIGN_OR_RAISE(found.addition, kept.Addition(*held));
    complete(&found.addition);
    return found;
  }
  ARROW_ASSIGN_OR_RAISE(auto joined, kept.Join());
  complete(&joined);
  if (!joined) return found;
  joined->stored.cells = held->cells;
  joined->stored.own_cells = false;
  found.view = *std::move(joined);
  return found;
}

arrow::Result<online::StoredView> StoredViewOf(const Workspace& workspace,
                                               const AnalysedProject& project,
                                               const spec::FeatureView& view,
                                               arrow::Status* refusal) {
  std::optional<online::ViewPosition> held;
  if (workspace.online != nullptr && refusal->ok()) {
    auto position = workspace.online->Position(view.name);
    // What else is wrong is found again, and said, by whoever reads.
    if (position.ok()) {
      held = *std::move(position);
    } else if (base::CodeOf(position.status()) == ErrorCode::kUnavailable) {
      *refusal = position.status();
    }
  }
  ARROW_ASSIGN_OR_RAISE(OnlineViewFound found, FindOnlineView(workspace, project, view, held));
  return std::move(found.view.stored);
}

}  // namespace icecore::pipeline
