// The JSON Schema of the definitions.
#include "icecore/spec/parse.h"
namespace icecore::spec {
std::string JsonSchema() { return "{}"; }
}  // namespace icecore::spec
