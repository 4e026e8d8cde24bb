#include "icecore/spec/references.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "icecore/spec/text_file_internal.h"

namespace icecore::spec {
namespace {

constexpr std::string_view kFile = "file:";

arrow::Status Fail(const base::Location& location, const std::string& message) {
  return base::MakeErrorAt(base::ErrorCode::kInvalidDefinition, location, message);
}

arrow::Result<std::string> ResolveOne(const std::string& inside, const base::Location& location,
                                      const ReferenceSources& sources) {
  if (inside.starts_with(kFile)) {
    arrow::Result<std::string> text = sources.read_file(inside.substr(kFile.size()));
    if (!text.ok()) {
      return Fail(location, "${" + inside + "}: " + text.status().message());
    }
    return text;
  }
  const size_t mark = inside.find(":-");
  const std::string name = inside.substr(0, mark);
  if (name.empty()) {
    return Fail(location, "${" + inside + "} names no variable");
  }
  std::optional<std::string> value = sources.environment(name);
  if (mark != std::string::npos && (!value || value->empty())) {
    return inside.substr(mark + 2);
  }
  if (!value) {
    return Fail(location, "the environment variable " + name +
                              " is not set; set it, or give a default as ${" + name + ":-default}");
  }
  return std::move(*value);
}

}  // namespace

ReferenceSources MakeSystemReferences(const std::string& root) {
  ReferenceSources sources;
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  sources.read_file = [root](const std::string& path) -> arrow::Result<std::string> {
    ARROW_ASSIGN_OR_RAISE(std::string text,
                          ReadTextFile((std::filesystem::path(root) / path).string()));
    if (text.ends_with('\n')) {
      text.pop_back();
    }
    if (text.ends_with('\r')) {
      text.pop_back();
    }
    return text;
  };
  return sources;
}

arrow::Result<std::string> ResolveReferences(const std::string& text,
                                             const base::Location& location,
                                             const ReferenceSources& sources) {
  std::string out;
  size_t position = 0;
  while (true) {
    const size_t begin = text.find("${", position);
    if (begin == std::string::npos) {
      return out + text.substr(position);
    }
    if (begin > position && text[begin - 1] == '$') {  // "$${" stands for "${"
      out += text.substr(position, begin - position) + "{";
      position = begin + 2;
      continue;
    }
    out += text.substr(position, begin - position);
    const size_t end = text.find('}', begin + 2);
    if (end == std::string::npos) {
      return Fail(location, "'${' without '}'");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string value,
                          ResolveOne(text.substr(begin + 2, end - begin - 2), location, sources));
    out += value;
    position = end + 1;
  }
}

}  // namespace icecore::spec
