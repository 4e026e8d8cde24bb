#include "icecore/state/slot_state.h"

#include <arrow/array/array_base.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <compare>
#include <functional>
#include <optional>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/distinct_sketch.h"
#include "icecore/state/quantile_buckets.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

using arrow::internal::checked_cast;
using base::ErrorCode;
using base::MakeError;
using MakerPtr = std::shared_ptr<const StateMaker>;

// Values as states keep them: V is uint64_t for narrow types, std::string for the others.
template <typename V>
arrow::Status AppendElement(const ValueCodec& codec, const V& value, arrow::ArrayBuilder* builder) {
  if constexpr (std::is_same_v<V, uint64_t>) {
    return codec.AppendNarrow(value, builder);
  } else {
    return codec.AppendWide(value, builder);
  }
}

template <typename V>
void PutElement(const V& value, std::string* out) {
  if constexpr (std::is_same_v<V, uint64_t>) {
    wire::PutFixed64(value, out);
  } else {
    wire::PutBytes(value, out);
  }
}

template <typename V>
bool GetElement(const ValueCodec& codec, std::string_view* in, V* value) {
  if constexpr (std::is_same_v<V, uint64_t>) {
    return wire::GetFixed64(in, value) && codec.NarrowIsValid(*value) && !codec.IsNan(*value);
  } else {
    std::string_view bytes;
    if (!wire::GetBytes(in, &bytes) || !codec.WideIsValid(bytes)) return false;
    *value = std::string(bytes);
    return true;
  }
}

// One state class per kind derives from this; Derived has MergeSame, Put and Get.
template <typename Derived, StateKind kKind>
class StateOf : public SlotState {
 public:
  explicit StateOf(MakerPtr maker) : maker_(std::move(maker)) {}

  StateKind kind() const final { return kKind; }
  arrow::Status Add(const arrow::Array* values, int64_t row, const RowOrder& order) override {
    if (!codec().Usable(*values, row)) return arrow::Status::OK();
    if (codec().form() == ValueForm::kNarrow) {
      self()->AddNarrow(codec().Narrow(*values, row), order);
      return arrow::Status::OK();
    }
    std::string bytes;
    ARROW_RETURN_NOT_OK(codec().Wide(*values, row, &bytes));
    self()->AddWide(bytes, order);
    return arrow::Status::OK();
  }
  void AddNarrowRows(const NarrowRows& rows) override {
    for (size_t i = 0; i < rows.count; ++i) {
      self()->AddNarrow(rows.values[i], rows.orders[rows.places[i]]);
    }
  }
  arrow::Status Merge(const AggregateState& other) final {
    ARROW_ASSIGN_OR_RAISE(const Derived* same, Same(other));
    self()->MergeSame(*same);
    return arrow::Status::OK();
  }
  bool invertible() const override { return false; }
  arrow::Status Subtract(const AggregateState&) override {
    return MakeError(ErrorCode::kInternal,
                     std::string(AggregateName(maker_->spec().kind)) + " cannot be subtracted");
  }
  arrow::Status AppendResult(arrow::ArrayBuilder* builder) const final {
    return AppendAs(maker_->spec(), builder);
  }
  void Serialize(std::string* out) const final {
    wire::PutByte(static_cast<uint8_t>(kKind), out);
    static_cast<const Derived*>(this)->Put(out);
  }
  bool Parse(std::string_view* bytes) final {
    this->Reset();
    uint8_t kind = 0;
    return wire::GetByte(bytes, &kind) && kind == static_cast<uint8_t>(kKind) && self()->Get(bytes);
  }

 protected:
  arrow::Result<const Derived*> Same(const AggregateState& other) const {
    // Derived classes are final, so this is all that a cast would find out, at a fraction of it.
    if (typeid(other) != typeid(Derived)) {
      return MakeError(ErrorCode::kInternal, "states of two kinds cannot meet");
    }
    return static_cast<const Derived*>(&other);
  }
  const ValueCodec& codec() const { return *maker_->codec(); }
  Derived* self() { return static_cast<Derived*>(this); }

