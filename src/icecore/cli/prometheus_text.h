#pragma once
// Reads the text that Prometheus scrapes.

#include <arrow/result.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::cli {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

// The samples of a text in format 0.0.4, in its order; comments are skipped. kInvalidArgument names
// the line.
arrow::Result<std::vector<MetricSample>> ParsePrometheusText(std::string_view text);

// A histogram's buckets: upper bound -> observations at or below it, from the first scrape on.
using Buckets = std::map<double, double>;

// The quantile q (0..1) of what came between two scrapes, interpolated inside its bucket; negative
// when nothing came. What lies above the last finite bound counts as that bound.
double QuantileBetween(const Buckets& before, const Buckets& after, double q);

}  // namespace icecore::cli
