#include "icecore/feature/table_digest.h"

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_run_reader.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"

namespace icecore::feature {
namespace {

void AppendInt64(int64_t value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof bytes);
}

// Bytes of one value, 0 where it has no fixed number of whole bytes.
int64_t FixedBytes(const arrow::DataType& type) {
  if (!arrow::is_fixed_width(type.id()) || arrow::is_nested(type.id()) ||
      type.id() == arrow::Type::BOOL || type.id() == arrow::Type::DICTIONARY) {
    return 0;
  }
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

const uint8_t* FixedValue(const arrow::Array& values, int64_t row, int64_t width) {
  return values.data()->buffers[1]->data() + (values.offset() + row) * width;
}

arrow::Status AppendValue(const arrow::Array& values, int64_t row, std::string* out);

// Elements from `begin`, each with whether it is there.
arrow::Status AppendElements(const arrow::Array& elements, int64_t begin, int64_t count,
                             std::string* out) {
  AppendInt64(count, out);
  for (int64_t i = begin; i < begin + count; ++i) {
    *out += elements.IsNull(i) ? '\0' : '\1';
    if (elements.IsValid(i)) {
      ARROW_RETURN_NOT_OK(AppendValue(elements, i, out));
    }
  }
  return arrow::Status::OK();
}

// A value that is not null.
arrow::Status AppendValue(const arrow::Array& values, int64_t row, std::string* out) {
  const arrow::DataType& type = *values.type();
  if (const int64_t width = FixedBytes(type); width > 0) {
    out->append(reinterpret_cast<const char*>(FixedValue(values, row, width)),
                static_cast<size_t>(width));
    return arrow::Status::OK();
  }
  const auto append_text = [&](std::string_view text) {
    AppendInt64(static_cast<int64_t>(text.size()), out);
    *out += text;
    return arrow::Status::OK();
  };
  const auto append_list = [&](const auto& list) {
    return AppendElements(*list.values(), list.value_offset(row), list.value_length(row), out);
  };
  switch (type.id()) {
    case arrow::Type::BOOL:
      *out += static_cast<const arrow::BooleanArray&>(values).Value(row) ? '\1' : '\0';
      return arrow::Status::OK();
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return append_text(static_cast<const arrow::BinaryArray&>(values).GetView(row));
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return append_text(static_cast<const arrow::LargeBinaryArray&>(values).GetView(row));
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return append_text(static_cast<const arrow::BinaryViewArray&>(values).GetView(row));
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return append_list(static_cast<const arrow::ListArray&>(values));
    case arrow::Type::LARGE_LIST:
      return append_list(static_cast<const arrow::LargeListArray&>(values));
    case arrow::Type::LIST_VIEW:
      return append_list(static_cast<const arrow::ListViewArray&>(values));
    case arrow::Type::LARGE_LIST_VIEW:
      return append_list(static_cast<const arrow::LargeListViewArray&>(values));
    case arrow::Type::FIXED_SIZE_LIST:
      return append_list(static_cast<const arrow::FixedSizeListArray&>(values));
    case arrow::Type::STRUCT:
      for (const auto& field : static_cast<const arrow::StructArray&>(values).fields()) {
        ARROW_RETURN_NOT_OK(AppendElements(*field, row, 1, out));
      }
      return arrow::Status::OK();
    default:
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "no digest of the type " + type.ToString());
  }
}

bool IsView(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING_VIEW || type.id() == arrow::Type::BINARY_VIEW;
}

// The values that the codes stand for.
arrow::Result<std::shared_ptr<arrow::Array>> Decoded(const arrow::Array& column) {
  const auto& coded = static_cast<const arrow::DictionaryArray&>(column);
  const auto& type = static_cast<const arrow::DictionaryType&>(*column.type()).value_type();
  if (!IsView(*type)) {
    return arrow::compute::Cast(column, type);
  }
  const auto& texts = static_cast<const arrow::BinaryViewArray&>(*coded.dictionary());
  arrow::BinaryBuilder builder;
  for (int64_t row = 0; row < coded.length(); ++row) {
    const int64_t code = coded.IsValid(row) ? coded.GetValueIndex(row) : -1;
    ARROW_RETURN_NOT_OK(code < 0 || texts.IsNull(code) ? builder.AppendNull()
                                                       : builder.Append(texts.GetView(code)));
  }
  return builder.Finish();
}

// Texts held as views are texts: how they lie in memory says nothing of what they are.
std::string TypeTextOf(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING_VIEW   ? arrow::utf8()->ToString()
         : type.id() == arrow::Type::BINARY_VIEW ? arrow::binary()->ToString()
                                                 : type.ToString();
}

}  // namespace

struct TableDigest::Column {
  // Nulls apart from values: a column without nulls is hashed as it lies in memory.
  base::Sha256 nulls;
  base::Sha256 values;
  std::string nulls_hex;  // once it is finished
  std::string values_hex;

