#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse.h"

namespace icecore::spec {
namespace {

constexpr int kMaxDepth = 32;
constexpr int kMaxDecimalDigits = 38;

using TypePtr = std::shared_ptr<arrow::DataType>;

struct NamedType {
  std::string_view name;
  TypePtr (*make)();
};

const std::vector<NamedType>& SimpleTypes() {
  static const std::vector<NamedType> types = {
      {"bool", [] { return arrow::boolean(); }},
      {"int8", [] { return arrow::int8(); }},
      {"int16", [] { return arrow::int16(); }},
      {"int32", [] { return arrow::int32(); }},
      {"int64", [] { return arrow::int64(); }},
      {"uint8", [] { return arrow::uint8(); }},
      {"uint16", [] { return arrow::uint16(); }},
      {"uint32", [] { return arrow::uint32(); }},
      {"uint64", [] { return arrow::uint64(); }},
      {"float32", [] { return arrow::float32(); }},
      {"float64", [] { return arrow::float64(); }},
      {"string", [] { return arrow::utf8(); }},
      {"binary", [] { return arrow::binary(); }},
      {"date", [] { return arrow::date32(); }},
      {"time", [] { return arrow::time64(arrow::TimeUnit::MICRO); }},
      {"timestamp", [] { return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"); }},
      {"local_timestamp", [] { return arrow::timestamp(arrow::TimeUnit::MICRO); }},
  };
  return types;
}

std::vector<std::string> TypeNames() {
  std::vector<std::string> names = {"decimal(p,s)", "list<T>", "struct<a: T>", "map<K,V>",
                                    "embedding(n)"};
  for (const NamedType& type : SimpleTypes()) {
    names.emplace_back(type.name);
  }
  return names;
}

// What people write for these types elsewhere.
std::string_view OtherSpelling(std::string_view word) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"int", "int64"},      {"integer", "int64"},      {"bigint", "int64"},
      {"long", "int64"},     {"smallint", "int16"},     {"float", "float64"},
      {"double", "float64"}, {"real", "float32"},       {"text", "string"},
      {"varchar", "string"}, {"str", "string"},         {"utf8", "string"},
      {"boolean", "bool"},   {"bytes", "binary"},       {"blob", "binary"},
      {"date32", "date"},    {"datetime", "timestamp"}, {"timestamptz", "timestamp"}};
  for (const auto& [other, ours] : kWords) {
    if (other == word) {
      return ours;
    }
  }
  return "";
}

class TypeParser {
 public:
  explicit TypeParser(const std::string& text) : text_(text), rest_(text) {}

  arrow::Result<TypePtr> ParseAll() {
    ARROW_ASSIGN_OR_RAISE(TypePtr type, Parse(0));
    SkipSpace();
    if (!rest_.empty()) {
      return Fail("nothing is expected after '" + text_.substr(0, text_.size() - rest_.size()) +
                  "'");
    }
    return type;
  }

 private:
  arrow::Status Fail(const std::string& why) const {
    return base::MakeError(base::ErrorCode::kInvalidDefinition,
                           "'" + text_ + "' is not a type: " + why);
  }

