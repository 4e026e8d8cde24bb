#pragma once
// The project's definitions as the catalog keeps them.

#include <arrow/result.h>

#include <string>
#include <vector>

#include "icecore/catalog/catalog.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

// One record per definition, by full name ("source.flights", "processing.flights",
// "entity.carrier", "view.delays", "service.delay_model", "training_set.delay_2h", "test.late"),
// with its YAML document as written and, of a table or a spine, its SQL.
arrow::Result<std::vector<catalog::DefinitionRecord>> DefinitionRecords(
    const spec::Project& project);

// Every full name of the project, for selection and for "did you mean".
std::vector<std::string> AllNames(const spec::Project& project);

// The full name that `name` (full, or short where that is unique) stands for. kNotFound with the
// nearest names; kInvalidArgument with the candidates where a short name is not unique.
arrow::Result<std::string> ResolveName(const spec::Project& project, const std::string& name);

}  // namespace icecore::pipeline
