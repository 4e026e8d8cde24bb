#pragma once
// Answers in one piece of memory: a slot for each key and feature. Columns of Arrow are made of
// them where somebody asks for columns.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "icecore/state/view_state.h"

namespace icecore::state {

struct AnswerSlot {
  uint64_t word = 0;       // the value's bits, of types that have ValueCodec::WordBytes
  int64_t event_time = 0;  // UTC us, of the row chosen; where has_time
  ValueStatus status = ValueStatus::kNull;
  bool is_valid = false;  // there is a value
  bool has_time = false;
};

// The answers of one feature, one a key. Looks into the block, or whatever else, that gave it.
class FeatureAnswers {
 public:
  FeatureAnswers() = default;
  // Slots of keys next to each other lie `stride` apart. `values`: where the type has no words.
  FeatureAnswers(const arrow::DataType* type, const AnswerSlot* first, size_t stride, int64_t rows,
                 std::shared_ptr<arrow::Array> values)
      : type_(type), first_(first), stride_(stride), rows_(rows), values_(std::move(values)) {}

  const arrow::DataType& type() const { return *type_; }
  int64_t num_rows() const { return rows_; }
  const AnswerSlot& slot(int64_t row) const { return first_[static_cast<size_t>(row) * stride_]; }
  // The values, where the slots do not hold them; else null.
  const std::shared_ptr<arrow::Array>& values() const { return values_; }

  // The values as an array, made anew unless they are one.
  std::shared_ptr<arrow::Array> ToArray() const;
  VectorSink::Column ToColumn() const;

 private:
  const arrow::DataType* type_ = nullptr;
  const AnswerSlot* first_ = nullptr;
  size_t stride_ = 0;
  int64_t rows_ = 0;
  std::shared_ptr<arrow::Array> values_;
};

// The answers of all features of a view. Moving it moves no slot.
class AnswerBlock {
 public:
  using Types = std::vector<std::shared_ptr<arrow::DataType>>;

  AnswerBlock() = default;
  // `slots`: key by key, those of a key feature by feature. `values`: empty, or one per feature,
  // null where the slots hold the values. `types` outlive the block.
  AnswerBlock(const Types* types, std::vector<AnswerSlot> slots,
              std::vector<std::shared_ptr<arrow::Array>> values)
      : types_(types), slots_(std::move(slots)), values_(std::move(values)) {}
  // A column as a block of one feature.
  static AnswerBlock Of(VectorSink::Column column);

  size_t num_features() const { return types_ == nullptr ? 0 : types_->size(); }
  int64_t num_rows() const {
    return num_features() == 0 ? 0 : static_cast<int64_t>(slots_.size() / num_features());
  }
  FeatureAnswers feature(size_t i) const {
    return {(*types_)[i].get(), slots_.empty() ? nullptr : slots_.data() + i, types_->size(),
            num_rows(), values_.empty() ? nullptr : values_[i]};
  }

  // The word in the place of nulls, of a type that has words. What is damaged stays null.
  void FillNulls(size_t feature, uint64_t word);
  // Other values for the same keys, of a type without words.
  void ReplaceValues(size_t feature, std::shared_ptr<arrow::Array> values);

 private:
  const Types* types_ = nullptr;
  std::shared_ptr<const Types> own_types_;  // of Of
  std::vector<AnswerSlot> slots_;
  std::vector<std::shared_ptr<arrow::Array>> values_;
};

// Takes answers into a block.
class AnswerSink : public VectorSink {
 public:
  // `types` outlive the sink and its block. `rows`: how many answers will come, where it is known.
  AnswerSink(const AnswerBlock::Types& types, int64_t rows);
  AnswerSink(AnswerSink&&) noexcept;
  ~AnswerSink() override;

  arrow::Result<arrow::ArrayBuilder*> builder(int feature) override;
  void AppendStatus(int feature, ValueStatus status) override;
  arrow::Status AppendNull(int feature, ValueStatus status,
                           std::optional<int64_t> event_time) override;
  arrow::Status AppendEncoded(int feature, const ValueCodec& codec, std::string_view bytes,
                              std::optional<int64_t> event_time) override;
  AnswerSlot* BeginKey() override;
  void EndKey() override { row_begin_ = slots_.size(); }
  arrow::Result<std::vector<Column>> Finish() override;

  // A key that has given nothing yet: every feature is null, with kError.
  void FailKey();

  // What Finish gives, in one piece; the sink is empty afterwards.
  arrow::Result<AnswerBlock> FinishBlock();

 private:
  AnswerSlot& Next(int feature);
  arrow::Result<std::shared_ptr<arrow::Array>> WithFailedKeys(
      std::shared_ptr<arrow::Array> values) const;
  arrow::Status TakeValues(size_t feature, std::shared_ptr<arrow::Array>* values);

  const AnswerBlock::Types& types_;
  const int64_t rows_;
  std::vector<AnswerSlot> slots_;
  size_t row_begin_ = 0;  // in slots_, of the key at hand
  size_t taken_ = 0;      // features of the key at hand that have answered
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;  // empty until one is needed
  std::vector<int64_t> failed_keys_;                            // ascending; not in builders_
};

}  // namespace icecore::state
