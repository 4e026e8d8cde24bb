#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <bit>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/state/answer_block.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {

namespace {

// One value of each slot, as `get` says.
template <typename Value, typename Get>
std::shared_ptr<arrow::Buffer> BufferOf(const FeatureAnswers& answers, const Get& get) {
  std::vector<Value> values(static_cast<size_t>(answers.num_rows()));
  for (size_t row = 0; row < values.size(); ++row) {
    values[row] = get(answers.slot(static_cast<int64_t>(row)));
  }
  return arrow::Buffer::FromVector(std::move(values));
}

std::shared_ptr<arrow::Buffer> ValidityOf(const FeatureAnswers& answers) {
  std::vector<uint8_t> bits((static_cast<size_t>(answers.num_rows()) + 7) / 8, 0);
  for (int64_t row = 0; row < answers.num_rows(); ++row) {
    if (answers.slot(row).is_valid) {
      uint8_t& byte = bits[static_cast<size_t>(row / 8)];
      byte = static_cast<uint8_t>(byte | 1U << (row % 8));
    }
  }
  return arrow::Buffer::FromVector(std::move(bits));
}

// The bits of element `row` of an array whose type has words of `bytes` bytes.
uint64_t WordOf(const arrow::Array& array, int bytes, int64_t row) {
  return bytes == sizeof(uint64_t) ? array.data()->GetValues<uint64_t>(1)[row]
                                   : array.data()->GetValues<uint32_t>(1)[row];
}

// Windows' values nearly always have one of these types. Their features share a builder: making and
// ending one for each costs more than the window does.
constexpr size_t kSharedBuilders = 2;

// Its place behind those of the features; nullopt: each feature of the type has its own.
std::optional<size_t> SharedBuilder(arrow::Type::type type) {
  if (type == arrow::Type::DOUBLE) return 0;
  return type == arrow::Type::INT64 ? std::optional<size_t>(1) : std::nullopt;
}

// The value appended last to a shared builder.
uint64_t LastWord(arrow::Type::type type, const arrow::ArrayBuilder& builder) {
  const int64_t last = builder.length() - 1;
  return type == arrow::Type::DOUBLE
             ? std::bit_cast<uint64_t>(
                   static_cast<const arrow::DoubleBuilder&>(builder).GetValue(last))
             : static_cast<uint64_t>(
                   static_cast<const arrow::Int64Builder&>(builder).GetValue(last));
}

}  // namespace

std::shared_ptr<arrow::Array> FeatureAnswers::ToArray() const {
  if (values_ != nullptr) return values_;
  int64_t nulls = 0;
  for (int64_t row = 0; row < rows_; ++row) nulls += slot(row).is_valid ? 0 : 1;
  auto values = ValueCodec::WordBytes(*type_) == sizeof(uint64_t)
                    ? BufferOf<uint64_t>(*this, [](const AnswerSlot& slot) { return slot.word; })
                    : BufferOf<uint32_t>(*this, [](const AnswerSlot& slot) {
                        return static_cast<uint32_t>(slot.word);
                      });
  return arrow::MakeArray(
      arrow::ArrayData::Make(type_->GetSharedPtr(), rows_,
                             {nulls == 0 ? nullptr : ValidityOf(*this), std::move(values)}, nulls));
}

VectorSink::Column FeatureAnswers::ToColumn() const {
  VectorSink::Column column;
  column.values = ToArray();
  column.statuses.reserve(static_cast<size_t>(rows_));
  column.event_times.reserve(static_cast<size_t>(rows_));
  for (int64_t row = 0; row < rows_; ++row) {
    const AnswerSlot& one = slot(row);
    column.statuses.push_back(one.status);
    column.event_times.push_back(one.has_time ? std::optional<int64_t>(one.event_time)
                                              : std::nullopt);
  }
  return column;
}

AnswerBlock AnswerBlock::Of(VectorSink::Column column) {
  const arrow::Array& array = *column.values;
  const int bytes = ValueCodec::WordBytes(*array.type());
  std::vector<AnswerSlot> slots(column.statuses.size());
  for (size_t row = 0; row < slots.size(); ++row) {
    AnswerSlot& slot = slots[row];
    slot.status = column.statuses[row];
    slot.is_valid = array.IsValid(static_cast<int64_t>(row));
    slot.has_time = column.event_times[row].has_value();
    slot.event_time = column.event_times[row].value_or(0);
    slot.word = slot.is_valid && bytes > 0 ? WordOf(array, bytes, static_cast<int64_t>(row)) : 0;
  }
  auto types = std::make_shared<const Types>(Types{array.type()});
  AnswerBlock block(types.get(), std::move(slots), {});
  if (bytes == 0) block.values_.push_back(std::move(column.values));
  block.own_types_ = std::move(types);
  return block;
}

