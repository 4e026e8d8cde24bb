#include "icecore/server/plain_request.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace icecore::server {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes tokens off the front; what returns false has met something else than it takes, and then the
// whole body is somebody else's.
class PlainReader {
 public:
  PlainReader(std::string_view text, int64_t max_rows)
      : at_(text.data()), end_(text.data() + text.size()), max_rows_(max_rows) {}

  bool TakeRequest(FeatureRequest* request) {
    bool has_entities = false;
    bool has_request = false;
    const bool taken = TakeMembers([&](std::string_view name) {
      if (name == "service" && request->service.empty()) return TakeService(&request->service);
      if (name == "entities" && !std::exchange(has_entities, true)) {
        return TakeSection(&request->entities);
      }
      return name == "request" && !std::exchange(has_request, true) &&
             TakeSection(&request->request);
    });
    SkipSpace();
    return taken && at_ == end_ && has_entities && !request->service.empty();
  }

 private:
  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool TakeText(std::string_view* text) {
    if (!Take('"')) return false;
    const char* const begin = at_;
    while (at_ != end_ && *at_ >= ' ' && *at_ <= '~' && *at_ != '"' && *at_ != '\\') ++at_;
    *text = std::string_view(begin, static_cast<size_t>(at_ - begin));
    if (at_ == end_ || *at_ != '"') return false;
    ++at_;
    return true;
  }

  // An object; `take_value(name)` takes the value of each member.
  template <typename TakeValue>
  bool TakeMembers(const TakeValue& take_value) {
    if (!Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string_view name;
      if (!TakeText(&name) || !Take(':') || !take_value(name)) return false;
    } while (Take(','));
    return Take('}');
  }

  bool TakeService(std::string* service) {
    std::string_view text;
    const bool taken = TakeText(&text);
    service->assign(text);
    return taken;
  }

  bool TakeSection(std::vector<RequestValues>* columns) {
    return TakeMembers([&](std::string_view name) {
      const bool known = std::any_of(columns->begin(), columns->end(),
                                     [&](const auto& column) { return column.name == name; });
      return !known && TakeValues(&columns->emplace_back(RequestValues{std::string(name), {}}));
    });
  }

  bool TakeValues(RequestValues* column) {
    if (!Take('[')) return TakeScalar(&column->values.emplace_back());
    if (Take(']')) return true;
    do {
      if (static_cast<int64_t>(column->values.size()) == max_rows_ ||
          !TakeScalar(&column->values.emplace_back())) {
        return false;
      }
    } while (Take(','));
    return Take(']');
  }

  bool TakeScalar(JsonScalar* value) {
    SkipSpace();
    if (at_ == end_) return false;
    if (*at_ != '"') return TakeNumber(value);
    std::string_view text;
    const bool taken = TakeText(&text);
    value->emplace<std::string>(text);
    return taken;
  }

  bool SkipDigits() {
    const char* const begin = at_;
    while (at_ != end_ && IsDigit(*at_)) ++at_;
    return at_ != begin;
  }

  bool TakeNumber(JsonScalar* value) {
    const char* const begin = at_;
    if (*at_ == '-') ++at_;
    const char* const digits = at_;
    if (!SkipDigits() || (*digits == '0' && at_ != digits + 1)) return false;
    const bool is_whole = at_ == end_ || (*at_ != '.' && *at_ != 'e' && *at_ != 'E');
    if (is_whole) return Convert(begin, &value->emplace<int64_t>());
    if (*at_ == '.') {
      ++at_;
      if (!SkipDigits()) return false;
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!SkipDigits()) return false;
    }
    return Convert(begin, &value->emplace<double>());
  }

  template <typename Number>
  bool Convert(const char* begin, Number* number) const {
    const auto [last, error] = std::from_chars(begin, at_, *number);
    return error == std::errc() && last == at_;
  }

  const char* at_;
  const char* const end_;
  const int64_t max_rows_;
};

}  // namespace

std::optional<FeatureRequest> ReadPlainRequest(std::string_view body, int64_t max_rows) {
  FeatureRequest request;
  if (!PlainReader(body, max_rows).TakeRequest(&request)) return std::nullopt;
  return request;
}

}  // namespace icecore::server
