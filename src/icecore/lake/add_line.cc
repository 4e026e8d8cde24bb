#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "icecore/lake/add_line_internal.h"
#include "icecore/lake/log_entry_internal.h"

namespace icecore::lake {
namespace {

// Whatever is not plain is refused: each function says false, and the line is given up.
class Scanner {
 public:
  explicit Scanner(std::string_view line) : next_(line.data()), end_(line.data() + line.size()) {}

  bool Add(DataFile* file) {
    std::string key;
    bool has_path = false;
    bool has_size = false;
    if (!(Take('{') && Text(&key) && key == "add" && Take(':') && Take('{'))) {
      return false;
    }
    do {
      if (!(Text(&key) && Take(':') && Member(key, file))) {
        return false;
      }
      has_path = has_path || key == "path";
      has_size = has_size || key == "size";
    } while (Take(','));
    return Take('}') && Take('}') && AtEnd() && has_path && has_size;
  }

 private:
  bool Member(const std::string& key, DataFile* file) {
    if (key == "path") {
      std::string encoded;
      if (!Text(&encoded)) {
        return false;
      }
      return DecodePath(encoded).Value(&file->path).ok();
    }
    if (key == "size") {
      return Number(&file->size) && file->size >= 0;
    }
    if (key == "modificationTime") {
      int64_t millis = 0;
      constexpr int64_t kMost = INT64_MAX / 1000;
      if (!Number(&millis) || millis > kMost || millis < -kMost) {
        return false;
      }
      file->modified_us = millis * 1000;
      return true;
    }
    if (key == "dataChange") {
      file->data_change = Word("true");
      return file->data_change || Word("false");
    }
    if (key == "stats") {
      file->num_records = std::nullopt;
      file->stats_json.clear();
      if (Word("null")) {
        return true;
      }
      if (!Text(&file->stats_json)) {
        return false;
      }
      file->num_records = NumRecordsOf(file->stats_json);
      return true;
    }
    if (key == "partitionValues") {
      return PartitionValues(&file->partition_values);
    }
    return Word("null");
  }

  bool PartitionValues(std::map<std::string, std::optional<std::string>>* values) {
    values->clear();
    if (Word("null")) {
      return true;
    }
    if (!Take('{')) {
      return false;
    }
    if (Take('}')) {
      return true;
    }
    std::string column;
    std::string value;
    do {
      if (!(Text(&column) && Take(':'))) {
        return false;
      }
      if (Word("null")) {
        (*values)[column] = std::nullopt;
      } else if (Text(&value)) {
        (*values)[column] = value;
      } else {
        return false;
      }
    } while (Take(','));
    return Take('}');
  }

  void SkipBlanks() {
    while (next_ < end_ && (*next_ == ' ' || *next_ == '\r' || *next_ == '\t')) {
      ++next_;
    }
  }
  bool AtEnd() {
    SkipBlanks();
    return next_ == end_;
  }
  bool Take(char wanted) {
    SkipBlanks();
    const bool is_there = next_ < end_ && *next_ == wanted;
    next_ += is_there ? 1 : 0;
    return is_there;
  }
  bool Word(std::string_view word) {
    SkipBlanks();
    const bool is_there =
        std::string_view(next_, static_cast<size_t>(end_ - next_)).starts_with(word);
    next_ += is_there ? word.size() : 0;
    return is_there;
  }

  // Of at most 18 digits; a fraction or an exponent is what follows, and no member goes on so.
  bool Number(int64_t* out) {
    constexpr ptrdiff_t kMostDigits = 18;
    SkipBlanks();
    const char* const first = next_ < end_ && *next_ == '-' ? next_ + 1 : next_;
    const auto [end, error] = std::from_chars(next_, end_, *out);
    const bool is_plain = error == std::errc() && end - first <= kMostDigits &&
                          (*first != '0' || (end - first == 1 && first == next_));
    next_ = end;
    return is_plain;
  }

  // ASCII without control characters; of escapes those of one character.
  bool Text(std::string* out) {
    out->clear();
    if (!Take('"')) {
      return false;
    }
    const char* run = next_;
    for (; next_ < end_ && *next_ != '"'; ++next_) {
      const auto byte = static_cast<unsigned char>(*next_);
      if (byte < 0x20 || byte >= 0x7f) {
        return false;
      }
      if (byte != '\\') {
        continue;
      }
      out->append(run, next_);
      ++next_;
      if (next_ == end_ || (*next_ != '"' && *next_ != '\\' && *next_ != '/')) {
        return false;
      }
      run = next_;  // the escaped character is what it stands for
    }
    if (next_ == end_) {
      return false;
    }
    out->append(run, next_);
    ++next_;
    return true;
  }

  const char* next_;
  const char* const end_;
};

}  // namespace

bool ParseAddLine(std::string_view line, DataFile* file) { return Scanner(line).Add(file); }

}  // namespace icecore::lake
