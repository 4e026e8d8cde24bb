#include "icecore/engine/project_from_files.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/engine/engine.h"
#include "icecore/lake/envelope.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using base::MakeError;

// "data/Sales-2024*.csv.gz" -> "sales": the stem in lower case, without what only numbers files.
std::string SourceName(const std::string& pattern) {
  std::string stem = fs::path(pattern).filename().string();
  stem = stem.substr(0, stem.find('.'));
  std::string name;
  for (const char c : stem) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    name += plain ? base::LowerLetter(c) : '_';
  }
  while (!name.empty() &&
         (name.back() == '_' || std::isdigit(static_cast<unsigned char>(name.back())) != 0)) {
    name.pop_back();
  }
  name.erase(0, name.find_first_not_of('_'));
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) {
    name.insert(0, "files_");
  }
  return name.back() == '_' ? name + "1" : name;
}

// As the project's definitions name it: relative ones from the project's folder.
std::string PathFromProject(const std::string& directory, const std::string& pattern) {
  const fs::path path(pattern);
  if (path.is_absolute()) {
    return pattern;
  }
  std::error_code error;
  const fs::path project = fs::weakly_canonical(fs::absolute(directory), error);
  return fs::absolute(path).lexically_normal().lexically_relative(project).string();
}

// "events-*.csv" for "events-001.csv" and "events-002.csv": what only the numbers tell apart.
std::string CommonPattern(const std::string& a, const std::string& b) {
  if (a == b) {
    return a;
  }
  const size_t shorter = std::min(a.size(), b.size());
  size_t head = 0;
  while (head < shorter && a[head] == b[head] && a[head] != '*') {
    ++head;
  }
  size_t tail = 0;
  while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) {
    ++tail;
  }
  while (head > 0 && std::isdigit(static_cast<unsigned char>(a[head - 1])) != 0) {
    --head;
  }
  return a.substr(0, head) + "*" + a.substr(a.size() - tail);
}

std::string WithoutStem(const std::string& path) {
  const fs::path parsed(path);
  const std::string file = parsed.filename().string();
  return parsed.parent_path().string() + "/" + file.substr(std::min(file.find('.'), file.size()));
}

// Files of one series, as a shell's glob lists them, are one pattern.
std::vector<std::string> Grouped(const std::vector<std::string>& given) {
  std::vector<std::string> patterns;
  for (const std::string& path : given) {
    const auto same = std::find_if(patterns.begin(), patterns.end(), [&](const auto& other) {
      return SourceName(other) == SourceName(path) && WithoutStem(other) == WithoutStem(path);
    });
    if (same == patterns.end()) {
      patterns.push_back(path);
    } else {
      *same = CommonPattern(*same, path);
    }
  }
  return patterns;
}

// A YAML scalar in double quotes.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out + "\"";
}

// A source under its name; `markers`: texts that mean null, beside the empty one.
struct SourceDraft {
  std::string name;
  std::string path;
  std::vector<std::string> markers;
  std::shared_ptr<arrow::Schema> columns;

  std::string Text() const {
    std::string text = "source: " + name + "\nfrom:\n  files: {path: " + Quoted(path);
    if (!markers.empty()) {
      text += ", null_values: [\"\"";
      for (const std::string& marker : markers) {
        text += ", " + Quoted(marker);
      }
      text += "]";
    }
    return text + "}\n";
  }
  bool IsSeparatedText() const {
    return path.find(".csv") != std::string::npos || path.find(".tsv") != std::string::npos;
  }
};

std::string ContractText(const arrow::Schema& columns) {
  std::string text = "contract:\n  columns:\n";
  for (const auto& field : columns.fields()) {
    if (!lake::IsEnvelope(field->name())) {
      text += "    - {name: " + Quoted(field->name()) +
              ", type: " + Quoted(spec::TypeText(*field->type())) + "}\n";
    }
  }
  return text;
}

bool LooksLikeKey(const std::string& column) {
  return column == "id" || column.ends_with("_id") || column.ends_with("Id") ||
         column.ends_with("ID") || column.ends_with("_key") || column == "key";
}

