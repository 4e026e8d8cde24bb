#include "icecore/engine/online_service.h"

#include <arrow/array.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/engine/served_service.h"
#include "icecore/pipeline/training.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

std::shared_ptr<arrow::Array> RepeatedTime(int64_t t_us, int64_t rows) {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  std::vector<int64_t> times(static_cast<size_t>(rows), t_us);
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, rows, {nullptr, arrow::Buffer::FromVector(std::move(times))}, /*null_count=*/0));
}

class OnlineServiceImpl : public OnlineService {
 public:
  OnlineServiceImpl(std::shared_ptr<const feature::BoundService> service,
                    std::vector<online::StoredView> views, online::Store* store,
                    std::shared_ptr<const online::ServedService> served,
                    online::ServedLog* served_log)
      : service_(std::move(service)),
        views_(std::move(views)),
        store_(store),
        served_(std::move(served)),
        served_log_(served_log) {
    const auto& columns = service_->key_columns();
    for (const feature::ViewUse& use : service_->uses()) {
      std::vector<size_t>& places = key_places_.emplace_back();
      for (const std::string& name : use.key_columns) {
        const auto at = std::find_if(columns.begin(), columns.end(),
                                     [&](const auto& column) { return column.name == name; });
        places.push_back(static_cast<size_t>(at - columns.begin()));
      }
    }
  }

  const feature::BoundService& service() const override { return *service_; }

  arrow::Result<Vectors> Read(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                              const std::vector<std::shared_ptr<arrow::Array>>& request,
                              int64_t t_us) const override {
    ARROW_ASSIGN_OR_RAISE(auto answers, store_->Read(MakeReads(keys), t_us));
    Vectors out;
    out.service = service_->name();
    out.t_us = t_us;
    out.outputs = {service_, &service_->outputs()};
    std::vector<feature::UseValues> values;
    values.reserve(answers.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      values.push_back(std::move(answers[i].features));
      const std::string& name = views_[i].name;
      const bool seen = std::any_of(out.positions.begin(), out.positions.end(),
                                    [&](const auto& known) { return known.first == name; });
      if (!seen) {
        out.positions.emplace_back(name, std::move(answers[i].position));
        if (answers[i].stale) {
          out.stale_views.push_back(name);
        }
      }
    }
    const int64_t rows = !keys.empty()      ? keys.front()->length()
                         : !request.empty() ? request.front()->length()
                                            : 1;
    ARROW_ASSIGN_OR_RAISE(out.columns,
                          service_->Assemble(std::move(values), request, RepeatedTime(t_us, rows)));
    if (served_log_ != nullptr) {
      // A vector that cannot be logged is served all the same.
      if (const arrow::Status status = Log(keys, request, rows, out); !status.ok()) {
        base::Log(base::LogLevel::kWarning, "served log: " + status.message());
      }
    }
    return out;
  }

 private:
  arrow::Status Log(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                    const std::vector<std::shared_ptr<arrow::Array>>& request, int64_t rows,
                    const Vectors& vectors) const {
    ARROW_ASSIGN_OR_RAISE(const auto sampled, served_log_->Sample(keys, rows));
    return sampled.empty()
               ? arrow::Status::OK()
               : served_log_->Offer(AsServed(served_, keys, request, rows, vectors), sampled);
  }

  std::vector<online::ViewRead> MakeReads(
      const std::vector<std::shared_ptr<arrow::Array>>& keys) const {
    std::vector<online::ViewRead> reads(views_.size());
    for (size_t i = 0; i < reads.size(); ++i) {
      reads[i].view = &views_[i];
      reads[i].keys.reserve(key_places_[i].size());
      for (const size_t place : key_places_[i]) {
        reads[i].keys.push_back(keys[place]);
      }
    }
    return reads;
  }

  const std::shared_ptr<const feature::BoundService> service_;
  const std::vector<online::StoredView> views_;  // one per use
  std::vector<std::vector<size_t>> key_places_;  // of each use its keys, in key_columns()
  online::Store* const store_;
  const std::shared_ptr<const online::ServedService> served_;
  online::ServedLog* const served_log_;
};

}  // namespace

arrow::Result<std::shared_ptr<const OnlineService>> MakeOnlineService(
    const pipeline::Workspace& workspace, const pipeline::AnalysedProject& project,
    std::shared_ptr<const feature::BoundService> service, int64_t catalog_version,
    online::ServedLog* served_log) {
  std::vector<online::StoredView> views;
  for (const feature::ViewUse& use : service->uses()) {
    const spec::FeatureView* view = workspace.project->FindView(use.view->name());
    if (!view->online) {
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, view->location,
                               "view " + view->name + " is not online; say `online: true`");
    }
    ARROW_ASSIGN_OR_RAISE(auto stored, pipeline::StoredViewOf(workspace, project, *view));
    views.push_back(std::move(stored));
  }
  std::shared_ptr<const online::ServedService> served;
  if (served_log != nullptr) {
    ARROW_ASSIGN_OR_RAISE(served, DescribeServed(*workspace.project, *service, catalog_version));
  }
  return std::make_shared<OnlineServiceImpl>(std::move(service), std::move(views), workspace.online,
                                             std::move(served), served_log);
}

arrow::Result<std::shared_ptr<arrow::Array>> ParseColumn(const feature::RequestColumn& column,
                                                         const std::string& text) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Append(text));
  ARROW_ASSIGN_OR_RAISE(auto texts, builder.Finish());
  quality::ColumnTarget target;
  target.type = column.type;
  ARROW_ASSIGN_OR_RAISE(auto converted, quality::ConvertText(*texts, target, {}, /*json=*/false));
  if (!converted.bad.empty()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + column.name + "': '" + text + "' is no " + spec::TypeText(*column.type));
  }
  return converted.values;
}

}  // namespace icecore::engine
