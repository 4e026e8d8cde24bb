#include "icecore/pipeline/version_choice.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/row_batches.h"

namespace icecore::pipeline {

arrow::Result<VersionChoice> VersionChoice::Make(const VersionedTable& table,
                                                 const arrow::RecordBatch& versions) {
  ARROW_ASSIGN_OR_RAISE(auto keys, KeyBytes(versions, table.key));
  VersionChoice choice(table, std::move(keys));
  ARROW_ASSIGN_OR_RAISE(choice.orders_, KeyBytes(versions, table.order_by));
  ARROW_ASSIGN_OR_RAISE(choice.seqs_, Int64Column(versions, std::string(lake::kSeq)));
  choice.is_delete_.resize(choice.seqs_.size());
  const auto op = versions.GetColumnByName(std::string(lake::kOp));
  if (!op || op->type_id() != arrow::Type::STRING) {
    return base::MakeError(base::ErrorCode::kInternal, "versions without _op");
  }
  const auto& ops = static_cast<const arrow::StringArray&>(*op);
  for (int64_t i = 0; i < ops.length(); ++i) {
    choice.is_delete_[static_cast<size_t>(i)] = ops.IsValid(i) && ops.GetView(i) == kDeleteOp;
  }
  choice.older_.resize(static_cast<size_t>(choice.index_.num_groups()));
  return choice;
}

arrow::Status VersionChoice::AddOlder(const arrow::RecordBatch& rows, bool are_deletes) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyBytes(rows, table_.key));
  ARROW_ASSIGN_OR_RAISE(const auto seqs, Int64Column(rows, std::string(lake::kSeq)));
  std::shared_ptr<arrow::BinaryArray> orders;
  for (int64_t i = 0; i < keys->length(); ++i) {
    const int64_t group = index_.Find(keys->GetView(i));
    if (group < 0) {
      continue;
    }
    if (!orders) {
      ARROW_ASSIGN_OR_RAISE(orders, KeyBytes(rows, table_.order_by));
    }
    Best& best = older_[static_cast<size_t>(group)];
    const std::string_view order = orders->GetView(i);
    const int64_t seq = seqs[static_cast<size_t>(i)];
    if (best.seq == 0 ||
        std::pair(order, seq) > std::pair(std::string_view(best.order), best.seq)) {
      best = {std::string(order), seq, !are_deletes};
    }
  }
  return arrow::Status::OK();
}

arrow::Result<ChosenVersions> VersionChoice::Choose() const {
  ChosenVersions chosen;
  const size_t groups = older_.size();
  std::vector<int64_t> best(groups, -1);  // version, or -1: the older one
  std::vector<bool> lives(groups);
  for (size_t g = 0; g < groups; ++g) {
    lives[g] = older_[g].lives;
  }
  arrow::StringBuilder ops;
  for (size_t i = 0; i < seqs_.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const auto g = static_cast<size_t>(index_.GroupOf(row));
    const Best& older = older_[g];
    const std::pair mine(orders_->GetView(row), seqs_[i]);
    const std::pair other =
        best[g] >= 0 ? std::pair(orders_->GetView(best[g]), seqs_[static_cast<size_t>(best[g])])
                     : std::pair(std::string_view(older.order), older.seq);
    const bool first = best[g] < 0 && older.seq == 0;
    if (!first && mine == other) {
      return base::MakeError(base::ErrorCode::kContractViolation,
                             table_.present + ": two rows of one key have the same _seq " +
                                 std::to_string(seqs_[i]) +
                                 " and nothing tells which is the newer; say so with `order_by`");
    }
    if (is_delete_[i]) {
      ARROW_RETURN_NOT_OK(ops.Append(kDeleteOp));
      ++chosen.deletes;
    } else if (lives[g]) {
      ARROW_RETURN_NOT_OK(ops.Append(kUpdateOp));
      ++chosen.updates;
    } else {
      ARROW_RETURN_NOT_OK(ops.Append(kInsertOp));
      ++chosen.inserts;
    }
    if (first || mine > other) {
      best[g] = row;
      lives[g] = !is_delete_[i];
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto finished, ops.Finish());
  chosen.ops = std::static_pointer_cast<arrow::StringArray>(std::move(finished));
  for (size_t g = 0; g < groups; ++g) {
    if (best[g] < 0) {
      continue;
    }
    chosen.winners.push_back(best[g]);
    if (lives[g]) {
      chosen.rows.push_back(best[g]);
    }
    chosen.row_change += static_cast<int64_t>(lives[g]) - static_cast<int64_t>(older_[g].lives);
  }
  std::sort(chosen.winners.begin(), chosen.winners.end());
  std::sort(chosen.rows.begin(), chosen.rows.end());
  return chosen;
}

}  // namespace icecore::pipeline
