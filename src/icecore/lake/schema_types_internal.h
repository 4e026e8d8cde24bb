#pragma once
// Types: declared -> canonical -> storage, and the names of declared types that Delta lacks.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace icecore::lake {

// See schema.h. Child fields keep names (list children become "element"), nullability and metadata.
arrow::Result<std::shared_ptr<arrow::DataType>> CanonicalType(
    const std::shared_ptr<arrow::DataType>& type);
arrow::Result<std::shared_ptr<arrow::DataType>> StorageType(
    const std::shared_ptr<arrow::DataType>& canonical);

// "uint64", "time", "embedding(128)" and so on; "" where the storage type says all (of this level;
// children speak for themselves).
std::string DeclaredTypeName(const arrow::DataType& canonical);
// The canonical type of a name, given the type that rests. A name that is unknown or does not go
// with `storage` is kUnsupported.
arrow::Result<std::shared_ptr<arrow::DataType>> ApplyDeclaredTypeName(
    std::string_view name, const std::shared_ptr<arrow::DataType>& storage);

// The type with each child field replaced by visit(child, role); leaves come back as they are.
// Roles: "element", "key", "value", and for struct fields "".
using FieldVisitor = std::function<arrow::Result<std::shared_ptr<arrow::Field>>(
    const std::shared_ptr<arrow::Field>&, std::string_view role)>;
arrow::Result<std::shared_ptr<arrow::DataType>> MapChildren(
    const std::shared_ptr<arrow::DataType>& type, const FieldVisitor& visit);

}  // namespace icecore::lake
