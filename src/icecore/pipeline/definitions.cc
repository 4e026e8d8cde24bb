#include "icecore/pipeline/definitions.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/text.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// YAML files as lines, each read once.
class YamlTexts {
 public:
  explicit YamlTexts(std::string root) : root_(std::move(root)) {}

  // The document that has the location's line.
  std::string DocumentAt(const base::Location& location) {
    const std::vector<std::string>& lines = LinesOf(location.file);
    const auto is_end = [](const std::string& line) { return line.rfind("---", 0) == 0; };
    auto begin = std::min(static_cast<size_t>(std::max(location.line - 1, 0)), lines.size());
    auto end = begin;
    while (begin > 0 && !is_end(lines[begin - 1])) {
      --begin;
    }
    while (end < lines.size() && !is_end(lines[end])) {
      ++end;
    }
    std::string text;
    for (size_t i = begin; i < end; ++i) {
      text += lines[i] + "\n";
    }
    return text;
  }

 private:
  const std::vector<std::string>& LinesOf(const std::string& file) {
    const auto [entry, is_new] = files_.try_emplace(file);
    if (is_new) {
      std::ifstream in(file.rfind('/', 0) == 0 ? file : root_ + "/" + file);
      for (std::string line; std::getline(in, line);) {
        entry->second.push_back(line);
      }
    }
    return entry->second;
  }

  const std::string root_;
  std::map<std::string, std::vector<std::string>> files_;
};

std::string ShortName(const std::string& full_name) {
  return full_name.substr(full_name.find('.') + 1);
}

}  // namespace

arrow::Result<std::vector<catalog::DefinitionRecord>> DefinitionRecords(
    const spec::Project& project) {
  YamlTexts texts(project.root);
  std::vector<catalog::DefinitionRecord> records;
  const auto add = [&](const char* kind, const std::string& name, const base::Location& location,
                       const std::string& fingerprint, const std::string& sql) {
    std::string text = texts.DocumentAt(location);
    if (!sql.empty()) {
      text += "# sql\n" + sql + "\n";
    }
    records.push_back({kind, name, std::move(text), fingerprint, location.ToString()});
  };
  for (const spec::Source& source : project.sources) {
    add("source", "source." + source.name, source.location, spec::Fingerprint(source), "");
  }
  for (const spec::Table& table : project.tables) {
    add("table", table.FullName(), table.location, spec::Fingerprint(table), table.sql);
  }
  for (const spec::Entity& entity : project.entities) {
    std::string keys;
    for (const spec::KeyColumn& key : entity.keys) {
      keys += key.name + " " + key.type_text + "\n";
    }
    add("entity", "entity." + entity.name, entity.location, base::Sha256Hex(keys), "");
  }
  for (const spec::FeatureView& view : project.views) {
    add("feature_view", "view." + view.name, view.location,
        spec::Fingerprint(view, project.FindEntity(view.entity)), "");
  }
  for (const spec::FeatureService& service : project.services) {
    add("feature_service", "service." + service.name, service.location, spec::Fingerprint(service),
        "");
  }
  for (const spec::TrainingSet& set : project.training_sets) {
    add("training_set", "training_set." + set.name, set.location, spec::Fingerprint(set),
        set.spine.sql);
  }
  for (const spec::DefinitionTest& test : project.tests) {
    add("test", "test." + test.name, test.location, spec::Fingerprint(test), "");
  }
  return records;
}

std::vector<std::string> AllNames(const spec::Project& project) {
  std::vector<std::string> names;
  names.reserve(project.sources.size() + project.tables.size() + project.entities.size() +
                project.views.size() + project.services.size() + project.training_sets.size() +
                project.tests.size());
  for (const spec::Source& source : project.sources) {
    names.push_back("source." + source.name);
  }
  for (const spec::Table& table : project.tables) {
    names.push_back(table.FullName());
  }
  for (const spec::Entity& entity : project.entities) {
    names.push_back("entity." + entity.name);
  }
  for (const spec::FeatureView& view : project.views) {
    names.push_back("view." + view.name);
  }
  for (const spec::FeatureService& service : project.services) {
    names.push_back("service." + service.name);
  }
  for (const spec::TrainingSet& set : project.training_sets) {
    names.push_back("training_set." + set.name);
  }
  for (const spec::DefinitionTest& test : project.tests) {
    names.push_back("test." + test.name);
  }
  return names;
}

arrow::Result<std::string> ResolveName(const spec::Project& project, const std::string& name) {
  const std::vector<std::string> names = AllNames(project);
  std::string full = name;
  if (name.rfind("landing.", 0) == 0) {
    full = "source." + ShortName(name);  // a source fills its landing table
  }
  if (std::find(names.begin(), names.end(), full) != names.end()) {
    return full;
  }
  std::vector<std::string> matches;
  std::vector<std::string> candidates = names;
  for (const std::string& candidate : names) {
    candidates.push_back(ShortName(candidate));
    if (ShortName(candidate) == name) {
      matches.push_back(candidate);
    }
  }
  if (matches.size() == 1) {
    return matches.front();
  }
  if (matches.empty()) {
    return MakeError(ErrorCode::kNotFound,
                     "nothing is called '" + name + "'" + base::DidYouMean(name, candidates));
  }
  return MakeError(ErrorCode::kInvalidArgument,
                   "'" + name + "' may be " + base::CommaList(matches));
}

}  // namespace icecore::pipeline
