#include "icecore/lake/snapshot.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "icecore/lake/envelope.h"

namespace icecore::lake {
namespace {

std::string KeyOf(const std::string& path, const std::optional<DeletionVector>& vector) {
  // A path has no zero byte.
  return vector.has_value() ? path + '\0' + vector->UniqueId() : path;
}

// Steps over statistics as a writer without spaces puts them down. Whatever it does not know makes
// it fail, and then somebody else has to look.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A text without escapes.
  bool TakeText(std::string_view* text) {
    if (!Take('"')) return false;
    const size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos || rest_[end] != '"') return false;
    *text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool TakeInteger(int64_t* value) {
    const char* const begin = rest_.data();
    const auto [end, error] = std::from_chars(begin, begin + rest_.size(), *value);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(end - begin));
    return !rest_.empty() && (rest_.front() == ',' || rest_.front() == '}');
  }
  // A value of any kind.
  bool Skip() {
    size_t depth = 0;
    for (size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (c == '"') {
        for (++i; i < rest_.size() && rest_[i] != '"'; ++i) i += rest_[i] == '\\' ? 1 : 0;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == '}')) {
        rest_.remove_prefix(i);
        return i > 0;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return false;
        --depth;
      }
    }
    return false;
  }

 private:
  std::string_view rest_;
};

// The column's integer in an object of columns.
bool TakeBound(std::string_view column, Scanner* scanner, std::optional<int64_t>* bound) {
  if (!scanner->Take('{')) return false;
  if (scanner->Take('}')) return true;
  do {
    std::string_view name;
    if (!scanner->TakeText(&name) || !scanner->Take(':')) return false;
    int64_t value = 0;
    if (name != column) {
      if (!scanner->Skip()) return false;
    } else if (bound->has_value() || !scanner->TakeInteger(&value)) {
      return false;
    } else {
      *bound = value;
    }
  } while (scanner->Take(','));
  return scanner->Take('}');
}

// The column's range where the statistics are of the plain kind that nearly all have: a table of
// many files is asked at each step, and a document for each would be most of its work.
std::optional<DataFile::Range> PlainRange(std::string_view stats, std::string_view column) {
  Scanner scanner(stats);
  std::optional<int64_t> min;
  std::optional<int64_t> max;
  if (!scanner.Take('{')) return std::nullopt;
  do {
    std::string_view section;
    if (!scanner.TakeText(&section) || !scanner.Take(':')) return std::nullopt;
    const bool is_bound = section == "minValues" || section == "maxValues";
    if (!(is_bound ? TakeBound(column, &scanner, section == "minValues" ? &min : &max)
                   : scanner.Skip())) {
      return std::nullopt;
    }
  } while (scanner.Take(','));
  return scanner.Take('}') && min && max ? std::optional(DataFile::Range{*min, *max})
                                         : std::nullopt;
}

}  // namespace

std::string DeletionVector::UniqueId() const {
  std::string id = storage_type + path_or_inline_dv;
  if (offset.has_value()) {
    id += "@" + std::to_string(*offset);
  }
  return id;
}

std::string DataFile::Key() const { return KeyOf(path, deletion_vector); }
std::string RemovedFile::Key() const { return KeyOf(path, deletion_vector); }

std::optional<DataFile::Range> DataFile::IntRange(std::string_view column) const {
  if (stats_json.empty()) {
    return std::nullopt;
  }
  if (const auto plain = PlainRange(stats_json, column)) {
    return plain;
  }
  const auto stats = nlohmann::json::parse(stats_json, nullptr, false);
  const auto bound = [&](const char* which) -> std::optional<int64_t> {
    const auto values = stats.find(which);
    if (values == stats.end() || !values->is_object()) {
      return std::nullopt;
    }
    const auto value = values->find(column);
    return value != values->end() && value->is_number_integer()
               ? std::optional(value->get<int64_t>())
               : std::nullopt;
  };
  if (!stats.is_object()) {
    return std::nullopt;
  }
  const auto min = bound("minValues");
  const auto max = bound("maxValues");
  if (!min.has_value() || !max.has_value()) {
    return std::nullopt;
  }
  return Range{.min = *min, .max = *max};
}

std::optional<int64_t> Snapshot::row_count() const {
  int64_t rows = 0;
  for (const DataFile& file : files) {
    if (!file.num_records.has_value()) {
      return std::nullopt;
    }
    rows += *file.num_records;
    rows -= file.deletion_vector.has_value() ? file.deletion_vector->cardinality : 0;
  }
  return rows;
}

int64_t Snapshot::byte_count() const {
  int64_t bytes = 0;
  for (const DataFile& file : files) {
    bytes += file.size;
  }
  return bytes;
}

std::optional<int64_t> Snapshot::Transaction(std::string_view app_id) const {
  const auto found = transactions.find(std::string(app_id));
  return found == transactions.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Snapshot::Domain(std::string_view domain) const {
  const auto found = domains.find(std::string(domain));
  return found == domains.end() ? std::nullopt : std::optional(found->second);
}

int64_t Snapshot::last_seq() const { return Transaction(kSeqTransaction).value_or(0); }

}  // namespace icecore::lake