  MakerPtr maker_;
};

class CountState final : public StateOf<CountState, StateKind::kCount> {
 public:
  using StateOf::StateOf;
  arrow::Status Add(const arrow::Array* values, int64_t row, const RowOrder&) override {
    if (values == nullptr || Counts(*values, row)) ++count_;
    return arrow::Status::OK();
  }
  void AddNarrow(uint64_t, const RowOrder&) override { ++count_; }
  void AddNarrowRows(const NarrowRows& rows) override {
    count_ += static_cast<int64_t>(rows.count);
  }
  void AddWide(std::string_view, const RowOrder&) override { ++count_; }
  bool invertible() const override { return true; }
  arrow::Status Subtract(const AggregateState& other) override {
    ARROW_ASSIGN_OR_RAISE(const CountState* same, Same(other));
    count_ -= same->count_;
    return arrow::Status::OK();
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    return checked_cast<arrow::Int64Builder*>(builder)->Append(count_);
  }
  void Reset() override { count_ = 0; }

  void MergeSame(const CountState& other) { count_ += other.count_; }
  void Put(std::string* out) const { wire::PutSigned(count_, out); }
  bool Get(std::string_view* in) { return wire::GetSigned(in, &count_) && count_ >= 0; }

 private:
  bool Counts(const arrow::Array& values, int64_t row) const {
    return maker_->codec() != nullptr ? codec().Usable(values, row) : values.IsValid(row);
  }
  int64_t count_ = 0;
};

class MomentsState final : public StateOf<MomentsState, StateKind::kMoments> {
 public:
  explicit MomentsState(MakerPtr maker)
      : StateOf(std::move(maker)), moments_(maker_->with_squares()) {}

  void AddNarrow(uint64_t narrow, const RowOrder&) override {
    moments_.AddNarrow(codec(), narrow, false);
  }
  void AddNarrowRows(const NarrowRows& rows) override {
    moments_.AddNarrowRows(codec(), {rows.values, rows.count});
  }
  void AddWide(std::string_view bytes, const RowOrder&) override {
    uint64_t magnitude[4];
    const bool negative = ValueCodec::DecimalMagnitude(bytes, magnitude);
    moments_.AddDecimal(magnitude, negative, false);
  }
  bool invertible() const override { return true; }
  arrow::Status Subtract(const AggregateState& other) override {
    ARROW_ASSIGN_OR_RAISE(const MomentsState* same, Same(other));
    moments_.Subtract(same->moments_);
    return arrow::Status::OK();
  }
  arrow::Status AppendAs(const AggregateSpec& asked, arrow::ArrayBuilder* builder) const override {
    return AppendMoments(moments_, *maker_, asked.kind, builder);
  }
  void Reset() override { moments_.Reset(); }

  void MergeSame(const MomentsState& other) { moments_.Merge(other.moments_); }
  void Put(std::string* out) const { moments_.Serialize(out); }
  bool Get(std::string_view* in) { return moments_.Parse(in); }

 private:
  Moments moments_;
};

// min and max.
template <typename V, StateKind kKind>
class ExtremeState final : public StateOf<ExtremeState<V, kKind>, kKind> {
 public:
  using StateOf<ExtremeState, kKind>::StateOf;
  void AddNarrow(uint64_t narrow, const RowOrder&) override {
    if constexpr (std::is_same_v<V, uint64_t>) Offer(narrow);
  }
  void AddWide(std::string_view bytes, const RowOrder&) override {
    if constexpr (std::is_same_v<V, std::string>) Offer(V(bytes));
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    return value_ ? AppendElement(this->codec(), *value_, builder) : builder->AppendNull();
  }
  void Reset() override { value_.reset(); }

  void MergeSame(const ExtremeState& other) {
    if (other.value_) Offer(*other.value_);
  }
  void Put(std::string* out) const {
    wire::PutByte(value_ ? 1 : 0, out);
    if (value_) PutElement(*value_, out);
  }
  bool Get(std::string_view* in) {
    uint8_t present = 0;
    if (!wire::GetByte(in, &present) || present > 1) return false;
    if (present == 0) return true;
    value_.emplace();
    return GetElement(this->codec(), in, &*value_);
  }

