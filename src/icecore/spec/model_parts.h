#pragma once
// What definitions of every kind are made of.

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::spec {

using base::Location;

// What every kind, column and feature may carry; changes no fingerprint.
struct Documentation {
  std::string description;
  std::string owner;
  std::vector<std::string> tags;
  bool deprecated = false;
  std::string unit;      // columns and features only
  std::string classify;  // columns and features only
};

enum class Severity { kWarn, kError, kFail };

// A literal of YAML (default:, in:, between:), typed later against its column.
struct Literal {
  enum class Kind { kNull, kBool, kInt, kFloat, kString } kind = Kind::kNull;
  bool bool_value = false;
  int64_t int_value = 0;
  double float_value = 0;
  std::string string_value;  // the text as written, for every kind
  Location location;
};

// Text in the expression language (where, expect, when, expression).
struct ExpressionText {
  std::string text;
  Location location;
};

}  // namespace icecore::spec
