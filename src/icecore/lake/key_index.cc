#include "icecore/lake/key_index_internal.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

// Whole numbers, dates and instants as one number; the type decides once per array.
bool IsWhole(Type::type type) {
  switch (type) {
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::DATE32:
    case Type::TIME64:
    case Type::TIMESTAMP:
      return true;
    default:
      return false;
  }
}

template <typename Use>
void WithWhole(const arrow::Array& array, Use use) {
  switch (array.type_id()) {
    case Type::INT8:
      return use(static_cast<const arrow::Int8Array&>(array).raw_values());
    case Type::INT16:
      return use(static_cast<const arrow::Int16Array&>(array).raw_values());
    case Type::INT32:
      return use(static_cast<const arrow::Int32Array&>(array).raw_values());
    case Type::UINT8:
      return use(static_cast<const arrow::UInt8Array&>(array).raw_values());
    case Type::UINT16:
      return use(static_cast<const arrow::UInt16Array&>(array).raw_values());
    case Type::UINT32:
      return use(static_cast<const arrow::UInt32Array&>(array).raw_values());
    case Type::DATE32:
      return use(static_cast<const arrow::Date32Array&>(array).raw_values());
    case Type::TIME64:
      return use(static_cast<const arrow::Time64Array&>(array).raw_values());
    case Type::TIMESTAMP:
      return use(static_cast<const arrow::TimestampArray&>(array).raw_values());
    default:
      return use(static_cast<const arrow::Int64Array&>(array).raw_values());
  }
}

uint64_t Mixed(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 29;
}

template <typename Bits, typename Value>
void AppendFloat(Value value, std::string* out) {
  // All NaN are one value, and so are the zeros.
  value = std::isnan(value) ? std::numeric_limits<Value>::quiet_NaN() : value == 0 ? 0 : value;
  const auto bits = std::bit_cast<Bits>(value);
  out->append(reinterpret_cast<const char*>(&bits), sizeof bits);
}

void AppendBytes(std::string_view bytes, std::string* out) {
  const auto size = static_cast<uint32_t>(bytes.size());
  out->append(reinterpret_cast<const char*>(&size), sizeof size);
  out->append(bytes);
}

// The value such that equal bytes are equal values.
void AppendKey(const arrow::Array& array, int64_t row, std::string* out) {
  if (array.IsNull(row)) {
    out->push_back('\0');
    return;
  }
  out->push_back('\1');
  if (IsWhole(array.type_id())) {
    WithWhole(array, [&](const auto* values) {
      const int64_t value{values[row]};
      out->append(reinterpret_cast<const char*>(&value), sizeof value);
    });
    return;
  }
  switch (array.type_id()) {
    case Type::BOOL:
      out->push_back(static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
      return;
    case Type::FLOAT:
      return AppendFloat<uint32_t>(static_cast<const arrow::FloatArray&>(array).Value(row), out);
    case Type::DOUBLE:
      return AppendFloat<uint64_t>(static_cast<const arrow::DoubleArray&>(array).Value(row), out);
    case Type::UINT64: {
      const uint64_t value = static_cast<const arrow::UInt64Array&>(array).Value(row);
      out->append(reinterpret_cast<const char*>(&value), sizeof value);
      return;
    }
    case Type::STRING:
    case Type::BINARY:
      return AppendBytes(static_cast<const arrow::BinaryArray&>(array).GetView(row), out);
    default:
      return AppendBytes(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row), out);
  }
}

bool IsKeyType(Type::type type) {
  return IsWhole(type) || type == Type::BOOL || type == Type::FLOAT || type == Type::DOUBLE ||
         type == Type::UINT64 || type == Type::STRING || type == Type::BINARY ||
         type == Type::DECIMAL128;
}

