#include <algorithm>
#include <charconv>
#include <utility>

#include "icecore/base/text.h"
#include "icecore/expr/syntax_internal.h"

namespace icecore::expr {
namespace {

using NodePtr = std::unique_ptr<Node>;

// Recursive descent; from the weakest: or, and, not, comparisons and tests, + -, * / %, signs, ::.
class Parser {
 public:
  Parser(const SourceText& source, std::vector<Token> tokens)
      : source_(source), tokens_(std::move(tokens)) {}

  arrow::Result<NodePtr> Run() {
    if (Current().kind == TokenKind::kEnd) {
      return source_.Error(0, "the expression is empty");
    }
    ARROW_ASSIGN_OR_RAISE(NodePtr root, Or());
    if (Current().kind != TokenKind::kEnd) {
      return Unexpected("an operator or the end");
    }
    return root;
  }

 private:
  const Token& Current() const { return tokens_[index_]; }
  const Token& Following() const { return tokens_[std::min(index_ + 1, tokens_.size() - 1)]; }
  const Token& Take() { return tokens_[index_ + 1 < tokens_.size() ? index_++ : index_]; }
  bool AtKeyword(std::string_view word) const { return Current().keyword == word; }
  bool AtSymbol(std::string_view symbol) const {
    return Current().kind == TokenKind::kSymbol && Current().text == symbol;
  }
  bool TakeKeyword(std::string_view word) {
    if (!AtKeyword(word)) {
      return false;
    }
    Take();
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!AtSymbol(symbol)) {
      return false;
    }
    Take();
    return true;
  }

  arrow::Status Unexpected(std::string_view wanted) const {
    std::string found =
        Current().kind == TokenKind::kEnd
            ? "the end"
            : "'" + source_.text.substr(Current().begin, Current().end - Current().begin) + "'";
    return source_.Error(Current().begin, "expected " + std::string(wanted) + ", found " + found);
  }
  arrow::Status ExpectSymbol(std::string_view symbol) {
    return TakeSymbol(symbol) ? arrow::Status::OK() : Unexpected("'" + std::string(symbol) + "'");
  }
  arrow::Status ExpectKeyword(std::string_view word) {
    return TakeKeyword(word) ? arrow::Status::OK() : Unexpected("'" + std::string(word) + "'");
  }

  // Counts one level of recursion for as long as it lives.
  class Level {
   public:
    explicit Level(int* depth) : depth_(depth) { ++*depth_; }
    ~Level() { --*depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int* depth_;
  };
  arrow::Status CheckDepth() const {
    if (depth_ <= kMaxNesting) {
      return arrow::Status::OK();
    }
    return source_.Error(Current().begin,
                         "nested deeper than " + std::to_string(kMaxNesting) + " levels");
  }

  // Sets place and height from the children; `begin` is where the node's text starts.
  arrow::Result<NodePtr> Finish(NodePtr node, size_t begin) const {
    node->begin = begin;
    node->end = index_ > 0 ? tokens_[index_ - 1].end : begin;
    for (const NodePtr& child : node->children) {
      node->height = std::max(node->height, child->height + 1);
    }
    if (node->height > kMaxHeight) {
      return source_.Error(begin, "longer than " + std::to_string(kMaxHeight) + " operators");
    }
    return node;
  }

  template <typename... Children>
  static NodePtr Make(NodeKind kind, std::string name, Children... children) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->name = std::move(name);
    (node->children.push_back(std::move(children)), ...);
    return node;
  }

  arrow::Result<NodePtr> Or() {
    Level level(&depth_);
    ARROW_RETURN_NOT_OK(CheckDepth());
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr left, And());
    while (TakeKeyword("or")) {
      ARROW_ASSIGN_OR_RAISE(NodePtr right, And());
      ARROW_ASSIGN_OR_RAISE(
          left, Finish(Make(NodeKind::kOr, "or", std::move(left), std::move(right)), begin));
    }
    return left;
  }

