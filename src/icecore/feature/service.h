#pragma once
// A feature service bound to its views: from entity keys and request data to a vector, the same
// assembly for training sets and for online answers.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/feature/view.h"
#include "icecore/spec/model.h"

namespace icecore::feature {

// The column of a spine that says when each row asks.
inline constexpr char kEventTimestamp[] = "event_timestamp";

// One use of one view over a table by a service: the same view under two key mappings is two uses.
struct ViewUse {
  std::shared_ptr<const BoundView> view;
  std::vector<std::string> key_columns;  // names in the spine or request, in the entity's key order
};

struct RequestColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
};

struct OutputFeature {
  std::string name;  // final
  std::shared_ptr<arrow::DataType> type;
  std::string view;     // "delays_by_carrier"
  std::string feature;  // within the view
  bool as_of = false;   // status and event time are meaningful
};

// Where an output comes from: a feature of a use, or an expression over inputs.
struct OutputOrigin {
  int use = -1;      // index into uses(); -1: an expression
  int feature = -1;  // index into the view's feature_names()
  struct Input {
    std::string name;  // in the expression
    int use = -1;      // -1: request data
    int feature = -1;  // of the use's view, or index into request_columns()
  };
  std::vector<Input> inputs;  // of an expression; event_timestamp is always among its columns
};

// Values of one use: one column per feature of its view, one element per spine row.
using UseValues = std::vector<state::VectorSink::Column>;

class BoundService {
 public:
  // `views`: every view over a table that the service needs, bound. Request-time expressions are
  // typed here; errors go to diagnostics.
  static arrow::Result<std::shared_ptr<const BoundService>> Bind(
      const spec::Project& project, const spec::FeatureService& service,
      const std::function<std::shared_ptr<const BoundView>(const std::string&)>& views,
      base::Diagnostics* diagnostics);
  virtual ~BoundService() = default;

  virtual const std::string& name() const = 0;
  virtual const std::vector<ViewUse>& uses() const = 0;
  // Every key column needed (each once), with its type.
  virtual const std::vector<RequestColumn>& key_columns() const = 0;
  virtual const std::vector<RequestColumn>& request_columns() const = 0;
  virtual const std::vector<OutputFeature>& outputs() const = 0;
  virtual OutputOrigin OriginOf(size_t output) const = 0;

  // From the answers of all uses() (same order), the request columns (as request_columns(); empty
  // when there are none) and event_timestamp (timestamp[us, UTC], null where the spine's is null)
  // to the service's features in declared order, defaults applied, request-time expressions
  // computed. Rows whose event_timestamp is null get null everywhere.
  virtual arrow::Result<std::vector<state::VectorSink::Column>> Assemble(
      std::vector<UseValues> uses, const std::vector<std::shared_ptr<arrow::Array>>& request,
      const std::shared_ptr<arrow::Array>& event_timestamp) const = 0;
  // One of Assemble's columns. Of `uses` only the features that OriginOf(output) names are read.
  virtual arrow::Result<state::VectorSink::Column> AssembleOutput(
      size_t output, const std::vector<UseValues>& uses,
      const std::vector<std::shared_ptr<arrow::Array>>& request,
      const std::shared_ptr<arrow::Array>& event_timestamp) const = 0;
};

}  // namespace icecore::feature
