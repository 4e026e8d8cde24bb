#include "icecore/state/value_status.h"

namespace icecore::state {

std::string_view ValueStatusName(ValueStatus status) {
  switch (status) {
    case ValueStatus::kPresent:
      return "present";
    case ValueStatus::kNull:
      return "null";
    case ValueStatus::kNotFound:
      return "not_found";
    case ValueStatus::kExpired:
      return "expired";
    case ValueStatus::kError:
      return "error";
  }
  return "";
}

}  // namespace icecore::state
