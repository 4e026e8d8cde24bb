#include "icecore/ingest/files/json_object.h"

#include <array>
#include <bitset>
#include <cstddef>
#include <limits>
#include <optional>

namespace icecore::ingest {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexValue(char c) {
  if (IsDigit(c)) {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

// The four hex digits at `at`, or nullopt.
std::optional<uint32_t> HexUnit(std::string_view text, size_t at) {
  if (text.size() < at + 4) {
    return std::nullopt;
  }
  uint32_t unit = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const int value = HexValue(text[i]);
    if (value < 0) {
      return std::nullopt;
    }
    unit = unit * 16 + static_cast<uint32_t>(value);
  }
  return unit;
}

// Bytes at which a string does not just go on.
constexpr std::array<bool, 256> kStopsString = [] {
  std::array<bool, 256> stops{};
  for (size_t byte = 0; byte < 0x20; ++byte) {
    stops[byte] = true;
  }
  stops['"'] = stops['\\'] = true;
  return stops;
}();

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void AppendUtf8(uint32_t code, std::string* out) {
  const auto byte = [out](uint32_t value) { out->push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

// Moves over tokens; the first thing that is wrong is remembered and stops it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  const std::string& problem() const { return problem_; }
  size_t position() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }

  bool Fail(std::string_view expected) {
    if (problem_.empty()) {
      problem_ = std::string(expected) + " expected at byte " + std::to_string(at_ + 1);
      if (at_end()) {
        problem_ += ", where the text ends";
      }
    }
    return false;
  }

  void SkipSpace() {
    while (!at_end() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool Take(char c) {
    if (!at_end() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  // A string with its quotes; *content is what is between them.
  bool TakeString(std::string_view* content, bool* escaped) {
    if (!Take('"')) {
      return Fail("a string");
    }
    const size_t begin = at_;
    *escaped = false;
    while (true) {
      while (!at_end() && !kStopsString[static_cast<unsigned char>(text_[at_])]) {
        ++at_;
      }
      if (at_end()) {
        return Fail("'\"'");
      }
      const char c = text_[at_];
      if (c == '"') {
        *content = text_.substr(begin, at_ - begin);
        ++at_;
        return true;
      }
      if (c != '\\') {
        return Fail("an escape for a control character");
      }
      ++at_;
      *escaped = true;
      if (!TakeEscape()) {
        return false;
      }
    }
  }

  // A number, true, false or null.
  bool TakeLiteral(JsonMember::Kind* kind) {
    if (const char c = peek(); c == 't' || c == 'f') {
      *kind = JsonMember::Kind::kBool;
      return TakeWord(c == 't' ? "true" : "false");
    } else if (c == 'n') {
      *kind = JsonMember::Kind::kNull;
      return TakeWord("null");
    }
    *kind = JsonMember::Kind::kNumber;
    return TakeNumber();
  }

  // An object or array with everything in it, without recursion.
  bool TakeContainer() {
    std::bitset<kMaxJsonDepth> is_object;  // of the open containers, by depth
    int depth = 0;
    bool value_next = true;  // else a ',' or the end of the container
    do {
      SkipSpace();
      if (value_next) {
        const char c = peek();
        if (c == '{' || c == '[') {
          if (depth == kMaxJsonDepth) {
            return Fail("nesting of at most " + std::to_string(kMaxJsonDepth) + " levels");
          }
          ++at_;
          is_object[static_cast<size_t>(depth++)] = c == '{';
          SkipSpace();
          if (Take(c == '{' ? '}' : ']')) {
            --depth;
            value_next = false;
          } else if (c == '{' && !TakeKey()) {
            return false;
          }
        } else {
          if (!TakeScalar()) {
            return false;
          }
          value_next = false;
        }
      } else if (Take(',')) {
        value_next = true;
        SkipSpace();
        if (is_object[static_cast<size_t>(depth - 1)] && !TakeKey()) {
          return false;
        }
      } else if (Take(is_object[static_cast<size_t>(depth - 1)] ? '}' : ']')) {
        --depth;
      } else {
        return Fail(is_object[static_cast<size_t>(depth - 1)] ? "',' or '}'" : "',' or ']'");
      }
    } while (depth > 0);
    return true;
  }

 private:
  bool TakeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) {
      return Fail("a value");
    }
    at_ += word.size();
    return true;
  }

  bool TakeKey() {
    std::string_view key;
    bool escaped = false;
    if (!TakeString(&key, &escaped)) {
      return false;
    }
    SkipSpace();
    return Take(':') || Fail("':'");
  }

  bool TakeScalar() {
    if (peek() == '"') {
      std::string_view content;
      bool escaped = false;
      return TakeString(&content, &escaped);
    }
    JsonMember::Kind kind;
    return TakeLiteral(&kind);
  }

  // What follows a backslash. Half of a surrogate pair is no text.
  bool TakeEscape() {
    const char c = peek();
    if (!at_end() && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
      ++at_;
      return true;
    }
    const std::optional<uint32_t> unit = c == 'u' ? HexUnit(text_, at_ + 1) : std::nullopt;
    if (!unit || IsLowSurrogate(*unit)) {
      return Fail("an escape of JSON");
    }
    if (IsHighSurrogate(*unit)) {
      const std::optional<uint32_t> low =
          text_.substr(at_ + 5, 2) == "\\u" ? HexUnit(text_, at_ + 7) : std::nullopt;
      if (!low || !IsLowSurrogate(*low)) {
        return Fail("a whole surrogate pair");
      }
      at_ += 6;
    }
    at_ += 5;
    return true;
  }

  bool TakeDigits() {
    const size_t begin = at_;
    while (IsDigit(peek())) {
      ++at_;
    }
    return at_ > begin;
  }

  bool TakeNumber() {
    const size_t begin = at_;
    Take('-');
    if (!Take('0') && !TakeDigits()) {
      at_ = begin;
      return Fail("a value");
    }
    if (Take('.') && !TakeDigits()) {
      return Fail("a digit");
    }
    if (Take('e') || Take('E')) {
      if (!Take('-')) {
        Take('+');
      }
      if (!TakeDigits()) {
        return Fail("a digit");
      }
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::string problem_;
};

bool TakeValue(Scanner* scanner, std::string_view text, JsonMember* member) {
  scanner->SkipSpace();
  if (scanner->peek() == '"') {
    member->kind = JsonMember::Kind::kString;
    return scanner->TakeString(&member->text, &member->escaped);
  }
  const size_t begin = scanner->position();
  if (scanner->peek() == '{' || scanner->peek() == '[') {
    member->kind = JsonMember::Kind::kContainer;
    if (!scanner->TakeContainer()) {
      return false;
    }
  } else if (!scanner->TakeLiteral(&member->kind)) {
    return false;
  }
  member->text = text.substr(begin, scanner->position() - begin);
  return true;
}

bool TakeMember(Scanner* scanner, std::string_view text, JsonMember* member) {
  scanner->SkipSpace();
  if (!scanner->TakeString(&member->key, &member->key_escaped)) {
    return false;
  }
  scanner->SkipSpace();
  if (!scanner->Take(':')) {
    return scanner->Fail("':'");
  }
  return TakeValue(scanner, text, member);
}

// A container and nothing behind it; `take` one of what it holds.
template <typename TakeOne>
std::string SplitContainer(std::string_view text, char begin, char end, size_t max_members,
                           const TakeOne& take, std::vector<JsonMember>* members) {
  members->clear();
  Scanner scanner(text);
  scanner.SkipSpace();
  if (!scanner.Take(begin)) {
    scanner.Fail("'" + std::string(1, begin) + "'");
    return scanner.problem();
  }
  scanner.SkipSpace();
  bool open = !scanner.Take(end);
  while (open) {
    if (!take(&scanner, text, &members->emplace_back())) {
      return scanner.problem();
    }
    if (members->size() > max_members) {
      return "";
    }
    scanner.SkipSpace();
    if (scanner.Take(end)) {
      open = false;
    } else if (!scanner.Take(',')) {
      scanner.Fail("',' or '" + std::string(1, end) + "'");
      return scanner.problem();
    }
  }
  scanner.SkipSpace();
  if (!scanner.at_end()) {
    scanner.Fail("the end of the line");
  }
  return scanner.problem();
}

}  // namespace

std::string SplitJsonObject(std::string_view text, std::vector<JsonMember>* members) {
  return SplitContainer(text, '{', '}', std::numeric_limits<size_t>::max(), TakeMember, members);
}

std::string SplitJsonArray(std::string_view text, size_t max_elements,
                           std::vector<JsonMember>* elements) {
  return SplitContainer(text, '[', ']', max_elements, TakeValue, elements);
}

void DecodeJsonString(std::string_view escaped, std::string* out) {
  out->clear();
  out->reserve(escaped.size());
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '\\' || i + 1 == escaped.size()) {
      out->push_back(escaped[i]);
      continue;
    }
    const char c = escaped[++i];
    constexpr std::string_view kNames = "bfnrt";
    constexpr std::string_view kBytes = "\b\f\n\r\t";
    const size_t named = kNames.find(c);
    if (named != std::string_view::npos) {
      out->push_back(kBytes[named]);
    } else if (c == 'u') {
      uint32_t code = HexUnit(escaped, i + 1).value_or(0xFFFD);
      i += 4;
      if (IsHighSurrogate(code)) {
        const uint32_t low = HexUnit(escaped, i + 3).value_or(0xDC00);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      }
      AppendUtf8(code, out);
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace icecore::ingest