 private:
  void Offer(const V& value) {
    if (!value_ || (kKind == StateKind::kMin ? value < *value_ : value > *value_)) value_ = value;
  }
  std::optional<V> value_;
};

// Rows with equal orders are told apart by their values, so that the way they met does not matter.
template <typename V>
using Ordered = std::pair<RowOrder, V>;

// first and last.
template <typename V, StateKind kKind>
class EdgeState final : public StateOf<EdgeState<V, kKind>, kKind> {
 public:
  using StateOf<EdgeState, kKind>::StateOf;
  void AddNarrow(uint64_t narrow, const RowOrder& order) override {
    if constexpr (std::is_same_v<V, uint64_t>) Offer({order, narrow});
  }
  void AddWide(std::string_view bytes, const RowOrder& order) override {
    if constexpr (std::is_same_v<V, std::string>) Offer({order, V(bytes)});
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    return edge_ ? AppendElement(this->codec(), edge_->second, builder) : builder->AppendNull();
  }
  void Reset() override { edge_.reset(); }

  void MergeSame(const EdgeState& other) {
    if (other.edge_) Offer(*other.edge_);
  }
  void Put(std::string* out) const {
    wire::PutByte(edge_ ? 1 : 0, out);
    if (!edge_) return;
    PutOrder(edge_->first, out);
    PutElement(edge_->second, out);
  }
  bool Get(std::string_view* in) {
    uint8_t present = 0;
    if (!wire::GetByte(in, &present) || present > 1) return false;
    if (present == 0) return true;
    edge_.emplace();
    return GetOrder(in, &edge_->first) && GetElement(this->codec(), in, &edge_->second);
  }

 private:
  void Offer(Ordered<V> row) {
    if (!edge_ || (kKind == StateKind::kFirst ? row < *edge_ : row > *edge_)) {
      edge_ = std::move(row);
    }
  }
  std::optional<Ordered<V>> edge_;
};

// The greatest n elements by their own order, kept ascending.
template <typename T>
class Greatest {
 public:
  explicit Greatest(int64_t n) : n_(static_cast<size_t>(n)) {}
  void Add(T element) {
    if (kept_.size() == n_ && !(kept_.front() < element)) return;
    kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), element), std::move(element));
    if (kept_.size() > n_) kept_.erase(kept_.begin());
  }
  void Merge(const Greatest& other) {
    std::vector<T> both;
    both.reserve(kept_.size() + other.kept_.size());
    std::merge(kept_.begin(), kept_.end(), other.kept_.begin(), other.kept_.end(),
               std::back_inserter(both));
    if (both.size() > n_) {
      both.erase(both.begin(), both.end() - static_cast<std::ptrdiff_t>(n_));
    }
    kept_ = std::move(both);
  }
  // False when there is no room, or the order is broken.
  bool PushBack(T element) {
    if (kept_.size() == n_ || (!kept_.empty() && element < kept_.back())) return false;
    kept_.push_back(std::move(element));
    return true;
  }
  const std::vector<T>& kept() const { return kept_; }
  void Clear() { kept_.clear(); }

 private:
  size_t n_;
  std::vector<T> kept_;
};

template <typename V>
class LastNState final : public StateOf<LastNState<V>, StateKind::kLastN> {
 public:
  explicit LastNState(MakerPtr maker)
      : StateOf<LastNState, StateKind::kLastN>(std::move(maker)), rows_(this->maker_->spec().n) {}
  void AddNarrow(uint64_t narrow, const RowOrder& order) override {
    if constexpr (std::is_same_v<V, uint64_t>) rows_.Add({order, narrow});
  }
  void AddWide(std::string_view bytes, const RowOrder& order) override {
    if constexpr (std::is_same_v<V, std::string>) rows_.Add({order, V(bytes)});
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    if (rows_.kept().empty()) return builder->AppendNull();
    auto* list = checked_cast<arrow::ListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    for (const auto& [order, value] : rows_.kept()) {
      ARROW_RETURN_NOT_OK(AppendElement(this->codec(), value, list->value_builder()));
    }
    return arrow::Status::OK();
  }
  void Reset() override { rows_.Clear(); }

