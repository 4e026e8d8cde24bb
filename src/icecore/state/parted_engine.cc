#include "icecore/state/parted_engine.h"

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::state {

namespace {

bool IsOfPart(std::string_view suffix, const std::string& mark) {
  return mark.empty() ? !suffix.starts_with(kPartMark) : suffix.starts_with(mark);
}

// Takes the answers of one part.
class PartSink final : public VectorSink {
 public:
  PartSink(VectorSink* whole, const std::vector<int>& features)
      : whole_(whole), features_(features) {}

  arrow::Result<arrow::ArrayBuilder*> builder(int feature) override {
    return whole_->builder(At(feature));
  }
  void AppendStatus(int feature, ValueStatus status) override {
    whole_->AppendStatus(At(feature), status);
  }
  arrow::Status AppendNull(int feature, ValueStatus status,
                           std::optional<int64_t> event_time) override {
    return whole_->AppendNull(At(feature), status, event_time);
  }
  arrow::Status AppendEncoded(int feature, const ValueCodec& codec, std::string_view bytes,
                              std::optional<int64_t> event_time) override {
    return whole_->AppendEncoded(At(feature), codec, bytes, event_time);
  }
  arrow::Result<std::vector<Column>> Finish() override {
    return base::MakeError(base::ErrorCode::kInternal, "a part's answers are not finished alone");
  }

 private:
  int At(int feature) const { return features_[static_cast<size_t>(feature)]; }

  VectorSink* const whole_;
  const std::vector<int>& features_;
};

class PartedKeyState final : public KeyState {
 public:
  struct Part {
    const EnginePart* part;
    std::unique_ptr<KeyState> state;
  };
  explicit PartedKeyState(std::vector<Part> parts) : parts_(std::move(parts)) {}

  arrow::Status Add(const PreparedRows& rows, int64_t row) override {
    for (const Part& part : parts_) ARROW_RETURN_NOT_OK(part.state->Add(rows, row));
    return arrow::Status::OK();
  }
  arrow::Status AddUntil(const PreparedRows& rows, int64_t row, int64_t until) override {
    return parts_.front().state->AddUntil(rows, row, until);
  }
  arrow::Status End(const VersionId& version, int64_t until) override {
    return parts_.front().state->End(version, until);
  }
  arrow::Status AdvanceTo(int64_t t) override {
    for (const Part& part : parts_) ARROW_RETURN_NOT_OK(part.state->AdvanceTo(t));
    return arrow::Status::OK();
  }
  arrow::Status Read(int64_t t, VectorSink* sink) const override {
    for (const Part& part : parts_) {
      PartSink own(sink, part.part->features);
      ARROW_RETURN_NOT_OK(part.state->Read(t, &own));
    }
    return arrow::Status::OK();
  }
  int64_t applied_seq() const override { return parts_.front().state->applied_seq(); }
  int64_t applied_until() const override { return parts_.front().state->applied_until(); }
  void SetApplied(int64_t seq, int64_t until) override {
    for (const Part& part : parts_) part.state->SetApplied(seq, until);
  }
  arrow::Result<std::vector<CellChange>> TakeChanges() override {
    std::vector<CellChange> all;
    for (const Part& part : parts_) {
      ARROW_ASSIGN_OR_RAISE(auto changes, part.state->TakeChanges());
      for (CellChange& change : changes) {
        change.suffix.insert(0, part.part->mark);
        all.push_back(std::move(change));
      }
    }
    return all;
  }

 private:
  const std::vector<Part> parts_;
};

class PartedEngine final : public ViewEngine {
 public:
  PartedEngine(ViewLayout layout, std::vector<EnginePart> parts)
      : layout_(std::move(layout)), parts_(std::move(parts)) {
    for (const EnginePart& part : parts_) {
      for (size_t i = 0; i < part.features.size(); ++i) {
        const auto at = static_cast<size_t>(part.features[i]);
        types_.resize(std::max(types_.size(), at + 1));
        types_[at] = part.engine->output_types()[i];
      }
    }
  }

  const ViewLayout& layout() const override { return layout_; }
  const std::vector<std::shared_ptr<arrow::DataType>>& output_types() const override {
    return types_;
  }
  int64_t ActivationOf(int64_t event_time, int64_t known_at) const override {
    return parts_.front().engine->ActivationOf(event_time, known_at);
  }
  int64_t OldestRelevant(int64_t t) const override {
    int64_t oldest = parts_.front().engine->OldestRelevant(t);
    for (const EnginePart& part : parts_) {
      oldest = std::min(oldest, part.engine->OldestRelevant(t));
    }
    return oldest;
  }
  std::unique_ptr<KeyState> NewKey() const override {
    std::vector<PartedKeyState::Part> states;
    states.reserve(parts_.size());
    for (const EnginePart& part : parts_) states.push_back({&part, part.engine->NewKey()});
    return std::make_unique<PartedKeyState>(std::move(states));
  }
  arrow::Result<std::unique_ptr<KeyState>> LoadKey(const std::vector<Cell>& cells) const override {
    std::vector<PartedKeyState::Part> states;
    for (const EnginePart& part : parts_) {
      std::vector<Cell> own;
      for (const Cell& cell : cells) {
        if (!IsOfPart(cell.suffix, part.mark)) continue;
        own.push_back({cell.suffix.substr(part.mark.size()), cell.bytes});
      }
      if (own.empty()) {
        states.push_back({&part, part.engine->NewKey()});
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(auto state, part.engine->LoadKey(own));
      states.push_back({&part, std::move(state)});
    }
    return std::make_unique<PartedKeyState>(std::move(states));
  }
  std::vector<CellRange> CellsAt(int64_t t) const override {
    std::vector<CellRange> ranges;
    for (const EnginePart& part : parts_) {
      if (!part.mark.empty()) ranges.push_back({part.mark, part.mark + '\0'});  // its head
      for (CellRange& range : part.engine->CellsAt(t)) {
        ranges.push_back({part.mark + range.from, part.mark + range.to});
      }
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const CellRange& a, const CellRange& b) { return a.from < b.from; });
    return ranges;
  }
  arrow::Status ReadCells(const std::vector<CellView>& cells, int64_t t,
                          VectorSink* sink) const override {
    for (const EnginePart& part : parts_) {
      std::vector<CellView> own;
      for (const CellView& cell : cells) {
        if (!IsOfPart(cell.suffix, part.mark)) continue;
        own.push_back({cell.suffix.substr(part.mark.size()), cell.bytes});
      }
      PartSink answers(sink, part.features);
      ARROW_RETURN_NOT_OK(own.empty() ? part.engine->ReadEmpty(&answers)
                                      : part.engine->ReadCells(own, t, &answers));
    }
    return arrow::Status::OK();
  }
  bool CellExpired(std::string_view suffix, int64_t t) const override {
    return std::any_of(parts_.begin(), parts_.end(), [&](const EnginePart& part) {
      return IsOfPart(suffix, part.mark) &&
             part.engine->CellExpired(suffix.substr(part.mark.size()), t);
    });
  }
  arrow::Status ReadEmpty(VectorSink* sink) const override {
    for (const EnginePart& part : parts_) {
      PartSink answers(sink, part.features);
      ARROW_RETURN_NOT_OK(part.engine->ReadEmpty(&answers));
    }
    return arrow::Status::OK();
  }

 private:
  const ViewLayout layout_;
  const std::vector<EnginePart> parts_;
  std::vector<std::shared_ptr<arrow::DataType>> types_;
};

}  // namespace

std::unique_ptr<ViewEngine> JoinParts(ViewLayout layout, std::vector<EnginePart> parts) {
  return std::make_unique<PartedEngine>(std::move(layout), std::move(parts));
}

}  // namespace icecore::state
