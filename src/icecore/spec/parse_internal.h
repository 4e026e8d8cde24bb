#pragma once
// One YAML document -> one or more definitions, appended to the project. Names of other definitions
// are not looked up here; that is CheckProject's part, once all files are read.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "icecore/spec/map_reader_internal.h"
#include "icecore/spec/model.h"
#include "icecore/spec/parse.h"
#include "icecore/spec/service_plan.h"
#include "icecore/spec/yaml_tree_internal.h"

namespace icecore::spec {

struct Variable {
  std::string text;
  bool quoted = false;
};
using Variables = std::map<std::string, Variable>;

struct ParseContext {
  std::string root;  // the project's folder; "" = no file may be read
  Variables variables;
  base::Diagnostics* diagnostics = nullptr;
  Project* project = nullptr;
};

// {{name}} -> the variable's text. Other text between {{ and }} and unknown names are errors.
std::string SubstituteText(const std::string& text, const base::Location& location,
                           const Variables& variables, base::Diagnostics* diagnostics);
// In every value of the tree; a value that is one variable and nothing else takes its type too.
void SubstituteTree(const Variables& variables, base::Diagnostics* diagnostics, YamlValue* value);

// icecore.yaml; fills the project's own fields and context->variables.
void ParseProjectFile(const YamlDocument& document, ParseContext* context);

// A document under definitions/: finds the kind by its first key.
void ParseDefinition(const YamlDocument& document, ParseContext* context);

void ParseSource(const YamlDocument& document, ParseContext* context);
void ParseTable(const YamlDocument& document, ParseContext* context);
void ParseEntity(const YamlDocument& document, ParseContext* context);
void ParseFeatureView(const YamlDocument& document, ParseContext* context);
void ParseFeatureService(const YamlDocument& document, ParseContext* context);
void ParseTrainingSet(const YamlDocument& document, ParseContext* context);
void ParseTestKind(const YamlDocument& document, ParseContext* context);

// The names of sources, views, features, columns …, for suggestions.
template <typename Thing>
std::vector<std::string> NamesOf(const std::vector<Thing>& things) {
  std::vector<std::string> names;
  names.reserve(things.size());
  for (const Thing& thing : things) {
    names.push_back(thing.name);
  }
  return names;
}

// A letter, then letters, digits and underscores; else an error.
void CheckName(const std::string& name, const base::Location& location, const std::string& what,
               base::Diagnostics* diagnostics);

// Parts that several kinds have.
std::optional<EventTime> ReadEventTime(MapReader* reader);
std::optional<KnownAt> ReadKnownAt(MapReader* reader, base::Diagnostics* diagnostics);
std::optional<Severity> ReadSeverity(MapReader* reader);
std::vector<KeyColumn> ReadKeyColumns(MapReader* reader, std::string_view key,
                                      base::Diagnostics* diagnostics);
// The type, or null after an error.
std::shared_ptr<arrow::DataType> ReadType(const std::string& text, const base::Location& location,
                                          const std::string& what, base::Diagnostics* diagnostics);
// SQL as text, or as file:NAME.sql beside the YAML file; variables replaced.
struct SqlText {
  std::string text;
  base::Location location;  // of its first line
};
std::optional<SqlText> ReadSql(MapReader* reader, const std::string& key, ParseContext* context);
// [low, high]
std::optional<std::pair<Literal, Literal>> ReadBounds(const YamlValue& value,
                                                      const std::string& what,
                                                      base::Diagnostics* diagnostics);
std::vector<Literal> ReadLiterals(const std::vector<YamlValue>& items, const std::string& what,
                                  base::Diagnostics* diagnostics);

// FlattenService with every finding.
std::vector<ServiceFeature> CheckService(const Project& project, const FeatureService& service,
                                         base::Diagnostics* diagnostics);

void CheckTrainingSets(const Project& project, base::Diagnostics* diagnostics);
void CheckTests(const Project& project, base::Diagnostics* diagnostics);

// Names between definitions: what they refer to exists, nothing is defined twice, services flatten.
void CheckProject(const Project& project, base::Diagnostics* diagnostics);

}  // namespace icecore::spec
