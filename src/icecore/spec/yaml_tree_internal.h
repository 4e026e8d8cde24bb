#pragma once
// YAML text as a tree with places. Stricter than YAML: keys are plain text and unique; no anchors,
// aliases or tags; UTF-8 only. Values stay text until a reader asks for a type.

#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::spec {

struct YamlEntry;

struct YamlValue {
  enum class Kind { kNull, kScalar, kList, kMap } kind = Kind::kNull;
  base::Location location;  // of a block scalar: its first line of text
  std::string text;         // kScalar
  bool quoted = false;      // kScalar: always a string, never a number
  std::vector<YamlValue> items;
  std::vector<YamlEntry> entries;  // in the order written

  const YamlEntry* Find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  base::Location location;
  YamlValue value;
};

struct YamlDocument {
  YamlValue root;
  std::string text;  // as written, without the "---"
};

struct YamlFile {
  std::vector<YamlDocument> documents;  // empty ones are left out
  bool complete = true;                 // false: a syntax error hid what follows it
};

// Findings go to `diagnostics`; what was read before a syntax error is kept. Bounds: 16 MiB,
// nesting 64.
YamlFile ParseYaml(const std::string& file, std::string_view bytes, base::Diagnostics* diagnostics);

// "a list", "text" …, for messages.
std::string_view KindText(const YamlValue& value);

}  // namespace icecore::spec
