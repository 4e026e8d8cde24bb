#pragma once
// YAML files of a project -> spec::Project.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/spec/model.h"

namespace icecore::spec {

// Reads ROOT/icecore.yaml and every definitions/**/*.yaml (in lexicographic order), expands
// variables and templates, and checks all that needs no data: unknown and duplicate keys (with the
// nearest valid name), wrong types, missing keys, duplicate names, references between definitions,
// name clashes inside a view and a service, durations, windows. Every finding goes to `diagnostics`
// with file and line, all at once; the project is usable only when diagnostics has no errors. A
// missing icecore.yaml is kNotFound and names the folder and `icecore init`.
arrow::Result<Project> ParseProject(const std::string& root, base::Diagnostics* diagnostics);

// As ParseProject for the text of one definitions file, without a project around it: no file is
// read
// (`sql: file:…` is an error) and names of other files are unknown.
Project ParseText(const std::string& file, std::string_view bytes, base::Diagnostics* diagnostics);

// As ParseText, with the variables and the definitions of `around` where `documents` do not define
// the same thing anew: definitions of another time in today's project. Of entities, views and
// services only; documents of other kinds are passed over.
struct DefinitionText {
  std::string file;  // as messages name it
  std::string text;
};
Project ParseWithin(const Project& around, const std::vector<DefinitionText>& documents,
                    base::Diagnostics* diagnostics);

// One type as in spec files: "int64", "decimal(10,2)", "list<string>", "embedding(3)" …
// timestamp is timestamp[us, tz=UTC], local_timestamp is timestamp[us].
arrow::Result<std::shared_ptr<arrow::DataType>> ParseType(const std::string& text);
// The reverse, for messages: "int64", "timestamp".
std::string TypeText(const arrow::DataType& type);

// The JSON Schema (draft 2020-12) of the definition language, as one JSON document.
std::string JsonSchema();

}  // namespace icecore::spec