  void SkipSpace() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  bool Accept(char c) {
    SkipSpace();
    if (!rest_.starts_with(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  arrow::Status Expect(char c) {
    return Accept(c) ? arrow::Status::OK() : Fail(std::string("'") + c + "' is missing");
  }

  std::string_view Word(std::string_view ends) {
    SkipSpace();
    const size_t size = std::min(rest_.find_first_of(ends), rest_.size());
    std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    while (word.ends_with(' ')) {
      word.remove_suffix(1);
    }
    return word;
  }

  arrow::Result<int> Number() {
    const std::string_view word = Word(",)");
    int number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || error != std::errc() || end != word.data() + word.size() || number < 0) {
      return Fail("'" + std::string(word) + "' is not a whole number");
    }
    return number;
  }

  arrow::Result<TypePtr> Parse(int depth) {
    if (depth > kMaxDepth) {
      return Fail("more than " + std::to_string(kMaxDepth) + " levels");
    }
    const std::string_view word = Word("<(,>): ");
    for (const NamedType& type : SimpleTypes()) {
      if (type.name == word) {
        return type.make();
      }
    }
    if (word == "decimal") {
      return ParseDecimal();
    }
    if (word == "embedding") {
      return ParseEmbedding();
    }
    if (word == "list") {
      ARROW_RETURN_NOT_OK(Expect('<'));
      ARROW_ASSIGN_OR_RAISE(TypePtr item, Parse(depth + 1));
      ARROW_RETURN_NOT_OK(Expect('>'));
      return arrow::list(item);
    }
    if (word == "map") {
      ARROW_RETURN_NOT_OK(Expect('<'));
      ARROW_ASSIGN_OR_RAISE(TypePtr key, Parse(depth + 1));
      ARROW_RETURN_NOT_OK(Expect(','));
      ARROW_ASSIGN_OR_RAISE(TypePtr item, Parse(depth + 1));
      ARROW_RETURN_NOT_OK(Expect('>'));
      return arrow::map(key, item);
    }
    if (word == "struct") {
      return ParseStruct(depth);
    }
    if (const std::string_view ours = OtherSpelling(word); !ours.empty()) {
      return Fail("it is written '" + std::string(ours) + "' here");
    }
    return Fail("unknown type '" + std::string(word) + "'" + base::DidYouMean(word, TypeNames()));
  }

  arrow::Result<TypePtr> ParseDecimal() {
    ARROW_RETURN_NOT_OK(Expect('('));
    ARROW_ASSIGN_OR_RAISE(const int precision, Number());
    ARROW_RETURN_NOT_OK(Expect(','));
    ARROW_ASSIGN_OR_RAISE(const int scale, Number());
    ARROW_RETURN_NOT_OK(Expect(')'));
    if (precision < 1 || precision > kMaxDecimalDigits || scale > precision) {
      return Fail("a decimal has 1 to 38 digits, and no more of them after the point");
    }
    return arrow::decimal128(precision, scale);
  }

  arrow::Result<TypePtr> ParseEmbedding() {
    ARROW_RETURN_NOT_OK(Expect('('));
    ARROW_ASSIGN_OR_RAISE(const int length, Number());
    ARROW_RETURN_NOT_OK(Expect(')'));
    if (length < 1) {
      return Fail("an embedding has at least one number");
    }
    return arrow::list(arrow::float32());
  }

  arrow::Result<TypePtr> ParseStruct(int depth) {
    ARROW_RETURN_NOT_OK(Expect('<'));
    arrow::FieldVector fields;
    do {
      const std::string name(Word(":<>,"));
      if (name.empty()) {
        return Fail("a field of a struct has no name");
      }
      ARROW_RETURN_NOT_OK(Expect(':'));
      ARROW_ASSIGN_OR_RAISE(TypePtr type, Parse(depth + 1));
      for (const auto& field : fields) {
        if (field->name() == name) {
          return Fail("two fields are called '" + name + "'");
        }
      }
      fields.push_back(arrow::field(name, std::move(type)));
    } while (Accept(','));
    ARROW_RETURN_NOT_OK(Expect('>'));
    return arrow::struct_(fields);
  }

  const std::string& text_;
  std::string_view rest_;
};

std::string StructText(const arrow::DataType& type) {
  std::string text = "struct<";
  for (int i = 0; i < type.num_fields(); ++i) {
    text += (i > 0 ? ", " : "") + type.field(i)->name() + ": " + TypeText(*type.field(i)->type());
  }
  return text + ">";
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::DataType>> ParseType(const std::string& text) {
  return TypeParser(text).ParseAll();
}

std::string TypeText(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "local_timestamp"
                                                                               : "timestamp";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return "time";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "date";
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "string";
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return "binary";
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return "decimal(" + std::to_string(decimal.precision()) + "," +
             std::to_string(decimal.scale()) + ")";
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return "list<" + TypeText(*type.field(0)->type()) + ">";
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      return "map<" + TypeText(*map.key_type()) + "," + TypeText(*map.item_type()) + ">";
    }
    case arrow::Type::STRUCT:
      return StructText(type);
    default:
      break;
  }
  for (const NamedType& named : SimpleTypes()) {
    if (named.make()->id() == type.id()) {
      return std::string(named.name);
    }
  }
  return type.ToString();
}

}  // namespace icecore::spec
