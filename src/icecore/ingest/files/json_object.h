#pragma once
// One JSON object or array (RFC 8259, strict) sliced into its top-level members, without building a
// tree: values stay as they were written, digit for digit.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::ingest {

struct JsonMember {
  enum class Kind : uint8_t { kString, kNumber, kBool, kNull, kContainer };
  std::string_view key;  // between the quotes, escapes as they are; of an array's elements ""
  bool key_escaped = false;
  Kind kind = Kind::kNull;
  std::string_view text;  // of strings what is between the quotes, else the value as it stands
  bool escaped = false;   // a string with escapes: DecodeJsonString gives its text
};

// Deeper nesting is a problem of the text.
inline constexpr int kMaxJsonDepth = 512;

// Fills `members` in order with views into `text` and returns ""; or says why `text` is not one
// JSON object and nothing but white space around it. UTF-8 is not checked; the same key twice is
// not noticed.
std::string SplitJsonObject(std::string_view text, std::vector<JsonMember>* members);

// The same of an array's elements; from the first one beyond `max_elements` nothing is looked at.
std::string SplitJsonArray(std::string_view text, size_t max_elements,
                           std::vector<JsonMember>* elements);

// The text of a string that SplitJsonObject took, UTF-8.
void DecodeJsonString(std::string_view escaped, std::string* out);

}  // namespace icecore::ingest
