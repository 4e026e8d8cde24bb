#include "icecore/quality/text_conversion.h"

#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <utility>

#include "icecore/quality/column_tools_internal.h"
#include "icecore/quality/json_conversion_internal.h"
#include "icecore/quality/scalar_text_internal.h"
#include "icecore/quality/wall_time_internal.h"

namespace icecore::quality {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::StringArray;

// The text column with its nulls, those by null_values included.
class TextColumn {
 public:
  TextColumn(const StringArray& values, const std::vector<std::string>& null_values)
      : values_(values), valid_(static_cast<size_t>(values.length()), 1) {
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i) || IsNullText(values.GetView(i), null_values)) {
        valid_[static_cast<size_t>(i)] = 0;
      }
    }
  }

  int64_t rows() const { return values_.length(); }
  bool IsValid(int64_t i) const { return valid_[static_cast<size_t>(i)] != 0; }
  std::string_view At(int64_t i) const { return values_.GetView(i); }
  const std::vector<uint8_t>& valid() const { return valid_; }

 private:
  static bool IsNullText(std::string_view text, const std::vector<std::string>& null_values) {
    return std::any_of(null_values.begin(), null_values.end(),
                       [text](const std::string& null) { return text == null; });
  }

  const StringArray& values_;
  std::vector<uint8_t> valid_;
};

template <typename T, typename Parse>
Result<ConvertedColumn> FixedWidth(const TextColumn& text,
                                   const std::shared_ptr<arrow::DataType>& type, Parse parse) {
  ConvertedColumn out;
  std::vector<T> values(static_cast<size_t>(text.rows()));
  std::vector<uint8_t> valid = text.valid();
  for (int64_t i = 0; i < text.rows(); ++i) {
    auto at = static_cast<size_t>(i);
    if (valid[at] != 0 && !parse(text.At(i), &values[at])) {
      values[at] = T{};
      valid[at] = 0;
      out.bad.push_back({i, Misfit::kType});
    }
  }
  ARROW_ASSIGN_OR_RAISE(out.values, FixedWidthArray<T>(type, values, valid));
  return out;
}

template <typename Builder, typename Append>
Result<ConvertedColumn> Built(const TextColumn& text, Builder* builder, Append append) {
  ConvertedColumn out;
  ARROW_RETURN_NOT_OK(builder->Reserve(text.rows()));
  for (int64_t i = 0; i < text.rows(); ++i) {
    bool fits = !text.IsValid(i) || append(text.At(i));
    if (!text.IsValid(i) || !fits) {
      ARROW_RETURN_NOT_OK(builder->AppendNull());
    }
    if (!fits) {
      out.bad.push_back({i, Misfit::kType});
    }
  }
  ARROW_ASSIGN_OR_RAISE(out.values, builder->Finish());
  return out;
}

Result<ConvertedColumn> Timestamps(const TextColumn& text, const ColumnTarget& target) {
  bool local = static_cast<const arrow::TimestampType&>(*target.type).timezone().empty();
  ConvertedColumn out;
  std::vector<int64_t> values(static_cast<size_t>(text.rows()));
  std::vector<uint8_t> valid = text.valid();
  std::vector<int64_t> wall;       // naive times of a zone
  std::vector<int64_t> wall_rows;  // and where they belong
  for (int64_t i = 0; i < text.rows(); ++i) {
    auto at = static_cast<size_t>(i);
    if (valid[at] == 0) {
      continue;
    }
    bool has_zone = false;
    if (!ParseTimestamp(text.At(i), &values[at], &has_zone) || (local && has_zone)) {
      values[at] = 0;
      valid[at] = 0;
      out.bad.push_back({i, Misfit::kType});
    } else if (!has_zone && !local && target.zone.has_value()) {
      wall.push_back(values[at]);
      wall_rows.push_back(i);
    }
  }
  std::vector<ConvertedColumn::BadRow> unresolved;
  if (!wall.empty()) {
    std::vector<uint8_t> bad;
    ARROW_RETURN_NOT_OK(ResolveWallTimes(*target.zone, target.ambiguous, &wall, &bad));
    for (size_t k = 0; k < wall.size(); ++k) {
      auto at = static_cast<size_t>(wall_rows[k]);
      values[at] = bad[k] != 0 ? 0 : wall[k];
      if (bad[k] != 0) {
        valid[at] = 0;
        unresolved.push_back({wall_rows[k], Misfit::kZone});
      }
    }
  }
  out.bad = MergeBad(out.bad, unresolved);
  ARROW_ASSIGN_OR_RAISE(out.values, FixedWidthArray<int64_t>(target.type, values, valid));
  return out;
}

// Strings rest as they are; only what is null changes.
Result<ConvertedColumn> Strings(const std::shared_ptr<arrow::Array>& values,
                                const TextColumn& text) {
  ConvertedColumn out;
  std::vector<ConvertedColumn::BadRow> null;
  for (int64_t i = 0; i < text.rows(); ++i) {
    if (!text.IsValid(i)) {
      if (values->IsValid(i)) {
        null.push_back({i, Misfit::kType});
      }
    } else if (!arrow::util::ValidateUTF8(text.At(i))) {
      out.bad.push_back({i, Misfit::kType});
    }
  }
  ARROW_ASSIGN_OR_RAISE(out.values, NullAt(values, MergeBad(null, out.bad)));
  return out;
}

