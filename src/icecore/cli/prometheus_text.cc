#include "icecore/cli/prometheus_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::cli {
namespace {

bool IsNameByte(char c) {
  return c == '_' || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

// Takes bytes off the front of one line; a method returns false where they are not there.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(line) {}

  bool empty() const { return line_.empty(); }
  bool Take(char c) {
    if (line_.empty() || line_.front() != c) return false;
    line_.remove_prefix(1);
    return true;
  }
  void SkipSpaces() {
    while (Take(' ') || Take('\t')) {
    }
  }
  bool TakeName(std::string* name) {
    size_t size = 0;
    while (size < line_.size() && IsNameByte(line_[size])) ++size;
    name->assign(line_.substr(0, size));
    line_.remove_prefix(size);
    return size > 0;
  }
  // "text" with \\, \" and \n in it.
  bool TakeQuoted(std::string* text) {
    if (!Take('"')) return false;
    while (!line_.empty() && line_.front() != '"') {
      char c = line_.front();
      line_.remove_prefix(1);
      if (c == '\\') {
        if (line_.empty()) return false;
        c = line_.front() == 'n' ? '\n' : line_.front();
        line_.remove_prefix(1);
      }
      text->push_back(c);
    }
    return Take('"');
  }
  bool TakeNumber(double* value) {
    const std::string_view word = line_.substr(0, line_.find_first_of(" \t"));
    line_.remove_prefix(word.size());
    if (word == "+Inf" || word == "Inf") {
      *value = std::numeric_limits<double>::infinity();
      return true;
    }
    if (word == "Nan") {  // as prometheus-cpp writes it
      *value = std::nan("");
      return true;
    }
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *value);
    return error == std::errc() && end == word.data() + word.size();
  }

 private:
  std::string_view line_;
};

bool ParseLabels(LineReader* line, MetricSample* sample) {
  if (!line->Take('{')) return true;
  while (!line->Take('}')) {
    std::string name;
    std::string value;
    line->SkipSpaces();
    if (!line->TakeName(&name) || !line->Take('=') || !line->TakeQuoted(&value)) return false;
    sample->labels[std::move(name)] = std::move(value);
    line->Take(',');
    line->SkipSpaces();
  }
  return true;
}

// NAME{LABELS} VALUE [TIMESTAMP]
bool ParseSample(LineReader line, MetricSample* sample) {
  if (!line.TakeName(&sample->name) || !ParseLabels(&line, sample)) return false;
  line.SkipSpaces();
  if (!line.TakeNumber(&sample->value)) return false;
  line.SkipSpaces();
  if (line.empty()) return true;
  double timestamp = 0;
  if (!line.TakeNumber(&timestamp)) return false;
  line.SkipSpaces();
  return line.empty();
}

}  // namespace

arrow::Result<std::vector<MetricSample>> ParsePrometheusText(std::string_view text) {
  std::vector<MetricSample> samples;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') {
      continue;
    }
    MetricSample sample;
    if (!ParseSample(LineReader(line), &sample)) {
      return base::MakeError(
          base::ErrorCode::kInvalidArgument,
          "line " + std::to_string(number) + ": is no sample of Prometheus' text format");
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

double QuantileBetween(const Buckets& before, const Buckets& after, double q) {
  const auto came = [&](const Buckets::value_type& bucket) {
    const auto found = before.find(bucket.first);
    return bucket.second - (found == before.end() ? 0 : found->second);
  };
  if (after.empty() || !(came(*after.rbegin()) > 0)) {
    return -1;
  }
  const double wanted = q * came(*after.rbegin());
  double lower = 0;
  double below = 0;
  for (const auto& bucket : after) {
    const double count = came(bucket);
    if (count >= wanted) {
      if (std::isinf(bucket.first)) return lower;
      return count <= below ? bucket.first
                            : lower + (bucket.first - lower) * (wanted - below) / (count - below);
    }
    if (!std::isinf(bucket.first)) lower = bucket.first;
    below = count;
  }
  return lower;
}

}  // namespace icecore::cli
