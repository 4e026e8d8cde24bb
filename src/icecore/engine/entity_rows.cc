#include "icecore/engine/entity_rows.h"

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/feature/key_column.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status CheckNames(const feature::BoundService& service, const arrow::Table& entities) {
  std::vector<std::string> known;
  for (const auto* columns : {&service.key_columns(), &service.request_columns()}) {
    for (const feature::RequestColumn& column : *columns) {
      known.push_back(column.name);
    }
  }
  for (const std::string& name : entities.ColumnNames()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return MakeError(ErrorCode::kInvalidArgument, "service '" + service.name() +
                                                        "' has no key or request column '" + name +
                                                        "'" + base::DidYouMean(name, known));
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Array>> Column(const arrow::Table& entities,
                                                    const feature::RequestColumn& wanted,
                                                    const std::string& what) {
  const auto column = entities.GetColumnByName(wanted.name);
  if (column == nullptr) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "the service needs the " + what + " '" + wanted.name + "' (" +
                         spec::TypeText(*wanted.type) + ")" +
                         base::DidYouMean(wanted.name, entities.ColumnNames()));
  }
  if (column->type()->id() == arrow::Type::NA) {
    return arrow::MakeArrayOfNull(wanted.type, column->length());
  }
  if (column->num_chunks() == 1) {
    return column->chunk(0);
  }
  return column->num_chunks() == 0 ? arrow::MakeEmptyArray(column->type())
                                   : arrow::Concatenate(column->chunks());
}

arrow::Status WrongType(const std::string& name, const std::string& what, const arrow::DataType& is,
                        const arrow::DataType& wanted) {
  return MakeError(ErrorCode::kInvalidArgument, "'" + name + "' is " + spec::TypeText(is) +
                                                    ", the " + what + " is " +
                                                    spec::TypeText(wanted));
}

arrow::Result<std::shared_ptr<arrow::Array>> Key(const arrow::Table& entities,
                                                 const feature::RequestColumn& wanted) {
  ARROW_ASSIGN_OR_RAISE(auto column, Column(entities, wanted, "key"));
  if (!feature::KeyTypesMatch(*column->type(), *wanted.type)) {
    return WrongType(wanted.name, "key", *column->type(), *wanted.type);
  }
  return feature::CastKey(std::move(column), wanted.type);
}

arrow::Result<std::shared_ptr<arrow::Array>> Request(const arrow::Table& entities,
                                                     const feature::RequestColumn& wanted) {
  ARROW_ASSIGN_OR_RAISE(auto column, Column(entities, wanted, "request column"));
  if (column->type()->Equals(*wanted.type)) {
    return column;
  }
  auto cast = arrow::compute::Cast(*column, wanted.type);
  return cast.ok() ? cast : WrongType(wanted.name, "request column", *column->type(), *wanted.type);
}

}  // namespace

arrow::Result<VectorRows> ReadEntities(const OnlineService& service, const arrow::Table& entities,
                                       int64_t t_us) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  const feature::BoundService& bound = service.service();
  ARROW_RETURN_NOT_OK(CheckNames(bound, entities));
  std::vector<std::shared_ptr<arrow::Array>> keys;
  for (const feature::RequestColumn& wanted : bound.key_columns()) {
    ARROW_ASSIGN_OR_RAISE(auto key, Key(entities, wanted));
    keys.push_back(std::move(key));
  }
  std::vector<std::shared_ptr<arrow::Array>> request;
  for (const feature::RequestColumn& wanted : bound.request_columns()) {
    ARROW_ASSIGN_OR_RAISE(auto column, Request(entities, wanted));
    request.push_back(std::move(column));
  }
  return service.ReadRows(keys, request, t_us);
}

}  // namespace icecore::engine