void AnswerBlock::FillNulls(size_t feature, uint64_t word) {
  for (size_t at = feature; at < slots_.size(); at += types_->size()) {
    AnswerSlot& slot = slots_[at];
    if (slot.is_valid || slot.status == ValueStatus::kError) continue;
    slot.word = word;
    slot.is_valid = true;
  }
}

void AnswerBlock::ReplaceValues(size_t feature, std::shared_ptr<arrow::Array> values) {
  size_t at = feature;
  for (int64_t row = 0; row < values->length(); ++row, at += types_->size()) {
    slots_[at].is_valid = values->IsValid(row);
  }
  values_[feature] = std::move(values);
}

AnswerSink::AnswerSink(const AnswerBlock::Types& types, int64_t rows) : types_(types), rows_(rows) {
  slots_.reserve(types.size() * static_cast<size_t>(rows));
}

AnswerSink::AnswerSink(AnswerSink&&) noexcept = default;
AnswerSink::~AnswerSink() = default;

// Every feature answers once for a key, in any order, before the next key's first.
AnswerSlot& AnswerSink::Next(int feature) {
  if (taken_ == 0) slots_.resize(row_begin_ + types_.size());
  AnswerSlot& slot = slots_[row_begin_ + static_cast<size_t>(feature)];
  if (++taken_ == types_.size()) {
    taken_ = 0;
    row_begin_ = slots_.size();
  }
  return slot;
}

arrow::Result<arrow::ArrayBuilder*> AnswerSink::builder(int feature) {
  if (builders_.empty()) builders_.resize(types_.size() + kSharedBuilders);
  const auto at = static_cast<size_t>(feature);
  const std::optional<size_t> shared = SharedBuilder(types_[at]->id());
  std::unique_ptr<arrow::ArrayBuilder>& builder = builders_[shared ? types_.size() + *shared : at];
  if (builder == nullptr) {
    ARROW_ASSIGN_OR_RAISE(builder, arrow::MakeBuilder(types_[at]));
    ARROW_RETURN_NOT_OK(builder->Reserve(rows_));
  }
  return builder.get();
}

void AnswerSink::AppendStatus(int feature, ValueStatus status) {
  AnswerSlot& slot = Next(feature);
  slot.status = status;
  slot.is_valid = status == ValueStatus::kPresent;
  const arrow::Type::type type = types_[static_cast<size_t>(feature)]->id();
  const std::optional<size_t> shared = SharedBuilder(type);
  if (shared && slot.is_valid) slot.word = LastWord(type, *builders_[types_.size() + *shared]);
}