// A commented view: the first instant as its time, the first key-like column as its entity, the
// first number as what is summed. "" where the columns have no instant and key.
std::string ViewDraft(const std::string& name, const arrow::Schema& columns) {
  std::string time;
  std::string key;
  std::string key_type;
  std::string value;
  for (const auto& field : columns.fields()) {
    const arrow::Type::type id = field->type()->id();
    if (lake::IsEnvelope(field->name())) {
      continue;
    }
    if (id == arrow::Type::TIMESTAMP && time.empty()) {
      time = field->name();
    } else if (key.empty() && (id == arrow::Type::STRING || LooksLikeKey(field->name()))) {
      key = field->name();
      key_type = spec::TypeText(*field->type());
    } else if (value.empty() && arrow::is_numeric(id)) {
      value = field->name();
    }
  }
  if (time.empty() || key.empty()) {
    return "";
  }
  std::string text =
      "# A draft of features; say what is true of these data and take the '#' away.\n"
      "# ---\n# entity: " +
      name + "_key\n# keys: [{name: " + Quoted(key) + ", type: " + key_type +
      "}]\n# ---\n# feature_view: " + name + "_features\n# entity: " + name +
      "_key\n# from: processing." + name + "\n# event_time: " + Quoted(time) +
      "   # when it happened\n# known_at: event_time   # when it became known: a column, "
      "event_time, "
      "arrival or {delay: 1h}\n# online: true\n# features:\n#   - {name: " +
      name + ", aggregate: count, windows: [1d, 7d]}\n";
  if (!value.empty()) {
    text += "#   - {of: " + Quoted(value) + ", aggregates: [mean, max], windows: [7d]}\n";
  }
  return text + "# ---\n# feature_service: " + name + "_model\n# features: [" + name +
         "_features]\n";
}

// The columns of every source as `plan` reads them, from bare definitions written to the folder.
arrow::Result<std::vector<std::shared_ptr<arrow::Schema>>> ColumnsOf(
    const std::string& directory, const std::vector<SourceDraft>& sources) {
  const fs::path folder = fs::path(directory) / "definitions";
  std::error_code error;
  fs::create_directories(folder, error);
  for (const SourceDraft& source : sources) {
    std::ofstream out(folder / (source.name + ".yaml"), std::ios::binary);
    out << source.Text();
    out.close();
    if (error || !out) {
      return MakeError(ErrorCode::kDenied, "cannot write in " + folder.string());
    }
  }
  OpenOptions options;
  options.directory = directory;
  ARROW_ASSIGN_OR_RAISE(auto engine, Engine::Open(options));
  ARROW_ASSIGN_OR_RAISE(auto analysed, engine->Analyse());
  ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
  std::vector<std::shared_ptr<arrow::Schema>> columns;
  for (const SourceDraft& source : sources) {
    const auto& found = analysed.sources.at("landing." + source.name);
    ARROW_RETURN_NOT_OK(found.unreadable);
    if (!found.accepted) {
      return MakeError(ErrorCode::kNotFound, "no file matches '" + source.path + "'");
    }
    columns.push_back(found.accepted);
  }
  return columns;
}

int TextColumns(const arrow::Schema& columns) {
  return static_cast<int>(
      std::count_if(columns.fields().begin(), columns.fields().end(), [](const auto& field) {
        return !lake::IsEnvelope(field->name()) && field->type()->id() == arrow::Type::STRING;
      }));
}

// Keeps the markers of null that turn columns of text into columns of numbers or times.
arrow::Status FindMarkers(const std::string& directory, std::vector<SourceDraft>* sources) {
  ARROW_ASSIGN_OR_RAISE(auto plain, ColumnsOf(directory, *sources));
  const bool any_text = std::any_of(sources->begin(), sources->end(),
                                    [](const auto& source) { return source.IsSeparatedText(); });
  std::vector<std::vector<std::string>> kept(sources->size());
  for (const char* marker : {"NA", "N/A", "NULL", "null", "\\N"}) {
    if (!any_text) {
      break;
    }
    std::vector<SourceDraft> tried = *sources;
    for (SourceDraft& source : tried) {
      if (source.IsSeparatedText()) {
        source.markers = {marker};
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto columns, ColumnsOf(directory, tried));
    for (size_t i = 0; i < tried.size(); ++i) {
      if (TextColumns(*columns[i]) < TextColumns(*plain[i])) {
        kept[i].emplace_back(marker);
      }
    }
  }
  for (size_t i = 0; i < sources->size(); ++i) {
    (*sources)[i].markers = std::move(kept[i]);
  }
  ARROW_ASSIGN_OR_RAISE(auto columns, ColumnsOf(directory, *sources));
  for (size_t i = 0; i < sources->size(); ++i) {
    (*sources)[i].columns = columns[i];
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::vector<DraftFile>> DraftDefinitions(const std::string& directory,
                                                       const std::vector<std::string>& given) {
  std::vector<SourceDraft> sources;
  std::set<std::string> names;
  for (const std::string& pattern : Grouped(given)) {
    std::string name = SourceName(pattern);
    for (int n = 2; !names.insert(name).second; ++n) {
      name = SourceName(pattern) + "_" + std::to_string(n);
    }
    sources.push_back({name, PathFromProject(directory, pattern), {}, nullptr});
  }
  ARROW_RETURN_NOT_OK(FindMarkers(directory, &sources));
  std::vector<DraftFile> drafts;
  for (const SourceDraft& source : sources) {
    const std::string& name = source.name;
    drafts.push_back({"definitions/" + name + ".yaml",
                      source.Text() + ContractText(*source.columns) + "---\ntable: " + name +
                          "\nzone: processing\nsql: select * from landing." + name +
                          "\nmode: append\n" + ViewDraft(name, *source.columns)});
  }
  return drafts;
}

}  // namespace icecore::engine