// Open addressing over rows; what a row's key is the caller knows.
class Slots {
 public:
  explicit Slots(int64_t rows)
      : slots_(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(2 * rows, 8))), -1) {}

  // The slot with a row for which `is_it` holds, or the free one where it would be.
  template <typename IsIt>
  int64_t* Find(uint64_t hash, IsIt is_it) {
    const uint64_t mask = slots_.size() - 1;
    for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
      if (slots_[i] < 0 || is_it(slots_[i])) {
        return &slots_[i];
      }
    }
  }
  template <typename IsIt>
  int64_t Get(uint64_t hash, IsIt is_it) const {
    const uint64_t mask = slots_.size() - 1;
    for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
      if (slots_[i] < 0 || is_it(slots_[i])) {
        return slots_[i];
      }
    }
  }

 private:
  std::vector<int64_t> slots_;
};

// Hashes that may be there: most stored rows have none of the keys, and a few bits for each key
// stay in a near cache where the slots do not.
class HashFilter {
 public:
  explicit HashFilter(int64_t rows)
      : words_(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(rows / 4, 1)))) {}

  void Add(uint64_t hash) { words_[WordOf(hash)] |= BitOf(hash); }
  bool MayHave(uint64_t hash) const { return (words_[WordOf(hash)] & BitOf(hash)) != 0; }

 private:
  size_t WordOf(uint64_t hash) const { return (hash >> 6) & (words_.size() - 1); }
  static uint64_t BitOf(uint64_t hash) { return uint64_t{1} << (hash & 63); }

  std::vector<uint64_t> words_;  // a power of two of them
};

// The least and greatest value of a column as statistics say, in the column's own units.
std::optional<int64_t> WholeStatistic(const json& stats, const char* which,
                                      const arrow::Field& field) {
  const auto values = stats.find(which);
  if (values == stats.end() || !values->is_object()) {
    return std::nullopt;
  }
  const auto value = values->find(field.name());
  if (value == values->end()) {
    return std::nullopt;
  }
  if (value->is_number_integer()) {
    return value->get<int64_t>();
  }
  const Type::type type = field.type()->id();
  if (!value->is_string() || (type != Type::DATE32 && type != Type::TIMESTAMP)) {
    return std::nullopt;
  }
  const auto micros = base::ParseInstant(value->get_ref<const std::string&>());
  if (!micros.ok()) {
    return std::nullopt;
  }
  if (type == Type::DATE32) {
    return base::FloorDiv(*micros, base::kMicrosPerDay);
  }
  // Writers cut instants to milliseconds.
  return std::string_view(which) == "maxValues" ? base::SaturatingAdd(*micros, 999) : *micros;
}

// What the keys have in one column, in order.
struct ColumnValues {
  std::shared_ptr<arrow::Field> field;
  bool has_null = false;
  bool is_whole = false;
  bool is_text = false;
  std::vector<int64_t> whole;
  std::vector<std::string_view> texts;

  bool HasBetween(int64_t min, int64_t max) const {
    const auto first = std::lower_bound(whole.begin(), whole.end(), min);
    return first != whole.end() && *first <= max;
  }
  bool HasBetween(std::string_view min, std::string_view max) const {
    const auto first = std::lower_bound(texts.begin(), texts.end(), min);
    return first != texts.end() && *first <= max;
  }

  bool MayBeIn(const json& stats, std::optional<int64_t> rows) const {
    const auto counts = stats.find("nullCount");
    std::optional<int64_t> nulls;
    if (counts != stats.end() && counts->is_object()) {
      if (const auto count = counts->find(field->name());
          count != counts->end() && count->is_number_integer()) {
        nulls = count->get<int64_t>();
      }
    }
    if (has_null && nulls.value_or(1) > 0) {
      return true;
    }
    if (nulls.has_value() && nulls == rows) {
      return false;
    }
    return MayHaveValues(stats);
  }

