#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/items/item_store.h"
#include "icecore/online/items/load_holder.h"

namespace icecore::online {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr int kMaxTurns = 100;  // of a change that others get ahead of

arrow::Status TooMany(const std::string& what) {
  return base::MakeError(base::ErrorCode::kConflict,
                         "the online store's record of " + what + " changes all the time");
}

arrow::Status CheckName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes ||
      name.find_first_of("{}") != std::string::npos) {
    return base::MakeError(base::ErrorCode::kLimit, "a name in the online store has 1 to " +
                                                        std::to_string(kMaxNameBytes) +
                                                        " bytes and no braces");
  }
  return arrow::Status::OK();
}

}  // namespace

bool IsHeld(const std::optional<LoadLease>& lease, int64_t now_us) {
  return lease.has_value() && lease->until_us > now_us && !HolderIsGone(lease->holder);
}

arrow::Status BeingLoaded(const std::string& view) {
  return base::MakeError(base::ErrorCode::kConflict,
                         "view " + view + " is being loaded by somebody else; try again later");
}

arrow::Result<ReadViewRecord> ItemRecords::GetView(const std::string& view) {
  ARROW_RETURN_NOT_OK(CheckName(view));
  ARROW_ASSIGN_OR_RAISE(auto found, table_->Get({ViewRecordKey(view)}));
  ReadViewRecord read;
  if (found[0].has_value()) {
    ARROW_ASSIGN_OR_RAISE(read.record, DecodeViewRecord(*found[0], view));
    read.bytes = std::move(found[0]);
  }
  return read;
}

arrow::Result<bool> ItemRecords::ReplaceView(const std::string& view, ItemViewRecord next,
                                             ReadViewRecord* seen) {
  next.revision = seen->record.revision + 1;
  std::string bytes = EncodeViewRecord(next);
  ARROW_ASSIGN_OR_RAISE(const bool done, table_->Replace(ViewRecordKey(view), seen->bytes, bytes));
  if (done) {
    seen->bytes = std::move(bytes);
    seen->record = std::move(next);
  }
  return done;
}

arrow::Result<ItemIndex> ItemRecords::GetIndex() {
  ARROW_ASSIGN_OR_RAISE(const auto found, table_->Get({IndexKey()}));
  return found[0].has_value() ? DecodeIndex(*found[0]) : ItemIndex{};
}

// `change` is told the index and says whether it has changed it.
template <typename Change>
arrow::Result<ItemIndex> ItemRecords::ChangeIndex(const Change& change) {
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    ARROW_ASSIGN_OR_RAISE(const auto found, table_->Get({IndexKey()}));
    ItemIndex index;
    if (found[0].has_value()) {
      ARROW_ASSIGN_OR_RAISE(index, DecodeIndex(*found[0]));
    }
    if (!change(&index)) return index;
    ++index.revision;
    ARROW_ASSIGN_OR_RAISE(const bool done,
                          table_->Replace(IndexKey(), found[0], EncodeIndex(index)));
    if (done) return index;
  }
  return TooMany("its views");
}

arrow::Status ItemRecords::GiveIds(const std::string& view, const std::string& entity,
                                   uint32_t* view_id, uint32_t* entity_id) {
  ARROW_RETURN_NOT_OK(CheckName(view));
  ARROW_RETURN_NOT_OK(CheckName(entity));
  ARROW_ASSIGN_OR_RAISE(const ItemIndex index, ChangeIndex([&](ItemIndex* names) {
                          const bool is_known =
                              names->views.contains(view) && names->entities.contains(entity);
                          if (!names->views.contains(view))
                            names->views[view] = ++names->last_view_id;
                          if (!names->entities.contains(entity))
                            names->entities[entity] = ++names->last_entity_id;
                          return !is_known;
                        }));
  *view_id = index.views.at(view);
  *entity_id = index.entities.at(entity);
  return arrow::Status::OK();
}

arrow::Status ItemRecords::ForgetView(const std::string& view) {
  return ChangeIndex([&](ItemIndex* names) { return names->views.erase(view) > 0; }).status();
}

}  // namespace icecore::online
