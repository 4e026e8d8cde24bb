#pragma once
// Reads the keys of one YAML map, types them, and reports what is wrong or left over.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/spec/model.h"
#include "icecore/spec/yaml_tree_internal.h"

namespace icecore::spec {

// Every method reports its finding and goes on, so that a pass shows all errors. A key that is
// absent or wrong reads as nullopt or empty. Borrows all it is given.
class MapReader {
 public:
  // `what` names the map in messages: "table 'flights'".
  MapReader(const YamlValue& map, std::string what, base::Diagnostics* diagnostics);

  const std::string& what() const { return what_; }
  const base::Location& location() const { return map_.location; }
  // Place of a key that is there, else of the map.
  const base::Location& LocationOf(std::string_view key) const;
  bool Has(std::string_view key) const { return map_.Find(key) != nullptr; }

  void Error(const base::Location& location, const std::string& message);
  // At the key.
  void ErrorAt(std::string_view key, const std::string& message);

  // The value as it is, or nullptr; marks the key as known.
  const YamlValue* Take(std::string_view key);

  std::optional<std::string> TakeText(std::string_view key);
  // As TakeText; a missing key is an error.
  std::string RequireText(std::string_view key);
  bool TakeBool(std::string_view key, bool when_absent);
  std::optional<int64_t> TakeInt(std::string_view key);
  std::optional<double> TakeNumber(std::string_view key);
  std::optional<int64_t> TakeDuration(std::string_view key);
  std::optional<ExpressionText> TakeExpression(std::string_view key);
  // One text, or a list of them.
  std::vector<std::string> TakeTexts(std::string_view key);
  // key: text pairs, in the order written.
  std::vector<std::pair<std::string, std::string>> TakePairs(std::string_view key);
  // The index of the value among `choices`.
  std::optional<size_t> TakeChoice(std::string_view key, const std::vector<std::string>& choices);
  // A list of values; one value alone is not a list.
  const std::vector<YamlValue>* TakeList(std::string_view key);

  // Keys of the language that this version cannot do.
  void Unsupported(const std::vector<std::string>& keys);
  // Reports keys that were never taken.
  void Finish();

  // description, owner, tags, deprecated; `with_unit` also unit and classify.
  Documentation TakeDocumentation(bool with_unit);

 private:
  void WrongType(std::string_view key, std::string_view expected, const YamlValue& value);

  const YamlValue& map_;
  std::string what_;
  base::Diagnostics* diagnostics_;
  std::vector<std::string> known_;
};

// Values, for readers of lists. nullopt after an error.
std::optional<std::string> ReadText(const YamlValue& value, const std::string& what,
                                    base::Diagnostics* diagnostics);
std::optional<Literal> ReadLiteral(const YamlValue& value, const std::string& what,
                                   base::Diagnostics* diagnostics);

// The duration, or an error that shows the form.
std::optional<int64_t> ReadDuration(const std::string& text, const base::Location& location,
                                    const std::string& what, base::Diagnostics* diagnostics);

}  // namespace icecore::spec