  void MergeSame(const LastNState& other) { rows_.Merge(other.rows_); }
  void Put(std::string* out) const {
    wire::PutVarint(rows_.kept().size(), out);
    for (const auto& [order, value] : rows_.kept()) {
      PutOrder(order, out);
      PutElement(value, out);
    }
  }
  bool Get(std::string_view* in) {
    uint64_t size = 0;
    if (!wire::GetVarint(in, &size)) return false;
    for (uint64_t i = 0; i < size; ++i) {
      Ordered<V> row;
      if (!GetOrder(in, &row.first) || !GetElement(this->codec(), in, &row.second)) return false;
      if (!rows_.PushBack(std::move(row))) return false;
    }
    return true;
  }

 private:
  Greatest<Ordered<V>> rows_;
};

template <typename V>
class TopNState final : public StateOf<TopNState<V>, StateKind::kTopN> {
 public:
  explicit TopNState(MakerPtr maker)
      : StateOf<TopNState, StateKind::kTopN>(std::move(maker)), values_(this->maker_->spec().n) {}
  void AddNarrow(uint64_t narrow, const RowOrder&) override {
    if constexpr (std::is_same_v<V, uint64_t>) values_.Add(narrow);
  }
  void AddWide(std::string_view bytes, const RowOrder&) override {
    if constexpr (std::is_same_v<V, std::string>) values_.Add(V(bytes));
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    const std::vector<V>& kept = values_.kept();
    if (kept.empty()) return builder->AppendNull();
    auto* list = checked_cast<arrow::ListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    for (auto value = kept.rbegin(); value != kept.rend(); ++value) {
      ARROW_RETURN_NOT_OK(AppendElement(this->codec(), *value, list->value_builder()));
    }
    return arrow::Status::OK();
  }
  void Reset() override { values_.Clear(); }

  void MergeSame(const TopNState& other) { values_.Merge(other.values_); }
  void Put(std::string* out) const {
    wire::PutVarint(values_.kept().size(), out);
    for (const V& value : values_.kept()) PutElement(value, out);
  }
  bool Get(std::string_view* in) {
    uint64_t size = 0;
    if (!wire::GetVarint(in, &size)) return false;
    for (uint64_t i = 0; i < size; ++i) {
      V value{};
      if (!GetElement(this->codec(), in, &value) || !values_.PushBack(std::move(value))) {
        return false;
      }
    }
    return true;
  }

 private:
  Greatest<V> values_;
};

class QuantileState final : public StateOf<QuantileState, StateKind::kQuantile> {
 public:
  using StateOf::StateOf;
  void AddNarrow(uint64_t narrow, const RowOrder&) override {
    buckets_.Add(codec().ToDouble(narrow), false);
  }
  void AddWide(std::string_view bytes, const RowOrder&) override {
    buckets_.Add(codec().DecimalToDouble(bytes), false);
  }
  bool invertible() const override { return true; }
  arrow::Status Subtract(const AggregateState& other) override {
    ARROW_ASSIGN_OR_RAISE(const QuantileState* same, Same(other));
    buckets_.Subtract(same->buckets_);
    return arrow::Status::OK();
  }
  arrow::Status AppendAs(const AggregateSpec& asked, arrow::ArrayBuilder* builder) const override {
    if (buckets_.count() == 0) return builder->AppendNull();
    return checked_cast<arrow::DoubleBuilder*>(builder)->Append(buckets_.Quantile(asked.q));
  }
  void Reset() override { buckets_.Reset(); }

  void MergeSame(const QuantileState& other) { buckets_.Merge(other.buckets_); }
  void Put(std::string* out) const { buckets_.Serialize(out); }
  bool Get(std::string_view* in) { return buckets_.Parse(in); }

