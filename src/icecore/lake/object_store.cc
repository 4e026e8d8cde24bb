#include "icecore/lake/object_store.h"

#include "icecore/base/error.h"

namespace icecore::lake {

arrow::Status CheckObjectPath(std::string_view path) {
  const auto fail = [&](const char* why) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "object path '" + std::string(path) + "' " + why);
  };
  if (path.empty() || path.front() == '/') {
    return fail("is not relative");
  }
  if (path.find('\0') != std::string_view::npos) {
    return fail("holds a zero byte");
  }
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return fail("has an empty part, '.' or '..'");
    }
    begin = end + 1;
  }
  return arrow::Status::OK();
}

}  // namespace icecore::lake