 private:
  bool MayHaveValues(const json& stats) const {
    if (is_whole) {
      const auto min = WholeStatistic(stats, "minValues", *field);
      const auto max = WholeStatistic(stats, "maxValues", *field);
      return !min.has_value() || !max.has_value() || HasBetween(*min, *max);
    }
    if (!is_text || !stats.contains("minValues") || !stats.contains("maxValues")) {
      return true;
    }
    const json& min = stats.at("minValues");
    const json& max = stats.at("maxValues");
    const bool has_both = min.is_object() && max.is_object() && min.contains(field->name()) &&
                          max.contains(field->name()) && min.at(field->name()).is_string() &&
                          max.at(field->name()).is_string();
    return !has_both || HasBetween(min.at(field->name()).get_ref<const std::string&>(),
                                   max.at(field->name()).get_ref<const std::string&>());
  }
};

ColumnValues ValuesOf(const std::shared_ptr<arrow::Field>& field, const arrow::Array& array) {
  ColumnValues values;
  values.field = field;
  values.has_null = array.null_count() > 0;
  values.is_whole = IsWhole(array.type_id());
  values.is_text = array.type_id() == Type::STRING;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) {
      continue;
    }
    if (values.is_whole) {
      WithWhole(array,
                [&](const auto* raw) { values.whole.push_back(static_cast<int64_t>(raw[i])); });
    } else if (values.is_text) {
      values.texts.push_back(static_cast<const arrow::StringArray&>(array).GetView(i));
    }
  }
  const auto make_set = [](auto* list) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  };
  make_set(&values.whole);
  make_set(&values.texts);
  return values;
}

class HashKeyIndex : public KeyIndex {
 public:
  HashKeyIndex(std::vector<std::string> columns, arrow::ArrayVector arrays,
               std::vector<ColumnValues> values, int64_t rows)
      : columns_(std::move(columns)),
        arrays_(std::move(arrays)),
        values_(std::move(values)),
        slots_(rows),
        filter_(rows) {}

  // kInvalidArgument where a key occurs twice.
  arrow::Status Fill(int64_t rows) {
    is_one_whole_ =
        arrays_.size() == 1 && IsWhole(arrays_[0]->type_id()) && arrays_[0]->null_count() == 0;
    if (is_one_whole_) {
      wholes_.resize(static_cast<size_t>(rows));
      WithWhole(*arrays_[0], [&](const auto* raw) {
        std::transform(raw, raw + rows, wholes_.begin(),
                       [](auto value) { return static_cast<int64_t>(value); });
      });
    } else {
      texts_.resize(static_cast<size_t>(rows));
    }
    for (int64_t row = 0; row < rows; ++row) {
      int64_t* const slot = is_one_whole_ ? SlotOfWhole(row) : SlotOfText(row);
      if (*slot >= 0) {
        return MakeError(
            ErrorCode::kInvalidArgument,
            "rows " + std::to_string(*slot) + " and " + std::to_string(row) + " have the same key");
      }
      *slot = row;
    }
    return arrow::Status::OK();
  }

  const std::vector<std::string>& columns() const override { return columns_; }