  void Finish() {
    if (nulls_hex.empty()) {
      nulls_hex = nulls.FinishHex();
      values_hex = values.FinishHex();
    }
  }

  arrow::Status Add(const arrow::Array& array, int64_t first_row) {
    std::string bytes;
    const auto add_nulls = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        AppendInt64(first_row + row, &bytes);
        if (bytes.size() > kFlushBytes) Flush(&nulls, &bytes);
      }
    };
    if (array.type_id() == arrow::Type::NA) {
      add_nulls(0, array.length());
    } else if (array.null_count() > 0) {
      int64_t seen = 0;
      arrow::internal::SetBitRunReader runs(array.null_bitmap_data(), array.offset(),
                                            array.length());
      for (auto run = runs.NextRun(); run.length > 0; run = runs.NextRun()) {
        add_nulls(seen, run.position);
        seen = run.position + run.length;
      }
      add_nulls(seen, array.length());
    }
    Flush(&nulls, &bytes);
    if (array.type_id() == arrow::Type::NA) {
      return arrow::Status::OK();
    }
    const int64_t width = FixedBytes(*array.type());
    if (width > 0 && array.null_count() == 0) {
      if (array.length() > 0) {
        values.Update({reinterpret_cast<const char*>(FixedValue(array, 0, width)),
                       static_cast<size_t>(array.length() * width)});
      }
      return arrow::Status::OK();
    }
    if (width > 0) {
      const arrow::Buffer& validity = *array.data()->buffers[0];
      arrow::internal::SetBitRunReader runs(validity.data(), array.offset(), array.length());
      for (auto run = runs.NextRun(); run.length > 0; run = runs.NextRun()) {
        bytes.append(reinterpret_cast<const char*>(FixedValue(array, run.position, width)),
                     static_cast<size_t>(run.length * width));
        if (bytes.size() > kFlushBytes) Flush(&values, &bytes);
      }
      Flush(&values, &bytes);
      return arrow::Status::OK();
    }
    for (int64_t row = 0; row < array.length(); ++row) {
      if (array.IsValid(row)) ARROW_RETURN_NOT_OK(AppendValue(array, row, &bytes));
      if (bytes.size() > kFlushBytes) Flush(&values, &bytes);
    }
    Flush(&values, &bytes);
    return arrow::Status::OK();
  }

  static void Flush(base::Sha256* digest, std::string* bytes) {
    digest->Update(*bytes);
    bytes->clear();
  }

  static constexpr size_t kFlushBytes = size_t{64} << 10;
};

TableDigest::TableDigest(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {
  for (int i = 0; i < schema_->num_fields(); ++i) {
    columns_.push_back(std::make_unique<Column>());
  }
}

TableDigest::~TableDigest() = default;

bool TableDigest::Takes(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
    case arrow::Type::BOOL:
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return true;
    case arrow::Type::DICTIONARY: {
      const arrow::DataType& coded = *static_cast<const arrow::DictionaryType&>(type).value_type();
      return !arrow::is_nested(coded.id()) && Takes(coded);
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
      return std::ranges::all_of(type.fields(), [](const auto& field) {
        return field->type()->id() != arrow::Type::DICTIONARY && Takes(*field->type());
      });
    default:
      return FixedBytes(type) > 0;
  }
}

arrow::Status TableDigest::Add(const arrow::RecordBatch& batch) {
  if (!batch.schema()->Equals(*schema_, /*check_metadata=*/false)) {
    return base::MakeError(base::ErrorCode::kInternal, "a digest of rows of another schema");
  }
  ARROW_RETURN_NOT_OK(base::RunParallel(columns_.size(), [&](size_t i) -> arrow::Status {
    std::shared_ptr<arrow::Array> column = batch.column(static_cast<int>(i));
    if (column->type_id() == arrow::Type::DICTIONARY) {
      ARROW_ASSIGN_OR_RAISE(column, Decoded(*column));
    }
    return columns_[i]->Add(*column, rows_);
  }));
  rows_ += batch.num_rows();
  return arrow::Status::OK();
}

arrow::Status TableDigest::Add(const arrow::Table& table) {
  arrow::TableBatchReader reader(table);
  std::shared_ptr<arrow::RecordBatch> batch;
  while (true) {
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (!batch) {
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(Add(*batch));
  }
}

std::string TableDigest::Finish() { return FinishFirst(columns_.size()); }

std::string TableDigest::FinishFirst(size_t columns) {
  std::string text;
  AppendInt64(rows_, &text);
  const auto append = [&](const std::string& part) {
    AppendInt64(static_cast<int64_t>(part.size()), &text);
    text += part;
  };
  for (size_t i = 0; i < columns; ++i) {
    const auto& field = schema_->field(static_cast<int>(i));
    columns_[i]->Finish();
    append(field->name());
    append(TypeTextOf(*field->type()));
    append(columns_[i]->nulls_hex);
    append(columns_[i]->values_hex);
  }
  return "sha256:" + base::Sha256Hex(text);
}

}  // namespace icecore::feature
