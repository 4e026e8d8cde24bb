#include <arrow/array.h>

#include <unordered_map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/answer_rows.h"
#include "icecore/online/items/item_store.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/position_checks.h"

namespace icecore::online {

using base::ErrorCode;
using base::MakeError;

namespace {

// Loads that end while a request reads make it read again.
constexpr int kMaxReadTurns = 50;

bool AnswersAlike(const ItemViewRecord& a, const ItemViewRecord& b) {
  return a.view_id == b.view_id && a.entity_id == b.entity_id && a.loaded == b.loaded &&
         a.position.generation == b.position.generation && a.committed == b.committed &&
         a.abandoned == b.abandoned;
}

}  // namespace

// One Read. Records and items are asked for together, the items at the place that the records gave
// when they were last read. Where a record is still the same, no load has ended between that time
// and now, so the items read meanwhile are of one state, whichever came first.
class ItemStore::Request {
 public:
  Request(ItemStore* store, const std::vector<ViewRead>& reads, int64_t t, int64_t deadline_ns)
      : store_(store), reads_(reads), t_(t), deadline_ns_(deadline_ns) {}

  arrow::Result<std::vector<ViewAnswer>> Run() {
    ARROW_RETURN_NOT_OK(EncodeAll());
    for (int turn = 0; turn < kMaxReadTurns; ++turn) {
      ARROW_RETURN_NOT_OK(Fetch());
      if (!is_settled_) continue;
      std::vector<ViewAnswer> answers;
      for (size_t i = 0; i < reads_.size() && is_settled_; ++i) {
        ARROW_ASSIGN_OR_RAISE(ViewAnswer answer, Answer(i));
        answers.push_back(std::move(answer));
      }
      if (is_settled_) return answers;
    }
    return MakeError(ErrorCode::kUnavailable,
                     "the online store's views are loaded faster than they can be read");
  }

 private:
  arrow::Status EncodeAll() {
    for (const ViewRead& read : reads_) {
      if (read.keys.size() != read.view->key_types.size()) {
        return MakeError(ErrorCode::kInternal, "view " + read.view->name + " is read with " +
                                                   std::to_string(read.keys.size()) +
                                                   " key columns");
      }
      const int64_t rows = read.keys.empty() ? 0 : read.keys[0]->length();
      ARROW_ASSIGN_OR_RAISE(EncodedKeys keys, EncodeKeys(read.keys, rows));
      encoded_.push_back(std::move(keys));
      if (!records_.contains(read.view->name)) {
        records_[read.view->name] = store_->Known(read.view->name);
      }
    }
    return arrow::Status::OK();
  }

  // Everything in one call. is_settled_: the records were as assumed.
  arrow::Status Fetch() {
    std::vector<ItemKey> wanted;
    wanted.reserve(records_.size());
    for (const auto& [view, record] : records_) wanted.push_back(ViewRecordKey(view));
    const size_t first_item = wanted.size();
    places_.clear();
    for (size_t i = 0; i < reads_.size(); ++i) AddItems(i, first_item, &wanted);
    ARROW_ASSIGN_OR_RAISE(found_, store_->table_->Get(wanted, deadline_ns_));
    is_settled_ = true;
    size_t next = 0;
    for (auto& [view, record] : records_) {
      ARROW_RETURN_NOT_OK(Check(view, found_[next++], &record));
    }
    found_.erase(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(first_item));
    return arrow::Status::OK();
  }

  void AddItems(size_t read, size_t first_item, std::vector<ItemKey>* wanted) {
    const auto& known = records_.at(reads_[read].view->name);
    if (known == nullptr || !known->record.loaded) return;
    const ItemViewRecord& record = known->record;
    const std::string space =
        SpaceName(record.view_id, static_cast<uint32_t>(record.position.generation));
    const EncodedKeys& keys = encoded_[read];
    for (int64_t row = 0; row < keys.num_rows(); ++row) {
      if (keys.key(row).empty()) continue;
      bool shortened = false;
      ItemKey key{KeyGroup(record.entity_id, keys.key(row), &shortened), space};
      const auto [place, is_new] = places_.try_emplace(PlaceText(key), wanted->size() - first_item);
      if (is_new) wanted->push_back(std::move(key));
    }
  }

