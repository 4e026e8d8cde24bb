#include <arrow/util/utf8.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>

#include "icecore/spec/yaml_tree_internal.h"

namespace icecore::spec {
namespace {

using base::Location;

constexpr size_t kMaxYamlBytes = size_t{16} << 20;
constexpr size_t kMaxYamlDepth = 64;
constexpr size_t kMaxKeys = 10'000;  // of one map: its readers look keys up one by one

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Builds the tree from the parser's events; refuses by exception, which ParseYaml catches.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, const std::vector<std::string_view>& lines,
              base::Diagnostics* diagnostics)
      : file_(file), lines_(lines), diagnostics_(diagnostics) {}

  YamlValue TakeRoot() { return std::exchange(root_, YamlValue()); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    if (ExpectsKey()) {
      throw YAML::ParserException(mark, "a key is missing, or is the word null without quotes");
    }
    Add(Make(YamlValue::Kind::kNull, mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases (*name) are not part of the language");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (ExpectsKey()) {
      AddKey(mark, value);
      return;
    }
    YamlValue scalar = Make(YamlValue::Kind::kScalar, mark);
    scalar.text = value;
    scalar.quoted = tag == "!";
    if (IsBlockScalar(mark)) {
      ++scalar.location.line;
    }
    Add(std::move(scalar));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlValue::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlValue::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenValue {
    YamlValue value;
    std::optional<YamlEntry> key;  // a map's key that waits for its value
    bool key_is_repeated = false;
    std::unordered_map<std::string, int> lines;  // of the keys so far
  };

  Location At(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  YamlValue Make(YamlValue::Kind kind, const YAML::Mark& mark) const {
    YamlValue value;
    value.kind = kind;
    value.location = At(mark);
    return value;
  }

  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw YAML::ParserException(mark, "anchors (&name) are not part of the language");
    }
  }

  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw YAML::ParserException(mark, "tags (!name) are not part of the language");
    }
  }

  bool IsBlockScalar(const YAML::Mark& mark) const {
    const auto line = static_cast<size_t>(mark.line);
    const auto column = static_cast<size_t>(mark.column);
    return line < lines_.size() && column < lines_[line].size() &&
           (lines_[line][column] == '|' || lines_[line][column] == '>');
  }

  bool ExpectsKey() const {
    return !open_.empty() && open_.back().value.kind == YamlValue::Kind::kMap && !open_.back().key;
  }

  void AddKey(const YAML::Mark& mark, const std::string& key) {
    OpenValue& map = open_.back();
    const auto [first, is_new] = map.lines.try_emplace(key, At(mark).line);
    if (!is_new) {
      diagnostics_->Error(At(mark), "the key '" + key + "' is given twice; first in line " +
                                        std::to_string(first->second));
    }
    if (map.value.entries.size() >= kMaxKeys) {
      throw YAML::ParserException(mark, "more than " + std::to_string(kMaxKeys) + " keys");
    }
    map.key = YamlEntry{key, At(mark), {}};
    map.key_is_repeated = !is_new;
  }

  void Add(YamlValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    OpenValue& parent = open_.back();
    if (parent.value.kind == YamlValue::Kind::kList) {
      parent.value.items.push_back(std::move(value));
      return;
    }
    parent.key->value = std::move(value);
    if (!parent.key_is_repeated) {  // the first of two equal keys stays
      parent.value.entries.push_back(std::move(*parent.key));
    }
    parent.key.reset();
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlValue::Kind kind) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (ExpectsKey()) {
      throw YAML::ParserException(mark, "a key must be plain text");
    }
    if (open_.size() >= kMaxYamlDepth) {
      throw YAML::ParserException(
          mark, "more than " + std::to_string(kMaxYamlDepth) + " levels of nesting");
    }
    open_.push_back({Make(kind, mark), std::nullopt, false, {}});
  }

  void Close() {
    YamlValue value = std::move(open_.back().value);
    open_.pop_back();
    Add(std::move(value));
  }

  const std::string& file_;
  const std::vector<std::string_view>& lines_;
  base::Diagnostics* diagnostics_;
  std::vector<OpenValue> open_;
  YamlValue root_;
};

