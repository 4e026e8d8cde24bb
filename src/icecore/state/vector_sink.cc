#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/state/view_state.h"

namespace icecore::state {

namespace {

class BuilderSink final : public VectorSink {
 public:
  explicit BuilderSink(std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders)
      : builders_(std::move(builders)), columns_(builders_.size()) {}

  arrow::ArrayBuilder& builder(int feature) override {
    return *builders_[static_cast<size_t>(feature)];
  }
  void AppendStatus(int feature, ValueStatus status, std::optional<int64_t> event_time) override {
    Column& column = columns_[static_cast<size_t>(feature)];
    column.statuses.push_back(status);
    column.event_times.push_back(event_time);
  }
  arrow::Result<std::vector<Column>> Finish() override {
    for (size_t i = 0; i < builders_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(columns_[i].values, builders_[i]->Finish());
    }
    std::vector<Column> finished(builders_.size());
    finished.swap(columns_);
    return finished;
  }

 private:
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::vector<Column> columns_;
};

}  // namespace

arrow::Result<std::unique_ptr<VectorSink>> VectorSink::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types) {
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders;
  for (const auto& type : types) {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(type));
    builders.push_back(std::move(builder));
  }
  return std::make_unique<BuilderSink>(std::move(builders));
}

}  // namespace icecore::state
