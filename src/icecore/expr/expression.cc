#include "icecore/expr/expression.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/expr/binder_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;

class BoundExpression final : public Expression {
 public:
  static Result<std::unique_ptr<Expression>> Make(const std::string& text,
                                                  const base::Location& location,
                                                  const arrow::Schema& schema, bool predicate) {
    std::unique_ptr<BoundExpression> bound(new BoundExpression());
    bound->source_ = {text, location};
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Node> root, Parse(bound->source_));
    bound->columns_ = CollectColumns(*root);
    ARROW_ASSIGN_OR_RAISE(bound->root_, BindTree(bound->source_, *root, schema, bound->columns_));
    Kind kind = bound->root_->type().kind;
    if (predicate && kind == Kind::kNull) {
      Place place = bound->root_->place();
      ARROW_ASSIGN_OR_RAISE(bound->root_,
                            MakeCast(MakeType(Kind::kBool), place, std::move(bound->root_)));
    } else if (predicate && kind != Kind::kBool) {
      return bound->source_.Error(
          0, "this must be true or false, it is " + TypeName(bound->root_->type()));
    }
    for (const std::string& column : bound->columns_) {
      std::shared_ptr<arrow::Field> field = schema.GetFieldByName(column);
      bound->column_types_.push_back(TypeOf(*field->type()));
      bound->arrow_types_.push_back(field->type());
    }
    bound->is_column_ = root->kind == NodeKind::kColumn;
    bound->type_ = bound->is_column_ ? bound->arrow_types_[0] : bound->root_->type().arrow;
    return bound;
  }

  const std::vector<std::string>& columns() const override { return columns_; }
  const std::shared_ptr<arrow::DataType>& type() const override { return type_; }

  Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const override {
    Frame frame;
    frame.rows = batch.num_rows();
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::shared_ptr<arrow::Array> array = batch.GetColumnByName(columns_[i]);
      if (array == nullptr || !array->type()->Equals(*arrow_types_[i])) {
        return base::MakeError(base::ErrorCode::kInternal,
                               "column '" + columns_[i] + "' of an expression is " +
                                   (array == nullptr ? "missing" : array->type()->ToString()) +
                                   ", it was bound as " + arrow_types_[i]->ToString());
      }
      if (is_column_) {
        return array;
      }
      ARROW_ASSIGN_OR_RAISE(ValuesPtr values, FromArrow(array, column_types_[i]));
      frame.columns.push_back(std::move(values));
    }
    ARROW_ASSIGN_OR_RAISE(ValuesPtr values, root_->Run(frame, nullptr));
    return ToArrow(*values, root_->type(), frame.rows);
  }

 private:
  BoundExpression() = default;

  SourceText source_;
  std::vector<std::string> columns_;
  std::vector<Type> column_types_;
  std::vector<std::shared_ptr<arrow::DataType>> arrow_types_;
  std::shared_ptr<arrow::DataType> type_;
  OperatorPtr root_;
  bool is_column_ = false;
};

}  // namespace

Result<std::unique_ptr<Expression>> Bind(const std::string& text, const base::Location& location,
                                         const arrow::Schema& schema) {
  return BoundExpression::Make(text, location, schema, /*predicate=*/false);
}

Result<std::unique_ptr<Expression>> BindPredicate(const std::string& text,
                                                  const base::Location& location,
                                                  const arrow::Schema& schema) {
  return BoundExpression::Make(text, location, schema, /*predicate=*/true);
}

Result<std::vector<std::string>> ColumnsOf(const std::string& text,
                                           const base::Location& location) {
  SourceText source{text, location};
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Node> root, Parse(source));
  return CollectColumns(*root);
}

}  // namespace icecore::expr
