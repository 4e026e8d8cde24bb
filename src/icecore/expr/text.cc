#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>
#include <arrow/type.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;
using arrow::Status;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Bytes of the code point at `at`.
size_t CodePointBytes(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && IsContinuation(text[end])) {
    ++end;
  }
  return end - at;
}

int64_t CodePoints(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); });
}

// `%`: any text; `_`: one code point. Linear in practice: only the last `%` is ever retried.
bool Like(std::string_view text, std::string_view pattern) {
  constexpr size_t kNone = std::string_view::npos;
  size_t t = 0;
  size_t p = 0;
  size_t star = kNone;
  size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      t += CodePointBytes(text, t);
      ++p;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++t;
      ++p;
    } else if (star != kNone) {
      p = star;
      resume += CodePointBytes(text, resume);
      t = resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') {
    ++p;
  }
  return p == pattern.size();
}

class LikeTest final : public Operator {
 public:
  LikeTest(Place place, OperatorPtr value, OperatorPtr pattern)
      : Operator(MakeType(Kind::kBool), place),
        value_(std::move(value)),
        pattern_(std::move(pattern)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr pattern, pattern_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kBool, RowsOf(frame, rows));
    IntersectValidity(*value, *pattern, out.get());
    for (int64_t i = 0; i < out->size; ++i) {
      if (out->IsValid(i)) {
        bool like = Like(value->strings[value->At(i)], pattern->strings[pattern->At(i)]);
        out->ints[static_cast<size_t>(i)] = like ? 1 : 0;
      }
    }
    return out;
  }

 private:
  OperatorPtr value_;
  OperatorPtr pattern_;
};

Status InitializeCompute() {
  static const Status status = arrow::compute::Initialize();
  return status;
}

Result<std::shared_ptr<arrow::Array>> Search(const std::shared_ptr<arrow::Array>& values,
                                             const std::string& pattern) {
  ARROW_RETURN_NOT_OK(InitializeCompute());
  arrow::compute::MatchSubstringOptions options(pattern);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum result,
                        arrow::compute::CallFunction("match_substring_regex", {values}, &options));
  return result.make_array();
}

// RE2's partial match.
class MatchesTest final : public Operator {
 public:
  MatchesTest(Place place, OperatorPtr value, std::string pattern)
      : Operator(MakeType(Kind::kBool), place),
        value_(std::move(value)),
        pattern_(std::move(pattern)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array,
                          ToArrow(*value, value_->type(), value->size));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> found, Search(array, pattern_));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr result, FromArrow(found, type()));
    if (!value->constant) {
      return result;
    }
    auto constant = std::make_shared<Values>(*result);
    constant->constant = true;
    return constant;
  }

 private:
  OperatorPtr value_;
  std::string pattern_;
};

// length: code points of a string, bytes of a binary, elements of a list.
class Length final : public Operator {
 public:
  Length(Place place, OperatorPtr value)
      : Operator(MakeType(Kind::kInt), place), value_(std::move(value)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kInt, value->size);
    out->constant = value->constant;
    out->valid = value->valid;
    for (size_t i = 0; i < out->ints.size(); ++i) {
      switch (value_->type().kind) {
        case Kind::kString:
          out->ints[i] = CodePoints(value->strings[i]);
          break;
        case Kind::kBinary:
          out->ints[i] = static_cast<int64_t>(value->strings[i].size());
          break;
        default:
          out->ints[i] = value->lists.lengths[i];
          break;
      }
    }
    return out;
  }

 private:
  OperatorPtr value_;
};

class ChangeCase final : public Operator {
 public:
  ChangeCase(Place place, OperatorPtr value, bool upper)
      : Operator(MakeType(Kind::kString), place), value_(std::move(value)), upper_(upper) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    ARROW_RETURN_NOT_OK(InitializeCompute());
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array,
                          ToArrow(*value, value_->type(), value->size));
    ARROW_ASSIGN_OR_RAISE(arrow::Datum changed, arrow::compute::CallFunction(
                                                    upper_ ? "utf8_upper" : "utf8_lower", {array}));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr result, FromArrow(changed.make_array(), type()));
    auto out = std::make_shared<Values>(*result);
    out->constant = value->constant;
    return out;
  }

 private:
  OperatorPtr value_;
  bool upper_;
};

// Code points from `start` (1 is the first, -1 the last), at most `length` of them. Positions
// before the first count towards the length.
std::string_view Substring(std::string_view text, int64_t start, int64_t length) {
  int64_t size = CodePoints(text);
  Int128 first = start < 0 ? static_cast<Int128>(start) + size : static_cast<Int128>(start) - 1;
  Int128 last = first + std::max<int64_t>(length, 0);
  first = std::max<Int128>(first, 0);
  last = std::min<Int128>(last, size);
  if (first >= last) {
    return {};
  }
  size_t begin = 0;
  for (Int128 i = 0; i < first; ++i) {
    begin += CodePointBytes(text, begin);
  }
  size_t end = begin;
  for (Int128 i = first; i < last; ++i) {
    end += CodePointBytes(text, end);
  }
  return text.substr(begin, end - begin);
}

class Substr final : public Operator {
 public:
  Substr(Place place, std::vector<OperatorPtr> arguments)
      : Operator(MakeType(Kind::kString), place), arguments_(std::move(arguments)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr text, arguments_[0]->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr start, arguments_[1]->Run(frame, rows));
    ValuesPtr length;
    if (arguments_.size() > 2) {
      ARROW_ASSIGN_OR_RAISE(length, arguments_[2]->Run(frame, rows));
    }
    std::shared_ptr<Values> out = MakeValues(Kind::kString, RowsOf(frame, rows));
    out->owners = text->owners;
    for (int64_t i = 0; i < out->size; ++i) {
      if (!text->IsValid(i) || !start->IsValid(i) || (length != nullptr && !length->IsValid(i))) {
        SetNull(out.get(), i);
        continue;
      }
      out->strings[static_cast<size_t>(i)] =
          Substring(text->strings[text->At(i)], start->ints[start->At(i)],
                    length != nullptr ? length->ints[length->At(i)] : INT64_MAX);
    }
    return out;
  }

 private:
  std::vector<OperatorPtr> arguments_;
};

}  // namespace

Result<OperatorPtr> MakeLike(Place place, OperatorPtr value, OperatorPtr pattern) {
  return std::make_unique<LikeTest>(place, std::move(value), std::move(pattern));
}

Result<OperatorPtr> MakeMatches(Place place, OperatorPtr value, const std::string& pattern) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Append(""));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> probe, builder.Finish());
  Status status = Search(probe, pattern).status();
  if (!status.ok()) {
    return place.source->Error(
        place.begin, "'" + pattern + "' is not a regular expression (RE2): " + status.message());
  }
  return std::make_unique<MatchesTest>(place, std::move(value), pattern);
}

Result<OperatorPtr> MakeTextFunction(const std::string& name, Place place,
                                     std::vector<OperatorPtr> arguments) {
  if (name == "length") {
    return std::make_unique<Length>(place, std::move(arguments[0]));
  }
  if (name == "substr") {
    return std::make_unique<Substr>(place, std::move(arguments));
  }
  return std::make_unique<ChangeCase>(place, std::move(arguments[0]), name == "upper");
}

}  // namespace icecore::expr