arrow::Status AnswerSink::AppendNull(int feature, ValueStatus status,
                                     std::optional<int64_t> event_time) {
  AnswerSlot& slot = Next(feature);
  slot.status = status;
  slot.has_time = event_time.has_value();
  slot.event_time = event_time.value_or(0);
  if (ValueCodec::WordBytes(*types_[static_cast<size_t>(feature)]) > 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(arrow::ArrayBuilder* const values, builder(feature));
  return values->AppendNull();
}

arrow::Status AnswerSink::AppendEncoded(int feature, const ValueCodec& codec,
                                        std::string_view bytes, std::optional<int64_t> event_time) {
  AnswerSlot& slot = Next(feature);
  slot.has_time = event_time.has_value();
  slot.event_time = event_time.value_or(0);
  if (codec.word_bytes() > 0) {
    ARROW_RETURN_NOT_OK(codec.DecodeWord(&bytes, &slot.is_valid, &slot.word));
  } else {
    ARROW_ASSIGN_OR_RAISE(arrow::ArrayBuilder* const values, builder(feature));
    const int64_t nulls = values->null_count();
    ARROW_RETURN_NOT_OK(codec.Decode(&bytes, values));
    slot.is_valid = values->null_count() == nulls;
  }
  slot.status = slot.is_valid ? ValueStatus::kPresent : ValueStatus::kNull;
  return arrow::Status::OK();
}

AnswerSlot* AnswerSink::BeginKey() {
  slots_.resize(row_begin_ + types_.size());
  return slots_.data() + row_begin_;
}

void AnswerSink::FailKey() {
  failed_keys_.push_back(static_cast<int64_t>(row_begin_ / types_.size()));
  AnswerSlot failed;
  failed.status = ValueStatus::kError;
  slots_.resize(row_begin_);
  slots_.resize(row_begin_ + types_.size(), failed);
  row_begin_ = slots_.size();
}

// What a builder took, with a null for each key that failed.
arrow::Result<std::shared_ptr<arrow::Array>> AnswerSink::WithFailedKeys(
    std::shared_ptr<arrow::Array> values) const {
  if (failed_keys_.empty()) return values;
  ARROW_ASSIGN_OR_RAISE(const auto null, arrow::MakeArrayOfNull(values->type(), 1));
  arrow::ArrayVector pieces;
  int64_t taken = 0;
  for (size_t i = 0; i < failed_keys_.size(); ++i) {
    const int64_t next = failed_keys_[i] - static_cast<int64_t>(i);  // in `values`
    pieces.push_back(values->Slice(taken, next - taken));
    pieces.push_back(null);
    taken = next;
  }
  pieces.push_back(values->Slice(taken));
  return arrow::Concatenate(pieces);
}

// What went through a builder: kept where the type has no words, else put into the slots.
arrow::Status AnswerSink::TakeValues(size_t feature, std::shared_ptr<arrow::Array>* values) {
  const int bytes = ValueCodec::WordBytes(*types_[feature]);
  const bool is_built = !builders_.empty() && builders_[feature] != nullptr;
  if (!is_built && bytes > 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(arrow::ArrayBuilder* const values_builder,
                        builder(static_cast<int>(feature)));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array, values_builder->Finish());
  ARROW_ASSIGN_OR_RAISE(array, WithFailedKeys(std::move(array)));
  if (array->length() * static_cast<int64_t>(types_.size()) !=
      static_cast<int64_t>(slots_.size())) {
    return base::MakeError(base::ErrorCode::kInternal, "a feature did not answer for every key");
  }
  if (bytes == 0) {
    *values = array;
    return arrow::Status::OK();
  }
  size_t at = feature;
  for (int64_t row = 0; row < array->length(); ++row, at += types_.size()) {
    if (array->IsValid(row)) slots_[at].word = WordOf(*array, bytes, row);
  }
  return arrow::Status::OK();
}

arrow::Result<AnswerBlock> AnswerSink::FinishBlock() {
  std::vector<std::shared_ptr<arrow::Array>> values;
  for (size_t i = 0; i < types_.size(); ++i) {
    std::shared_ptr<arrow::Array> taken;
    ARROW_RETURN_NOT_OK(TakeValues(i, &taken));
    if (taken == nullptr) continue;
    values.resize(types_.size());
    values[i] = std::move(taken);
  }
  row_begin_ = 0;
  taken_ = 0;
  failed_keys_.clear();
  for (size_t i = types_.size(); i < builders_.size(); ++i) {
    if (builders_[i] != nullptr) builders_[i]->Reset();
  }
  return AnswerBlock(&types_, std::exchange(slots_, {}), std::move(values));
}

arrow::Result<std::vector<VectorSink::Column>> AnswerSink::Finish() {
  ARROW_ASSIGN_OR_RAISE(const AnswerBlock block, FinishBlock());
  std::vector<Column> columns;
  columns.reserve(block.num_features());
  for (size_t i = 0; i < block.num_features(); ++i) columns.push_back(block.feature(i).ToColumn());
  return columns;
}

namespace {

struct OwnTypes {
  AnswerBlock::Types types;
};

// Keeps its types: its columns need nobody else's.
class ColumnSink final : private OwnTypes, public AnswerSink {
 public:
  ColumnSink(AnswerBlock::Types given, int64_t rows)
      : OwnTypes{std::move(given)}, AnswerSink(types, rows) {}
};

}  // namespace

arrow::Result<std::unique_ptr<VectorSink>> VectorSink::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows) {
  return std::make_unique<ColumnSink>(types, rows);
}

}  // namespace icecore::state
