#pragma once
// The kind `test`: rows given, a question, the answer expected.

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/spec/model_parts.h"

namespace icecore::spec {

// A value as written, typed later against its column.
struct TestValue {
  std::string name;  // of the column, key or feature
  bool is_null = false;
  bool is_json = false;  // a list or map, as JSON in `text`
  std::string text;
  Location location;
};

struct TestTable {
  std::string name;  // full
  std::vector<std::vector<TestValue>> rows;
  Location location;
};

struct DefinitionTest {
  std::string name;
  std::vector<TestTable> given;
  std::string service;
  Location service_location;
  int64_t at_us = 0;
  std::vector<TestValue> ask;     // keys and request data
  std::vector<TestValue> expect;  // features, by their final names
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written
};

}  // namespace icecore::spec