  arrow::Result<NodePtr> And() {
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr left, Not());
    while (TakeKeyword("and")) {
      ARROW_ASSIGN_OR_RAISE(NodePtr right, Not());
      ARROW_ASSIGN_OR_RAISE(
          left, Finish(Make(NodeKind::kAnd, "and", std::move(left), std::move(right)), begin));
    }
    return left;
  }

  arrow::Result<NodePtr> Not() {
    if (!AtKeyword("not")) {
      return Test();
    }
    Level level(&depth_);
    ARROW_RETURN_NOT_OK(CheckDepth());
    size_t begin = Take().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr child, Not());
    return Finish(Make(NodeKind::kNot, "not", std::move(child)), begin);
  }

  bool AtComparison() const {
    return AtSymbol("=") || AtSymbol("<>") || AtSymbol("<") || AtSymbol("<=") || AtSymbol(">") ||
           AtSymbol(">=");
  }

  // Comparisons and the tests that stand behind a value.
  arrow::Result<NodePtr> Test() {
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr left, Sum());
    if (AtComparison()) {
      std::string op = Take().text;
      ARROW_ASSIGN_OR_RAISE(NodePtr right, Sum());
      if (AtComparison()) {
        return source_.Error(Current().begin, "comparisons do not chain: join them with 'and'");
      }
      ARROW_ASSIGN_OR_RAISE(
          left, Finish(Make(NodeKind::kCompare, op, std::move(left), std::move(right)), begin));
    }
    while (true) {
      if (TakeKeyword("is")) {
        bool negated = TakeKeyword("not");
        ARROW_RETURN_NOT_OK(ExpectKeyword("null"));
        NodePtr node = Make(NodeKind::kIsNull, "is null", std::move(left));
        node->negated = negated;
        ARROW_ASSIGN_OR_RAISE(left, Finish(std::move(node), begin));
        continue;
      }
      bool negated = AtKeyword("not");
      const std::string& word = negated ? Following().keyword : Current().keyword;
      if (word != "in" && word != "between" && word != "like" && word != "matches") {
        return negated ? Unexpected("an operator") : arrow::Result<NodePtr>(std::move(left));
      }
      if (negated) {
        Take();
      }
      ARROW_ASSIGN_OR_RAISE(NodePtr node, TestBehind(std::move(left)));
      node->negated = negated;
      ARROW_ASSIGN_OR_RAISE(left, Finish(std::move(node), begin));
    }
  }

  arrow::Result<NodePtr> TestBehind(NodePtr left) {
    if (TakeKeyword("in")) {
      NodePtr node = Make(NodeKind::kIn, "in", std::move(left));
      ARROW_RETURN_NOT_OK(ExpectSymbol("("));
      do {
        ARROW_ASSIGN_OR_RAISE(NodePtr item, Or());
        node->children.push_back(std::move(item));
      } while (TakeSymbol(","));
      ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
      return node;
    }
    if (TakeKeyword("between")) {
      ARROW_ASSIGN_OR_RAISE(NodePtr low, Sum());
      ARROW_RETURN_NOT_OK(ExpectKeyword("and"));
      ARROW_ASSIGN_OR_RAISE(NodePtr high, Sum());
      return Make(NodeKind::kBetween, "between", std::move(left), std::move(low), std::move(high));
    }
    bool like = AtKeyword("like");
    Take();
    ARROW_ASSIGN_OR_RAISE(NodePtr pattern, Sum());
    return Make(like ? NodeKind::kLike : NodeKind::kMatches, like ? "like" : "matches",
                std::move(left), std::move(pattern));
  }

  arrow::Result<NodePtr> Sum() {
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr left, Product());
    while (AtSymbol("+") || AtSymbol("-")) {
      std::string op = Take().text;
      ARROW_ASSIGN_OR_RAISE(NodePtr right, Product());
      ARROW_ASSIGN_OR_RAISE(
          left, Finish(Make(NodeKind::kArithmetic, op, std::move(left), std::move(right)), begin));
    }
    return left;
  }

  arrow::Result<NodePtr> Product() {
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr left, Signed());
    while (AtSymbol("*") || AtSymbol("/") || AtSymbol("%")) {
      std::string op = Take().text;
      ARROW_ASSIGN_OR_RAISE(NodePtr right, Signed());
      ARROW_ASSIGN_OR_RAISE(
          left, Finish(Make(NodeKind::kArithmetic, op, std::move(left), std::move(right)), begin));
    }
    return left;
  }

  arrow::Result<NodePtr> Signed() {
    if (!AtSymbol("-") && !AtSymbol("+")) {
      return CastChain();
    }
    Level level(&depth_);
    ARROW_RETURN_NOT_OK(CheckDepth());
    const Token& sign = Take();
    size_t begin = sign.begin;
    bool negative = sign.text == "-";
    if (negative && Current().kind == TokenKind::kInteger && Following().text != "::") {
      Token digits = Take();
      digits.text.insert(digits.text.begin(), '-');
      ARROW_ASSIGN_OR_RAISE(NodePtr literal, Integer(digits));
      return Finish(std::move(literal), begin);
    }
    ARROW_ASSIGN_OR_RAISE(NodePtr child, Signed());
    return negative ? Finish(Make(NodeKind::kNegate, "-", std::move(child)), begin)
                    : arrow::Result<NodePtr>(std::move(child));
  }

  arrow::Result<NodePtr> CastChain() {
    size_t begin = Current().begin;
    ARROW_ASSIGN_OR_RAISE(NodePtr value, Primary());
    while (TakeSymbol("::")) {
      ARROW_ASSIGN_OR_RAISE(std::string type, TypeName());
      ARROW_ASSIGN_OR_RAISE(
          value, Finish(Make(NodeKind::kCast, std::move(type), std::move(value)), begin));
    }
    return value;
  }

  arrow::Result<std::string> TypeName() {
    if (Current().kind != TokenKind::kName) {
      return Unexpected("a type");
    }
    std::string name = base::LowerText(Take().text);
    if (!TakeSymbol("(")) {
      return name;
    }
    name += '(';
    bool first = true;
    do {
      if (Current().kind != TokenKind::kInteger) {
        return Unexpected("a number");
      }
      name += first ? "" : ",";
      name += Take().text;
      first = false;
    } while (TakeSymbol(","));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return name + ")";
  }

  arrow::Result<NodePtr> Integer(const Token& token) const {
    NodePtr node = Make(NodeKind::kInteger, token.text);
    const char* end = token.text.data() + token.text.size();
    auto [stop, error] = std::from_chars(token.text.data(), end, node->int_value);
    if (error != std::errc() || stop != end) {
      return source_.Error(token.begin, token.text + " does not fit int64");
    }
    return node;
  }

  arrow::Result<NodePtr> Float(const Token& token) const {
    NodePtr node = Make(NodeKind::kFloat, token.text);
    const char* end = token.text.data() + token.text.size();
    auto [stop, error] = std::from_chars(token.text.data(), end, node->float_value);
    if (error != std::errc() || stop != end) {
      return source_.Error(token.begin, token.text + " does not fit float64");
    }
    return node;
  }

  arrow::Result<NodePtr> Primary() {
    const Token& token = Current();
    size_t begin = token.begin;
    switch (token.kind) {
      case TokenKind::kInteger: {
        ARROW_ASSIGN_OR_RAISE(NodePtr node, Integer(Take()));
        return Finish(std::move(node), begin);
      }
      case TokenKind::kFloat: {
        ARROW_ASSIGN_OR_RAISE(NodePtr node, Float(Take()));
        return Finish(std::move(node), begin);
      }
      case TokenKind::kString:
        return Finish(Make(NodeKind::kString, Take().text), begin);
      case TokenKind::kQuotedName:
        return Finish(Make(NodeKind::kColumn, Take().text), begin);
      case TokenKind::kName:
        return token.keyword.empty() ? NameOrCall() : KeywordValue();
      case TokenKind::kSymbol:
        if (TakeSymbol("(")) {
          ARROW_ASSIGN_OR_RAISE(NodePtr inner, Or());
          ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
          return inner;
        }
        break;
      case TokenKind::kEnd:
        break;
    }
    return Unexpected("a value");
  }

  arrow::Result<NodePtr> KeywordValue() {
    size_t begin = Current().begin;
    if (TakeKeyword("null")) {
      return Finish(Make(NodeKind::kNull, "null"), begin);
    }
    if (AtKeyword("true") || AtKeyword("false")) {
      NodePtr node = Make(NodeKind::kBool, Current().keyword);
      node->int_value = Take().keyword == "true" ? 1 : 0;
      return Finish(std::move(node), begin);
    }
    if (TakeKeyword("cast")) {
      ARROW_RETURN_NOT_OK(ExpectSymbol("("));
      ARROW_ASSIGN_OR_RAISE(NodePtr value, Or());
      ARROW_RETURN_NOT_OK(ExpectKeyword("as"));
      ARROW_ASSIGN_OR_RAISE(std::string type, TypeName());
      ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
      return Finish(Make(NodeKind::kCast, std::move(type), std::move(value)), begin);
    }
    if (TakeKeyword("case")) {
      return Case(begin);
    }
    return Unexpected("a value");
  }

  arrow::Result<NodePtr> Case(size_t begin) {
    NodePtr node = Make(NodeKind::kCase, "case");
    if (!AtKeyword("when")) {
      ARROW_ASSIGN_OR_RAISE(NodePtr operand, Or());
      node->has_operand = true;
      node->children.push_back(std::move(operand));
    }
    ARROW_RETURN_NOT_OK(ExpectKeyword("when"));
    do {
      ARROW_ASSIGN_OR_RAISE(NodePtr when, Or());
      ARROW_RETURN_NOT_OK(ExpectKeyword("then"));
      ARROW_ASSIGN_OR_RAISE(NodePtr then, Or());
      node->children.push_back(std::move(when));
      node->children.push_back(std::move(then));
    } while (TakeKeyword("when"));
    if (TakeKeyword("else")) {
      ARROW_ASSIGN_OR_RAISE(NodePtr otherwise, Or());
      node->has_else = true;
      node->children.push_back(std::move(otherwise));
    }
    ARROW_RETURN_NOT_OK(ExpectKeyword("end"));
    return Finish(std::move(node), begin);
  }

  arrow::Result<NodePtr> NameOrCall() {
    size_t begin = Current().begin;
    std::string name = Take().text;
    if (!TakeSymbol("(")) {
      return Finish(Make(NodeKind::kColumn, std::move(name)), begin);
    }
    NodePtr node = Make(NodeKind::kCall, base::LowerText(name));
    if (!TakeSymbol(")")) {
      do {
        ARROW_ASSIGN_OR_RAISE(NodePtr argument, Or());
        node->children.push_back(std::move(argument));
      } while (TakeSymbol(","));
      ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    }
    return Finish(std::move(node), begin);
  }

  const SourceText& source_;
  std::vector<Token> tokens_;
  size_t index_ = 0;
  int depth_ = 0;
};

void Collect(const Node& node, std::vector<std::string>* columns) {
  if (node.kind == NodeKind::kColumn &&
      std::find(columns->begin(), columns->end(), node.name) == columns->end()) {
    columns->push_back(node.name);
  }
  for (const NodePtr& child : node.children) {
    Collect(*child, columns);
  }
}

}  // namespace

arrow::Result<NodePtr> Parse(const SourceText& source) {
  ARROW_ASSIGN_OR_RAISE(std::vector<Token> tokens, Tokenize(source));
  return Parser(source, std::move(tokens)).Run();
}

std::vector<std::string> CollectColumns(const Node& root) {
  std::vector<std::string> columns;
  Collect(root, &columns);
  return columns;
}

}  // namespace icecore::expr