  arrow::Status Probe(const arrow::RecordBatch& batch, int64_t first_row,
                      std::vector<Hit>* hits) const override {
    arrow::ArrayVector arrays;
    for (const std::string& name : columns_) {
      arrays.push_back(batch.GetColumnByName(name));
    }
    if (is_one_whole_) {
      WithWhole(*arrays[0], [&](const auto* raw) {
        for (int64_t i = 0; i < batch.num_rows(); ++i) {
          const int64_t value{raw[i]};
          const int64_t key = KeyOfWhole(value);
          if (key >= 0 && !arrays[0]->IsNull(i)) {
            hits->push_back({.row = first_row + i, .key = key});
          }
        }
      });
      return arrow::Status::OK();
    }
    std::string text;
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      text.clear();
      for (const auto& array : arrays) {
        AppendKey(*array, i, &text);
      }
      const int64_t key = slots_.Get(
          HashOf(text), [&](int64_t row) { return texts_[static_cast<size_t>(row)] == text; });
      if (key >= 0) {
        hits->push_back({.row = first_row + i, .key = key});
      }
    }
    return arrow::Status::OK();
  }

  bool MayMatch(const DataFile& file) const override {
    if (file.stats_json.empty()) {
      return true;
    }
    const json stats = json::parse(file.stats_json, nullptr, false);
    if (!stats.is_object()) {
      return true;
    }
    return std::all_of(values_.begin(), values_.end(), [&](const ColumnValues& values) {
      return file.partition_values.contains(values.field->name()) ||
             values.MayBeIn(stats, file.num_records);
    });
  }

  bool MayMatch(size_t column, int64_t min, int64_t max, bool has_nulls) const override {
    const ColumnValues& values = values_[column];
    return !values.is_whole || (has_nulls && values.has_null) || values.HasBetween(min, max);
  }

 private:
  static uint64_t HashOf(std::string_view text) {
    return Mixed(std::hash<std::string_view>()(text));
  }

  int64_t* SlotOfWhole(int64_t row) {
    const int64_t value = wholes_[static_cast<size_t>(row)];
    const uint64_t hash = Mixed(static_cast<uint64_t>(value));
    filter_.Add(hash);
    return slots_.Find(hash,
                       [&](int64_t other) { return wholes_[static_cast<size_t>(other)] == value; });
  }

  int64_t KeyOfWhole(int64_t value) const {
    const uint64_t hash = Mixed(static_cast<uint64_t>(value));
    return filter_.MayHave(hash)
               ? slots_.Get(hash,
                            [&](int64_t row) { return wholes_[static_cast<size_t>(row)] == value; })
               : -1;
  }

  int64_t* SlotOfText(int64_t row) {
    std::string& text = texts_[static_cast<size_t>(row)];
    for (const auto& array : arrays_) {
      AppendKey(*array, row, &text);
    }
    return slots_.Find(HashOf(text),
                       [&](int64_t other) { return texts_[static_cast<size_t>(other)] == text; });
  }

  const std::vector<std::string> columns_;
  const arrow::ArrayVector arrays_;  // the keys; texts of values_ point into them
  const std::vector<ColumnValues> values_;
  Slots slots_;
  HashFilter filter_;  // of the whole keys
  bool is_one_whole_ = false;
  std::vector<int64_t> wholes_;     // by row, where the key is one such column without nulls
  std::vector<std::string> texts_;  // else: by row, the encoded key
};

arrow::Result<std::shared_ptr<arrow::Array>> KeyColumn(const arrow::Table& keys,
                                                       const std::string& name,
                                                       const arrow::Schema& declared) {
  const auto field = declared.GetFieldByName(name);
  const auto column = keys.GetColumnByName(name);
  if (field == nullptr || column == nullptr) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "key column '" + name + "' is not in the " +
                         (field == nullptr ? "table" : "rows to merge"));
  }
  if (!column->type()->Equals(field->type())) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "key column '" + name + "' is " + column->type()->ToString() +
                         " where the table has " + field->type()->ToString());
  }
  if (!IsKeyType(column->type()->id())) {
    return MakeError(ErrorCode::kUnsupported,
                     "key column '" + name + "' of type " + column->type()->ToString());
  }
  return arrow::Concatenate(column->num_chunks() > 0
                                ? column->chunks()
                                : arrow::ArrayVector{*arrow::MakeEmptyArray(column->type())});
}

}  // namespace

arrow::Result<std::shared_ptr<const KeyIndex>> KeyIndex::Build(
    const std::shared_ptr<arrow::Table>& keys, const std::vector<std::string>& columns,
    const arrow::Schema& declared) {
  if (columns.empty()) {
    return MakeError(ErrorCode::kInvalidArgument, "a key of no columns");
  }
  arrow::ArrayVector arrays;
  std::vector<ColumnValues> values;
  for (const std::string& name : columns) {
    ARROW_ASSIGN_OR_RAISE(auto array, KeyColumn(*keys, name, declared));
    values.push_back(ValuesOf(declared.GetFieldByName(name), *array));
    arrays.push_back(std::move(array));
  }
  auto index = std::make_shared<HashKeyIndex>(columns, std::move(arrays), std::move(values),
                                              keys->num_rows());
  ARROW_RETURN_NOT_OK(index->Fill(keys->num_rows()));
  return index;
}

}  // namespace icecore::lake