 private:
  QuantileBuckets buckets_;
};

class DistinctState final : public StateOf<DistinctState, StateKind::kDistinct> {
 public:
  using StateOf::StateOf;
  void AddNarrow(uint64_t narrow, const RowOrder&) override {
    sketch_.Add(codec().HashNarrow(narrow));
  }
  void AddWide(std::string_view bytes, const RowOrder&) override {
    sketch_.Add(ValueCodec::HashWide(bytes));
  }
  arrow::Status AppendAs(const AggregateSpec&, arrow::ArrayBuilder* builder) const override {
    return checked_cast<arrow::Int64Builder*>(builder)->Append(sketch_.Estimate());
  }
  void Reset() override { sketch_.Reset(); }

  void MergeSame(const DistinctState& other) { sketch_.Merge(other.sketch_); }
  void Put(std::string* out) const { sketch_.Serialize(out); }
  bool Get(std::string_view* in) { return sketch_.Parse(in); }

 private:
  DistinctSketch sketch_;
};

// Calls make with the state class of the maker's kind and value form.
template <typename Make>
auto ForClass(const StateMaker& maker, const Make& make) {
  const StateKind kind = StateKindOf(maker.spec().kind);
  if (kind == StateKind::kCount) return make.template operator()<CountState>();
  const bool narrow = maker.codec()->form() == ValueForm::kNarrow;
  switch (kind) {
    case StateKind::kMoments:
      return make.template operator()<MomentsState>();
    case StateKind::kQuantile:
      return make.template operator()<QuantileState>();
    case StateKind::kDistinct:
      return make.template operator()<DistinctState>();
    case StateKind::kMin:
      return narrow ? make.template operator()<ExtremeState<uint64_t, StateKind::kMin>>()
                    : make.template operator()<ExtremeState<std::string, StateKind::kMin>>();
    case StateKind::kMax:
      return narrow ? make.template operator()<ExtremeState<uint64_t, StateKind::kMax>>()
                    : make.template operator()<ExtremeState<std::string, StateKind::kMax>>();
    case StateKind::kFirst:
      return narrow ? make.template operator()<EdgeState<uint64_t, StateKind::kFirst>>()
                    : make.template operator()<EdgeState<std::string, StateKind::kFirst>>();
    case StateKind::kLast:
      return narrow ? make.template operator()<EdgeState<uint64_t, StateKind::kLast>>()
                    : make.template operator()<EdgeState<std::string, StateKind::kLast>>();
    case StateKind::kLastN:
      return narrow ? make.template operator()<LastNState<uint64_t>>()
                    : make.template operator()<LastNState<std::string>>();
    default:
      return narrow ? make.template operator()<TopNState<uint64_t>>()
                    : make.template operator()<TopNState<std::string>>();
  }
}

}  // namespace

std::unique_ptr<SlotState> StateMaker::New() const {
  return ForClass(*this, [this]<typename State>() -> std::unique_ptr<SlotState> {
    return std::make_unique<State>(shared_from_this());
  });
}

size_t StateMaker::state_bytes() const {
  return ForClass(*this, []<typename State>() -> size_t { return (sizeof(State) + 15) / 16 * 16; });
}

SlotState* StateMaker::NewAt(void* memory) const {
  // Owns nothing: a count of references for each state would be a good part of what a tile costs.
  const MakerPtr borrowed(MakerPtr(), this);
  return ForClass(*this,
                  [&]<typename State>() -> SlotState* { return new (memory) State(borrowed); });
}

arrow::Result<std::unique_ptr<SlotState>> StateMaker::Read(std::string_view* bytes) const {
  std::unique_ptr<SlotState> state = New();
  if (!state->Parse(bytes)) {
    return MakeError(ErrorCode::kCorrupt,
                     "stored bytes are not a state of " + std::string(AggregateName(spec_.kind)));
  }
  return state;
}

}  // namespace icecore::state