  arrow::Status Check(const std::string& view, std::optional<std::string>& bytes,
                      KnownRecord* known) {
    if (*known != nullptr && (*known)->bytes == bytes) return arrow::Status::OK();
    auto read = std::make_shared<ReadViewRecord>();
    if (bytes.has_value()) {
      ARROW_ASSIGN_OR_RAISE(read->record, DecodeViewRecord(*bytes, view));
    }
    read->bytes = std::move(bytes);
    if (*known == nullptr || !AnswersAlike(read->record, (*known)->record)) {
      // Without a record there is nothing to read a second time.
      is_settled_ = is_settled_ && !read->record.loaded;
    }
    *known = std::move(read);
    store_->Remember(view, *known);
    return arrow::Status::OK();
  }

  static std::string PlaceText(const ItemKey& key) { return key.name + "/" + key.group; }

  arrow::Result<ViewAnswer> Answer(size_t i) {
    const StoredView& view = *reads_[i].view;
    const ItemViewRecord& record = records_.at(view.name)->record;
    ARROW_RETURN_NOT_OK(CheckReadable(view, record.loaded ? &record.position : nullptr, t_));
    AnswerRows rows(&view, t_, encoded_[i].num_rows());
    const std::string space =
        SpaceName(record.view_id, static_cast<uint32_t>(record.position.generation));
    for (int64_t row = 0; row < encoded_[i].num_rows() && is_settled_; ++row) {
      const arrow::Status status = rows.Append(
          row, [&](int64_t at, std::vector<state::CellView>* cells, arrow::Status* damage) {
            *damage = FindCells(record, space, encoded_[i].key(at), cells);
            return arrow::Status::OK();
          });
      if (!status.ok()) {
        return base::WithContext(
            status, "view " + view.name + ", row " + std::to_string(row) + " of the request");
      }
    }
    ViewAnswer answer;
    ARROW_RETURN_NOT_OK(rows.Finish(&answer));
    answer.position = std::make_shared<const ViewPosition>(record.position);
    answer.stale = t_ > record.position.applied_until;
    return answer;
  }

  // The cells of a key, none where it has none; they live until the next call.
  arrow::Status FindCells(const ItemViewRecord& record, const std::string& space,
                          std::string_view key, std::vector<state::CellView>* cells) {
    if (key.empty()) return arrow::Status::OK();
    bool shortened = false;
    const std::string place = PlaceText({KeyGroup(record.entity_id, key, &shortened), space});
    const std::optional<std::string>& bytes = found_.at(places_.at(place));
    if (!bytes.has_value()) return arrow::Status::OK();
    bool same_key = true;
    ARROW_ASSIGN_OR_RAISE(const KeyItem item, DecodeItem(*bytes, place, key, &same_key));
    if (!same_key) return arrow::Status::OK();
    auto counting = record.CellsOf(item);
    if (!counting.has_value()) {
      // Written by a load that ended after the record was read.
      is_settled_ = false;
      return arrow::Status::OK();
    }
    cells_ = *std::move(counting);
    for (const state::Cell& cell : cells_) cells->push_back({cell.suffix, cell.bytes});
    return arrow::Status::OK();
  }

  ItemStore* const store_;
  const std::vector<ViewRead>& reads_;
  const int64_t t_;
  const int64_t deadline_ns_;
  std::vector<EncodedKeys> encoded_;                // one per read
  std::map<std::string, KnownRecord> records_;      // of the views read; null: not known yet
  std::unordered_map<std::string, size_t> places_;  // of items, in found_
  std::vector<std::optional<std::string>> found_;
  std::vector<state::Cell> cells_;  // of the key at hand
  bool is_settled_ = false;
};

arrow::Result<std::vector<ViewAnswer>> ItemStore::Read(const std::vector<ViewRead>& reads,
                                                       int64_t t, int64_t deadline_ns) {
  return Request(this, reads, t, deadline_ns).Run();
}

}  // namespace icecore::online
