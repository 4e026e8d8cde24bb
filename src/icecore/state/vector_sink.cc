#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/state/value_codec.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

namespace {

using Column = VectorSink::Column;

// Bit i is set where statuses[i] says that there is a value.
std::shared_ptr<arrow::Buffer> ValidityOf(const std::vector<ValueStatus>& statuses) {
  std::vector<uint8_t> bits((statuses.size() + 7) / 8, 0);
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i] == ValueStatus::kPresent) {
      bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1U << (i % 8));
    }
  }
  return arrow::Buffer::FromVector(std::move(bits));
}

// One feature's answers. Whole words, as numbers and times nearly always are, are gathered in a
// vector: for one row a builder costs more than all else that a read does.
class Answers {
 public:
  Answers(std::shared_ptr<arrow::DataType> type, int64_t rows)
      : type_(std::move(type)), word_bytes_(ValueCodec::WordBytes(*type_)) {
    column_.statuses.reserve(static_cast<size_t>(rows));
    column_.event_times.reserve(static_cast<size_t>(rows));
    if (word_bytes_ > 0) words_.reserve(static_cast<size_t>(rows));
  }

  arrow::Status MakeBuilder() {
    if (builder_ != nullptr) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(builder_, arrow::MakeBuilder(type_));
    return arrow::Status::OK();
  }
  arrow::ArrayBuilder& builder() { return *builder_; }

  void AddStatus(ValueStatus status, std::optional<int64_t> event_time) {
    column_.statuses.push_back(status);
    column_.event_times.push_back(event_time);
  }

  arrow::Status AddNull(ValueStatus status, std::optional<int64_t> event_time) {
    AddStatus(status, event_time);
    if (word_bytes_ == 0) {
      ARROW_RETURN_NOT_OK(MakeBuilder());
      return builder_->AppendNull();
    }
    words_.push_back(0);
    ++nulls_;
    return arrow::Status::OK();
  }

  arrow::Status AddEncoded(const ValueCodec& codec, std::string_view bytes,
                           std::optional<int64_t> event_time) {
    bool valid = false;
    if (word_bytes_ == 0) {
      ARROW_RETURN_NOT_OK(MakeBuilder());
      const int64_t nulls = builder_->null_count();
      ARROW_RETURN_NOT_OK(codec.Decode(&bytes, builder_.get()));
      valid = builder_->null_count() == nulls;
    } else {
      uint64_t word = 0;
      ARROW_RETURN_NOT_OK(codec.DecodeWord(&bytes, &valid, &word));
      words_.push_back(word);
      nulls_ += valid ? 0 : 1;
    }
    AddStatus(valid ? ValueStatus::kPresent : ValueStatus::kNull, event_time);
    return arrow::Status::OK();
  }

  arrow::Result<Column> Finish() {
    if (builder_ != nullptr || word_bytes_ == 0) {
      ARROW_RETURN_NOT_OK(MakeBuilder());
      ARROW_ASSIGN_OR_RAISE(column_.values, builder_->Finish());
    } else {
      column_.values = WordArray();
    }
    return std::exchange(column_, {});
  }

 private:
  std::shared_ptr<arrow::Array> WordArray() {
    const auto length = static_cast<int64_t>(words_.size());
    std::shared_ptr<arrow::Buffer> values;
    if (word_bytes_ == sizeof(uint32_t)) {
      std::vector<uint32_t> halves(words_.size());
      std::transform(words_.begin(), words_.end(), halves.begin(),
                     [](uint64_t word) { return static_cast<uint32_t>(word); });
      values = arrow::Buffer::FromVector(std::move(halves));
      words_.clear();
    } else {
      values = arrow::Buffer::FromVector(std::exchange(words_, {}));
    }
    auto validity = nulls_ == 0 ? nullptr : ValidityOf(column_.statuses);
    return arrow::MakeArray(arrow::ArrayData::Make(
        type_, length, {std::move(validity), std::move(values)}, std::exchange(nulls_, 0)));
  }

  std::shared_ptr<arrow::DataType> type_;
  int word_bytes_;  // 0: only a builder can take the type
  std::vector<uint64_t> words_;
  int64_t nulls_ = 0;  // among words_
  std::unique_ptr<arrow::ArrayBuilder> builder_;
  Column column_;
};

class AnswersSink final : public VectorSink {
 public:
  explicit AnswersSink(std::vector<Answers> features) : features_(std::move(features)) {}

  arrow::Result<arrow::ArrayBuilder*> builder(int feature) override {
    Answers& answers = features_[static_cast<size_t>(feature)];
    ARROW_RETURN_NOT_OK(answers.MakeBuilder());
    return &answers.builder();
  }
  void AppendStatus(int feature, ValueStatus status) override {
    features_[static_cast<size_t>(feature)].AddStatus(status, std::nullopt);
  }
  arrow::Status AppendNull(int feature, ValueStatus status,
                           std::optional<int64_t> event_time) override {
    return features_[static_cast<size_t>(feature)].AddNull(status, event_time);
  }
  arrow::Status AppendEncoded(int feature, const ValueCodec& codec, std::string_view bytes,
                              std::optional<int64_t> event_time) override {
    return features_[static_cast<size_t>(feature)].AddEncoded(codec, bytes, event_time);
  }
  arrow::Result<std::vector<Column>> Finish() override {
    std::vector<Column> finished;
    finished.reserve(features_.size());
    for (Answers& feature : features_) {
      ARROW_ASSIGN_OR_RAISE(Column column, feature.Finish());
      finished.push_back(std::move(column));
    }
    return finished;
  }

 private:
  std::vector<Answers> features_;
};

}  // namespace

arrow::Result<std::unique_ptr<VectorSink>> VectorSink::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows) {
  std::vector<Answers> features;
  features.reserve(types.size());
  for (const auto& type : types) {
    features.emplace_back(type, rows);
  }
  return std::make_unique<AnswersSink>(std::move(features));
}

}  // namespace icecore::state
