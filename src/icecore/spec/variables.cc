#include <algorithm>
#include <cctype>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  return text;
}

bool IsVariableName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

// The variable, or nullptr after an error.
const Variable* FindVariable(std::string_view name, const base::Location& location,
                             const Variables& variables, base::Diagnostics* diagnostics) {
  if (!IsVariableName(name)) {
    diagnostics->Error(location, "only the name of a variable can stand between {{ and }}, got '" +
                                     std::string(name) + "'");
    return nullptr;
  }
  const auto found = variables.find(std::string(name));
  if (found != variables.end()) {
    return &found->second;
  }
  std::vector<std::string> names;
  names.reserve(variables.size());
  for (const auto& [known, variable] : variables) {
    names.push_back(known);
  }
  diagnostics->Error(location, "unknown variable '" + std::string(name) + "'" +
                                   base::DidYouMean(name, names) +
                                   (names.empty() ? "; icecore.yaml has no 'variables'" : ""));
  return nullptr;
}

// The name when `text` is "{{name}}" and nothing else, else "".
std::string_view WholeVariable(std::string_view text) {
  if (!text.starts_with("{{") || !text.ends_with("}}") || text.size() < 5) {
    return "";
  }
  const std::string_view name = Trim(text.substr(2, text.size() - 4));
  return IsVariableName(name) ? name : "";
}

}  // namespace

std::string SubstituteText(const std::string& text, const base::Location& location,
                           const Variables& variables, base::Diagnostics* diagnostics) {
  std::string out;
  size_t position = 0;
  while (true) {
    const size_t begin = text.find("{{", position);
    if (begin == std::string::npos) {
      return out + text.substr(position);
    }
    out += text.substr(position, begin - position);
    base::Location place = location;
    place.line += static_cast<int>(
        std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
    const size_t end = text.find("}}", begin + 2);
    if (end == std::string::npos) {
      diagnostics->Error(place, "'{{' without '}}'");
      return out;
    }
    const std::string_view name = Trim(std::string_view(text).substr(begin + 2, end - begin - 2));
    if (const Variable* variable = FindVariable(name, place, variables, diagnostics)) {
      out += variable->text;
    }
    position = end + 2;
  }
}

void SubstituteTree(const Variables& variables, base::Diagnostics* diagnostics, YamlValue* value) {
  if (value->kind == YamlValue::Kind::kScalar && value->text.find("{{") != std::string::npos) {
    if (const std::string_view name = WholeVariable(value->text); !name.empty()) {
      if (const Variable* variable = FindVariable(name, value->location, variables, diagnostics)) {
        value->quoted = variable->quoted;
        value->text = variable->text;
      }
      return;
    }
    value->text = SubstituteText(value->text, value->location, variables, diagnostics);
    return;
  }
  for (YamlValue& item : value->items) {
    SubstituteTree(variables, diagnostics, &item);
  }
  for (YamlEntry& entry : value->entries) {
    SubstituteTree(variables, diagnostics, &entry.value);
  }
}

}  // namespace icecore::spec