// Rows [begin, end) one by one, so that a bad one leaves nothing behind.
Status NestedOneByOne(const TextColumn& text, const ColumnTarget& target, int64_t begin,
                      int64_t end, arrow::ArrayVector* parts, ConvertedColumn* out) {
  for (int64_t i = begin; i < end; ++i) {
    std::unique_ptr<arrow::ArrayBuilder> scratch;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), target.type, &scratch));
    if (text.IsValid(i) && AppendJson(text.At(i), scratch.get())) {
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> part, scratch->Finish());
      parts->push_back(std::move(part));
      continue;
    }
    if (text.IsValid(i)) {
      out->bad.push_back({i, Misfit::kType});
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> null,
                          arrow::MakeArrayOfNull(target.type, 1));
    parts->push_back(std::move(null));
  }
  return Status::OK();
}

Result<ConvertedColumn> Nested(const TextColumn& text, const ColumnTarget& target) {
  constexpr int64_t kBlock = 1024;
  ConvertedColumn out;
  arrow::ArrayVector parts;
  for (int64_t begin = 0; begin < text.rows(); begin += kBlock) {
    int64_t end = std::min(begin + kBlock, text.rows());
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), target.type, &builder));
    bool fits = true;
    for (int64_t i = begin; i < end && fits; ++i) {
      fits = text.IsValid(i) ? AppendJson(text.At(i), builder.get()) : builder->AppendNull().ok();
    }
    if (!fits) {
      ARROW_RETURN_NOT_OK(NestedOneByOne(text, target, begin, end, &parts, &out));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> part, builder->Finish());
    parts.push_back(std::move(part));
  }
  if (parts.empty()) {
    ARROW_ASSIGN_OR_RAISE(out.values, arrow::MakeArrayOfNull(target.type, 0));
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.values, arrow::Concatenate(parts));
  ARROW_RETURN_NOT_OK(CheckLengths(target, &out));
  return out;
}

Result<ConvertedColumn> Decimals(const TextColumn& text, const ColumnTarget& target) {
  const auto& type = static_cast<const arrow::Decimal128Type&>(*target.type);
  arrow::Decimal128Builder builder(target.type);
  return Built(text, &builder, [&](std::string_view one) {
    uint8_t bytes[16];
    return ParseDecimal(one, type.precision(), type.scale(), bytes) &&
           builder.Append(arrow::Decimal128(bytes)).ok();
  });
}

Result<ConvertedColumn> Binaries(const TextColumn& text, bool json) {
  arrow::BinaryBuilder builder;
  std::string bytes;
  return Built(text, &builder, [&](std::string_view one) {
    if (!json) {
      return builder.Append(one).ok();
    }
    return ParseBase64(one, &bytes) && builder.Append(bytes).ok();
  });
}

Result<ConvertedColumn> Bools(const TextColumn& text) {
  arrow::BooleanBuilder builder;
  return Built(text, &builder, [&](std::string_view one) {
    bool value = false;
    return ParseBool(one, &value) && builder.Append(value).ok();
  });
}

}  // namespace

Result<ConvertedColumn> ConvertText(const arrow::Array& values, const ColumnTarget& target,
                                    const std::vector<std::string>& null_values, bool json) {
  ARROW_RETURN_NOT_OK(InitializeCompute());
  std::shared_ptr<arrow::Array> plain = arrow::MakeArray(values.data());
  if (plain->type_id() != arrow::Type::STRING) {
    ARROW_ASSIGN_OR_RAISE(plain, arrow::compute::Cast(*plain, arrow::utf8()));
  }
  TextColumn text(static_cast<const StringArray&>(*plain), null_values);
  const std::shared_ptr<arrow::DataType>& type = target.type;
  switch (type->id()) {
    case arrow::Type::BOOL:
      return Bools(text);
    case arrow::Type::INT8:
      return FixedWidth<int8_t>(text, type, ParseInteger<int8_t>);
    case arrow::Type::INT16:
      return FixedWidth<int16_t>(text, type, ParseInteger<int16_t>);
    case arrow::Type::INT32:
      return FixedWidth<int32_t>(text, type, ParseInteger<int32_t>);
    case arrow::Type::INT64:
      return FixedWidth<int64_t>(text, type, ParseInteger<int64_t>);
    case arrow::Type::UINT8:
      return FixedWidth<uint8_t>(text, type, ParseInteger<uint8_t>);
    case arrow::Type::UINT16:
      return FixedWidth<uint16_t>(text, type, ParseInteger<uint16_t>);
    case arrow::Type::UINT32:
      return FixedWidth<uint32_t>(text, type, ParseInteger<uint32_t>);
    case arrow::Type::UINT64:
      return FixedWidth<uint64_t>(text, type, ParseInteger<uint64_t>);
    case arrow::Type::FLOAT:
      return FixedWidth<float>(text, type, ParseFloat32);
    case arrow::Type::DOUBLE:
      return FixedWidth<double>(text, type, ParseFloat64);
    case arrow::Type::DATE32:
      return FixedWidth<int32_t>(text, type, ParseDate);
    case arrow::Type::TIME64:
      return FixedWidth<int64_t>(text, type, ParseTimeOfDay);
    case arrow::Type::TIMESTAMP:
      return Timestamps(text, target);
    case arrow::Type::DECIMAL128:
      return Decimals(text, target);
    case arrow::Type::STRING:
      return Strings(plain, text);
    case arrow::Type::BINARY:
      return Binaries(text, json);
    case arrow::Type::LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP:
      return Nested(text, target);
    default:
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "text cannot become " + type->ToString());
  }
}

}  // namespace icecore::quality
