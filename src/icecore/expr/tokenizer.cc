#include <algorithm>
#include <array>
#include <cctype>

#include "icecore/base/text.h"
#include "icecore/expr/syntax_internal.h"

namespace icecore::expr {
namespace {

constexpr std::array<std::string_view, 18> kKeywords = {
    "and", "as",   "between", "case", "cast", "else", "end",  "false", "in",
    "is",  "like", "matches", "not",  "null", "or",   "then", "true",  "when"};

bool IsNameStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

std::string Shorten(std::string_view text) {
  constexpr size_t kShown = 120;
  if (text.size() <= kShown) {
    return std::string(text);
  }
  size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) {
    --cut;
  }
  return std::string(text.substr(0, cut)) + "…";
}

class Scanner {
 public:
  explicit Scanner(const SourceText& source) : source_(source), text_(source.text) {}

  arrow::Result<std::vector<Token>> Run() {
    if (text_.size() > kMaxTextBytes) {
      return source_.Error(0, "the expression is longer than 64 KiB");
    }
    std::vector<Token> tokens;
    while (true) {
      while (position_ < text_.size() &&
             std::isspace(static_cast<unsigned char>(text_[position_])) != 0) {
        ++position_;
      }
      Token token;
      token.begin = position_;
      if (position_ == text_.size()) {
        token.end = position_;
        tokens.push_back(std::move(token));
        return tokens;
      }
      ARROW_RETURN_NOT_OK(Next(&token));
      token.end = position_;
      tokens.push_back(std::move(token));
    }
  }

 private:
  char Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  arrow::Status Next(Token* token) {
    char c = Peek();
    if (IsNameStart(c)) {
      Name(token);
      return arrow::Status::OK();
    }
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      return Number(token);
    }
    if (c == '\'' || c == '"') {
      return Quoted(token, c);
    }
    return Symbol(token);
  }

  void Name(Token* token) {
    token->kind = TokenKind::kName;
    size_t begin = position_;
    while (position_ < text_.size() && IsNamePart(text_[position_])) {
      ++position_;
    }
    token->text = std::string(text_.substr(begin, position_ - begin));
    const std::string lower = base::LowerText(token->text);
    if (std::find(kKeywords.begin(), kKeywords.end(), lower) != kKeywords.end()) {
      token->keyword = lower;
    }
  }

  arrow::Status Number(Token* token) {
    size_t begin = position_;
    token->kind = TokenKind::kInteger;
    while (IsDigit(Peek())) {
      ++position_;
    }
    if (Peek() == '.') {
      token->kind = TokenKind::kFloat;
      ++position_;
      while (IsDigit(Peek())) {
        ++position_;
      }
    }
    if (Peek() == 'e' || Peek() == 'E') {
      size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        token->kind = TokenKind::kFloat;
        position_ += 1 + sign;
        while (IsDigit(Peek())) {
          ++position_;
        }
      }
    }
    if (IsNamePart(Peek()) || Peek() == '.') {
      return source_.Error(begin, "this is neither a number nor a name");
    }
    token->text = std::string(text_.substr(begin, position_ - begin));
    return arrow::Status::OK();
  }

  arrow::Status Quoted(Token* token, char quote) {
    token->kind = quote == '\'' ? TokenKind::kString : TokenKind::kQuotedName;
    size_t begin = position_++;
    while (true) {
      if (position_ >= text_.size()) {
        return source_.Error(begin, std::string("a ") + quote + " is not closed");
      }
      if (text_[position_] == quote) {
        if (Peek(1) != quote) {
          ++position_;
          return arrow::Status::OK();
        }
        ++position_;
      }
      token->text += text_[position_++];
    }
  }

  arrow::Status Symbol(Token* token) {
    static constexpr std::array<std::string_view, 17> kSymbols = {
        "<>", "!=", "<=", ">=", "::", "==", "--", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")"};
    token->kind = TokenKind::kSymbol;
    for (std::string_view symbol : kSymbols) {
      if (text_.substr(position_, symbol.size()) != symbol) {
        continue;
      }
      if (symbol == "==") {
        return source_.Error(position_, "'==' is written '='");
      }
      if (symbol == "--") {
        return source_.Error(position_,
                             "expressions have no comments; a double sign is written '- -x'");
      }
      token->text = symbol == "!=" ? "<>" : symbol;
      position_ += symbol.size();
      return arrow::Status::OK();
    }
    if (Peek() == ',') {
      token->text = ",";
      ++position_;
      return arrow::Status::OK();
    }
    return source_.Error(position_, std::string("unexpected character '") + Peek() + "'");
  }

  const SourceText& source_;
  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

arrow::Status SourceText::Error(size_t position, std::string_view message) const {
  base::Location place = location;
  auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(position, text.size()));
  if (place.line > 0) {
    place.line += static_cast<int>(std::count(text.begin(), end, '\n'));
  }
  return base::MakeErrorAt(base::ErrorCode::kInvalidDefinition, place,
                           std::string(message) + ", in the expression: " + Shorten(text));
}

arrow::Status SourceText::ValueError(size_t begin, size_t end, std::string_view message) const {
  base::Location place = location;
  if (place.line > 0) {
    auto stop = text.begin() + static_cast<std::ptrdiff_t>(std::min(begin, text.size()));
    place.line += static_cast<int>(std::count(text.begin(), stop, '\n'));
  }
  return base::MakeErrorAt(base::ErrorCode::kBadInput, place,
                           "'" + Shorten(std::string_view(text).substr(begin, end - begin)) +
                               "': " + std::string(message));
}

arrow::Result<std::vector<Token>> Tokenize(const SourceText& source) {
  return Scanner(source).Run();
}

}  // namespace icecore::expr
