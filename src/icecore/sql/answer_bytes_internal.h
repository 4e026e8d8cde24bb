#pragma once
// Answers about texts as bytes of a file.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/sql/analysis.h"

namespace icecore::sql {

// nullopt for an analysis with errors: its text will change.
std::optional<std::string> BytesOfAnalysis(const Analysis& analysis);
// What BytesOfAnalysis gave, equal in all members; nullopt for other bytes.
std::optional<Analysis> AnalysisOfBytes(std::string_view bytes);

std::string BytesOfNames(const std::vector<std::string>& names);
std::optional<std::vector<std::string>> NamesOfBytes(std::string_view bytes);

}  // namespace icecore::sql
