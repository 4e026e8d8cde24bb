#include "icecore/sql/mentioned_tables.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "icecore/base/id.h"
#include "icecore/sql/analysis_database_internal.h"
#include "icecore/sql/memo_internal.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {
namespace {

using Mention = std::pair<size_t, std::string>;  // byte in the text, name

void Collect(const Json& node, std::vector<Mention>* mentions) {
  if (node.is_object() && TextMember(node, "type") == "BASE_TABLE") {
    const std::string schema = NameMember(node, "schema_name");
    if (!schema.empty()) {
      mentions->emplace_back(OffsetOf(node).value_or(0),
                             schema + "." + NameMember(node, "table_name"));
    }
  }
  if (node.is_structured()) {
    for (const auto& child : node) Collect(child, mentions);
  }
}

std::vector<std::string> NamesOf(const Json& document) {
  std::vector<Mention> mentions;
  Collect(document, &mentions);
  std::stable_sort(mentions.begin(), mentions.end(),
                   [](const Mention& a, const Mention& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (Mention& mention : mentions) {
    if (std::find(names.begin(), names.end(), mention.second) == names.end()) {
      names.push_back(std::move(mention.second));
    }
  }
  return names;
}

}  // namespace

Memo<std::vector<std::string>>& KnownMentions() {
  static auto* const known = new Memo<std::vector<std::string>>;
  return *known;
}

arrow::Result<std::vector<std::vector<std::string>>> MentionedTables(
    const std::vector<std::string>& texts) {
  std::vector<std::vector<std::string>> names(texts.size());
  if (texts.empty()) return names;
  std::optional<AnalysisDatabase> database;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string question = base::Sha256Hex(texts[i]);
    if (const auto before = KnownMentions().Find(question)) {
      names[i] = *before;
      continue;
    }
    if (!database) {
      ARROW_ASSIGN_OR_RAISE(auto lent, AnalysisDatabase::Lend());
      database.emplace(std::move(lent));
    }
    const ParsedSelect parsed = ParseSelect(**database, texts[i]);
    if (parsed.error.empty()) names[i] = NamesOf(parsed.document);
    KnownMentions().Keep(std::move(question), names[i]);
  }
  return names;
}

}  // namespace icecore::sql