// The lines of the document whose first key stands in line `first` (from 1), up to "---" or the
// end.
std::string DocumentText(const std::vector<std::string_view>& lines, int first) {
  std::string text;
  for (size_t i = static_cast<size_t>(std::max(first, 1)) - 1; i < lines.size(); ++i) {
    const bool is_marker = lines[i].starts_with("---") || lines[i].starts_with("...");
    if (is_marker && i + 1 > static_cast<size_t>(first)) {
      break;
    }
    text += lines[i];
    text += '\n';
  }
  return text;
}

// Bytes that no definition may hold; yaml-cpp would read some of them as the end of the text.
bool CheckBytes(const std::string& file, std::string_view bytes, base::Diagnostics* diagnostics) {
  if (bytes.size() > kMaxYamlBytes) {
    diagnostics->Error({file, 0, 0}, "is larger than 16 MiB");
    return false;
  }
  int line = 1;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      diagnostics->Error({file, line, 0}, "holds a control character");
      return false;
    }
    line += c == '\n' ? 1 : 0;
  }
  arrow::util::InitializeUTF8();
  line = 1;
  for (const std::string_view text : SplitLines(bytes)) {
    if (!arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(text.data()),
                                   static_cast<int64_t>(text.size()))) {
      diagnostics->Error({file, line, 0}, "is not UTF-8; save the file in that encoding");
      return false;
    }
    ++line;
  }
  return true;
}

bool IndentedByTab(const std::vector<std::string_view>& lines, int line) {
  if (line < 1 || static_cast<size_t>(line) > lines.size()) {
    return false;
  }
  const std::string_view text = lines[static_cast<size_t>(line) - 1];
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

void ReportSyntaxError(const std::string& file, const std::vector<std::string_view>& lines,
                       const YAML::Exception& error, base::Diagnostics* diagnostics) {
  const int line = error.mark.is_null() ? 0 : error.mark.line + 1;
  const int column = error.mark.is_null() ? 0 : error.mark.column + 1;
  // An error in the line after is often the first that the parser notices.
  for (const int candidate : {line, line - 1}) {
    if (IndentedByTab(lines, candidate)) {
      diagnostics->Error({file, candidate, 1},
                         "a tab in the indentation: YAML is indented with spaces");
      return;
    }
  }
  diagnostics->Error({file, line, column}, "not valid YAML: " + error.msg);
}

}  // namespace

const YamlEntry* YamlValue::Find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) {
      return &entry;
    }
  }
  return nullptr;
}

std::string_view KindText(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::kNull:
      return "nothing";
    case YamlValue::Kind::kScalar:
      return "text";
    case YamlValue::Kind::kList:
      return "a list";
    case YamlValue::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

YamlFile ParseYaml(const std::string& file, std::string_view bytes,
                   base::Diagnostics* diagnostics) {
  YamlFile result;
  if (!CheckBytes(file, bytes, diagnostics)) {
    result.complete = false;
    return result;
  }
  const std::vector<std::string_view> lines = SplitLines(bytes);
  TreeBuilder builder(file, lines, diagnostics);
  try {
    std::istringstream stream{std::string(bytes)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
      YamlValue root = builder.TakeRoot();
      if (root.kind != YamlValue::Kind::kNull) {
        std::string text = DocumentText(lines, root.location.line);
        result.documents.push_back({std::move(root), std::move(text)});
      }
    }
  } catch (const YAML::Exception& error) {
    ReportSyntaxError(file, lines, error, diagnostics);
    result.complete = false;
  } catch (const std::exception& error) {
    diagnostics->Error({file, 0, 0}, std::string("not valid YAML: ") + error.what());
    result.complete = false;
  }
  return result;
}

}  // namespace icecore::spec
