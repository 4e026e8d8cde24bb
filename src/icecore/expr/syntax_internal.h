#pragma once
// Text of an expression -> tree. No types, no columns: those are binder_internal.h's.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::expr {

inline constexpr int kMaxNesting = 200;  // parentheses, calls, case, not, signs
inline constexpr int kMaxHeight =
    500;  // of the tree, chains such as a + b + c … included; each is a frame or two
inline constexpr size_t kMaxTextBytes = 65536;

// The text with its place in a file; makes errors that show both.
struct SourceText {
  std::string text;
  base::Location location;

  // kInvalidDefinition at the line of byte `position`, the expression quoted behind the message.
  arrow::Status Error(size_t position, std::string_view message) const;
  // A value met at run time that has no result (kBadInput), naming the part text[begin, end).
  arrow::Status ValueError(size_t begin, size_t end, std::string_view message) const;
};

enum class TokenKind { kEnd, kName, kQuotedName, kInteger, kFloat, kString, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;     // unquoted; symbols and digits as written
  std::string keyword;  // lower case, of names that are reserved words; else ""
  size_t begin = 0;     // bytes of the source text
  size_t end = 0;
};

// Ends with a kEnd token.
arrow::Result<std::vector<Token>> Tokenize(const SourceText& source);

enum class NodeKind {
  kColumn,  // name
  kNull,
  kBool,        // int_value
  kInteger,     // int_value
  kFloat,       // float_value
  kString,      // name
  kNegate,      // child
  kNot,         // child
  kArithmetic,  // name: + - * / %; two children
  kCompare,     // name: = <> < <= > >=; two children
  kAnd,         // two children
  kOr,          // two children
  kIsNull,      // child; negated
  kIn,          // value, items…; negated
  kBetween,     // value, low, high; negated
  kLike,        // value, pattern; negated
  kMatches,     // value, pattern; negated
  kCase,        // [operand], (when, then)…, [else]
  kCast,        // child; name: the type as written
  kCall,        // name (lower case); arguments
};

struct Node {
  NodeKind kind = NodeKind::kNull;
  std::string name;
  int64_t int_value = 0;
  double float_value = 0;
  bool negated = false;
  bool has_operand = false;  // kCase
  bool has_else = false;     // kCase
  std::vector<std::unique_ptr<Node>> children;
  size_t begin = 0;
  size_t end = 0;
  int height = 1;
};

arrow::Result<std::unique_ptr<Node>> Parse(const SourceText& source);

// Each column once, in order of first use.
std::vector<std::string> CollectColumns(const Node& root);

}  // namespace icecore::expr
